//! Records go out, each once and in order, and every one of them is accounted for.

use std::time::Duration;

use ottla::{
    Acks, Choice, Consumer, ErrorKind, Partitioner, Partitioning, Producer, Record, Start,
    protocol::{
        ErrorCode,
        records::{Compression, OwnedHeader},
    },
};
use ottla_tests::{OwnRecord, Target, expect_records, on_every_cluster, read, send_all};

on_every_cluster! {
    records_come_back_as_they_were_sent_with_each_compression
    records_of_a_partition_keep_their_order_over_many_batches
    order_holds_without_idempotence_too
    a_key_always_goes_to_the_same_partition
    a_partitioner_may_take_turns_or_be_ones_own
    acks_0_and_1_deliver_too
    without_idempotence_records_are_delivered_too
    a_record_over_the_limit_is_refused_with_its_size_and_the_next_one_goes_through
    a_batch_over_the_topics_limit_fails_its_records_and_not_the_producer
    an_unknown_topic_is_named_and_so_is_an_unknown_partition
    dropping_a_delivery_does_not_take_the_record_back
    close_waits_for_what_was_sent_and_takes_no_more
}

/// Everything a record can hold that is easy to get wrong.
fn odd_records() -> Vec<OwnRecord> {
    let header = |key: &'static [u8], value: Option<&'static [u8]>| OwnedHeader {
        key: key.into(),
        value: value.map(Into::into),
    };
    let plain = OwnRecord::value(0, "plain");
    let null = OwnRecord {
        partition: Some(0),
        ..OwnRecord::default()
    };
    let empty = OwnRecord {
        key: Some("".into()),
        ..OwnRecord::value(0, "")
    };
    let binary = OwnRecord {
        key: Some(b"\xff\0\xfe".as_slice().into()),
        timestamp: Some(1),
        headers: vec![
            header(b"twice", Some(b"1")),
            header(b"twice", None),
            header(b"", Some(b"\xff")),
        ],
        ..OwnRecord::value(0, b"\0\x80".as_slice())
    };
    let large = OwnRecord::value(0, vec![b'x'; 100_000]);
    let early = OwnRecord {
        timestamp: Some(1_700_000_000_000),
        ..plain.clone()
    };
    vec![plain, null, empty, binary, large, early]
}

async fn records_come_back_as_they_were_sent_with_each_compression(target: Target) {
    for compression in Compression::ALL {
        let (client, topic) = target.topic(1).await;
        let builder = Producer::builder(&client).compression(compression);
        let producer = builder.build().expect("the settings are fine");
        let sent = odd_records();
        let offsets = send_all(&producer, &topic, &sent).await;
        assert_eq!(offsets, (0..sent.len() as i64).collect::<Vec<_>>());
        let consumer = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
        let mut consumer = consumer.build().await.expect("the topic is there");
        let got = read(&mut consumer, sent.len()).await;
        expect_records(&got, &sent);
        assert!(got.iter().map(|r| r.offset).eq(offsets), "{compression}");
    }
}

async fn records_of_a_partition_keep_their_order_over_many_batches(target: Target) {
    let (client, topic) = target.topic(3).await;
    let mut builder = Producer::builder(&client);
    builder = builder.set("batch.size", "2000");
    let producer = builder.build().expect("the settings are fine");
    let record = |i: i32| OwnRecord::value(i % 3, i.to_string());
    let sent: Vec<_> = (0..3000).map(record).collect();
    send_all(&producer, &topic, &sent).await;
    for partition in 0..3 {
        let consumer =
            Consumer::builder(&client).assign(topic.as_str(), partition, Start::Earliest);
        let mut consumer = consumer.build().await.expect("the topic is there");
        let got = read(&mut consumer, 1000).await;
        let values = got.iter().map(|r| r.value.clone().expect("it has one"));
        let expected = (0..1000).map(|i| (3 * i + partition).to_string());
        assert!(values.eq(expected.map(bytes::Bytes::from)));
    }
}

/// Nothing but the order of requests keeps the order of records then.
async fn order_holds_without_idempotence_too(target: Target) {
    let (client, topic) = target.topic(1).await;
    let mut builder = Producer::builder(&client).idempotence(false);
    builder = builder.set("batch.size", "500");
    let producer = builder.build().expect("the settings are fine");
    let sent: Vec<_> = (0..5000)
        .map(|i: i32| OwnRecord::value(0, i.to_string()))
        .collect();
    let offsets = send_all(&producer, &topic, &sent).await;
    assert!(
        offsets.into_iter().eq(0..5000),
        "records overtook one another"
    );
}

async fn a_key_always_goes_to_the_same_partition(target: Target) {
    let (client, topic) = target.topic(5).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    // As Java's murmur2 has it, with 5 partitions.
    for (key, partition) in [("21", 0), ("foobar", 1), ("abc", 2), ("", 1)] {
        let record = Record::to(&topic).key(key).value("v");
        let delivery = producer.send(record).await.expect("there is room");
        let written = delivery.await.expect("it is written");
        assert_eq!(written.partition, partition, "{key}");
    }
}

/// Puts everything into the last partition.
#[derive(Debug)]
struct Last;

