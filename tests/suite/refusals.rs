//! What brokers refuse, cut smaller, slow down or no longer know, and what a producer makes of it.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use ottla::{
    Client, Consumer, Delivery, Error, ErrorKind, Producer, Record, RecordMetadata, Start,
    protocol::{
        ErrorCode,
        messages::{
            ApiKey, ProduceRequest, ProduceResponse, ProducedPartition, ProducedTopic,
            RecordRefusal,
        },
        records::{BatchHeader, Batches, Compression},
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{
    OwnRecord, Target, create, delete, on_every_cluster, patient, read, recreate, send_all,
};
use tokio::time::Instant;

on_every_cluster! {
    a_batch_over_the_topics_limit_is_sent_in_parts
    compressed_batches_over_the_limit_are_sent_in_parts
    a_refusal_of_one_record_says_so_to_that_one_only
    a_topic_that_was_made_anew_takes_records_again
    records_of_a_topic_that_is_gone_fail_within_the_limit
    batches_that_are_compressed_side_by_side_keep_their_order
}

/// Bytes that no compression makes smaller.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

async fn send(producer: &Producer, topic: &str, value: &[u8]) -> Delivery {
    let record = Record::to(topic).partition(0).value(value);
    producer.send(record).await.expect("there is room")
}

/// What became of a record that a flush has waited for.
fn outcome(delivery: Delivery) -> Result<RecordMetadata, Error> {
    match pin!(delivery).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the flush was over too early"),
    }
}

async fn values(client: &Client, topic: &str, n: usize) -> Vec<Vec<u8>> {
    let consumer = Consumer::builder(client).assign(topic, 0, Start::Earliest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    let records = read(&mut consumer, n).await;
    let value = |r: ottla::ConsumerRecord| r.value.map_or_else(Vec::new, |v| v.to_vec());
    records.into_iter().map(value).collect()
}

async fn a_batch_over_the_topics_limit_is_sent_in_parts(target: Target) {
    sends_in_parts(&target, Compression::None).await;
}

async fn compressed_batches_over_the_limit_are_sent_in_parts(target: Target) {
    sends_in_parts(&target, Compression::Lz4).await;
}

/// One record fits into no batch of the topic, the others only into smaller ones than they were in.
async fn sends_in_parts(target: &Target, compression: Compression) {
    const TOO_LARGE: usize = 77;
    let limit = [("max.message.bytes", "4000")];
    let (client, topic) = target.topic_with(1, &limit).await;
    let builder = Producer::builder(&client).compression(compression);
    let builder = builder.linger(Duration::from_secs(5));
    let producer = builder.build().expect("the settings are fine");
    let size = |n: usize| if n == TOO_LARGE { 6000 } else { 100 + n };
    let sent: Vec<_> = (0..200).map(|n| noise(n as u64 + 1, size(n))).collect();
    let mut deliveries = Vec::new();
    for value in &sent {
        deliveries.push(send(&producer, &topic, value).await);
    }
    expect_unwritten(&producer, 1).await;
    let mut offset = 0;
    for (n, delivery) in deliveries.into_iter().enumerate() {
        match outcome(delivery) {
            Ok(written) => {
                assert_eq!(written.offset, Some(offset), "record {n}");
                offset += 1;
            }
            Err(error) => {
                assert_eq!(
                    (n, error.code()),
                    (TOO_LARGE, Some(ErrorCode::MESSAGE_TOO_LARGE))
                );
                assert!(!error.possibly_written());
            }
        }
    }
    assert_eq!(offset, 199);
    let mut expected = sent;
    expected.remove(TOO_LARGE);
    assert_eq!(values(&client, &topic, 199).await, expected);
    send_all(&producer, &topic, &[OwnRecord::value(0, "after")]).await;
}

#[tokio::test]
async fn parts_of_a_compressed_batch_are_compressed_too() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let limit = [("max.message.bytes", "4000")];
    let (client, topic) = Target::of(cluster.clone()).topic_with(1, &limit).await;
    let builder = Producer::builder(&client).compression(Compression::Lz4);
    let builder = builder.linger(Duration::from_secs(5));
    let producer = builder.build().expect("the settings are fine");
    for n in 1..50 {
        let value = [noise(n, 100), vec![b'x'; 100]].concat();
        drop(send(&producer, &topic, &value).await);
    }
    producer.flush().await.expect("the producer lives");
    let batches = cluster.batches(&topic, 0);
    assert!(batches.len() > 1, "it was sent in parts");
    for batch in batches {
        assert_eq!(compression(batch), Compression::Lz4);
    }
}

