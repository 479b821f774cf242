//! What keeps a record from being written twice: the producer id, and sequences that brokers forget.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, ErrorKind, Producer, Record,
    protocol::{
        ErrorCode,
        messages::{ApiKey, InitProducerIdResponse, ProduceResponse},
        records::{Batches, Decompressor},
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create, patient};
use tokio::time::Instant;

async fn stage() -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(1).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    create(&client, "t", 1, &[]).await;
    (cluster, client)
}

/// The values of a partition's log.
fn values(cluster: &Cluster) -> Vec<String> {
    let mut values = Vec::new();
    for batch in cluster.batches("t", 0) {
        let raw = Batches::new(batch).next().expect("it is a batch");
        let batch = raw.expect("it is whole").open(&mut Decompressor::default());
        let batch = batch.expect("it is readable");
        for record in batch.records() {
            let value = record.expect("it is readable").value.expect("it has one");
            values.push(String::from_utf8(value.to_vec()).expect("it is text"));
        }
    }
    values
}

/// Sends each value in a batch of its own, and waits for all deliveries.
async fn send_each(producer: &Producer, n: usize) -> Vec<ottla::Result<i64>> {
    let mut deliveries = Vec::new();
    for i in 0..n {
        let value = i.to_string();
        let record = Record::to("t").partition(0).value(&value);
        deliveries.push(producer.send(record).await.expect("there is room"));
    }
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        outcomes.push(
            patient(delivery)
                .await
                .map(|written| written.offset.unwrap_or(-1)),
        );
    }
    outcomes
}

/// Without a producer id brokers count nothing, and the lost answer would write the record twice.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_producer_id_does_not_turn_idempotence_off() {
    for (id, epoch) in [(-1, 0), (5, -1)] {
        let (cluster, client) = stage().await;
        let asked = AtomicU32::new(0);
        let lost = AtomicU32::new(0);
        cluster.control(move |request| match request.api_key {
            ApiKey::InitProducerId if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
                Action::alter(move |answer: &mut InitProducerIdResponse| {
                    (answer.producer_id, answer.producer_epoch) = (id, epoch);
                })
            }
            ApiKey::Produce if lost.fetch_add(1, Ordering::Relaxed) == 0 => Action::CutAfter,
            _ => Action::Pass,
        });
        let producer = Producer::builder(&client).build().expect("it builds");
        let outcomes = send_each(&producer, 1).await;
        assert_eq!(outcomes.into_iter().next().expect("one").ok(), Some(0));
        assert_eq!(values(&cluster), ["0"]);
    }
}

/// The broker has all five batches but answers that it ran out of time; after that it recognises only
/// the last of them, as after a restart.
#[tokio::test(start_paused = true)]
async fn batches_that_a_broker_has_and_forgot_are_not_written_twice() {
    let (cluster, client) = stage().await;
    let produced = AtomicU32::new(0);
    let last = Arc::new(Mutex::new(-1));
    cluster.control(move |request| {
        if request.api_key != ApiKey::Produce {
            return Action::Pass;
        }
        let nth = produced.fetch_add(1, Ordering::Relaxed);
        let last = last.clone();
        match nth {
            0 => Action::Pass,
            1..=5 => Action::alter(move |answer: &mut ProduceResponse| {
                let partition = &mut answer.responses[0].partition_responses[0];
                *last.lock().expect("no test panicked") = partition.base_offset;
                partition.error_code = ErrorCode::REQUEST_TIMED_OUT;
            }),
            _ => Action::alter(move |answer: &mut ProduceResponse| {
                let partition = &mut answer.responses[0].partition_responses[0];
                let last = *last.lock().expect("no test panicked");
                if partition.error_code.is_ok() && partition.base_offset < last {
                    partition.error_code = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
                }
            }),
        }
    });
    let mut builder = Producer::builder(&client);
    builder = builder.set("batch.size", "1");
    let builder = builder.linger(Duration::ZERO);
    let producer = builder.build().expect("it builds");
    let outcomes = send_each(&producer, 8).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let expected: Vec<_> = (0..8).map(|i| i.to_string()).collect();
    assert_eq!(values(&cluster), expected);
}

/// A connection that swallows the first request must leave time for a second try.
#[tokio::test(start_paused = true)]
async fn one_lost_answer_does_not_use_up_the_delivery_timeout() {
    let (cluster, client) = stage().await;
    let produced = AtomicU32::new(0);
    cluster.control(move |request| match request.api_key {
        ApiKey::Produce if produced.fetch_add(1, Ordering::Relaxed) == 0 => Action::Drop,
        _ => Action::Pass,
    });
    let builder = Producer::builder(&client).delivery_timeout(Duration::from_secs(30));
    let producer = builder.build().expect("it builds");
    let outcomes = send_each(&producer, 1).await;
    assert_eq!(outcomes.into_iter().next().expect("one").ok(), Some(0));
}

/// An expired record tells what the connection to its leader failed of, with the address.
#[tokio::test(start_paused = true)]
async fn an_expired_record_tells_why_its_broker_was_not_reached() {
    let (cluster, client) = stage().await;
    let builder = Producer::builder(&client).delivery_timeout(Duration::from_secs(8));
    let producer = builder.build().expect("it builds");
    send_each(&producer, 1)
        .await
        .remove(0)
        .expect("the broker is up");
    cluster.stop_broker(1).await.expect("it is up");
    let began = Instant::now();
    let error = send_each(&producer, 1)
        .await
        .remove(0)
        .expect_err("it is down");
    assert!(began.elapsed() <= Duration::from_secs(9));
    let told = error.to_string();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{told}");
    assert!(
        told.contains("connecting to ") && told.contains("cannot connect"),
        "{told}"
    );
}
