//! The network: how byte streams come about, one task per connection, and all connections of a client.
//!
//! - `connect`, `dial`: a byte stream to an address; TCP is the usual one.
//! - `session`: the task of one connection, with `setup` of the core before and `socket` beneath it.
//! - `link`: the handle through which requests reach that task, as a `call`.
//! - `peers`: which broker is meant by which address.
//! - `pool`: the links of a client, by address and by use.

pub(crate) mod address;
mod call;
pub(crate) mod connect;
pub(crate) mod dial;
pub(crate) mod dialer;
pub(crate) mod link;
mod peers;
pub(crate) mod pool;
mod session;
mod socket;
