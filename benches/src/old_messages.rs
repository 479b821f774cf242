//! The messages once more, as `rskafka` speaks them: in versions 4 (Metadata, Fetch) and 7
//! (Produce), which are its latest. It has no way to leave records encoded, so here all sides decode
//! those of a Fetch response, and encode those of a Produce request.

use std::io::Cursor;

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        FetchResponse as KpFetch, MetadataResponse as KpMetadata, ProduceRequest as KpProduce,
        TopicName,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::Encodable,
};
use ottla_protocol::{
    messages::{FetchResponse, MetadataResponse, ProduceRequest},
    records::Decompressor,
};
use rskafka::protocol::{
    api_version::ApiVersion,
    messages::{
        FetchResponse as RsFetch, MetadataResponse as RsMetadata, ProduceRequest as RsProduce,
        ProduceRequestPartitionData, ProduceRequestTopicData, ReadVersionedType,
        WriteVersionedType,
    },
    primitives::{Int16, Int32, NullableString, Records, String_},
};

use crate::{messages, messages::written, records};

/// What `rskafka` decodes responses in.
const RESPONSES: i16 = 4;
/// What it encodes a Produce request in.
const PRODUCE: i16 = 7;
/// Bytes per value.
const VALUE: usize = 100;

/// A Metadata response for 10000 partitions.
pub struct Metadata {
    case: messages::Case<MetadataResponse, KpMetadata>,
}

/// A Fetch response for 1000 partitions, with a batch of two records in each.
pub struct Fetch {
    case: messages::Case<FetchResponse, KpFetch>,
}

/// A Produce request of 100 batches of 16 KiB, from its records.
pub struct Produce {
    batch: records::Case,
    rs: RsProduce,
}

impl Metadata {
    pub const NAME: &str = "Metadata response v4, 10000 partitions";

    #[expect(clippy::new_without_default, reason = "it is work")]
    pub fn new() -> Self {
        let message = messages::metadata_response();
        let metadata = Self {
            case: messages::Case::in_version(Self::NAME, RESPONSES, false, message),
        };
        let topics = metadata.rs_decode().topics;
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        assert_eq!(partitions, 10_000, "rskafka reads it otherwise");
        metadata
    }

    pub fn decode(&self) -> MetadataResponse {
        self.case.decode()
    }

    pub fn kp_decode(&self) -> KpMetadata {
        self.case.kp_decode()
    }

    pub fn rs_decode(&self) -> RsMetadata {
        read(&self.case.bytes)
    }
}

impl Fetch {
    pub const NAME: &str = "Fetch response v4 and records, 1000 partitions";

    #[expect(clippy::new_without_default, reason = "it is work")]
    pub fn new() -> Self {
        let batch = records::Case::of(VALUE, 2).batch;
        let message = messages::fetch_response(&batch);
        let fetch = Self {
            case: messages::Case::in_version(Self::NAME, RESPONSES, false, message),
        };
        let sum = fetch.decode(&mut Decompressor::default());
        assert!(sum > 1000 * 2 * VALUE, "all values were seen");
        assert_eq!([fetch.kp_decode(), fetch.rs_decode()], [sum; 2]);
        fetch
    }

    pub fn decode(&self, decompressor: &mut Decompressor) -> usize {
        let response = self.case.decode();
        let partitions = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions);
        let records = partitions.filter_map(|partition| partition.records.clone());
        records
            .map(|records| records::sum(records, decompressor))
            .sum()
    }

    pub fn kp_decode(&self) -> usize {
        let response = self.case.kp_decode();
        let partitions = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions);
        let records = partitions.filter_map(|partition| partition.records.clone());
        records
            .map(|mut records| records::kp_sum(&mut records))
            .sum()
    }

    pub fn rs_decode(&self) -> usize {
        let response: RsFetch = read(&self.case.bytes);
        let partitions = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions);
        let batches = partitions.flat_map(|partition| &partition.records.0);
        batches.map(records::rs_sum).sum()
    }
}

impl Produce {
    pub const NAME: &str = "Produce request v7 from records, 100 batches of 16 KiB";

    #[expect(clippy::new_without_default, reason = "it is work")]
    pub fn new() -> Self {
        let count = 16 * 1024 / (VALUE + 20);
        let produce = Self {
            batch: records::Case::of(VALUE, count),
            rs: rs_request(count),
        };
        let bytes = produce.encode().concat();
        let (mut kp, mut rs) = (BytesMut::new(), Vec::new());
        produce.kp_encode(&mut kp);
        produce.rs_encode(&mut rs);
        assert_eq!(rs, bytes, "rskafka writes another request");
        // It writes another leader epoch into each batch than Kafka's client does.
        assert_eq!(
            kp.len(),
            bytes.len(),
            "kafka-protocol writes another request"
        );
        produce
    }

    /// Batches first, each in a buffer of its own; the frame shares them.
    pub fn encode(&self) -> Vec<Bytes> {
        let request: ProduceRequest = messages::produce_request(|| {
            let (buffer, size) = self.batch.encode(vec![0; 16 * 1024]);
            Bytes::from(buffer).slice(..size)
        });
        written(&request, PRODUCE, false)
    }

    /// Batches first; the frame gets copies.
    pub fn kp_encode(&self, out: &mut BytesMut) {
        let mut batches = BytesMut::with_capacity(100 * self.batch.batch.len());
        let mut partition = |index| {
            self.batch.kp_append(&mut batches);
            let records = batches.split().freeze();
            let partition = PartitionProduceData::default().with_index(index);
            partition.with_records(Some(records))
        };
        let topic = |i| {
            let topic = TopicProduceData::default().with_name(TopicName(topic_name(i).into()));
            topic.with_partition_data((0..10).map(&mut partition).collect())
        };
        let request = KpProduce::default()
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data((0..10).map(topic).collect());
        out.clear();
        request.encode(out, PRODUCE).expect("it fits");
    }

    /// From batches of records that are there already.
    pub fn rs_encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let version = ApiVersion(Int16(PRODUCE));
        self.rs.write_versioned(out, version).expect("it fits");
    }
}

fn rs_request(count: usize) -> RsProduce {
    let value = Bytes::from(vec![b'x'; VALUE]);
    let partition = |index| ProduceRequestPartitionData {
        index: Int32(index),
        records: Records(vec![records::rs_batch(count, &value)]),
    };
    let topic = |i| ProduceRequestTopicData {
        name: String_(topic_name(i)),
        partition_data: (0..10).map(partition).collect(),
    };
    RsProduce {
        transactional_id: NullableString(None),
        acks: Int16(-1),
        timeout_ms: Int32(30_000),
        topic_data: (0..10).map(topic).collect(),
    }
}

fn topic_name(i: i32) -> String {
    format!("topic-{i:04}")
}

fn read<'a, T: ReadVersionedType<Cursor<&'a [u8]>>>(bytes: &'a [u8]) -> T {
    let version = ApiVersion(Int16(RESPONSES));
    T::read_versioned(&mut Cursor::new(bytes), version).expect("it is sound")
}
