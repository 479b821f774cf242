//! The large messages beside the peers; what takes part stands in `src/messages.rs` and
//! `src/old_messages.rs`.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};
use ottla_benches::{
    messages::{KrafkaFetch, KrafkaMetadata, fetch, metadata, produce},
    old_messages::{Fetch, Metadata, Produce},
};
use ottla_protocol::records::Decompressor;

fn messages(c: &mut Criterion) {
    let mut out = BytesMut::new();
    let case = metadata();
    c.bench_function("decode metadata, ottla", |b| {
        b.iter(|| black_box(&case).decode())
    });
    c.bench_function("decode metadata, kafka-protocol", |b| {
        b.iter(|| black_box(&case).kp_decode())
    });
    c.bench_function("decode metadata, krafka", |b| {
        b.iter(|| black_box(&case).kr_decode::<KrafkaMetadata>());
    });
    c.bench_function("encode metadata, ottla", |b| {
        b.iter(|| black_box(&case).encode())
    });
    c.bench_function("encode metadata, kafka-protocol", |b| {
        b.iter(|| black_box(&case).kp_encode(&mut out));
    });
    let case = fetch();
    c.bench_function("decode fetch, ottla", |b| {
        b.iter(|| black_box(&case).decode())
    });
    c.bench_function("decode fetch, kafka-protocol", |b| {
        b.iter(|| black_box(&case).kp_decode())
    });
    c.bench_function("decode fetch, krafka", |b| {
        b.iter(|| black_box(&case).kr_decode::<KrafkaFetch>());
    });
    c.bench_function("encode fetch, ottla", |b| {
        b.iter(|| black_box(&case).encode())
    });
    c.bench_function("encode fetch, kafka-protocol", |b| {
        b.iter(|| black_box(&case).kp_encode(&mut out));
    });
    let case = produce();
    c.bench_function("decode produce, ottla", |b| {
        b.iter(|| black_box(&case).decode())
    });
    c.bench_function("decode produce, kafka-protocol", |b| {
        b.iter(|| black_box(&case).kp_decode())
    });
    c.bench_function("encode produce, ottla", |b| {
        b.iter(|| black_box(&case).encode())
    });
    c.bench_function("encode produce, kafka-protocol", |b| {
        b.iter(|| black_box(&case).kp_encode(&mut out));
    });
}

fn old_messages(c: &mut Criterion) {
    let case = Metadata::new();
    c.bench_function("decode metadata v4, ottla", |b| {
        b.iter(|| black_box(&case).decode())
    });
    c.bench_function("decode metadata v4, rskafka", |b| {
        b.iter(|| black_box(&case).rs_decode())
    });
    let (case, mut decompressor) = (Fetch::new(), Decompressor::default());
    c.bench_function("decode fetch v4 and records, ottla", |b| {
        b.iter(|| black_box(&case).decode(&mut decompressor));
    });
    c.bench_function("decode fetch v4 and records, rskafka", |b| {
        b.iter(|| black_box(&case).rs_decode());
    });
    let (case, mut out) = (Produce::new(), Vec::new());
    c.bench_function("encode produce v7 from records, ottla", |b| {
        b.iter(|| black_box(&case).encode());
    });
    c.bench_function("encode produce v7 from records, rskafka", |b| {
        b.iter(|| black_box(&case).rs_encode(&mut out));
    });
}

criterion_group!(benches, messages, old_messages);
criterion_main!(benches);
