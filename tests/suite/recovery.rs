//! A broker dies in mid-stream and comes back: producer and consumer go on by themselves.

use std::collections::BTreeSet;

use ottla::{Client, Consumer, Producer, Record, Start};
use ottla_broker::Cluster;
use ottla_tests::{Kafka, OwnRecord, Target, patient, send_all};

const PARTITIONS: i32 = 3;
const RECORDS: i32 = 30_000;

/// Sends numbered records, a third to each partition.
async fn fill(client: &Client, topic: &str) {
    let producer = Producer::builder(client)
        .build()
        .expect("the defaults are fine");
    let record = |n: i32| OwnRecord::value(n % PARTITIONS, n.to_string());
    let records: Vec<_> = (0..RECORDS).map(record).collect();
    send_all(&producer, topic, &records).await;
    producer
        .close_within(std::time::Duration::from_secs(30))
        .await
        .expect("all is written");
}

/// Reads all records while `disturb` is called after a third of them; each comes once, in order.
async fn read_through(client: &Client, topic: &str, disturb: impl AsyncFnOnce()) {
    let mut builder = Consumer::builder(client);
    // Little is fetched ahead, so that most of it must come from the broker that comes back.
    builder = builder.set("queued.max.messages.kbytes", "16");
    builder = builder.set("max.partition.fetch.bytes", "4096");
    for partition in 0..PARTITIONS {
        builder = builder.assign(topic, partition, Start::Earliest);
    }
    let mut consumer = builder.build().await.expect("the topic is there");
    let mut next = vec![0i64; PARTITIONS as usize];
    let mut seen = BTreeSet::new();
    let mut disturb = Some(disturb);
    while seen.len() < RECORDS as usize {
        if seen.len() == RECORDS as usize / 3
            && let Some(disturb) = disturb.take()
        {
            disturb().await;
        }
        let record = consumer
            .recv()
            .await
            .expect("nothing is told that passes by itself");
        let expected = &mut next[record.partition as usize];
        assert_eq!(record.offset, *expected, "partition {}", record.partition);
        *expected += 1;
        let value = record.value.expect("it has one");
        assert!(seen.insert(value), "offset {} comes twice", record.offset);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_survives_the_only_broker_embedded() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let (client, topic) = Target::of(cluster.clone()).topic(PARTITIONS).await;
    fill(&client, &topic).await;
    let disturb = async || {
        cluster.stop_broker(1).await.expect("it runs");
        cluster
            .start_broker(1)
            .await
            .expect("its port is still free");
    };
    patient(read_through(&client, &topic, disturb)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_survives_kill_9_of_the_only_broker_on_real_kafka() {
    let Some(kafka) = Kafka::of_its_own("kill9", 1) else {
        return;
    };
    let (client, topic) = Target::of_kafka(kafka.clone()).topic(PARTITIONS).await;
    fill(&client, &topic).await;
    let disturb = async || {
        kafka.kill9(1);
        tokio::task::block_in_place(|| kafka.start(1));
    };
    patient(read_through(&client, &topic, disturb)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_survives_kill_9_of_the_only_broker_on_real_kafka() {
    let Some(kafka) = Kafka::of_its_own("kill9-produce", 1) else {
        return;
    };
    let (client, topic) = Target::of_kafka(kafka.clone()).topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let mut deliveries = Vec::new();
    for n in 0..20_000i32 {
        if n == 5000 {
            kafka.kill9(1);
            tokio::task::block_in_place(|| kafka.start(1));
        }
        let value = n.to_string();
        let record = Record::to(&topic).value(&value);
        deliveries.push(producer.send(record).await.expect("there is room"));
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let written = patient(delivery).await.expect("it is written");
        assert_eq!(written.offset, Some(n as i64));
    }
    let end = client
        .offset(&topic, 0, Start::Latest)
        .await
        .expect("the leader says");
    assert_eq!(end, 20_000, "nothing twice");
}
