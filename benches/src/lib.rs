//! The same work for Ottla and for its peers: [`records`] and [`messages`].
//!
//! `benches/` times it with criterion; `src/bin/ratios.rs` runs all sides in turn, which is what a
//! shared machine needs, and prints the ratios that are quoted.

pub mod messages;
pub mod records;
