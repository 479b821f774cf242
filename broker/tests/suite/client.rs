//! A client of a few lines: it sends a request in the version it is told, and reads the answer.

use bytes::{Buf, Bytes, BytesMut};
use ottla_broker::{Cluster, ClusterBuilder};
use ottla_protocol::{
    ErrorCode,
    frame::{self, correlation_id, decode_response},
    messages::*,
    records::{
        BatchBuilder, Batches, Compression, Compressor, Decompressor, NewRecord, ProducerStamp,
    },
    wire::Request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use uuid::Uuid;

/// The newest versions with topic names, and those after them with topic ids.
pub(crate) const PRODUCE: i16 = 12;
pub(crate) const FETCH: i16 = 12;

pub(crate) struct Client {
    io: DuplexStream,
    sent: i32,
}

/// A cluster without sockets.
pub(crate) async fn cluster(builder: ClusterBuilder) -> Cluster {
    builder.in_memory().start().await.expect("it starts")
}

impl Client {
    /// A connection to the broker with this id.
    pub(crate) async fn of(cluster: &Cluster, broker: i32) -> Self {
        let io = cluster.connect(&format!("broker-{broker}"), 9092).await;
        Self {
            io: io.expect("the broker runs"),
            sent: 0,
        }
    }

    pub(crate) async fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.answer::<R>(version).await.expect("the broker answers")
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        let mut frame = frame::request(request, version, Some("suite")).expect("it can be written");
        self.sent += 1;
        frame.set_correlation_id(self.sent);
        self.send_raw(&frame.concat()).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the pipe is open");
    }

    /// The answer to the last request, read as one of `version`; `None` when the connection was
    /// closed.
    pub(crate) async fn answer<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let frame = self.frame().await?;
        assert_eq!(correlation_id(&frame), Some(self.sent));
        Some(decode_response::<R>(&frame, version).expect("it is what was asked for"))
    }

    /// The next frame without its size; `None` when the connection was closed.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let mut size = [0; 4];
        self.io.read_exact(&mut size).await.ok()?;
        let mut frame = BytesMut::zeroed((&size[..]).get_i32() as usize);
        self.io
            .read_exact(&mut frame)
            .await
            .expect("the frame is whole");
        Some(frame.freeze())
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        self.io.read_u8().await.is_err()
    }

    /// Produces to partition 0 of a topic.
    pub(crate) async fn produce(&mut self, topic: &str, batch: Bytes) -> ProducedPartition {
        let answer = self.ask(PRODUCE, &produce(topic, -1, batch)).await;
        answer.responses[0].partition_responses[0].clone()
    }

    /// Fetches from partition 0 of a topic, without waiting.
    pub(crate) async fn fetch(&mut self, topic: &str, offset: i64) -> FetchedPartition {
        let answer = self.ask(FETCH, &fetch(topic, &[(0, offset)])).await;
        answer.responses[0].partitions[0].clone()
    }

    pub(crate) async fn topic_id(&mut self, topic: &str) -> Uuid {
        let name = Some(topic.into());
        let asked = MetadataRequestTopic {
            name,
            ..MetadataRequestTopic::default()
        };
        let topics = Some(vec![asked]);
        let request = MetadataRequest {
            topics,
            ..MetadataRequest::default()
        };
        self.ask(12, &request).await.topics[0].topic_id
    }

    /// The offset at a time, in partition 0 of a topic, and its leader epoch.
    pub(crate) async fn offset_at(&mut self, topic: &str, timestamp: i64) -> (i64, i32) {
        let request = list_offsets(topic, timestamp);
        let answer = self.ask(8, &request).await.topics[0].partitions[0].clone();
        assert_eq!(answer.error_code, ErrorCode::NONE);
        (answer.offset, answer.leader_epoch)
    }
}

pub(crate) fn produce(topic: &str, acks: i16, batch: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: vec![ProduceTopic {
            name: topic.into(),
            topic_id: Uuid::nil(),
            partition_data: vec![ProducePartition {
                index: 0,
                records: Some(batch),
            }],
        }],
        ..ProduceRequest::default()
    }
}

/// A fetch of all there is from these partitions and offsets on.
pub(crate) fn fetch(topic: &str, from: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    FetchRequest {
        topics: vec![FetchTopic {
            topic: topic.into(),
            partitions: from.iter().map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

pub(crate) fn list_offsets(topic: &str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition {
        timestamp,
        ..ListOffsetsPartition::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.into(),
            partitions: vec![partition],
        }],
        ..ListOffsetsRequest::default()
    }
}

/// An uncompressed batch of nobody's with these values, at times from 1000 on.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_of(values, Compression::None, ProducerStamp::NONE)
}

/// The batch of an idempotent producer.
pub(crate) fn idempotent(values: &[&str], id: i64, epoch: i16, sequence: i32) -> Bytes {
    let stamp = ProducerStamp {
        id,
        epoch,
        sequence,
        transactional: false,
    };
    batch_of(values, Compression::None, stamp)
}

pub(crate) fn batch_of(values: &[&str], compression: Compression, stamp: ProducerStamp) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new(), 16 << 20);
    for (timestamp, value) in (1000..).zip(values) {
        let value = Some(value.as_bytes());
        assert!(builder.append(&NewRecord {
            timestamp,
            value,
            ..NewRecord::default()
        }));
    }
    let mut compressor = Compressor::new(compression, None);
    let (mut sealed, _) = builder
        .seal_compressed(&mut compressor, Vec::new())
        .expect("it packs");
    sealed.stamp(stamp);
    Bytes::copy_from_slice(sealed.as_ref())
}

/// Offset and value of each record.
pub(crate) fn values(records: Option<Bytes>) -> Vec<(i64, String)> {
    let mut decompressor = Decompressor::default();
    let mut all = Vec::new();
    for batch in Batches::new(records.unwrap_or_default()) {
        let batch = batch
            .and_then(|b| b.open(&mut decompressor))
            .expect("it is whole");
        for record in &batch {
            let record = record.expect("it is a record");
            let value = record.value.unwrap_or_default();
            all.push((record.offset, String::from_utf8_lossy(value).into_owned()));
        }
    }
    all
}
