//! What Fetch reads, how much of it, and how long it waits; and where ListOffsets points.

use std::time::Duration;

use bytes::Bytes;
use ottla_broker::Cluster;
use ottla_protocol::{ErrorCode, messages::*, records::*};
use tokio::time::Instant;

use crate::client::{Client, FETCH, batch, batch_of, cluster, fetch, list_offsets, values};

/// The sizes of what is read from each partition.
fn sizes(answer: &FetchResponse) -> Vec<usize> {
    let partitions = answer.responses.iter().flat_map(|t| &t.partitions);
    partitions
        .map(|p| p.records.as_ref().map_or(0, Bytes::len))
        .collect()
}

#[tokio::test]
async fn a_fetch_keeps_its_limits_except_for_the_first_batch() {
    let cluster = cluster(Cluster::builder().topic("t", 2)).await;
    let one = batch(&["0123456789"]);
    for partition in [0, 1] {
        for _ in 0..4 {
            cluster
                .append("t", partition, one.clone())
                .expect("it is a batch");
        }
    }
    let size = one.len();
    let mut client = Client::of(&cluster, 1).await;
    let cases = [
        (usize::MAX, usize::MAX, [4, 4], "everything"),
        (usize::MAX, 2 * size + 5, [2, 2], "whole batches only"),
        (
            usize::MAX,
            1,
            [1, 0],
            "the first batch of all is whole, no other",
        ),
        (1, usize::MAX, [1, 0], "over all partitions, too"),
        (5 * size, usize::MAX, [4, 1], "what is left for the second"),
        (5 * size, 3 * size, [3, 2], "both limits"),
        (0, 0, [1, 0], "somebody always gets on"),
    ];
    for (max_bytes, partition_max_bytes, batches, what) in cases {
        let mut request = fetch("t", &[(0, 0), (1, 0)]);
        request.max_bytes = max_bytes.min(i32::MAX as usize) as i32;
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = partition_max_bytes.min(i32::MAX as usize) as i32;
        }
        let answer = client.ask(FETCH, &request).await;
        assert_eq!(sizes(&answer), batches.map(|n| n * size), "{what}");
    }
}