async fn a_refusal_of_one_record_says_so_to_that_one_only(target: Target) {
    let compacted = [("cleanup.policy", "compact")];
    let (client, topic) = target.topic_with(1, &compacted).await;
    let builder = Producer::builder(&client).linger(Duration::from_secs(5));
    let producer = builder.build().expect("the settings are fine");
    let record = |key: &'static str| Record::to(&topic).partition(0).key(key).value("v");
    let keyless = Record::to(&topic).partition(0).value("v");
    let first = producer.send(record("1")).await.expect("there is room");
    let second = producer.send(keyless).await.expect("there is room");
    let third = producer.send(record("3")).await.expect("there is room");
    expect_unwritten(&producer, 3).await;

    let refused = second.await.expect_err("it has no key");
    assert_eq!(
        refused.kind(),
        &ErrorKind::Broker(ErrorCode::INVALID_RECORD)
    );
    let message = refused
        .broker_message()
        .expect("the broker says what is wrong");
    assert!(
        message.contains("key") && refused.to_string().contains(message),
        "{refused}"
    );
    for neighbour in [first, third] {
        let error = neighbour.await.expect_err("it was in the same batch");
        let kind = ErrorKind::BatchRefused(ErrorCode::INVALID_RECORD);
        assert_eq!(error.kind(), &kind);
        assert!(error.is_retriable() && !error.possibly_written(), "{error}");
    }
    for key in ["1", "3"] {
        let delivery = producer.send(record(key)).await.expect("there is room");
        producer.flush().await.expect("the producer lives");
        delivery.await.expect("by itself it is written");
    }
}

async fn a_topic_that_was_made_anew_takes_records_again(target: Target) {
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let offsets = send_all(&producer, &topic, &[OwnRecord::value(0, "old")]).await;
    assert_eq!(offsets, [0]);
    recreate(&client, &topic).await;
    let mut written = Vec::new();
    for n in 0..50 {
        let delivery = send(&producer, &topic, n.to_string().as_bytes()).await;
        written.push(delivery.await.expect("the topic is there again").offset);
    }
    assert!(written.into_iter().eq((0..50).map(Some)));
    let new: Vec<_> = (0..50).map(|n: u8| n.to_string().into_bytes()).collect();
    assert_eq!(values(&target.client().await, &topic, 50).await, new);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_costs_one_epoch_however_often_it_is_seen() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let (client, topic) = Target::of(cluster.clone()).topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let record = [OwnRecord::value(0, "x")];
    send_all(&producer, &topic, &record).await;
    recreate(&client, &topic).await;
    for n in 0..4 {
        send_all(&producer, &topic, &record).await;
        let other = format!("{topic}-{n}");
        create(&client, &other, 1, &[]).await;
        client.topic(&other).await.expect("it was just created");
    }
    send_all(&producer, &topic, &record).await;
    let last = cluster.batches(&topic, 0).pop().expect("it is written");
    assert_eq!(header(last).producer_epoch, 1);
}

async fn records_of_a_topic_that_is_gone_fail_within_the_limit(target: Target) {
    let (client, topic) = target.topic(1).await;
    let other = format!("{topic}-other");
    create(&client, &other, 1, &[]).await;
    let mut builder = Producer::builder(&client);
    let limit = ("topic.metadata.propagation.max.ms", "1000");
    builder = builder.set(limit.0, limit.1);
    let producer = builder.build().expect("the settings are fine");
    send_all(&producer, &topic, &[OwnRecord::value(0, "x")]).await;
    delete(&client, &topic).await;
    // The broker may still take some before it has forgotten the topic.
    let error = loop {
        match send(&producer, &topic, b"y").await.await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.code(),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        "{error}"
    );
    assert!(error.to_string().contains(&topic), "{error}");
    send_all(&producer, &other, &[OwnRecord::value(0, "x")]).await;
}

