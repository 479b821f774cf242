//! Record batches beside the peers; what is equal and what is not stands in `src/records.rs`.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ottla_benches::records::Case;
use ottla_protocol::records::Decompressor;

fn decode(c: &mut Criterion) {
    for case in [10, 100, 1000, 10_000].map(Case::new) {
        let mut group = c.benchmark_group(format!("decode {} B", case.value));
        group.throughput(Throughput::Elements(case.count as u64));
        let mut decompressor = Decompressor::default();
        group.bench_function("ottla", |b| {
            b.iter(|| black_box(&case).decode(&mut decompressor))
        });
        group.bench_function("kafka-protocol", |b| {
            b.iter(|| black_box(&case).kp_decode())
        });
        group.bench_function("krafka", |b| b.iter(|| black_box(&case).kr_decode()));
        group.bench_function("rskafka", |b| b.iter(|| black_box(&case).rs_decode()));
    }
}

fn encode(c: &mut Criterion) {
    for case in [10, 100, 1000, 10_000].map(Case::new) {
        let mut group = c.benchmark_group(format!("encode {} B", case.value));
        group.throughput(Throughput::Elements(case.count as u64));
        let (mut buffer, mut out) = (Vec::new(), BytesMut::new());
        group.bench_function("ottla", |b| {
            b.iter(|| buffer = black_box(&case).encode(std::mem::take(&mut buffer)).0);
        });
        group.bench_function("kafka-protocol", |b| {
            b.iter(|| black_box(&case).kp_encode(&mut out))
        });
        group.bench_function("krafka", |b| b.iter(|| black_box(&case).kr_encode()));
        let mut out = Vec::new();
        group.bench_function("rskafka", |b| {
            b.iter(|| black_box(&case).rs_encode(&mut out))
        });
    }
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
