//! The network: how byte streams come about, one task per connection, and all connections of a client.

pub(crate) mod connect;
pub(crate) mod link;
pub(crate) mod pool;
