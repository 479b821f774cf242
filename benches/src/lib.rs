//! The same work for Ottla and for its peers: [`records`], [`messages`], [`old_messages`] and
//! [`compressors`].
//!
//! `benches/` times it with criterion; the programs in `src/bin/` run all sides in turn
//! ([`measure`]), which is what a shared machine needs, and print the ratios that are quoted.

pub mod compressors;
pub mod measure;
pub mod messages;
pub mod old_messages;
mod originals;
mod payloads;
pub mod records;
