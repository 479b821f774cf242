//! The connections of a client: which requests share one, and how long it lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, Consumer, Producer, Record, Start,
    protocol::messages::{ApiKey, ApiVersionsRequest, CreateTopicsRequest, MetadataResponse},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create};
use tokio::time::{Instant, sleep};

async fn stage() -> (Cluster, Client) {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    create(&client, "t", 1, &[]).await;
    (cluster, client)
}

/// A request that a broker never answers holds up no other use, and fails no other request.
#[tokio::test(start_paused = true)]
async fn a_slow_request_holds_up_no_other() {
    let (cluster, client) = stage().await;
    cluster.control(|request| match request.api_key {
        ApiKey::CreateTopics => Action::Drop,
        _ => Action::Pass,
    });
    let began = Instant::now();
    let creating = client.clone();
    let creating = tokio::spawn(async move {
        let request = CreateTopicsRequest::default();
        creating.request_controller(request).await
    });
    tokio::task::yield_now().await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let delivery = producer.send(Record::to("t").value("x")).await;
    let written = delivery.expect("it is taken").await;
    assert_eq!(written.expect("it is written").offset, Some(0));
    let start = client.offset("t", 0, Start::Earliest).await;
    assert_eq!(start.expect("it is looked up"), 0);
    let builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("it builds");
    consumer.recv().await.expect("the record comes");
    let request = ApiVersionsRequest {
        client_software_name: "x".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    client.request(request).await.expect("it answers");
    assert!(began.elapsed() < Duration::from_secs(1));
    let created = creating.await.expect("it runs");
    let error = created.expect_err("it is not answered");
    assert!(error.possibly_written(), "{error}");
}

/// On real ports, one of which a broker leaves: it is written to and read from at its new one, and of the
/// links to the old one, which is a bootstrap server's, only that for metadata stays.
#[tokio::test]
async fn a_broker_that_comes_back_elsewhere_is_found_and_leaves_no_links_behind() {
    let cluster = Cluster::builder().brokers(2).start().await;
    let cluster = cluster.expect("it starts");
    let target = Target::of(cluster.clone());
    let client = target.client().await;
    create(&client, "t", 1, &[]).await;
    cluster.move_leader("t", 0, 2).expect("it has a replica");
    let producer = Producer::builder(&client).build().expect("it builds");
    let builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("it builds");
    let mut pass = async |value: &str| {
        let delivery = producer.send(Record::to("t").value(value)).await;
        delivery.expect("there is room").await.expect("written");
        let record = consumer.recv().await.expect("it is read");
        assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
    };
    pass("before").await;
    let before = client.counts();
    for n in 0..3 {
        cluster.stop_broker(2).await.expect("it runs");
        let started = cluster.start_broker_elsewhere(2).await;
        started.expect("there is a free port");
        // A replica can lead once it is in sync again.
        while cluster.move_leader("t", 0, 2).is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        pass(&format!("{n}")).await;
    }
    let after = client.counts();
    assert!(after.links <= before.links + 2, "{before:?}, {after:?}");
}

/// A client that counts its connections, and gives up idle ones after a minute.
async fn counting(cluster: &Cluster) -> (Client, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let (connected, connects) = (count.clone(), cluster.clone());
    let mut builder = Client::builder(cluster.bootstrap());
    // Metadata is not looked up again meanwhile: that would need a connection, too.
    for (name, value) in [
        ("connections.max.idle.ms", "60000"),
        ("metadata.max.age.ms", "3600000"),
    ] {
        builder = builder.set(name, value);
    }
    let builder = builder.connect_with(move |host: &str, port| {
        connected.fetch_add(1, Ordering::Relaxed);
        connects.connect(host, port)
    });
    (builder.connect().await.expect("it is there"), count)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_made_again_when_it_is_needed() {
    let (cluster, _) = stage().await;
    let (client, count) = counting(&cluster).await;
    let ask = async || {
        let request = ApiVersionsRequest {
            client_software_name: "x".into(),
            client_software_version: "1".into(),
            ..ApiVersionsRequest::default()
        };
        client.request(request).await.expect("it answers");
        count.load(Ordering::Relaxed)
    };
    let first = ask().await;
    for _ in 0..10 {
        sleep(Duration::from_secs(50)).await;
        assert_eq!(ask().await, first, "it is in use");
    }
    sleep(Duration::from_secs(61)).await;
    assert_eq!(ask().await, first + 1);
}

/// Over a second connection, the records behind would overtake those that wait for an answer.
#[tokio::test(start_paused = true)]
async fn a_broker_that_metadata_leaves_out_for_a_while_keeps_its_connection() {
    let builder = Cluster::builder().brokers(3).in_memory();
    let builder = builder.set("default.replication.factor", "1");
    let cluster = builder.start().await.expect("it starts");
    let first = cluster.bootstrap().split(',').next().map(str::to_owned);
    let connects = cluster.clone();
    let client = Client::builder(first.expect("it has one"))
        .set("metadata.max.age.ms", "1000")
        .connect_with(move |host: &str, port| connects.connect(host, port));
    let client = client.connect().await.expect("it is there");
    create(&client, "t", 3, &[]).await;
    client.topic("t").await.expect("it is known");
    // The address of the first broker is a bootstrap server's, and stays.
    let mut partitions = (0..3).map(|n| (n, cluster.leader("t", n).map(|(id, _)| id)));
    let other = partitions.find(|(_, leader)| *leader != Some(1));
    let (partition, leader) = other.expect("another broker leads one");
    let producer = Producer::builder(&client).set("enable.idempotence", "false");
    let producer = producer.build().expect("it builds");
    let record = Record::to("t").partition(partition);
    let first = producer.send(record.value("0")).await;
    first.expect("there is room").await.expect("it is written");
    let left_out = Arc::new(AtomicU32::new(0));
    let (times, slow) = (left_out.clone(), AtomicU32::new(1));
    cluster.control(move |request| match request.api_key {
        ApiKey::Produce if slow.swap(0, Ordering::Relaxed) == 1 => {
            Action::Delay(Duration::from_secs(10))
        }
        ApiKey::Metadata if times.fetch_add(1, Ordering::Relaxed) < 3 => {
            Action::alter(move |answer: &mut MetadataResponse| {
                answer.brokers.retain(|b| Some(b.node_id) != leader);
            })
        }
        _ => Action::Pass,
    });
    let slow = producer
        .send(record.value("1"))
        .await
        .expect("there is room");
    sleep(Duration::from_secs(6)).await;
    assert!(left_out.load(Ordering::Relaxed) > 3, "it is there again");
    let next = producer
        .send(record.value("2"))
        .await
        .expect("there is room");
    let (slow, next) = (slow.await, next.await);
    assert_eq!(slow.expect("it is written").offset, Some(1));
    assert_eq!(next.expect("it is written").offset, Some(2));
}

/// A long poll is no idleness: its connection stays.
#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_for_records_is_not_idle() {
    let (cluster, _) = stage().await;
    let (client, count) = counting(&cluster).await;
    let mut builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    builder = builder.set("fetch.max.wait.ms", "120000");
    let mut consumer = builder.build().await.expect("it builds");
    let reading = tokio::spawn(async move { consumer.recv().await.map(|r| r.offset) });
    sleep(Duration::from_secs(1)).await;
    let before = count.load(Ordering::Relaxed);
    sleep(Duration::from_secs(100)).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let delivery = producer.send(Record::to("t").value("x")).await;
    let began = Instant::now();
    delivery.expect("it is taken").await.expect("it is written");
    let read = reading.await.expect("it runs");
    assert_eq!(read.expect("the record comes"), 0);
    assert!(began.elapsed() < Duration::from_secs(1));
    let made = count.load(Ordering::Relaxed) - before;
    assert!(
        made <= 2,
        "{made} connections: the producer's, and one for its id"
    );
}
