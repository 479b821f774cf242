//! What a broker or the network does to a client, made on purpose on the embedded broker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use ottla::{
    Acks, Consumer, ErrorKind, Producer, Record, Start,
    protocol::{
        ErrorCode,
        messages::{ApiKey, ApiVersion, ApiVersionsResponse},
        records::{BatchBuilder, NewRecord, ProducerStamp},
    },
};
use ottla_broker::{Action, Cluster, Intercepted};
use ottla_tests::{OwnRecord, Target, expect_records, patient, read, send_all};
use tokio::time::Instant;

/// A cluster of three and a topic on it.
async fn stage(partitions: i32) -> (Cluster, ottla::Client, String) {
    let cluster = Cluster::builder()
        .brokers(3)
        .start()
        .await
        .expect("it starts");
    let (client, topic) = Target::of(cluster.clone()).topic(partitions).await;
    (cluster, client, topic)
}

/// Does something to the first few requests of one kind.
fn to_the_first(
    times: u32,
    api: ApiKey,
    action: impl Fn() -> Action + Send + Sync + 'static,
) -> impl Fn(&Intercepted<'_>) -> Action + Send + Sync + 'static {
    let done = AtomicU32::new(0);
    move |request| {
        if request.api_key == api && done.fetch_add(1, Ordering::Relaxed) < times {
            action()
        } else {
            Action::Pass
        }
    }
}

fn numbered(n: i32) -> Vec<OwnRecord> {
    (0..n).map(|i| OwnRecord::value(0, i.to_string())).collect()
}

/// Sends, and finds every record in the log once and in order.
async fn sends_all_once(cluster: &Cluster, client: &ottla::Client, topic: &str) {
    let mut builder = Producer::builder(client);
    builder = builder.set("batch.size", "1000");
    let producer = builder.build().expect("the settings are fine");
    let sent = numbered(2000);
    let offsets = patient(send_all(&producer, topic, &sent)).await;
    assert!(offsets.into_iter().eq(0..2000));
    let consumer = Consumer::builder(client).assign(topic, 0, Start::Earliest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    expect_records(&patient(read(&mut consumer, 2000)).await, &sent);
    let batches = cluster.batches(topic, 0);
    assert!(batches.len() > 10, "there was something to go wrong with");
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_double_a_record() {
    let (cluster, client, topic) = stage(1).await;
    cluster.control(to_the_first(3, ApiKey::Produce, || Action::CutAfter));
    sends_all_once(&cluster, &client, &topic).await;
}

#[tokio::test]
async fn a_request_that_is_lost_is_sent_again_in_order() {
    let (cluster, client, topic) = stage(1).await;
    let nth = Arc::new(AtomicU32::new(0));
    cluster.control(move |request| match request.api_key {
        ApiKey::Produce if nth.fetch_add(1, Ordering::Relaxed) % 7 == 3 => Action::CutBefore,
        _ => Action::Pass,
    });
    sends_all_once(&cluster, &client, &topic).await;
}

#[tokio::test]
async fn refusals_that_pass_are_waited_out() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ] {
        let (cluster, client, topic) = stage(1).await;
        cluster.control(to_the_first(2, ApiKey::Produce, move || Action::Fail(code)));
        sends_all_once(&cluster, &client, &topic).await;
    }
}

#[tokio::test]
async fn a_producer_follows_its_leader() {
    let (cluster, client, topic) = stage(1).await;
    let (leader, _) = cluster.leader(&topic, 0).expect("it has one");
    let mover = cluster.clone();
    let name = topic.clone();
    let seen = AtomicU32::new(1);
    cluster.control(move |request| {
        if request.api_key == ApiKey::Produce {
            let seen = seen.fetch_add(1, Ordering::Relaxed);
            if seen.is_multiple_of(5) {
                let to = (leader + seen as i32 / 5) % 3 + 1;
                mover.move_leader(&name, 0, to).expect("it is a replica");
            }
        }
        Action::Pass
    });
    sends_all_once(&cluster, &client, &topic).await;
}

#[tokio::test]
async fn a_consumer_follows_its_leader() {
    let (cluster, client, topic) = stage(1).await;
    let producer = Producer::builder(&client)
        .build()
        .expect("the defaults are fine");
    let sent = numbered(300);
    send_all(&producer, &topic, &sent).await;
    let mut builder = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
    builder = builder.set("queued.max.messages.kbytes", "1");
    let mut consumer = builder.build().await.expect("the topic is there");
    let mut got = patient(read(&mut consumer, 100)).await;
    for to in [1, 2, 3, 1] {
        cluster.move_leader(&topic, 0, to).expect("it is a replica");
        send_all(&producer, &topic, &[OwnRecord::value(0, to.to_string())]).await;
        got.extend(patient(read(&mut consumer, 50)).await);
    }
    assert!(got.iter().map(|r| r.offset).eq(0..300));
}

#[tokio::test]
async fn a_record_whose_fate_is_unknown_says_so() {
    let (cluster, client, topic) = stage(1).await;
    cluster.control(to_the_first(u32::MAX, ApiKey::Produce, || Action::Drop));
    let builder = Producer::builder(&client).delivery_timeout(Duration::from_millis(700));
    let producer = builder.build().expect("the settings are fine");
    let record = Record::to(&topic).value("lost?");
    let delivery = producer.send(record).await.expect("there is room");
    let error = patient(delivery).await.expect_err("no broker answers");
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    assert!(
        error.possibly_written() && error.to_string().contains(&topic),
        "{error}"
    );
}

#[tokio::test]
async fn a_record_that_was_never_sent_is_certainly_not_written() {
    let (cluster, client, topic) = stage(1).await;
    let fail = || Action::Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    cluster.control(to_the_first(u32::MAX, ApiKey::InitProducerId, fail));
    let builder = Producer::builder(&client).delivery_timeout(Duration::from_millis(700));
    let producer = builder.build().expect("the settings are fine");
    let record = Record::to(&topic).value("kept");
    let delivery = producer.send(record).await.expect("there is room");
    let error = patient(delivery)
        .await
        .expect_err("there is no producer id");
    assert!(!error.possibly_written(), "{error}");
    assert!(cluster.batches(&topic, 0).is_empty());
}

#[tokio::test]
async fn a_stalled_broker_holds_senders_back_and_not_memory() {
    let (cluster, client, topic) = stage(1).await;
    let stall = cluster.control(to_the_first(u32::MAX, ApiKey::InitProducerId, || {
        Action::Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
    }));
    let mut builder = Producer::builder(&client);
    builder = builder.set("buffer.memory", "65536");
    let producer = builder.build().expect("the settings are fine");
    let value = [b'x'; 1000];
    let record = Record::to(&topic).value(&value);
    let mut deliveries = vec![producer.send(record).await.expect("there is room")];
    let full = loop {
        match producer.try_send(record) {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
    };
    assert!(matches!(full.kind(), ErrorKind::BufferFull), "{full}");
    assert!(deliveries.len() <= 65, "{} fit", deliveries.len());
    stall.remove();
    deliveries.push(
        patient(producer.send(record))
            .await
            .expect("there is room again"),
    );
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let written = patient(delivery).await.expect("it is written");
        assert_eq!(written.offset, Some(n as i64));
    }
}

/// Without acknowledgements a record is done when it is written, which takes somebody who reads.
#[tokio::test(start_paused = true)]
async fn records_that_the_broker_does_not_read_from_the_socket_fail_in_time_without_acks() {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    let (client, topic) = Target::in_memory_of(cluster.clone()).topic(1).await;
    let stall = cluster.control(to_the_first(u32::MAX, ApiKey::Produce, || {
        Action::Delay(Duration::from_secs(3600))
    }));
    let limit = Duration::from_secs(40);
    let mut builder = Producer::builder(&client).acks(Acks::None);
    builder = builder.delivery_timeout(limit);
    builder = builder.set("batch.size", "16384");
    let producer = builder.build().expect("the settings are fine");
    let value = vec![b'x'; 10_000];
    let start = Instant::now();
    let mut deliveries = Vec::new();
    for _ in 0..1000 {
        let record = Record::to(&topic).value(&value);
        deliveries.push(producer.send(record).await.expect("there is room"));
    }
    let mut lost = 0;
    for delivery in deliveries {
        lost += usize::from(delivery.await.is_err());
    }
    assert!(lost > 500, "{lost} were not written");
    assert!(start.elapsed() <= 2 * limit, "{:?}", start.elapsed());
    // The connection that took nothing any more is given up, and another does.
    stall.remove();
    let record = Record::to(&topic).value(&value);
    let sent = producer.send(record).await.expect("there is room");
    sent.await.expect("it is written");
    assert!(start.elapsed() <= 2 * limit, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_broker_that_hangs_up_on_new_api_versions_is_asked_in_version_0() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    cluster.control(|request| match (request.api_key, request.version) {
        (ApiKey::ApiVersions, 1..) => Action::CutBefore,
        _ => Action::Pass,
    });
    patient(Target::of(cluster).client()).await;
}

#[tokio::test]
async fn an_old_broker_names_the_version_it_wants_to_be_asked_in() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let asked = Arc::new(AtomicU32::new(0));
    let versions = asked.clone();
    cluster.control(move |request| match (request.api_key, request.version) {
        (ApiKey::ApiVersions, 3..) => {
            // As the broker has it: in version 0, whatever was asked (rule 1).
            let range = ApiVersion {
                api_key: 18,
                min_version: 0,
                max_version: 2,
            };
            let answer = ApiVersionsResponse {
                error_code: ErrorCode::UNSUPPORTED_VERSION,
                api_keys: vec![range],
                ..ApiVersionsResponse::default()
            };
            let mut bytes = BytesMut::new();
            bytes.extend_from_slice(&request.correlation_id.to_be_bytes());
            let mut w = ottla::protocol::wire::Writer::new(0, false);
            ottla::protocol::wire::Wire::encode(&answer, &mut w);
            for part in w.finish().expect("it fits") {
                bytes.extend_from_slice(&part);
            }
            Action::replace_frame(bytes.freeze())
        }
        (ApiKey::ApiVersions, version) => {
            versions.store(version as u32, Ordering::Relaxed);
            Action::Pass
        }
        _ => Action::Pass,
    });
    patient(Target::of(cluster).client()).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn one_of_several_bootstrap_servers_is_enough() {
    let cluster = Cluster::builder()
        .brokers(3)
        .start()
        .await
        .expect("it starts");
    let bootstrap = format!("no-such-host.invalid:1,{}", cluster.bootstrap());
    for dead in [1, 3] {
        cluster.stop_broker(dead).await.expect("it runs");
    }
    let client = ottla::Client::builder(bootstrap).connect();
    patient(client).await.expect("one of them answers");
}

/// A batch of one record.
fn batch(value: &str) -> BytesMut {
    let mut builder = BatchBuilder::new(Vec::new(), 1000);
    let value = Some(value.as_bytes());
    assert!(builder.append(&NewRecord {
        value,
        ..NewRecord::default()
    }));
    let mut batch = builder.seal();
    batch.stamp(ProducerStamp::NONE);
    batch.as_ref().into()
}

#[tokio::test]
async fn a_damaged_batch_is_told_and_only_skipped_by_a_seek() {
    let (cluster, client, topic) = stage(1).await;
    let mut damaged = batch("damaged");
    *damaged.last_mut().expect("it is not empty") ^= 1;
    for bytes in [batch("first"), damaged, batch("last")] {
        cluster
            .append(&topic, 0, bytes.freeze())
            .expect("the topic is there");
    }
    let consumer = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    assert_eq!(read(&mut consumer, 1).await[0].offset, 0);
    for _ in 0..3 {
        let error = patient(consumer.recv()).await.expect_err("it is damaged");
        assert!(matches!(error.kind(), ErrorKind::Records(_)));
        assert!(
            error
                .to_string()
                .contains(&format!("{topic}-0 at offset 1")),
            "{error}"
        );
    }
    consumer
        .seek(&topic, 0, Start::Offset(2))
        .expect("it is assigned");
    assert_eq!(patient(read(&mut consumer, 1)).await[0].offset, 2);
}
