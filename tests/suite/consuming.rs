//! Records come in: from where they were asked for, none left out and none twice.

use std::{collections::HashMap, future::poll_fn, task::Poll, time::Duration};

use ottla::{
    Client, Consumer, ConsumerRecord, ErrorKind, Producer, Reset, Start,
    protocol::{ErrorCode, records::Compression},
};
use ottla_tests::{OwnRecord, Target, create, on_every_cluster, read, recreate, send_all};

on_every_cluster! {
    reading_starts_where_it_is_told_to
    a_seek_forgets_what_was_fetched_and_goes_on_elsewhere
    several_partitions_are_read_side_by_side
    a_position_moves_when_the_application_comes_back
    batches_and_records_can_be_taken_in_turn
    a_record_that_comes_later_wakes_the_consumer
    a_paused_partition_waits_and_others_do_not
    an_offset_outside_the_log_follows_the_reset_policy
    a_batch_larger_than_the_fetch_limit_still_comes
    a_small_queue_holds_back_fetching_and_loses_nothing
    dropping_the_future_of_a_record_loses_nothing
    a_topic_that_was_made_anew_is_told_and_not_read_from_the_old_offset
    what_is_assigned_must_exist
}

async fn filled(target: &Target, partitions: i32, records: i32) -> (Client, String) {
    let (client, topic) = target.topic(partitions).await;
    fill(&client, &topic, partitions, 0..records).await;
    (client, topic)
}

/// Values are numbers, timestamps are a thousand times as much.
async fn fill(client: &Client, topic: &str, partitions: i32, numbers: std::ops::Range<i32>) {
    let producer = Producer::builder(client).compression(Compression::Lz4);
    let producer = producer.build().expect("the settings are fine");
    let record = |n: i32| OwnRecord {
        timestamp: Some(1000 * i64::from(n)),
        ..OwnRecord::value(n % partitions, n.to_string())
    };
    let records: Vec<_> = numbers.map(record).collect();
    send_all(&producer, topic, &records).await;
}

fn number(record: &ConsumerRecord) -> i32 {
    let value = record.value.as_ref().expect("it has one");
    let text = std::str::from_utf8(value).expect("it is text");
    text.parse().expect("it is a number")
}

async fn consumer(client: &Client, topic: &str, start: Start) -> Consumer {
    let builder = Consumer::builder(client).assign(topic, 0, start);
    builder.build().await.expect("the topic is there")
}

async fn reading_starts_where_it_is_told_to(target: Target) {
    let (client, topic) = filled(&target, 1, 100).await;
    for (start, first) in [
        (Start::Earliest, 0),
        (Start::Offset(42), 42),
        (Start::BeforeEnd(3), 97),
        (Start::BeforeEnd(1000), 0),
        (Start::Timestamp(50_000), 50),
        (Start::Timestamp(49_001), 50),
    ] {
        let mut consumer = consumer(&client, &topic, start).await;
        let record = consumer.recv().await.expect("a record comes");
        assert_eq!(
            (number(&record), record.offset),
            (first, i64::from(first)),
            "{start:?}"
        );
        let found = client
            .offset(&topic, 0, start)
            .await
            .expect("the leader says");
        assert_eq!(found, i64::from(first), "{start:?}");
    }
    for start in [Start::Latest, Start::Timestamp(i64::MAX)] {
        let mut consumer = consumer(&client, &topic, start).await;
        // The position is looked up in the background: what is written before that is not "from now on".
        let end = client
            .offset(&topic, 0, start)
            .await
            .expect("the leader says");
        consumer
            .seek(&topic, 0, Start::Offset(end))
            .expect("it is assigned");
        fill(&client, &topic, 1, end as i32..end as i32 + 1).await;
        let record = consumer.recv().await.expect("a record comes");
        assert_eq!(record.offset, end, "{start:?}");
    }
}