#[tokio::test]
async fn offsets_outside_the_log_are_errors_and_its_end_is_empty() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.produce("t", batch(&["a", "b"])).await;
    let end = client.fetch("t", 2).await;
    assert_eq!(
        (end.error_code, values(end.records)),
        (ErrorCode::NONE, vec![])
    );
    for offset in [-1, 3] {
        let answer = client.fetch("t", offset).await;
        assert_eq!(answer.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let unknown = client.fetch("nowhere", 0).await;
    assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_fetch_is_woken_by_enough_bytes() {
    let cluster = cluster(Cluster::builder().topic("t", 2)).await;
    let mut client = Client::of(&cluster, 1).await;
    let one = batch(&["0123456789"]);
    let mut request = fetch("t", &[(0, 0), (1, 0)]);
    request.max_wait_ms = 60_000;
    request.min_bytes = 2 * one.len() as i32;
    client.send(FETCH, &request).await;
    let started = Instant::now();
    for partition in [0, 1] {
        tokio::time::sleep(Duration::from_secs(7)).await;
        cluster
            .append("t", partition, one.clone())
            .expect("it is a batch");
    }
    let answer = client
        .answer::<FetchRequest>(FETCH)
        .await
        .expect("an answer");
    assert_eq!(sizes(&answer), [one.len(), one.len()]);
    assert_eq!(started.elapsed(), Duration::from_secs(14));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_no_longer_than_it_is_told_to() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let mut request = fetch("t", &[(0, 0)]);
    (request.max_wait_ms, request.min_bytes) = (500, 1_000_000);
    cluster
        .append("t", 0, batch(&["a"]))
        .expect("it is a batch");
    let started = Instant::now();
    let answer = client.ask(FETCH, &request).await;
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    assert_eq!(sizes(&answer), [batch(&["a"]).len()]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_fetch_learns_that_the_topic_is_gone() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let mut request = fetch("t", &[(0, 0)]);
    (request.max_wait_ms, request.min_bytes) = (60_000, 1);
    client.send(FETCH, &request).await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.delete_topic("t").expect("it is there");
    let answer = client
        .answer::<FetchRequest>(FETCH)
        .await
        .expect("an answer");
    assert_eq!(started.elapsed(), Duration::from_secs(1));
    let code = answer.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

/// The partitions that an answer names.
fn told(answer: &FetchResponse) -> Vec<i32> {
    let partitions = answer.responses.iter().flat_map(|t| &t.partitions);
    partitions.map(|p| p.partition_index).collect()
}

#[tokio::test]
async fn a_session_answers_only_what_is_new() {
    let cluster = cluster(Cluster::builder().topic("t", 3)).await;
    let mut client = Client::of(&cluster, 1).await;
    let mut full = fetch("t", &[(0, 0), (1, 0), (2, 0)]);
    full.session_epoch = 0;
    let answer = client.ask(FETCH, &full).await;
    assert_eq!(
        (answer.error_code, told(&answer)),
        (ErrorCode::NONE, vec![0, 1, 2])
    );
    let session_id = answer.session_id;
    assert!(session_id > 0);
    let next = |session_epoch| FetchRequest {
        session_id,
        session_epoch,
        ..FetchRequest::default()
    };
    assert!(told(&client.ask(FETCH, &next(1)).await).is_empty());
    client.produce("t", batch(&["a"])).await;
    assert_eq!(told(&client.ask(FETCH, &next(2)).await), [0]);
    // Its position is what was said last, until something else is said.
    assert_eq!(told(&client.ask(FETCH, &next(3)).await), [0]);
    let mut moved = next(4);
    moved.topics = fetch("t", &[(0, 1)]).topics;
    moved.forgotten_topics_data = vec![ForgottenTopic {
        topic: "t".into(),
        partitions: vec![2],
        ..ForgottenTopic::default()
    }];
    assert!(told(&client.ask(FETCH, &moved).await).is_empty());
    // One number twice, and a session that nobody has.
    let again = client.ask(FETCH, &next(4)).await;
    assert_eq!(again.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    let other = FetchRequest {
        session_id: session_id + 1,
        ..next(1)
    };
    let answer = client.ask(FETCH, &other).await;
    assert_eq!(answer.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    // Ended by the client, or by the broker's end.
    let answer = client.ask(FETCH, &next(-1)).await;
    assert_eq!((answer.session_id, answer.error_code), (0, ErrorCode::NONE));
    let answer = client.ask(FETCH, &next(5)).await;
    assert_eq!(answer.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[tokio::test]
async fn readers_of_committed_records_see_no_open_transaction() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let of = |id| ProducerStamp {
        id,
        epoch: 0,
        sequence: 0,
        transactional: true,
    };
    let append = |batch| cluster.append("t", 0, batch).expect("it is a batch");
    append(batch(&["plain"]));
    append(batch_of(&["aborted"], Compression::None, of(1)));
    append(marker(1, 0));
    append(batch_of(&["open"], Compression::None, of(2)));
    append(batch(&["behind"]));
    let mut request = fetch("t", &[(0, 0)]);
    request.isolation_level = 1;
    let answer = client.ask(FETCH, &request).await.responses[0].partitions[0].clone();
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (5, 3));
    let aborted = AbortedTransaction {
        producer_id: 1,
        first_offset: 1,
    };
    assert_eq!(answer.aborted_transactions, Some(vec![aborted]));
    assert_eq!(values(answer.records).last().expect("some").0, 2);

    append(marker(2, 1));
    let answer = client.ask(FETCH, &request).await.responses[0].partitions[0].clone();
    assert_eq!(answer.last_stable_offset, 6);
    let aborted = answer
        .aborted_transactions
        .expect("committed records were asked for");
    assert_eq!(aborted.len(), 1, "the other transaction was committed");
    assert_eq!(values(answer.records).len(), 6);
}

/// The end of a transaction: 0 aborts, 1 commits.
fn marker(producer_id: i64, kind: u8) -> Bytes {
    const CONTROL: i16 = 1 << 5;
    let mut builder = BatchBuilder::new(Vec::new(), 1024);
    let (key, value) = ([0, 0, 0, kind], [0; 6]);
    let (key, value) = (Some(&key[..]), Some(&value[..]));
    assert!(builder.append(&NewRecord {
        timestamp: 1,
        key,
        value,
        headers: &[]
    }));
    let mut sealed = builder.seal();
    sealed.stamp(ProducerStamp {
        id: producer_id,
        epoch: 0,
        sequence: -1,
        transactional: true,
    });
    let mut header = *sealed.header();
    header.attributes |= CONTROL;
    let bytes = [&header.encode()[..], &sealed.as_ref()[BatchHeader::LEN..]].concat();
    let mut sealed = SealedBatch::copy_of(&bytes, Vec::new()).expect("it is whole");
    sealed.stamp(ProducerStamp {
        id: producer_id,
        epoch: 0,
        sequence: -1,
        transactional: true,
    });
    Bytes::copy_from_slice(sealed.as_ref())
}

#[tokio::test]
async fn a_batch_with_a_gap_before_it_stays_where_it_is() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.produce("t", batch(&["a"])).await;
    let mut far = batch(&["b"]).to_vec();
    far[..8].copy_from_slice(&100i64.to_be_bytes());
    assert_eq!(
        cluster.append("t", 0, far.into()).expect("it is a batch"),
        100
    );
    let fetched = client.fetch("t", 50).await;
    assert_eq!(values(fetched.records), [(100, "b".to_owned())]);
    assert_eq!(client.produce("t", batch(&["c"])).await.base_offset, 101);
}

#[tokio::test]
async fn offsets_are_found_at_the_ends_and_by_time() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    for special in [-1, -2] {
        assert_eq!(client.offset_at("t", special).await, (0, 0), "an empty log");
    }
    assert_eq!(client.offset_at("t", -3).await, (-1, -1));
    let lines = ["at 1000", "at 1001", "at 1002"];
    let packed = batch_of(&lines, Compression::Lz4, ProducerStamp::NONE);
    client.produce("t", batch(&["at 1000"])).await;
    client.produce("t", packed).await;
    let expected = [
        (-2, 0),
        (-1, 4),
        (-3, 3),
        (0, 0),
        (1000, 0),
        (1001, 2),
        (1002, 3),
        (1003, -1),
    ];
    for (time, offset) in expected {
        assert_eq!(client.offset_at("t", time).await.0, offset, "at {time}");
    }
    let answer = client.ask(6, &list_offsets("t", -3)).await;
    let code = answer.topics[0].partitions[0].error_code;
    assert_eq!(
        code,
        ErrorCode::UNSUPPORTED_VERSION,
        "the greatest time needs version 7"
    );
}

#[tokio::test(start_paused = true)]
async fn old_records_go_when_retention_is_checked() {
    let config = [("retention.ms", "1000")];
    let builder = Cluster::builder().set("log.retention.check.interval.ms", "5000");
    let cluster = cluster(builder.topic_with("t", 1, &config)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.produce("t", batch(&["of 1970", "too"])).await;
    assert_eq!(client.offset_at("t", -2).await.0, 0);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(client.offset_at("t", -2).await, (2, 0));
    assert_eq!(
        client.fetch("t", 0).await.error_code,
        ErrorCode::OFFSET_OUT_OF_RANGE
    );
    assert_eq!(
        client.produce("t", batch(&["new"])).await.log_start_offset,
        2
    );
}
