//! A pure-Rust Apache Kafka client.
//!
//! - [`Client`] connects, knows the cluster, and sends any request of the protocol to any broker.
//! - [`Producer`] batches records and resolves each once the brokers have acknowledged it.
//! - [`Consumer`] reads assigned partitions, by lazy batches or by single records.
//! - [`protocol`] holds the messages and record batches themselves.
//!
//! Everything runs on tokio, and dropping the last handle of a thing ends its tasks and closes its
//! connections. Nothing in the default build compiles C.
//!
//! ```no_run
//! # async fn example() -> ottla::Result<()> {
//! use ottla::{Client, Consumer, Producer, Record, Start};
//!
//! let client = Client::builder("localhost:9092").connect().await?;
//! let producer = Producer::builder(&client).build()?;
//! let delivery = producer.send(Record::to("orders").key("42").value("paid")).await?;
//! println!("written at offset {:?}", delivery.await?.offset);
//!
//! let mut consumer = Consumer::builder(&client).assign("orders", 0, Start::Earliest).build().await?;
//! let record = consumer.recv().await?;
//! println!("{:?}", record.value);
//! # Ok(())
//! # }
//! ```

mod builder;
mod call;
mod client;
mod consumer;
mod coordinators;
mod error;
mod metadata;
mod net;
mod offsets;
mod producer;
mod properties;
mod seeds;
mod settings;
mod time;
mod topics;

pub use builder::ClientBuilder;
pub use client::Client;
pub use consumer::{BatchRecords, Consumer, ConsumerBuilder, ConsumerRecord, RecordBatch};
pub use error::{Error, ErrorKind, IoError, Result};
pub use net::{
    connect::{ByteStream, Connect, Connecting},
    dial::Tcp,
};
pub use offsets::FoundOffset;
pub use ottla_core::{
    cluster::{Broker, OtherCluster, Partition, Topic, Topology},
    connection::Fault,
    fetcher::{Reset, Start},
    routing::CoordinatorType,
    versions::VersionError,
};
pub use ottla_protocol as protocol;
pub use ottla_protocol::{
    ErrorCode,
    records::{
        Compression, Header, NullableBytes, OwnedHeader, Record as BatchRecord, TimestampType,
    },
};
pub use producer::{
    Acks, Choice, Delivery, FewHeaders, HeaderList, OwnedRecord, Partitioner, Partitioning,
    Producer, ProducerBuilder, Record, RecordMetadata,
};
pub use properties::{Properties, Syntax, settings};
pub use settings::Setting;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
