//! The messages that grow with a cluster: the same value and the same bytes on all sides.
//!
//! `krafka` decodes responses and encodes requests only, and its request structs cannot be made from
//! outside, so it takes part in the decoding of Metadata and Fetch. `rskafka` does too, and speaks
//! old versions only: [`crate::old_messages`].

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        FetchResponse as KpFetch, MetadataResponse as KpMetadata, ProduceRequest as KpProduce,
    },
    protocol::{Decodable, Encodable},
};
use krafka::__private::protocol::{
    FetchResponse as KrFetch, MetadataResponse as KrMetadata, VersionedDecode,
};
use ottla_protocol::{
    messages::{
        FetchResponse, FetchedPartition, FetchedTopic, MetadataBroker, MetadataPartition,
        MetadataResponse, MetadataTopic, ProducePartition, ProduceRequest, ProduceTopic,
    },
    wire::{Reader, Wire, Writer},
};

/// A message of one type on our side and on a peer's.
pub struct Case<Ours, Kp> {
    pub name: &'static str,
    version: i16,
    flexible: bool,
    ours: Ours,
    kp: Kp,
    pub bytes: Bytes,
}

impl<Ours, Kp> Case<Ours, Kp>
where
    Ours: Wire,
    Kp: Decodable + Encodable,
{
    /// All the versions used here are flexible.
    fn new(name: &'static str, version: i16, ours: Ours) -> Self {
        Self::in_version(name, version, true, ours)
    }

    pub(crate) fn in_version(name: &'static str, version: i16, flexible: bool, ours: Ours) -> Self {
        let bytes = Bytes::from(written(&ours, version, flexible).concat());
        let kp = Kp::decode(&mut bytes.clone(), version).expect("the peer reads it");
        let case = Self {
            name,
            version,
            flexible,
            ours,
            kp,
            bytes,
        };
        assert_eq!(case.encode().concat(), case.bytes);
        let mut out = BytesMut::new();
        case.kp_encode(&mut out);
        assert_eq!(out, case.bytes, "the peer writes other bytes");
        case
    }

    pub fn decode(&self) -> Ours {
        Ours::decode(&mut Reader::new(&self.bytes, self.version, self.flexible))
            .expect("it is sound")
    }

    pub fn kp_decode(&self) -> Kp {
        Kp::decode(&mut self.bytes.clone(), self.version).expect("it is sound")
    }

    pub fn kr_decode<Kr: VersionedDecode>(&self) -> Kr {
        Kr::decode_versioned(self.version, &mut self.bytes.clone()).expect("it is sound")
    }

    pub fn encode(&self) -> Vec<Bytes> {
        written(&self.ours, self.version, self.flexible)
    }

    pub fn kp_encode(&self, out: &mut BytesMut) {
        out.clear();
        self.kp.encode(out, self.version).expect("it fits");
    }
}

pub(crate) fn written(message: &impl Wire, version: i16, flexible: bool) -> Vec<Bytes> {
    let mut w = Writer::new(version, flexible);
    message.encode(&mut w);
    w.finish().expect("it fits its version")
}

pub fn metadata() -> Case<MetadataResponse, KpMetadata> {
    Case::new(
        "Metadata response, 10000 partitions",
        12,
        metadata_response(),
    )
}

/// 100 topics of 100 partitions with three replicas each.
pub(crate) fn metadata_response() -> MetadataResponse {
    let partition = |i| MetadataPartition {
        partition_index: i,
        leader_id: i % 3,
        leader_epoch: 7,
        replica_nodes: vec![0, 1, 2],
        isr_nodes: vec![0, 1, 2],
        ..Default::default()
    };
    let topic = |i| MetadataTopic {
        name: Some(format!("topic-{i:04}").into()),
        partitions: (0..100).map(partition).collect(),
        ..Default::default()
    };
    let broker = |i| MetadataBroker {
        node_id: i,
        host: format!("broker-{i}.example.com").into(),
        port: 9092,
        rack: Some("a".into()),
    };
    MetadataResponse {
        brokers: (0..3).map(broker).collect(),
        cluster_id: Some("lkc-0001".into()),
        topics: (0..100).map(topic).collect(),
        ..Default::default()
    }
}

/// With 200 bytes in each partition that nobody looks into.
pub fn fetch() -> Case<FetchResponse, KpFetch> {
    let message = fetch_response(&Bytes::from(vec![1; 200]));
    Case::new("Fetch response, 1000 partitions", 12, message)
}

/// 10 topics of 100 partitions, all with the same records.
pub(crate) fn fetch_response(records: &Bytes) -> FetchResponse {
    let partition = |i| FetchedPartition {
        partition_index: i,
        high_watermark: 1000,
        last_stable_offset: 1000,
        log_start_offset: 0,
        records: Some(records.clone()),
        ..Default::default()
    };
    let topic = |i| FetchedTopic {
        topic: Arc::from(format!("topic-{i:04}")),
        partitions: (0..100).map(partition).collect(),
        ..Default::default()
    };
    FetchResponse {
        responses: (0..10).map(topic).collect(),
        ..Default::default()
    }
}

/// We share the batches with the frame where the peer copies them, because its buffer has no other
/// way.
pub fn produce() -> Case<ProduceRequest, KpProduce> {
    let records = Bytes::from(vec![1; 16 * 1024]);
    let message = produce_request(|| records.clone());
    Case::new("Produce request, 100 batches of 16 KiB", 9, message)
}

/// 10 topics of 10 partitions, a batch in each.
pub(crate) fn produce_request(batch: impl Fn() -> Bytes) -> ProduceRequest {
    let partition = |index| ProducePartition {
        index,
        records: Some(batch()),
    };
    let topic = |i| ProduceTopic {
        name: Arc::from(format!("topic-{i:04}")),
        partition_data: (0..10).map(partition).collect(),
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: (0..10).map(topic).collect(),
        ..Default::default()
    }
}

/// `krafka`'s types, for [`Case::kr_decode`].
pub type KrafkaMetadata = KrMetadata;
/// See [`KrafkaMetadata`].
pub type KrafkaFetch = KrFetch;
