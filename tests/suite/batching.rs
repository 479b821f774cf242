//! How full batches are: brokers and network pay by the batch.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ottla::{
    Client, Producer, Record,
    protocol::{messages::ApiKey, records::Compression},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create, patient};

const PARTITIONS: i32 = 12;
const RECORDS: usize = 600_000;

/// A cluster that takes a few milliseconds for each request, and once stands still.
async fn slow_cluster() -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(3).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let seen = AtomicU64::new(0);
    cluster.control(move |request| match request.api_key {
        ApiKey::Produce => {
            let millis = match seen.fetch_add(1, Ordering::Relaxed) {
                20 => 6000,
                n => 2 + (n * 7919) % 5,
            };
            Action::Delay(Duration::from_millis(millis))
        }
        _ => Action::Pass,
    });
    let client = Target::in_memory_of(cluster.clone()).client().await;
    (cluster, client)
}

/// A caller that sends faster than brokers take waits for memory all the time. Batches that could not be
/// sent yet must be filled meanwhile; once they were closed with one record in them.
#[tokio::test(start_paused = true)]
async fn batches_are_filled_while_brokers_are_slower_than_the_sender() {
    let (cluster, client) = slow_cluster().await;
    create(&client, "t", PARTITIONS, &[]).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    for n in 0..RECORDS {
        let key = (n % 10_000).to_be_bytes();
        let record = Record::to("t").key(&key).value(&[b'x'; 100]);
        drop(producer.send(record).await.expect("room comes"));
    }
    producer.flush().await.expect("the producer lives");
    let batches: usize = (0..PARTITIONS).map(|p| cluster.batches("t", p).len()).sum();
    let each = RECORDS / batches;
    assert!(each >= 400, "{batches} batches of {each} records");
}

/// A batch that is on another thread to be compressed when its producer is told to give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_at_once_ends_what_is_being_compressed_too() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let (client, topic) = Target::of(cluster).topic(1).await;
    for _ in 0..20 {
        let builder = Producer::builder(&client).compression(Compression::Gzip);
        let producer = builder.build().expect("the settings are fine");
        let value: Vec<u8> = (0..200_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        let record = Record::to(&topic).value(&value);
        let delivery = producer.send(record).await.expect("there is room");
        let closed = patient(producer.close_within(Duration::ZERO)).await;
        let written = patient(delivery).await;
        assert!(closed.is_err() || written.is_ok(), "{written:?}");
    }
}