async fn batches_that_are_compressed_side_by_side_keep_their_order(target: Target) {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Lz4] {
        let (client, topic) = target.topic(1).await;
        let mut builder = Producer::builder(&client).compression(compression);
        builder = builder.set("batch.size", "65536");
        let producer = builder.build().expect("the settings are fine");
        // Batches that are hard and easy to compress take turns, so the easy ones are done early.
        let value = |n: usize| match n / 64 % 2 {
            0 => noise(n as u64, 1000),
            _ => vec![b'x'; 1000],
        };
        let sent: Vec<_> = (0..3000).map(|n| OwnRecord::value(0, value(n))).collect();
        let offsets = send_all(&producer, &topic, &sent).await;
        assert!(offsets.into_iter().eq(0..3000), "{compression}");
        let got = values(&client, &topic, 3000).await;
        assert!(
            got.iter()
                .zip(&sent)
                .all(|(got, sent)| Some(got.as_slice()) == sent.value.as_deref())
        );
    }
}

#[tokio::test]
async fn a_topic_may_be_compressed_in_its_own_way() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let (client, plain) = Target::of(cluster.clone()).topic(1).await;
    let packed = format!("{plain}-packed");
    create(&client, &packed, 1, &[]).await;
    let builder = Producer::builder(&client).compression(Compression::Gzip);
    let builder = builder.topic_compression(&plain, Compression::None);
    let builder = builder.topic_compression(&packed, Compression::Zstd);
    let producer = builder.build().expect("the settings are fine");
    let other = format!("{plain}-other");
    create(&client, &other, 1, &[]).await;
    for (topic, expected) in [
        (&plain, Compression::None),
        (&packed, Compression::Zstd),
        (&other, Compression::Gzip),
    ] {
        send_all(&producer, topic, &[OwnRecord::value(0, vec![b'x'; 1000])]).await;
        let log = cluster.batches(topic, 0).concat();
        assert_eq!(compression(log), expected, "{topic}");
    }
}

#[tokio::test]
async fn only_one_topic_may_be_compressed() {
    let (client, topic) = Target::in_memory(1).await.topic(1).await;
    let builder = Producer::builder(&client).topic_compression(&topic, Compression::Zstd);
    let producer = builder.build().expect("the settings are fine");
    // Too many to be compressed in passing.
    let sent: Vec<_> = (0..100)
        .map(|n| OwnRecord::value(0, noise(n, 1000)))
        .collect();
    let offsets = patient(send_all(&producer, &topic, &sent)).await;
    assert!(offsets.into_iter().eq(0..100));
}

/// What is small is compressed in passing, unless something larger is in front of it.
#[tokio::test]
async fn small_batches_do_not_overtake_what_is_being_compressed() {
    let (client, topic) = Target::in_memory(1).await.topic(1).await;
    let mut builder = Producer::builder(&client).compression(Compression::Lz4);
    builder = builder.set("batch.size", "65536");
    let producer = builder.build().expect("the settings are fine");
    // The small ones are closed by those that do not fit behind them.
    let size = |n: u64| if n.is_multiple_of(2) { 65_000 } else { 1000 };
    let sent: Vec<_> = (0..40)
        .map(|n| OwnRecord::value(0, noise(n, size(n))))
        .collect();
    let offsets = patient(send_all(&producer, &topic, &sent)).await;
    assert!(offsets.into_iter().eq(0..40));
}

/// That of the first batch in a log.
fn compression(log: impl Into<Bytes>) -> Compression {
    let compression = header(log).compression();
    compression.expect("it is one")
}

/// That of the first batch in a log.
fn header(log: impl Into<Bytes>) -> BatchHeader {
    let batch = Batches::new(log.into()).next().expect("it is written");
    *batch.expect("it is whole").header()
}

/// A cluster in memory with one topic.
async fn cluster() -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(1).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    create(&client, "t", 1, &[]).await;
    (cluster, client)
}