async fn a_seek_forgets_what_was_fetched_and_goes_on_elsewhere(target: Target) {
    let (client, topic) = filled(&target, 1, 100).await;
    let mut consumer = consumer(&client, &topic, Start::Earliest).await;
    assert_eq!(number(&read(&mut consumer, 10).await[9]), 9);
    consumer
        .seek(&topic, 0, Start::Offset(50))
        .expect("it is assigned");
    assert_eq!(number(&read(&mut consumer, 1).await[0]), 50);
    consumer
        .seek(&topic, 0, Start::Earliest)
        .expect("it is assigned");
    let all = read(&mut consumer, 100).await;
    assert!(all.iter().map(number).eq(0..100));
}

async fn several_partitions_are_read_side_by_side(target: Target) {
    let (client, topic) = filled(&target, 6, 6000).await;
    let mut builder = Consumer::builder(&client);
    for partition in 0..6 {
        builder = builder.assign(topic.as_str(), partition, Start::Earliest);
    }
    let mut consumer = builder.build().await.expect("the topic is there");
    let mut next: HashMap<i32, i32> = (0..6).map(|p| (p, p)).collect();
    for record in read(&mut consumer, 6000).await {
        let expected = next.get_mut(&record.partition).expect("it is assigned");
        assert_eq!(number(&record), *expected);
        *expected += 6;
    }
}

async fn a_position_moves_when_the_application_comes_back(target: Target) {
    let (client, topic) = filled(&target, 1, 10).await;
    let mut consumer = consumer(&client, &topic, Start::Offset(2)).await;
    assert_eq!(consumer.position(&topic, 0), Some(2));
    read(&mut consumer, 1).await;
    assert_eq!(
        consumer.position(&topic, 0),
        Some(2),
        "it may not be done with it yet"
    );
    read(&mut consumer, 1).await;
    assert_eq!(consumer.position(&topic, 0), Some(3));
    assert_eq!(consumer.position("other", 0), None);
}

async fn batches_and_records_can_be_taken_in_turn(target: Target) {
    let (client, topic) = filled(&target, 1, 300).await;
    let mut builder = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
    let limit = "max.partition.fetch.bytes";
    builder = builder.set(limit, "500");
    let mut consumer = builder.build().await.expect("the topic is there");
    let mut offsets = Vec::new();
    while offsets.len() < 300 {
        offsets.push(read(&mut consumer, 1).await[0].offset);
        if offsets.len() < 300 {
            let batch = consumer.next_batch().await.expect("a batch comes");
            let records = batch.records().map(|r| r.expect("it is whole").offset);
            offsets.extend(records);
        }
    }
    assert!(offsets.into_iter().eq(0..300));
}

async fn a_record_that_comes_later_wakes_the_consumer(target: Target) {
    let (client, topic) = target.topic(1).await;
    let mut consumer = consumer(&client, &topic, Start::Earliest).await;
    let waiting = tokio::spawn(async move { consumer.recv().await });
    fill(&client, &topic, 1, 7..8).await;
    let record = waiting.await.expect("no panic").expect("a record comes");
    assert_eq!(number(&record), 7);
}

async fn a_paused_partition_waits_and_others_do_not(target: Target) {
    let (client, topic) = filled(&target, 2, 20).await;
    let mut consumer = Consumer::builder(&client);
    for partition in 0..2 {
        consumer = consumer.assign(topic.as_str(), partition, Start::Earliest);
    }
    let mut consumer = consumer.build().await.expect("the topic is there");
    // Paused in the middle of a batch, with what was fetched behind it.
    let first = read(&mut consumer, 3).await.pop().expect("there are three");
    consumer
        .pause(&topic, first.partition)
        .expect("it is assigned");
    let mut seen = vec![number(&first)];
    while seen.len() < 8 {
        let record = consumer.recv().await.expect("a record comes");
        assert_ne!(record.partition, first.partition, "it is paused");
        seen.push(number(&record));
    }
    consumer
        .resume(&topic, first.partition)
        .expect("it is assigned");
    let left = read(&mut consumer, 20 - 3 - 7).await;
    let left = left.iter().filter(|r| r.partition == first.partition);
    let offsets: Vec<_> = left.map(|r| r.offset).collect();
    assert!(
        offsets.into_iter().eq(first.offset + 1..10),
        "none is lost or comes twice"
    );
}

