//! Records are kept while brokers or leaders are away, and callers wait no longer than they said.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, Consumer, CoordinatorType, ErrorKind, Producer, Record, Start,
    protocol::{
        ErrorCode,
        messages::{
            ApiKey, InitProducerIdRequest, ListOffsetsPartition, ListOffsetsRequest,
            ListOffsetsTopic, OffsetFetchRequest, OffsetFetchRequestGroup,
        },
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create};
use tokio::time::{Instant, sleep, timeout};

const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn stage(brokers: i32) -> (Cluster, Target) {
    let builder = Cluster::builder().brokers(brokers).in_memory();
    let builder = builder.set("default.replication.factor", "1");
    let cluster = builder.start().await.expect("it starts");
    (cluster.clone(), Target::in_memory_of(cluster))
}

/// Counts the requests with this key, and answers all of them by `action`.
fn count(
    cluster: &Cluster,
    key: ApiKey,
    action: impl Fn() -> Action + Send + Sync + 'static,
) -> Arc<AtomicU32> {
    let seen = Arc::new(AtomicU32::new(0));
    let count = seen.clone();
    cluster.control(move |request| {
        if request.api_key != key {
            return Action::Pass;
        }
        count.fetch_add(1, Ordering::Relaxed);
        action()
    });
    seen
}