#[tokio::test]
async fn each_of_several_records_is_told_what_is_wrong_with_it() {
    let (cluster, client) = cluster().await;
    let seen = AtomicU32::new(0);
    cluster.control(move |request| {
        let Some(message) = request.message::<ProduceRequest>() else {
            return Action::Pass;
        };
        let record = |batch_index, message: Option<&str>| RecordRefusal {
            batch_index,
            batch_index_error_message: message.map(Into::into),
        };
        // After the second answer the batch may be in the log: its error may come from after the append.
        let error_code = match seen.fetch_add(1, Ordering::Relaxed) {
            0 => ErrorCode::INVALID_TIMESTAMP,
            _ => ErrorCode::UNKNOWN_SERVER_ERROR,
        };
        let partition = ProducedPartition {
            error_code,
            base_offset: -1,
            record_errors: vec![record(3, Some("the last")), record(0, None)],
            error_message: Some("in general".into()),
            ..ProducedPartition::default()
        };
        Action::replace(answer(message, partition, 0))
    });
    let builder = Producer::builder(&client).linger(Duration::from_secs(5));
    let producer = builder.build().expect("the settings are fine");
    let mut refused = Vec::new();
    for possibly_written in [false, true] {
        let mut deliveries = Vec::new();
        for _ in 0..4 {
            deliveries.push(send(&producer, "t", b"x").await);
        }
        expect_unwritten(&producer, 4).await;
        for delivery in deliveries {
            let error = outcome(delivery).expect_err("it is refused");
            assert_eq!(error.possibly_written(), possibly_written, "{error}");
            refused.push((
                error.kind().clone(),
                error.broker_message().map(str::to_owned),
            ));
        }
    }
    let of_itself = |message: &str| {
        let kind = ErrorKind::Broker(ErrorCode::INVALID_RECORD);
        (kind, Some(message.to_owned()))
    };
    let of_others = (ErrorKind::BatchRefused(ErrorCode::INVALID_TIMESTAMP), None);
    let expected = [
        of_itself("in general"),
        of_others.clone(),
        of_others,
        of_itself("the last"),
    ];
    assert_eq!(refused[..4], expected);
    // All records of a batch that may be in the log get the same error.
    let unsure = (ErrorKind::Broker(ErrorCode::UNKNOWN_SERVER_ERROR), None);
    assert!(refused[4..].iter().all(|told| *told == unsure));
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_be_unknown_for_as_long_as_is_set() {
    let (cluster, client) = cluster().await;
    cluster.control(|request| match request.api_key {
        ApiKey::Produce => Action::Fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        _ => Action::Pass,
    });
    let mut builder = Producer::builder(&client);
    let limit = ("topic.metadata.propagation.max.ms", "7000");
    builder = builder.set(limit.0, limit.1);
    let producer = builder.build().expect("the settings are fine");
    let began = Instant::now();
    let delivery = send(&producer, "t", b"x").await;
    let error = delivery.await.expect_err("no broker knows it");
    let code = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(error.code(), code, "{error}");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(7) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_throttles_is_left_alone_for_as_long_as_it_says() {
    let (cluster, client) = cluster().await;
    let seen = AtomicU32::new(0);
    cluster.control(move |request| {
        let first = request.api_key == ApiKey::Produce && seen.fetch_add(1, Ordering::Relaxed) == 0;
        // A refusal that passes, with a request for peace.
        let partition = ProducedPartition {
            error_code: ErrorCode::NOT_ENOUGH_REPLICAS,
            ..ProducedPartition::default()
        };
        match request.message::<ProduceRequest>() {
            Some(message) if first => Action::replace(answer(message, partition, 30_000)),
            _ => Action::Pass,
        }
    });
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let began = Instant::now();
    send(&producer, "t", b"x")
        .await
        .await
        .expect("it is written in the end");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(30) && took < Duration::from_secs(31),
        "{took:?}"
    );
}

/// An answer that says this of the only partition.
fn answer(
    request: &ProduceRequest,
    partition: ProducedPartition,
    throttle_time_ms: i32,
) -> ProduceResponse {
    let topic = &request.topic_data[0];
    let partition = ProducedPartition {
        index: topic.partition_data[0].index,
        ..partition
    };
    ProduceResponse {
        responses: vec![ProducedTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: vec![partition],
        }],
        throttle_time_ms,
        ..ProduceResponse::default()
    }
}

/// Flushes, and is told of so many records.
async fn expect_unwritten(producer: &Producer, expected: u64) {
    let told = producer.flush().await.expect_err("some were refused");
    match told.kind() {
        ErrorKind::Unwritten { records, .. } => assert_eq!(*records, expected, "{told}"),
        _ => panic!("{told}"),
    }
    producer.flush().await.expect("it was told");
}
