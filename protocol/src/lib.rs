//! The Apache Kafka protocol: bytes to values and back, and nothing else.
//!
//! - [`wire`] spells single values: integers, strings, arrays, tagged fields, in every version.
//! - [`messages`] are the requests and responses, each a table that reads like Kafka's own schema.
//! - [`frame`] puts a message behind its header and takes it off again.
//! - [`records`] reads record batches lazily out of a fetched frame and builds them append-only.
//! - [`ErrorCode`] names what a broker says went wrong.
//!
//! There is no I/O here, no clock and no runtime. Bytes from a peer never panic, and never make
//! this crate reserve more than they are worth.

mod error_code;
pub mod frame;
pub mod messages;
pub mod records;
mod table;
pub mod wire;

pub use error_code::ErrorCode;
