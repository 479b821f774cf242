//! Which broker a request goes to, and when it goes to another one.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, CoordinatorType, ErrorCode, Producer, Record,
    protocol::messages::{
        ApiKey, CreatableTopic, CreateTopicsRequest, InitProducerIdRequest, OffsetFetchRequest,
        OffsetFetchRequestGroup,
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create};
use tokio::time::Instant;

async fn stage() -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(3).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    (cluster, client)
}

/// The broker that a new client asks first may be the one that cannot answer.
async fn one_broker_without_producer_ids(trouble: fn() -> Action) {
    for broker in [1, 2, 3] {
        let (cluster, client) = stage().await;
        create(&client, "t", 1, &[]).await;
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        cluster.control(move |request| {
            if request.api_key == ApiKey::InitProducerId && request.broker == broker {
                counted.fetch_add(1, Ordering::Relaxed);
                return trouble();
            }
            Action::Pass
        });
        let builder = Producer::builder(&client).delivery_timeout(Duration::from_secs(60));
        let producer = builder.build().expect("it builds");
        let delivery = producer.send(Record::to("t").value("x")).await;
        let written = delivery.expect("it is taken").await;
        written.expect("another broker gives an id");
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked <= 1, "broker {broker} was asked {asked} times");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_loads_does_not_keep_a_producer_from_its_id() {
    let loads = || Action::Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    one_broker_without_producer_ids(loads).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_does_not_keep_a_producer_from_its_id() {
    one_broker_without_producer_ids(|| Action::Drop).await;
}

#[tokio::test(start_paused = true)]
async fn requests_for_any_broker_go_round() {
    let (cluster, client) = stage().await;
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = asked.clone();
    cluster.control(move |request| {
        if request.api_key == ApiKey::InitProducerId {
            seen.lock().expect("no test panics").insert(request.broker);
        }
        Action::Pass
    });
    for _ in 0..3 {
        let request = InitProducerIdRequest::default();
        client.request(request).await.expect("it answers");
    }
    assert_eq!(asked.lock().expect("no test panics").len(), 3);
}

/// A hook that answers the first requests of an API with an error, and counts all of them.
fn refuse(cluster: &Cluster, api: ApiKey, times: u32, code: ErrorCode) -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    cluster.control(move |request| {
        if request.api_key == api && counted.fetch_add(1, Ordering::Relaxed) < times {
            return Action::Fail(code);
        }
        Action::Pass
    });
    count
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moved_is_looked_up_again() {
    let (cluster, client) = stage().await;
    let fetch = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".into(),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    let lookups = refuse(&cluster, ApiKey::FindCoordinator, 0, ErrorCode::NONE);
    let ask = async || {
        let kind = CoordinatorType::Group;
        let answer = client.request_coordinator(kind, "g", fetch.clone()).await;
        answer.expect("it answers").groups[0].error_code
    };
    assert_eq!(ask().await, ErrorCode::NONE);
    assert_eq!(ask().await, ErrorCode::NONE);
    assert_eq!(lookups.load(Ordering::Relaxed), 1, "it is remembered");
    for (code, expected) in [
        (ErrorCode::NOT_COORDINATOR, 2),
        (ErrorCode::COORDINATOR_NOT_AVAILABLE, 3),
        (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, 3),
    ] {
        refuse(&cluster, ApiKey::OffsetFetch, 1, code);
        assert_eq!(ask().await, ErrorCode::NONE);
        assert_eq!(lookups.load(Ordering::Relaxed), expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_controller_is_asked_when_the_first_is_none_any_more() {
    let (cluster, client) = stage().await;
    let count = refuse(&cluster, ApiKey::CreateTopics, 2, ErrorCode::NOT_CONTROLLER);
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: "t".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 1000,
        ..CreateTopicsRequest::default()
    };
    let answer = client.request_controller(request).await;
    let created = &answer.expect("it answers").topics[0];
    assert_eq!(created.error_code, ErrorCode::NONE);
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

/// An answer that stays a refusal is the caller's to read, once the time is up.
#[tokio::test(start_paused = true)]
async fn the_last_refusal_is_handed_on_when_the_time_is_up() {
    let (cluster, client) = stage().await;
    let loads = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    let count = refuse(&cluster, ApiKey::InitProducerId, u32::MAX, loads);
    let began = Instant::now();
    let answer = client.request(InitProducerIdRequest::default()).await;
    assert_eq!(answer.expect("it answers").error_code, loads);
    assert!(began.elapsed() >= Duration::from_secs(18));
    assert!(count.load(Ordering::Relaxed) <= 30);
}
