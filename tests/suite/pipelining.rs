//! Several batches of a partition on their way at once make up for a broker that is far away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, Producer, Record,
    protocol::{messages::ApiKey, records::BatchHeader},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create, distant};
use tokio::time::Instant;

const ONE_WAY: Duration = Duration::from_millis(5);
const RECORDS: i32 = 30_000;
const VALUE: [u8; 100] = [b'x'; 100];

/// How long a producer takes to write the records to one partition in batches of 16 KiB, and how many
/// batches they were.
async fn takes(in_flight: &str) -> (Duration, u32) {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    let near = cluster.clone();
    let far = move |host: &str, port| {
        let near = near.connect(host, port);
        async move { Ok(distant(near.await?, ONE_WAY)) }
    };
    let builder = Client::builder(cluster.bootstrap()).connect_with(far);
    let client = builder.connect().await.expect("it is reached");
    create(&client, "t", 1, &[]).await;
    let mut builder = Producer::builder(&client);
    for (name, value) in [
        ("batch.size", "16384"),
        ("max.in.flight.requests.per.connection", in_flight),
    ] {
        builder = builder.set(name, value);
    }
    let producer = builder.build().expect("the settings are fine");
    let record = Record::to("t").value(&VALUE);
    // Connections and a producer id are there after it, and the leader has proven itself (rule 26).
    let first = producer.send(record).await.expect("there is room");
    first.await.expect("it is written");
    let before = cluster.batches("t", 0).len();
    let start = Instant::now();
    for _ in 0..RECORDS {
        drop(producer.send(record).await.expect("there is room"));
    }
    producer.flush().await.expect("it is open");
    let took = start.elapsed();
    let batches = cluster.batches("t", 0);
    let count = |batch: &bytes::Bytes| BatchHeader::decode(batch).map_or(0, |h| h.count);
    assert_eq!(batches.iter().map(count).sum::<i32>(), RECORDS + 1);
    (took, (batches.len() - before) as u32)
}

/// Time is virtual here, and stands still while anybody works: what passes is what was waited for.
#[tokio::test(start_paused = true)]
async fn five_batches_in_flight_are_five_times_as_fast_as_one_at_a_distance() {
    let (one, batches) = takes("1").await;
    assert!(batches > 150, "{batches} batches");
    assert!(
        one >= 2 * ONE_WAY * batches,
        "{one:?} for {batches} batches"
    );
    let (five, same) = takes("5").await;
    assert_eq!(batches, same);
    let ratio = one.as_secs_f64() / five.as_secs_f64();
    assert!(
        ratio >= 4.5,
        "{one:?} with one in flight, {five:?} with five"
    );
}

/// Tasks of a runtime with several threads begin in no order, and answers that are read together wake
/// theirs together.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_sent_again_because_answers_came_together() {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    let (client, topic) = Target::in_memory_of(cluster.clone()).topic(1).await;
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    cluster.control(move |request| {
        if request.api_key == ApiKey::Produce {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Action::Pass
    });
    let mut builder = Producer::builder(&client);
    builder = builder.set("batch.size", "1000");
    let producer = builder.build().expect("the settings are fine");
    for _ in 0..1000 {
        let record = Record::to(&topic).value(&VALUE);
        drop(producer.send(record).await.expect("there is room"));
    }
    producer.flush().await.expect("it is open");
    let batches = cluster.batches(&topic, 0).len();
    assert!(batches > 50, "{batches} batches");
    assert_eq!(requests.load(Ordering::Relaxed), batches);
}