impl Partitioner for Last {
    fn choose(&self, _: &Record<'_>, partitions: usize) -> Choice {
        Choice::Partition(partitions - 1)
    }
}

async fn a_partitioner_may_take_turns_or_be_ones_own(target: Target) {
    let (client, topic) = target.topic(3).await;
    let in_turn = Producer::builder(&client).partitioner(Partitioning::RoundRobin);
    let last = Producer::builder(&client).partitioner(Last);
    for (builder, expected) in [(in_turn, [0, 1, 2, 0, 1, 2]), (last, [2; 6])] {
        let producer = builder.build().expect("the settings are fine");
        let mut partitions = Vec::new();
        for _ in 0..6 {
            let record = Record::to(&topic).key("k").value("v");
            let delivery = producer.send(record).await.expect("there is room");
            partitions.push(delivery.await.expect("it is written").partition);
        }
        assert_eq!(partitions, expected);
    }
}

async fn acks_0_and_1_deliver_too(target: Target) {
    for acks in [Acks::None, Acks::Leader] {
        let (client, topic) = target.topic(1).await;
        let builder = Producer::builder(&client).acks(acks);
        let producer = builder.build().expect("the settings are fine");
        let sent: Vec<_> = (0..100)
            .map(|i: i32| OwnRecord::value(0, i.to_string()))
            .collect();
        let offsets = send_all(&producer, &topic, &sent).await;
        if acks == Acks::None {
            assert!(
                offsets.iter().all(|offset| *offset == -1),
                "no broker said them"
            );
        }
        let consumer = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
        let mut consumer = consumer.build().await.expect("the topic is there");
        expect_records(&read(&mut consumer, sent.len()).await, &sent);
    }
}

async fn without_idempotence_records_are_delivered_too(target: Target) {
    let (client, topic) = target.topic(1).await;
    let builder = Producer::builder(&client).idempotence(false);
    let producer = builder.build().expect("the settings are fine");
    let offsets = send_all(&producer, &topic, &odd_records()).await;
    assert!(offsets.is_sorted());
}

async fn a_record_over_the_limit_is_refused_with_its_size_and_the_next_one_goes_through(
    target: Target,
) {
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let large = vec![0; 2 << 20];
    let refused = producer.send(Record::to(&topic).value(&large)).await;
    let error = refused.expect_err("it is over max.request.size");
    let ErrorKind::RecordTooLarge { size, limit } = error.kind() else {
        panic!("{error}");
    };
    assert!(*size > large.len() && *limit == 1 << 20);
    assert!(error.to_string().contains(&topic), "{error}");
    send_all(&producer, &topic, &[OwnRecord::value(0, "small")]).await;
}

async fn a_batch_over_the_topics_limit_fails_its_records_and_not_the_producer(target: Target) {
    let (client, topic) = target.topic_with(1, &[("max.message.bytes", "1000")]).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let large = [0; 2000];
    let delivery = producer.send(Record::to(&topic).value(&large)).await;
    let error = delivery
        .expect("there is room")
        .await
        .expect_err("the broker refuses it");
    assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(
        !error.possibly_written() && error.to_string().contains(&topic),
        "{error}"
    );
    send_all(&producer, &topic, &[OwnRecord::value(0, "small")]).await;
}

async fn an_unknown_topic_is_named_and_so_is_an_unknown_partition(target: Target) {
    let (client, topic) = target.topic(1).await;
    // It waits for what may be created yet, as long as the settings say.
    let mut builder = Producer::builder(&client);
    builder = builder.set("max.block.ms", "500");
    let producer = builder.build().expect("the settings are fine");
    let error = producer.send(Record::to("no-such-topic").value("v")).await;
    let error = error.expect_err("there is none");
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(error.to_string().contains("no-such-topic"), "{error}");
    let error = producer
        .send(Record::to(&topic).partition(7).value("v"))
        .await;
    let error = error.expect_err("there is only one partition");
    assert!(matches!(
        error.kind(),
        ErrorKind::NoSuchPartition { partitions: 1 }
    ));
    assert!(error.to_string().contains(&format!("{topic}-7")), "{error}");
}

async fn dropping_a_delivery_does_not_take_the_record_back(target: Target) {
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    drop(
        producer
            .send(Record::to(&topic).value("kept"))
            .await
            .expect("there is room"),
    );
    producer.flush().await.expect("it is open");
    assert_eq!(
        client
            .offset(&topic, 0, Start::Latest)
            .await
            .expect("it says"),
        1
    );
}

async fn close_waits_for_what_was_sent_and_takes_no_more(target: Target) {
    let (client, topic) = target.topic(1).await;
    let builder = Producer::builder(&client).linger(Duration::from_secs(100));
    let producer = builder.build().expect("the settings are fine");
    let record = Record::to(&topic).value("last");
    let delivery = producer.send(record).await.expect("there is room");
    producer
        .close_within(Duration::from_secs(20))
        .await
        .expect("it is written in time");
    assert_eq!(delivery.await.expect("it is written").offset, Some(0));
    let error = producer.send(record).await.expect_err("it is closed");
    assert!(matches!(error.kind(), ErrorKind::Closed { .. }));
}
