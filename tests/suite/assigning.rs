//! Which partitions a consumer reads, where they end, and where places in them are.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla::{Client, Consumer, ErrorKind, Producer, Reset, Start};
use ottla_tests::{OwnRecord, Target, on_every_cluster, send_all};

on_every_cluster! {
    all_partitions_of_a_topic_are_assigned_at_once
    what_is_assigned_and_paused_is_told
    a_consumer_with_nothing_assigned_says_so
    the_end_of_a_partition_is_told_where_it_is_asked_for
    the_end_is_told_again_after_a_seek_and_not_out_of_turn
    offsets_of_many_partitions_are_found_in_one_call
}

/// Records in each partition, with timestamps of 1000 times their offset.
async fn filled(target: &Target, partitions: i32, each: i32) -> (Client, String) {
    let (client, topic) = target.topic(partitions).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the settings are fine");
    fill(&producer, &topic, partitions, 0..each).await;
    (client, topic)
}

async fn fill(producer: &Producer, topic: &str, partitions: i32, offsets: std::ops::Range<i32>) {
    let record = |partition, offset: i32| OwnRecord {
        timestamp: Some(1000 * i64::from(offset)),
        ..OwnRecord::value(partition, offset.to_string())
    };
    let records: Vec<_> = offsets
        .flat_map(|offset| (0..partitions).map(move |partition| record(partition, offset)))
        .collect();
    send_all(producer, topic, &records).await;
}

async fn all_partitions_of_a_topic_are_assigned_at_once(target: Target) {
    let (client, topic) = filled(&target, 3, 2).await;
    let builder = Consumer::builder(&client).assign_all(topic.as_str(), Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    let mut seen = Vec::new();
    for _ in 0..6 {
        let record = consumer.recv().await.expect("a record comes");
        seen.push((record.partition, record.offset));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
    // What is assigned already moves.
    let moved = consumer.assign_all(topic.as_str(), Start::Offset(1)).await;
    moved.expect("the topic is there");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let record = consumer.recv().await.expect("a record comes");
        seen.push((record.partition, record.offset));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(0, 1), (1, 1), (2, 1)]);
    let missing = consumer.assign_all("no-such-topic", Start::Earliest).await;
    assert_eq!(
        missing.expect_err("there is none").topic(),
        Some("no-such-topic")
    );
    assert_eq!(consumer.assignment().len(), 3);
}