async fn an_offset_outside_the_log_follows_the_reset_policy(target: Target) {
    let (client, topic) = filled(&target, 1, 10).await;
    let outside = || Consumer::builder(&client).assign(topic.as_str(), 0, Start::Offset(99));
    let earliest = outside().reset(Reset::Earliest).build().await;
    let mut earliest = earliest.expect("the topic is there");
    assert_eq!(number(&read(&mut earliest, 1).await[0]), 0);
    let none = outside().reset(Reset::None).build().await;
    let mut none = none.expect("the topic is there");
    let error = none.recv().await.expect_err("it is outside");
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert!(
        error
            .to_string()
            .contains(&format!("{topic}-0 at offset 99")),
        "{error}"
    );
    none.seek(&topic, 0, Start::Offset(9))
        .expect("it is assigned");
    assert_eq!(number(&read(&mut none, 1).await[0]), 9);
}

async fn a_batch_larger_than_the_fetch_limit_still_comes(target: Target) {
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let sent: Vec<_> = (0..5)
        .map(|i: u8| OwnRecord::value(0, vec![i; 50_000]))
        .collect();
    send_all(&producer, &topic, &sent).await;
    let mut builder = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
    builder = builder.set("fetch.max.bytes", "1000");
    builder = builder.set("max.partition.fetch.bytes", "1000");
    let mut consumer = builder.build().await.expect("the topic is there");
    ottla_tests::expect_records(&read(&mut consumer, 5).await, &sent);
}

async fn a_small_queue_holds_back_fetching_and_loses_nothing(target: Target) {
    let (client, topic) = filled(&target, 1, 5000).await;
    let mut builder = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
    builder = builder.set("queued.max.messages.kbytes", "1");
    builder = builder.set("max.partition.fetch.bytes", "2000");
    let mut consumer = builder.build().await.expect("the topic is there");
    assert!(
        read(&mut consumer, 5000)
            .await
            .iter()
            .map(number)
            .eq(0..5000)
    );
}

async fn dropping_the_future_of_a_record_loses_nothing(target: Target) {
    let (client, topic) = filled(&target, 1, 200).await;
    let mut consumer = consumer(&client, &topic, Start::Earliest).await;
    let mut got = Vec::new();
    while got.len() < 200 {
        // Polled once and dropped, whether it was ready or not.
        let once = {
            let mut next = Box::pin(consumer.recv());
            poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await
        };
        match once {
            Poll::Ready(record) => got.push(number(&record.expect("a record comes"))),
            Poll::Pending => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    assert!(got.into_iter().eq(0..200));
}

async fn a_topic_that_was_made_anew_is_told_and_not_read_from_the_old_offset(target: Target) {
    let (client, topic) = filled(&target, 1, 10).await;
    let mut consumer = consumer(&client, &topic, Start::Earliest).await;
    read(&mut consumer, 10).await;
    let other = target.client().await;
    recreate(&other, &topic).await;
    fill(&target.client().await, &topic, 1, 100..120).await;
    let error = loop {
        match consumer.recv().await {
            Ok(record) => panic!("offset {} of another topic", record.offset),
            // While it is gone, that may be told, too.
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_ID), "{error}");
    consumer
        .seek(&topic, 0, Start::Earliest)
        .expect("it is assigned");
    assert_eq!(number(&read(&mut consumer, 1).await[0]), 100);
}

async fn what_is_assigned_must_exist(target: Target) {
    let (client, topic) = target.topic(2).await;
    let missing = Consumer::builder(&client).assign("no-such-topic", 0, Start::Earliest);
    let error = missing.build().await.expect_err("there is none");
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(error.to_string().contains("no-such-topic"), "{error}");
    let missing = Consumer::builder(&client).assign(topic.as_str(), 2, Start::Earliest);
    let error = missing.build().await.expect_err("there are two");
    assert!(matches!(
        error.kind(),
        ErrorKind::NoSuchPartition { partitions: 2 }
    ));
    let mut consumer = Consumer::builder(&client)
        .build()
        .await
        .expect("nothing is wrong");
    assert!(consumer.seek(&topic, 0, Start::Earliest).is_err());
    create(&client, &format!("{topic}-late"), 1, &[]).await;
    let late = consumer
        .assign(format!("{topic}-late"), 0, Start::Earliest)
        .await;
    late.expect("it is there now");
}
