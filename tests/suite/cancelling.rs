//! What dropping a future of the producer does to records: nothing to one that was accepted, and one
//! that was not is not sent.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::mpsc,
    task::Poll,
    time::Duration,
};

use ottla::{
    ErrorKind, Producer, Record, Start,
    protocol::{ErrorCode, messages::ApiKey, records::Compression},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create, on_every_cluster, patient};

on_every_cluster! {
    a_flush_that_is_dropped_does_nothing_to_records
    a_close_that_is_dropped_leaves_the_producer_closed_and_its_records_on_their_way
}

/// Nothing is sent before somebody asks for it.
const LONG: Duration = Duration::from_secs(100);

/// Polls once what is not done by then, and drops it.
async fn begin(future: impl Future) {
    let mut future = pin!(future);
    let pending = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(pending, "there is something to wait for");
}

async fn a_flush_that_is_dropped_does_nothing_to_records(target: Target) {
    let (client, topic) = target.topic(1).await;
    let builder = Producer::builder(&client).linger(LONG);
    let producer = builder.build().expect("the settings are fine");
    let record = Record::to(&topic).value("v");
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        deliveries.push(producer.send(record).await.expect("there is room"));
        begin(producer.flush()).await;
    }
    producer.flush().await.expect("it is open");
    for (n, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(
            delivery.await.expect("it is written").offset,
            Some(n as i64)
        );
    }
}

async fn a_close_that_is_dropped_leaves_the_producer_closed_and_its_records_on_their_way(
    target: Target,
) {
    let (client, topic) = target.topic(1).await;
    let builder = Producer::builder(&client).linger(LONG);
    let producer = builder.build().expect("the settings are fine");
    let record = Record::to(&topic).value("v");
    let delivery = producer.send(record).await.expect("there is room");
    begin(producer.close_within(LONG)).await;
    // Its batch may still be open.
    let at_once = producer.try_send(record);
    assert_eq!(delivery.await.expect("it is written").offset, Some(0));
    let other = format!("{topic}-other");
    create(&client, &other, 1, &[]).await;
    let to_other = Record::to(&other).value("v");
    for sent in [
        at_once,
        producer.send(record).await,
        producer.send(to_other).await,
    ] {
        let error = sent.expect_err("it is closed");
        assert!(matches!(error.kind(), ErrorKind::Closed { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_send_that_is_dropped_while_it_waits_for_memory_sends_nothing_and_takes_none() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let (client, topic) = Target::of(cluster.clone()).topic(1).await;
    let stall = cluster.control(|request| match request.api_key {
        ApiKey::InitProducerId => Action::Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        _ => Action::Pass,
    });
    let mut builder = Producer::builder(&client);
    builder = builder.set("buffer.memory", "65536");
    let producer = builder.build().expect("the settings are fine");
    let value = [b'x'; 1000];
    let record = Record::to(&topic).value(&value);
    let mut accepted = 0;
    while let Ok(delivery) = producer.try_send(record) {
        drop(delivery);
        accepted += 1;
    }
    let late = Record::to(&topic).value("late");
    // Each would take a page with it.
    for _ in 0..100 {
        begin(producer.send(record)).await;
    }
    stall.remove();
    let late = producer.send(late).await.expect("there is room again");
    assert_eq!(late.await.expect("it is written").offset, Some(accepted));
    let end = client.offset(&topic, 0, Start::Latest).await;
    assert_eq!(end.expect("the leader says"), accepted + 1);
}

#[tokio::test]
async fn a_send_that_is_dropped_while_its_topic_is_looked_up_sends_nothing() {
    let (client, topic) = Target::in_memory(1).await.topic(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let unknown = format!("{topic}-unknown");
    begin(producer.send(Record::to(&unknown).value("dropped"))).await;
    let record = Record::to(&topic).value("v");
    let delivery = producer.send(record).await.expect("there is room");
    assert_eq!(delivery.await.expect("it is written").offset, Some(0));
    // Not even once there is such a topic.
    create(&client, &unknown, 1, &[]).await;
    let record = Record::to(&unknown).value("v");
    let delivery = producer.send(record).await.expect("there is room");
    assert_eq!(delivery.await.expect("it is written").offset, Some(0));
    producer.flush().await.expect("nothing is stuck");
    let end = client.offset(&unknown, 0, Start::Latest).await;
    assert_eq!(end.expect("the leader says"), 1);
}

/// Compression borrows threads of the runtime, and others may have all of them.
#[test]
fn a_close_ends_in_time_though_no_thread_compresses() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let (release, hold) = mpsc::channel::<()>();
    runtime.block_on(async {
        let (client, topic) = Target::in_memory(1).await.topic(1).await;
        let builder = Producer::builder(&client).compression(Compression::Lz4);
        let producer = builder.build().expect("the settings are fine");
        let held = tokio::task::spawn_blocking(move || hold.recv());
        let value = vec![b'x'; 100_000];
        let record = Record::to(&topic).value(&value);
        let delivery = producer.send(record).await.expect("there is room");
        let closed = patient(producer.close_within(Duration::from_millis(50))).await;
        closed.expect_err("a record was given up");
        let error = patient(delivery).await.expect_err("it was given up");
        assert!(!error.possibly_written(), "{error}");
        drop(release);
        held.await.expect("it ends").expect_err("nothing is sent");
    });
}
