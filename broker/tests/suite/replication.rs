//! Followers that lag or are new, and what becomes of the log and its producers when they lead.

use std::time::Duration;

use ottla_broker::{Cluster, ErrorKind};
use ottla_protocol::{ErrorCode, messages::*};
use tokio::time::Instant;

use crate::client::{Client, PRODUCE, batch, cluster, idempotent, produce, values};

/// A topic on two brokers, of which the first leads and the second copies nothing.
async fn lagging() -> (Cluster, Client) {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    cluster.stall_follower("t", 0, 2).expect("it follows");
    let client = Client::of(&cluster, 1).await;
    (cluster, client)
}

fn waiting(batch: bytes::Bytes, timeout_ms: i32) -> ProduceRequest {
    ProduceRequest {
        timeout_ms,
        ..produce("t", -1, batch)
    }
}

fn code(answer: &ProduceResponse) -> ErrorCode {
    answer.responses[0].partition_responses[0].error_code
}

#[tokio::test]
async fn what_a_follower_lacks_is_neither_acknowledged_nor_read() {
    let (cluster, mut client) = lagging().await;
    let mut reader = Client::of(&cluster, 1).await;
    let request = waiting(batch(&["a"]), 60_000);
    let (answer, ()) = tokio::join!(client.ask(PRODUCE, &request), async {
        while cluster.batches("t", 0).is_empty() {
            tokio::task::yield_now().await;
        }
        let fetched = reader.fetch("t", 0).await;
        assert_eq!(fetched.high_watermark, 0);
        assert!(values(fetched.records).is_empty());
        assert_eq!(reader.offset_at("t", -1).await.0, 0);
        cluster.resume_follower("t", 0, 2).expect("it follows");
    });
    assert_eq!(code(&answer), ErrorCode::NONE);
    assert_eq!(values(reader.fetch("t", 0).await.records).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_follower_is_told_so_and_may_still_find_it_written() {
    let (cluster, mut client) = lagging().await;
    let started = Instant::now();
    let request = waiting(idempotent(&["a"], 7, 0, 0), 3000);
    let answer = client.ask(PRODUCE, &request).await;
    assert_eq!(code(&answer), ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    cluster.resume_follower("t", 0, 2).expect("it follows");
    let answer = client.ask(PRODUCE, &request).await;
    assert_eq!(code(&answer), ErrorCode::NONE);
    assert_eq!(cluster.batches("t", 0).len(), 1, "it was not written twice");
}

#[tokio::test]
async fn the_leader_alone_acknowledges_what_a_new_leader_loses() {
    let (cluster, mut client) = lagging().await;
    let alone = produce("t", 1, idempotent(&["a", "b"], 7, 0, 0));
    assert_eq!(code(&client.ask(PRODUCE, &alone).await), ErrorCode::NONE);
    let request = waiting(idempotent(&["c"], 7, 0, 2), 60_000);
    let (answer, ()) = tokio::join!(client.ask(PRODUCE, &request), async {
        while cluster.batches("t", 0).len() < 2 {
            tokio::task::yield_now().await;
        }
        cluster.move_leader("t", 0, 2).expect("it is in sync");
    });
    assert_eq!(code(&answer), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let at = answer.responses[0].partition_responses[0].base_offset;
    assert_eq!(at, 2, "the offset tells that it was written");
    assert!(cluster.batches("t", 0).is_empty());
    // The new leader never heard of the producer, and the old one forgot what it lost.
    let mut client = Client::of(&cluster, 2).await;
    let again = client.produce("t", idempotent(&["c"], 7, 0, 2)).await;
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, 0));
    cluster.move_leader("t", 0, 1).expect("it is in sync");
    cluster.resume_follower("t", 0, 2).expect("it follows");
    let mut client = Client::of(&cluster, 1).await;
    let next = client.produce("t", idempotent(&["d"], 7, 0, 3)).await;
    assert_eq!((next.error_code, next.base_offset), (ErrorCode::NONE, 1));
}

#[tokio::test]
async fn a_follower_that_goes_down_holds_nobody_back() {
    let (cluster, mut client) = lagging().await;
    let request = waiting(batch(&["a"]), 60_000);
    let (answer, stopped) = tokio::join!(client.ask(PRODUCE, &request), async {
        while cluster.batches("t", 0).is_empty() {
            tokio::task::yield_now().await;
        }
        cluster.stop_broker(2).await
    });
    stopped.expect("it ran");
    assert_eq!(code(&answer), ErrorCode::NONE);
    cluster.start_broker(2).await.expect("it was stopped");
    cluster.move_leader("t", 0, 2).expect("it caught up");
    let read = Client::of(&cluster, 2).await.fetch("t", 0).await;
    assert_eq!(values(read.records).len(), 1);
}

#[tokio::test]
async fn a_new_replica_knows_only_the_producers_of_what_is_left() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.produce("t", idempotent(&["a"], 7, 0, 0)).await;
    client.produce("t", idempotent(&["b"], 8, 0, 0)).await;
    cluster.delete_records("t", 0, 1).expect("it is there");
    assert_eq!(client.fetch("t", 1).await.log_start_offset, 1);
    cluster.replace_follower("t", 0, 2).expect("it follows");
    let leads = cluster.replace_follower("t", 0, 1);
    let leads = leads.expect_err("it leads");
    assert!(matches!(leads.kind(), ErrorKind::BrokerState(_)), "{leads}");

    let gap = client.produce("t", idempotent(&["c"], 7, 0, 5)).await;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    cluster.move_leader("t", 0, 2).expect("it is in sync");
    let mut client = Client::of(&cluster, 2).await;
    let gap = client.produce("t", idempotent(&["c"], 8, 0, 5)).await;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let anywhere = client.produce("t", idempotent(&["c"], 7, 0, 5)).await;
    assert_eq!(anywhere.error_code, ErrorCode::NONE);
}
