//! What the control hook sees and does.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ottla_broker::{Action, Cluster};
use ottla_protocol::{ErrorCode, frame, messages::*};
use tokio::time::Instant;

use crate::client::{Client, PRODUCE, batch, cluster, produce};

/// A cluster in which every produce request comes to this.
async fn with(action: impl Fn() -> Action + Send + Sync + 'static) -> (Cluster, Client) {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    cluster.control(move |request| match request.api_key {
        ApiKey::Produce => action(),
        _ => Action::Pass,
    });
    let client = Client::of(&cluster, 1).await;
    (cluster, client)
}

#[tokio::test]
async fn a_hook_sees_every_request_until_it_is_removed() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let writer = seen.clone();
    let control = cluster.control(move |request| {
        let acks = request.message::<ProduceRequest>().map(|r| r.acks);
        let client = request.client_id.unwrap_or_default().to_owned();
        let what = (
            request.broker,
            request.api_key,
            request.version,
            client,
            acks,
        );
        writer.lock().expect("nobody panicked").push(what);
        Action::Pass
    });
    let mut client = Client::of(&cluster, 1).await;
    client.produce("t", batch(&["a"])).await;
    client.ask(3, &MetadataRequest::default()).await;
    control.remove();
    client.fetch("t", 0).await;
    let suite = || "suite".to_owned();
    let expected = [
        (1, ApiKey::Produce, PRODUCE, suite(), Some(-1)),
        (1, ApiKey::Metadata, 3, suite(), None),
    ];
    assert_eq!(*seen.lock().expect("nobody panicked"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_handled_later() {
    let (_cluster, mut client) = with(|| Action::Delay(Duration::from_secs(3))).await;
    let started = Instant::now();
    assert_eq!(client.produce("t", batch(&["a"])).await.base_offset, 0);
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_is_never_answered_nor_is_what_follows_it() {
    let (cluster, mut client) = with(|| Action::Drop).await;
    client.send(PRODUCE, &produce("t", 1, batch(&["a"]))).await;
    client.send(3, &MetadataRequest::default()).await;
    let waited = tokio::time::timeout(Duration::from_secs(3600), client.is_closed()).await;
    waited.expect_err("the connection stays open and silent");
    assert!(cluster.batches("t", 0).is_empty());
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_write() {
    for (after, written) in [(false, 0), (true, 1)] {
        let cut = move || {
            if after {
                Action::CutAfter
            } else {
                Action::CutBefore
            }
        };
        let (cluster, mut client) = with(cut).await;
        client.send(PRODUCE, &produce("t", 1, batch(&["a"]))).await;
        assert!(client.is_closed().await);
        assert_eq!(cluster.batches("t", 0).len(), written);
    }
}

#[tokio::test]
async fn a_frame_that_comes_twice_is_handled_twice_and_answered_once() {
    let (cluster, mut client) = with(|| Action::Duplicate).await;
    assert_eq!(client.produce("t", batch(&["a"])).await.base_offset, 1);
    assert_eq!(client.produce("t", batch(&["b"])).await.base_offset, 3);
    assert_eq!(cluster.batches("t", 0).len(), 4);
}

#[tokio::test]
async fn an_answer_is_seen_before_it_is_written() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let writer = seen.clone();
    let (_cluster, mut client) = with(move || {
        let writer = writer.clone();
        Action::inspect(move |response: &ProduceResponse| {
            let offset = response.responses[0].partition_responses[0].base_offset;
            writer.lock().expect("nobody panicked").push(offset);
        })
    })
    .await;
    for offset in 0..3 {
        assert_eq!(client.produce("t", batch(&["a"])).await.base_offset, offset);
    }
    assert_eq!(*seen.lock().expect("nobody panicked"), [0, 1, 2]);
}

#[tokio::test]
async fn a_request_fails_with_any_code() {
    let (cluster, mut client) = with(|| Action::Fail(ErrorCode::REQUEST_TIMED_OUT)).await;
    let answer = client.produce("t", batch(&["a"])).await;
    assert_eq!(answer.error_code, ErrorCode::REQUEST_TIMED_OUT);
    assert!(cluster.batches("t", 0).is_empty());
}

#[tokio::test]
async fn an_answer_is_replaced_by_another_or_by_any_bytes() {
    let response = || ProduceResponse {
        throttle_time_ms: 77,
        ..ProduceResponse::default()
    };
    let (_cluster, mut client) = with(move || Action::replace(response())).await;
    let answer = client.ask(PRODUCE, &produce("t", 1, batch(&["a"]))).await;
    assert_eq!(answer.throttle_time_ms, 77);

    let (_cluster, mut client) = with(|| Action::replace_frame(&b"\0\0\0\x63what"[..])).await;
    client.send(PRODUCE, &produce("t", 1, batch(&["a"]))).await;
    let raw = client.frame().await.expect("an answer");
    assert_eq!(frame::correlation_id(&raw), Some(99));

    let (_cluster, mut client) = with(|| Action::replace(FetchResponse::default())).await;
    client.send(PRODUCE, &produce("t", 1, batch(&["a"]))).await;
    assert!(
        client.is_closed().await,
        "a response of another API is none"
    );
}

#[tokio::test]
async fn a_hook_may_use_the_cluster() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    let handle = Mutex::new(Some(cluster.clone()));
    cluster.control(move |_| {
        if let Some(cluster) = handle.lock().expect("nobody panicked").take() {
            cluster.move_leader("t", 0, 2).expect("it has a replica");
        }
        Action::Pass
    });
    let answer = Client::of(&cluster, 1)
        .await
        .produce("t", batch(&["a"]))
        .await;
    assert_eq!(answer.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
}