async fn what_is_assigned_and_paused_is_told(target: Target) {
    let (client, topic) = filled(&target, 3, 1).await;
    let builder = Consumer::builder(&client).assign_all(topic.as_str(), Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    let numbers = |keys: Vec<(std::sync::Arc<str>, i32)>| -> Vec<i32> {
        assert!(keys.iter().all(|(name, _)| **name == *topic));
        keys.into_iter().map(|(_, partition)| partition).collect()
    };
    assert_eq!(numbers(consumer.assignment()), [0, 1, 2]);
    assert_eq!(numbers(consumer.paused()), []);
    consumer.pause(&topic, 2).expect("it is assigned");
    consumer.unassign(&topic, 1).expect("it is assigned");
    assert_eq!(numbers(consumer.assignment()), [0, 2]);
    assert_eq!(numbers(consumer.paused()), [2]);
    consumer.resume(&topic, 2).expect("it is assigned");
    assert_eq!(numbers(consumer.paused()), []);
    assert!(
        !format!("{consumer:?}").contains("arrivals"),
        "{consumer:?}"
    );
}

async fn a_consumer_with_nothing_assigned_says_so(target: Target) {
    let (client, topic) = filled(&target, 1, 1).await;
    let built = Consumer::builder(&client).build().await;
    let mut consumer = built.expect("the settings are fine");
    let error = consumer.recv().await.expect_err("nothing can come");
    assert_eq!(error.kind(), &ErrorKind::NothingAssigned);
    let assigned = consumer.assign(topic.as_str(), 0, Start::Earliest).await;
    assigned.expect("the topic is there");
    consumer.recv().await.expect("a record comes");
    consumer.unassign(&topic, 0).expect("it is assigned");
    let error = consumer.next_batch().await.expect_err("nothing can come");
    assert_eq!(error.kind(), &ErrorKind::NothingAssigned);
}

/// The offset at which the consumer tells an end next, and the records before it.
async fn up_to_the_end(consumer: &mut Consumer) -> (Vec<i64>, i64) {
    let mut seen = Vec::new();
    loop {
        match consumer.recv().await {
            Ok(record) => seen.push(record.offset),
            Err(error) => match error.kind() {
                ErrorKind::PartitionEnd { offset } => return (seen, *offset),
                _ => panic!("{error}"),
            },
        }
    }
}

async fn the_end_of_a_partition_is_told_where_it_is_asked_for(target: Target) {
    let (client, topic) = filled(&target, 1, 3).await;
    let builder = Consumer::builder(&client).set("enable.partition.eof", "true");
    let builder = builder.assign(topic.as_str(), 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    assert_eq!(up_to_the_end(&mut consumer).await, (vec![0, 1, 2], 3));
    let producer = Producer::builder(&client)
        .build()
        .expect("the settings are fine");
    fill(&producer, &topic, 1, 3..4).await;
    assert_eq!(up_to_the_end(&mut consumer).await, (vec![3], 4));
    // An empty partition ends where it begins, and nothing is told twice.
    let (_, empty) = target.topic(1).await;
    let builder = Consumer::builder(&client).set("enable.partition.eof", "true");
    let builder = builder.assign(empty.as_str(), 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    assert_eq!(up_to_the_end(&mut consumer).await, (vec![], 0));
    let longer = Duration::from_millis(1200);
    let silent = tokio::time::timeout(longer, consumer.recv()).await;
    assert!(silent.is_err(), "{silent:?}");
}

async fn the_end_is_told_again_after_a_seek_and_not_out_of_turn(target: Target) {
    let (client, topic) = filled(&target, 1, 3).await;
    let builder = Consumer::builder(&client).set("enable.partition.eof", "true");
    let builder = builder.assign(topic.as_str(), 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    assert_eq!(up_to_the_end(&mut consumer).await, (vec![0, 1, 2], 3));
    consumer
        .seek(&topic, 0, Start::Offset(1))
        .expect("it is assigned");
    assert_eq!(up_to_the_end(&mut consumer).await, (vec![1, 2], 3));
    consumer
        .seek(&topic, 0, Start::Latest)
        .expect("it is assigned");
    assert_eq!(up_to_the_end(&mut consumer).await, (vec![], 3));
}

async fn offsets_of_many_partitions_are_found_in_one_call(target: Target) {
    let (client, topic) = filled(&target, 2, 10).await;
    let time = UNIX_EPOCH + Duration::from_millis(4_500);
    let places = [
        (topic.as_str(), 0, Start::Earliest),
        (topic.as_str(), 1, Start::Latest),
        (topic.as_str(), 0, Start::from(time)),
        (
            topic.as_str(),
            1,
            Start::from(SystemTime::now() + Duration::from_secs(3600)),
        ),
        (topic.as_str(), 0, Start::BeforeEnd(3)),
        (topic.as_str(), 1, Start::Offset(7)),
        (topic.as_str(), 2, Start::Earliest),
        ("no-such-topic", 0, Start::Earliest),
        (topic.as_str(), 0, Start::Timestamp(-5)),
    ];
    let found = client.offsets(places).await;
    let offsets = found
        .iter()
        .map(|found| found.as_ref().ok().map(|f| f.map(|f| f.offset)));
    let offsets: Vec<_> = offsets.collect();
    let expected = [
        Some(Some(0)),
        Some(Some(10)),
        Some(Some(5)),
        Some(None),
        Some(Some(7)),
        Some(Some(7)),
        None,
        None,
        None,
    ];
    assert_eq!(offsets, expected, "{found:?}");
    let hit = found[2]
        .as_ref()
        .expect("it is found")
        .expect("there is one");
    assert_eq!(hit.timestamp, Some(5_000));
    let of = |n: usize| {
        let error = found[n].as_ref().expect_err("it is wrong");
        (error.topic().map(str::to_owned), error.partition())
    };
    assert_eq!(of(6), (Some(topic.clone()), Some(2)));
    assert_eq!(of(7), (Some("no-such-topic".to_owned()), Some(0)));
    assert_eq!(of(8), (Some(topic.clone()), Some(0)));
    assert_eq!(Reset::default().to_string().parse(), Ok(Reset::Latest));
}
