//! An embedded Kafka cluster, for tests, demos and simulation: on real ports or in memory.
//!
//! - [`Cluster`] starts brokers, stops them, moves leaders and makes topics; a [`ClusterBuilder`]
//!   takes the settings by Kafka's names.
//! - [`Cluster::control`] lets a test see every request and decide what becomes of it: an
//!   [`Action`].
//! - Inside, a listener takes connections, a connection takes frames one at a time and in order,
//!   the table of served APIs finds the handler, and the handlers read and change one state behind
//!   one short lock: brokers, topics with their logs, groups.
//!
//! Clients cannot tell it from Kafka as far as it goes: a partition has a leader with an epoch,
//! replicas that are in sync while their broker runs, and a log of record batches; producers are
//! deduplicated; fetches wait. There is no disk, and replicas copy at once, so that nothing is lost
//! when a leader changes, unless a test stalls them: then what was not copied goes, as in Kafka, but
//! no replica ever falls out of sync for being slow. Transactions, the membership of groups, SASL
//! and TLS are not served yet.
//!
//! ```
//! # async fn example() -> Result<(), ottla_broker::Error> {
//! use ottla_broker::Cluster;
//!
//! let cluster = Cluster::builder().brokers(3).topic("orders", 6).start().await?;
//! println!("bootstrap.servers={}", cluster.bootstrap());
//! # Ok(())
//! # }
//! ```

mod brokers;
mod builder;
mod clock;
mod cluster;
mod connection;
mod control;
mod creation;
mod dispatch;
mod error;
mod fetch_sessions;
mod groups;
mod handlers;
mod listener;
mod log;
mod placement;
mod producers;
mod replicas;
mod setting_kind;
mod settings;
mod starting;
mod state;
mod topic_config;
mod topic_settings;
mod topics;
mod transactions;
mod validation;
mod waiters;

pub use builder::ClusterBuilder;
pub use cluster::Cluster;
pub use control::{Action, Control, Intercepted, Replacement};
pub use error::{Error, ErrorKind};
