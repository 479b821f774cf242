//! Record batches of about 64 KiB, uncompressed: the same keys, values and timestamps on all sides,
//! no headers, the CRC checked on decode and computed on encode by everyone.
//!
//! What the peers cannot do: reuse the output (`krafka` allocates each batch), take borrowed keys
//! and values (they want `Bytes` or, `rskafka`, vectors, made once before the clock runs), or decode
//! without a list of records. Ours is given the bytes that a user has: slices.

use std::io::Cursor;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records as kp;
use krafka::__private::protocol as kr;
use ottla_protocol::records::{BatchBuilder, Batches, Decompressor, NewRecord, ProducerStamp};
use rskafka::protocol::{
    record as rs,
    traits::{ReadType, WriteType},
};

/// What a batch holds at least, unless one record is more.
const BATCH: usize = 64 * 1024;
const KEY: &[u8] = b"key-0001";
const TIME: i64 = 1_700_000_000_000;

/// One shape of batch, ready for every side.
pub struct Case {
    /// Bytes per value.
    pub value: usize,
    /// Records per batch.
    pub count: usize,
    payload: Bytes,
    /// The batch, as a broker would send it.
    pub batch: Bytes,
    /// What `kafka-protocol` encodes.
    kp: Vec<kp::Record>,
    /// What `krafka` encodes.
    kr: kr::RecordBatch,
    /// What `rskafka` encodes.
    rs: rs::RecordBatch,
}

impl Case {
    pub fn new(value: usize) -> Self {
        Self::of(value, (BATCH / (value + 20)).max(1))
    }

    /// With so many records.
    pub(crate) fn of(value: usize, count: usize) -> Self {
        let payload = Bytes::from(vec![b'x'; value]);
        let mut case = Self {
            value,
            count,
            batch: Bytes::new(),
            kp: (0..count).map(|i| kp_record(i, &payload)).collect(),
            kr: kr_batch(count, &payload),
            rs: rs_batch(count, &payload),
            payload,
        };
        let (buffer, size) = case.encode(Vec::new());
        case.batch = Bytes::from(buffer).slice(..size);
        case.check();
        case
    }

    /// The same bytes on all sides, or the figures mean nothing.
    fn check(&self) {
        let mut out = BytesMut::new();
        self.kp_encode(&mut out);
        // The leader epoch is outside the CRC, and the peers write 0 where Kafka's client writes -1.
        assert_eq!(
            out[16..],
            self.batch[16..],
            "kafka-protocol writes another batch"
        );
        assert_eq!(
            self.kr_encode()[16..],
            self.batch[16..],
            "krafka writes another batch"
        );
        let mut out = Vec::new();
        self.rs_encode(&mut out);
        assert_eq!(out[16..], self.batch[16..], "rskafka writes another batch");
        let sum = self.decode(&mut Decompressor::default());
        assert_eq!(
            sum,
            self.count * (KEY.len() + self.value) + self.count * (self.count - 1) / 2
        );
        let peers = [self.kp_decode(), self.kr_decode(), self.rs_decode()];
        assert_eq!(peers, [sum; 3]);
    }

    pub fn decode(&self, decompressor: &mut Decompressor) -> usize {
        sum(self.batch.clone(), decompressor)
    }

    pub fn kp_decode(&self) -> usize {
        kp_sum(&mut self.batch.clone())
    }

    pub fn kr_decode(&self) -> usize {
        let batch = kr::RecordBatch::decode(&mut self.batch.clone()).expect("sound");
        let size = |b: &Option<Bytes>| b.as_ref().map_or(0, Bytes::len);
        let offset = |r: &kr::Record| (batch.base_offset + i64::from(r.offset_delta)) as usize;
        let one = |r: &kr::Record| size(&r.key) + size(&r.value) + offset(r);
        batch.records.iter().map(one).sum()
    }

    pub fn rs_decode(&self) -> usize {
        let batch = rs::RecordBatch::read(&mut Cursor::new(&self.batch)).expect("sound");
        rs_sum(&batch)
    }

    /// Appends every record, seals, stamps; the buffer comes back for the next batch.
    pub fn encode(&self, buffer: Vec<u8>) -> (Vec<u8>, usize) {
        let mut builder = BatchBuilder::new(buffer, 2 * BATCH);
        for i in 0..self.count {
            let fits = builder.append(&NewRecord {
                timestamp: TIME + i as i64,
                key: Some(KEY),
                value: Some(&self.payload),
                headers: &[],
            });
            assert!(fits);
        }
        let mut batch = builder.seal();
        batch.stamp(ProducerStamp::NONE);
        let size = batch.size();
        (batch.into_buffer(), size)
    }

