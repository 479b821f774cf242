//! Records as applications make them and pass them on.

use std::time::{Duration, UNIX_EPOCH};

use ottla::{Acks, Client, Consumer, Header, OwnedRecord, Producer, Record, Start, TimestampType};
use ottla_tests::{Target, on_every_cluster};

on_every_cluster! {
    headers_are_added_one_by_one
    a_record_is_passed_on_as_it_came
    a_producer_is_closed_without_a_deadline
}

async fn first(client: &Client, topic: &str) -> ottla::ConsumerRecord {
    let builder = Consumer::builder(client).assign(topic, 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    consumer.recv().await.expect("a record comes")
}

fn producer(client: &Client) -> Producer {
    Producer::builder(client)
        .build()
        .expect("the settings are fine")
}

async fn headers_are_added_one_by_one(target: Target) {
    let (client, topic) = target.topic(1).await;
    let lent = [Header::new("a", "0")];
    let record = Record::to(&topic).value("v").headers(&lent);
    // More than a record has room for.
    let record = record
        .header("b", "1")
        .header("a", "2")
        .header("null", None::<&str>)
        .header("bytes", b"\xff");
    producer(&client)
        .send(record)
        .await
        .expect("there is room")
        .await
        .expect("it is written");
    let read = first(&client, &topic).await;
    let names: Vec<_> = read.headers.iter().map(|h| h.key.clone()).collect();
    assert_eq!(names, ["a", "b", "a", "null", "bytes"]);
    assert_eq!(read.header("a").flatten().map(|v| &v[..]), Some(&b"2"[..]));
    assert_eq!(read.header("null"), Some(None));
    assert_eq!(read.header("none"), None);
}

async fn a_record_is_passed_on_as_it_came(target: Target) {
    let (client, topic) = target.topic(1).await;
    let (_, copies) = target.topic(1).await;
    let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let record = Record::to(&topic)
        .key("k")
        .value(None::<&[u8]>)
        .header("h", "x")
        .time(time);
    let producer = producer(&client);
    let written = producer
        .send(record.clone())
        .await
        .expect("there is room")
        .await;
    assert_eq!(written.expect("it is written").time(), Some(time));
    assert_eq!(
        OwnedRecord::from(&record).as_record().header_slice(),
        record.header_slice()
    );
    let read = first(&client, &topic).await;
    assert_eq!(
        (read.time(), read.timestamp_type),
        (Some(time), TimestampType::CreateTime)
    );
    assert!(read.leader_epoch.is_some(), "{read:?}");
    let mut copy = OwnedRecord::from(read.clone());
    copy.topic = copies.as_str().into();
    producer
        .send(copy.as_record())
        .await
        .expect("there is room")
        .await
        .expect("it is written");
    let copied = first(&client, &copies).await;
    let content = |record: &ottla::ConsumerRecord| {
        let record = record.clone();
        (record.key, record.value, record.headers, record.timestamp)
    };
    assert_eq!(content(&copied), content(&read));
}

async fn a_producer_is_closed_without_a_deadline(target: Target) {
    let (client, topic) = target.topic(1).await;
    let builder = Producer::builder(&client).acks("1".parse().expect("it is one"));
    let producer = builder
        .set("linger.ms", "60000")
        .build()
        .expect("the settings are fine");
    let delivery = producer
        .send(Record::to(&topic).value("v"))
        .await
        .expect("there is room");
    producer.close().await.expect("it ends");
    delivery.await.expect("it is written");
    producer
        .send(Record::to(&topic))
        .await
        .expect_err("it is closed");
    assert_eq!(Acks::default().to_string(), "all");
    assert!(
        !format!("{producer:?}").contains("accumulator"),
        "{producer:?}"
    );
}
