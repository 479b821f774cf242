//! Reading from the replica that the leader names (KIP-392).

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use ottla::{Client, Consumer, ErrorCode, Producer, Start, protocol::messages::ApiKey};
use ottla_broker::{Action, Cluster};
use ottla_tests::{OwnRecord, Target, patient, read, send_all};

const SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

async fn cluster() -> Cluster {
    let builder = Cluster::builder().brokers(3).in_memory();
    let builder = builder.set("replica.selector.class", SELECTOR);
    builder.start().await.expect("it starts")
}

fn numbered(from: usize, n: usize) -> Vec<OwnRecord> {
    (from..from + n)
        .map(|i| OwnRecord::value(0, i.to_string()))
        .collect()
}

/// A consumer in the rack of one of the followers, which the brokers name `rack-N`.
async fn consumer_beside_a_follower(client: &Client, topic: &str) -> (Consumer, i32) {
    let known = client.topic(topic).await.expect("it was created");
    let partition = known.partition(0).expect("it has one");
    let follower = partition
        .replicas
        .iter()
        .find(|id| **id != partition.leader);
    let follower = *follower.expect("it has followers");
    let mut builder = Consumer::builder(client).assign(topic, 0, Start::Earliest);
    builder = builder.set("client.rack", &format!("rack-{follower}"));
    (builder.build().await.expect("the topic is there"), follower)
}

async fn reads_all(target: &Target) {
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let (mut consumer, _) = consumer_beside_a_follower(&client, &topic).await;
    for round in 0..3 {
        send_all(&producer, &topic, &numbered(round * 100, 100)).await;
        let records = patient(read(&mut consumer, 100)).await;
        let values: Vec<_> = records.iter().filter_map(|r| r.value.clone()).collect();
        let expected: Vec<_> = numbered(round * 100, 100);
        assert!(
            values
                .iter()
                .zip(expected)
                .all(|(got, sent)| Some(got) == sent.value.as_ref())
        );
    }
}

#[tokio::test]
async fn a_consumer_in_the_rack_of_a_follower_reads_all() {
    patient(reads_all(&Target::in_memory_of(cluster().await))).await;
}

/// Runs where the brokers were started with `replica.selector.class`.
#[tokio::test]
async fn a_consumer_in_the_rack_of_a_follower_reads_all_on_real_kafka() {
    if let Some(target) = Target::real()
        && target.client().await.topology().brokers.len() > 1
    {
        patient(reads_all(&target)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_named_follower_is_read_from_and_the_leader_only_to_be_named() {
    let cluster = cluster().await;
    let fetches = Arc::new(Mutex::new(Vec::new()));
    let seen = fetches.clone();
    cluster.control(move |request| {
        if request.api_key == ApiKey::Fetch {
            seen.lock().expect("no test panicked").push(request.broker);
        }
        Action::Pass
    });
    let (client, topic) = Target::in_memory_of(cluster.clone()).topic(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    send_all(&producer, &topic, &numbered(0, 100)).await;
    let (mut consumer, follower) = consumer_beside_a_follower(&client, &topic).await;
    patient(read(&mut consumer, 100)).await;
    for round in 1..20 {
        send_all(&producer, &topic, &numbered(round * 100, 100)).await;
        patient(read(&mut consumer, 100)).await;
    }
    let fetches = fetches.lock().expect("no test panicked");
    let elsewhere = fetches.iter().filter(|broker| **broker != follower).count();
    assert_eq!(elsewhere, 1, "{fetches:?}");
}

/// Whatever is wrong with the follower, the leader has the records.
#[tokio::test(start_paused = true)]
async fn a_follower_that_fails_is_left_for_the_leader() {
    for error in [
        Some(ErrorCode::OFFSET_OUT_OF_RANGE),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        Some(ErrorCode::KAFKA_STORAGE_ERROR),
        None,
    ] {
        let cluster = cluster().await;
        let (client, topic) = Target::in_memory_of(cluster.clone()).topic(1).await;
        let producer = Producer::builder(&client).build().expect("it builds");
        send_all(&producer, &topic, &numbered(0, 10)).await;
        let (mut consumer, follower) = consumer_beside_a_follower(&client, &topic).await;
        patient(read(&mut consumer, 10)).await;
        let (fails, fetches) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let (failing, seen) = (fails.clone(), fetches.clone());
        cluster.control(move |request| {
            if request.api_key != ApiKey::Fetch {
                return Action::Pass;
            }
            seen.fetch_add(1, Ordering::Relaxed);
            match error {
                _ if request.broker != follower || !failing.load(Ordering::Relaxed) => Action::Pass,
                Some(code) => Action::Fail(code),
                None => Action::CutBefore,
            }
        });
        send_all(&producer, &topic, &numbered(10, 10)).await;
        let records = patient(read(&mut consumer, 10)).await;
        assert_eq!(records[0].offset, 10, "{error:?}");
        let asked = fetches.load(Ordering::Relaxed);
        assert!(asked < 60, "{asked} fetches, {error:?}");
        fails.store(false, Ordering::Relaxed);
    }
}