    pub fn kp_encode(&self, out: &mut BytesMut) {
        out.clear();
        self.kp_append(out);
    }

    pub(crate) fn kp_append(&self, out: &mut BytesMut) {
        kp_append(&self.kp, out);
    }

    /// From a list of records that is there already, which its producer has to make first.
    pub fn kr_encode(&self) -> Bytes {
        self.kr.encode().expect("it fits")
    }

    /// From a list of records, too.
    pub fn rs_encode(&self, out: &mut Vec<u8>) {
        out.clear();
        self.rs.write(out).expect("it fits");
    }
}

/// Walks the frame, checks the CRC, visits every record.
pub(crate) fn sum(batches: Bytes, decompressor: &mut Decompressor) -> usize {
    let mut sum = 0;
    for raw in Batches::new(batches) {
        let batch = raw.expect("whole").open(decompressor).expect("sound");
        for record in &batch {
            let record = record.expect("sound");
            sum += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            sum += record.offset as usize;
        }
    }
    sum
}

pub(crate) fn kp_sum(batch: &mut Bytes) -> usize {
    let set = kp::RecordBatchDecoder::decode(batch).expect("sound");
    let size = |b: &Option<Bytes>| b.as_ref().map_or(0, Bytes::len);
    let one = |r: &kp::Record| size(&r.key) + size(&r.value) + r.offset as usize;
    set.records.iter().map(one).sum()
}

pub(crate) fn kp_append(records: &[kp::Record], out: &mut BytesMut) {
    let options = kp::RecordEncodeOptions {
        version: 2,
        compression: kp::Compression::None,
    };
    kp::RecordBatchEncoder::encode(out, records, &options).expect("it fits");
}

pub(crate) fn kp_record(i: usize, value: &Bytes) -> kp::Record {
    kp::Record {
        transactional: false,
        control: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: kp::TimestampType::Creation,
        offset: i as i64,
        // The encoder takes the base sequence of a batch from its first record.
        sequence: -1 + i as i32,
        timestamp: TIME + i as i64,
        key: Some(Bytes::from_static(KEY)),
        value: Some(value.clone()),
        headers: Default::default(),
        delete_horizon: false,
    }
}

fn kr_batch(count: usize, value: &Bytes) -> kr::RecordBatch {
    let mut batch = kr::RecordBatch::new();
    batch.base_timestamp = TIME;
    batch.max_timestamp = TIME + count as i64 - 1;
    batch.last_offset_delta = count as i32 - 1;
    for i in 0..count {
        let record = kr::Record::new(Some(Bytes::from_static(KEY)), Some(value.clone()));
        batch.add_record(
            record
                .with_offset_delta(i as i32)
                .with_timestamp_delta(i as i64),
        );
    }
    batch
}

pub(crate) fn rs_batch(count: usize, value: &Bytes) -> rs::RecordBatch {
    let record = |i| rs::Record {
        timestamp_delta: i as i64,
        offset_delta: i as i32,
        key: Some(KEY.to_vec()),
        value: Some(value.to_vec()),
        headers: Vec::new(),
    };
    rs::RecordBatch {
        base_offset: 0,
        partition_leader_epoch: -1,
        last_offset_delta: count as i32 - 1,
        first_timestamp: TIME,
        max_timestamp: TIME + count as i64 - 1,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records: rs::ControlBatchOrRecords::Records((0..count).map(record).collect()),
        compression: rs::RecordBatchCompression::NoCompression,
        is_transactional: false,
        timestamp_type: rs::RecordBatchTimestampType::CreateTime,
    }
}

pub(crate) fn rs_sum(batch: &rs::RecordBatch) -> usize {
    let rs::ControlBatchOrRecords::Records(records) = &batch.records else {
        panic!("it holds records")
    };
    let size = |b: &Option<Vec<u8>>| b.as_ref().map_or(0, Vec::len);
    let offset = |r: &rs::Record| (batch.base_offset + i64::from(r.offset_delta)) as usize;
    let one = |r: &rs::Record| size(&r.key) + size(&r.value) + offset(r);
    records.iter().map(one).sum()
}
