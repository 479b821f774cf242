//! How full batches are: brokers and network pay by the batch.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ottla::{Client, Producer, Record, protocol::messages::ApiKey};
use ottla_broker::{Action, Cluster};
use ottla_tests::create;

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
    let connect = cluster.clone();
    let client = Client::builder(cluster.bootstrap())
        .connect_with(move |host: &str, port| connect.connect(host, port));
    let client = client.connect().await.expect("the cluster is reached");
    (cluster, client)
}

/// Whoever sends faster than brokers take waits for memory all the time. Batches that could not be
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