#[tokio::test(start_paused = true)]
async fn a_record_after_a_long_pause_waits_for_brokers_that_are_away() {
    let (cluster, target) = stage(1).await;
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let record = Record::to(&topic).value("1");
    let first = producer.send(record).await.expect("there is room");
    first.await.expect("it is written");
    // The client forgets the topic meanwhile.
    sleep(s(1000)).await;
    cluster.stop_broker(1).await.expect("it stops");
    let second = producer.send(record).await.expect("there is room");
    sleep(s(40)).await;
    cluster.start_broker(1).await.expect("it starts");
    let written = second.await;
    let written = written.expect("the broker was away for 40 of 120 seconds");
    assert_eq!(written.offset, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_waits_for_its_leader_keeps_its_topic_known() {
    let (cluster, target) = stage(3).await;
    let client = target.client().await;
    create(&client, "t", 1, &[]).await;
    let builder = Producer::builder(&client).delivery_timeout(s(3600));
    let producer = builder.build().expect("it builds");
    let record = Record::to("t").value("1");
    let first = producer.send(record).await.expect("there is room");
    first.await.expect("it is written");
    let (leader, _) = cluster.leader("t", 0).expect("it has one");
    cluster.stop_broker(leader).await.expect("it stops");
    let mut second = producer.send(record).await.expect("there is room");
    // Longer than metadata.max.idle.ms.
    let early = timeout(s(1800), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    cluster.start_broker(leader).await.expect("it starts");
    let written = second.await.expect("the leader was away for half an hour");
    assert_eq!(written.offset, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_an_error_that_names_the_setting() {
    let (_cluster, target) = stage(1).await;
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let value = vec![b'x'; 20_000];
    let record = Record::to(&topic).value(&value);
    let delivery = producer.send(record).await.expect("there is room");
    delivery.await.expect("it is written");
    let builder = target.client_builder();
    let builder = builder.set("receive.message.max.bytes", "10000");
    let small = builder.connect().await.expect("it connects");
    let builder = Consumer::builder(&small).set("fetch.max.bytes", "5000");
    let builder = builder.assign(topic.as_str(), 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("the topic is there");
    let got = timeout(s(60), consumer.recv()).await;
    let got = got.expect("recv returns soon");
    let error = got.expect_err("the answer does not fit");
    assert!(
        error.to_string().contains("receive.message.max.bytes"),
        "{error}"
    );
    assert_eq!((error.partition(), error.broker()), (Some(0), Some(1)));
    assert!(!error.is_retriable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn fetches_larger_than_what_the_client_takes_are_refused() {
    let (_cluster, target) = stage(1).await;
    let (client, topic) = target.topic(1).await;
    // The most that fits beside what an answer takes by itself.
    for (bytes, fits) in [("104857088", true), ("104857089", false)] {
        let builder = Consumer::builder(&client).set("fetch.max.bytes", bytes);
        let built = builder
            .assign(topic.as_str(), 0, Start::Earliest)
            .build()
            .await;
        assert_eq!(built.is_ok(), fits, "{bytes}");
        if let Err(error) = built {
            assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_asks_brokers_not_to_wait_does_not_spin() {
    for setting in ["fetch.min.bytes", "fetch.max.wait.ms"] {
        let (cluster, target) = stage(1).await;
        let (client, topic) = target.topic(1).await;
        let seen = count(&cluster, ApiKey::Fetch, || Action::Pass);
        let builder = Consumer::builder(&client).set(setting, "0");
        let builder = builder.assign(topic.as_str(), 0, Start::Earliest);
        let mut consumer = builder.build().await.expect("the topic is there");
        let nothing = timeout(s(1), consumer.recv()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        let seen = seen.load(Ordering::Relaxed);
        assert!(
            (50..=101).contains(&seen),
            "{setting}: {seen} fetches in a second"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_offset_is_told_within_the_api_timeout() {
    let (cluster, target) = stage(1).await;
    let client = hurried(&target).await;
    create(&client, "t", 1, &[]).await;
    client.topic("t").await.expect("it is there");
    let _seen = count(&cluster, ApiKey::ListOffsets, || Action::Drop);
    for start in [Start::Latest, Start::BeforeEnd(1)] {
        let began = Instant::now();
        let error = client.offset("t", 0, start).await;
        let error = error.expect_err("no broker answers");
        assert!(began.elapsed() < s(2), "{:?}: {error}", began.elapsed());
        assert!(!error.possibly_written(), "nothing was written: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_does_not_linger_while_a_caller_finds_no_room() {
    const PARTITIONS: i32 = 100;
    let (_cluster, target) = stage(1).await;
    let (client, topic) = target.topic(PARTITIONS).await;
    let builder = Producer::builder(&client).set("linger.ms", "60000");
    let builder = builder.set("buffer.memory", "65536");
    let producer = builder.build().expect("it builds");
    let record = Record::to(&topic).value("1");
    let mut first = producer
        .send(record.partition(0))
        .await
        .expect("there is room");
    // An open batch of each partition takes a page.
    let mut rest = (1..PARTITIONS).map(|n| producer.try_send(record.partition(n)));
    let full = rest.find_map(Result::err).expect("there are fewer pages");
    assert!(matches!(full.kind(), ErrorKind::BufferFull), "{full}");
    let written = timeout(s(1), &mut first).await;
    written.expect("it is sent at once").expect("it is written");
    let last = producer.try_send(record.partition(PARTITIONS - 1));
    drop(last.expect("there is room again"));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_a_topic_is_told_when_the_producer_is_closed() {
    let (_cluster, target) = stage(1).await;
    let client = target.client().await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let began = Instant::now();
    let close = async {
        sleep(Duration::from_millis(100)).await;
        producer.close_within(s(10)).await
    };
    let (sent, closed) = tokio::join!(producer.send(Record::to("unknown")), close);
    closed.expect("it had no records");
    assert!(sent.expect_err("it is closed").is_fatal());
    assert!(began.elapsed() < s(1), "{:?}", began.elapsed());
}

/// Each of the calls that wait for one connection has its own time.
#[tokio::test(start_paused = true)]
async fn a_call_without_time_left_ends_no_attempt_to_connect_that_others_wait_for() {
    let (cluster, _target) = stage(1).await;
    let (connects, made) = (cluster.clone(), Arc::new(AtomicU32::new(0)));
    let count = made.clone();
    let builder = Client::builder(cluster.bootstrap()).api_timeout(s(2));
    let client = builder.connect_with(move |host: &str, port| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        let (connects, host) = (connects.clone(), host.to_owned());
        async move {
            if !is_first {
                sleep(Duration::from_millis(2500)).await;
            }
            connects.connect(&host, port).await
        }
    });
    let client = client.connect().await.expect("it connects");
    let ask = async |after: u64| {
        sleep(Duration::from_millis(after)).await;
        let began = Instant::now();
        let answer = client.request(InitProducerIdRequest::default()).await;
        (answer, began.elapsed())
    };
    let ((first, took), (second, _)) = tokio::join!(ask(0), ask(1000));
    let error = first.expect_err("there is no connection in time");
    assert!(error.to_string().contains("connecting to"), "{error}");
    assert!(took <= s(2), "{took:?}");
    second.expect("the connection is there after 2.5 of its 3 seconds");
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

/// A client whose calls have one second.
async fn hurried(target: &Target) -> Client {
    let builder = target.client_builder().api_timeout(s(1));
    builder.connect().await.expect("it connects")
}

fn offsets_of_a_group() -> OffsetFetchRequest {
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".into(),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_search_for_a_coordinator_ends_within_the_api_timeout() {
    let (cluster, target) = stage(1).await;
    let client = hurried(&target).await;
    let _seen = count(&cluster, ApiKey::FindCoordinator, || Action::Drop);
    let began = Instant::now();
    let answer = client.request_coordinator(CoordinatorType::Group, "g", offsets_of_a_group());
    let error = answer.await.expect_err("no broker answers");
    assert!(began.elapsed() < s(2), "{:?}: {error}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_coordinator_was_not_found_was_not_applied() {
    let (cluster, target) = stage(1).await;
    let client = hurried(&target).await;
    let _seen = count(&cluster, ApiKey::FindCoordinator, || Action::CutAfter);
    let answer = client.request_coordinator(CoordinatorType::Group, "g", offsets_of_a_group());
    let error = answer.await.expect_err("no broker answers");
    assert!(!error.possibly_written(), "{error}");
    assert!(!error.to_string().contains("outcome unknown"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moved_is_looked_up_again_whatever_was_asked() {
    let (cluster, target) = stage(3).await;
    let builder = target.client_builder().api_timeout(s(10));
    let client = builder.connect().await.expect("it connects");
    let lookups = Arc::new(AtomicU32::new(0));
    let count = lookups.clone();
    cluster.control(move |request| match request.api_key {
        ApiKey::FindCoordinator => {
            count.fetch_add(1, Ordering::Relaxed);
            Action::Pass
        }
        // It stands for requests to coordinators that the embedded broker does not serve.
        ApiKey::ListOffsets => Action::Fail(ErrorCode::NOT_COORDINATOR),
        _ => Action::Pass,
    });
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: "t".into(),
            partitions: vec![ListOffsetsPartition::default()],
        }],
        ..ListOffsetsRequest::default()
    };
    let answer = client.request_coordinator(CoordinatorType::Group, "g", request);
    let answer = answer.await.expect("the last answer is returned");
    let code = answer.topics.first().map(|t| t.partitions[0].error_code);
    assert_eq!(code, Some(ErrorCode::NOT_COORDINATOR));
    assert!(lookups.load(Ordering::Relaxed) > 1, "{lookups:?}");
}
