//! What Produce takes and refuses, and how it writes a batch once and in order.

use bytes::Bytes;
use ottla_broker::Cluster;
use ottla_protocol::{
    ErrorCode,
    messages::*,
    records::{BatchHeader, Compression, ProducerStamp},
};

use crate::client::{Client, batch, batch_of, cluster, idempotent, produce, values};

#[tokio::test]
async fn batches_get_the_next_offsets_and_keep_their_bytes() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let lines = ["the same line again and again"; 50];
    let mut next = 0;
    for compression in Compression::ALL {
        let batch = batch_of(&lines, compression, ProducerStamp::NONE);
        let answer = client.produce("t", batch.clone()).await;
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (ErrorCode::NONE, next)
        );
        assert_eq!(
            (answer.log_start_offset, answer.log_append_time_ms),
            (0, -1)
        );
        let stored = cluster.batches("t", 0).pop().expect("it was stored");
        assert_eq!(
            stored[16..],
            batch[16..],
            "only offset and leader epoch are new"
        );
        next += 50;
    }
    let fetched = client.fetch("t", 120).await;
    let read = values(fetched.records);
    assert_eq!(read[0].0, 100, "from the batch on that holds the offset");
    assert_eq!(read.last().expect("many").0, 249);
}

#[tokio::test]
async fn a_damaged_or_malformed_batch_is_refused_and_not_written() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let good = batch(&["a", "b"]);
    let bent = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        Bytes::from(bytes)
    };
    let twice = [&good[..], &good[..]].concat().into();
    let (counted, stretched) = (recounted(&good, 1, 0), recounted(&good, 2, 5));
    let cases = [
        (bent(70, 0xff), ErrorCode::CORRUPT_MESSAGE, "a bent record"),
        (bent(16, 1), ErrorCode::INVALID_RECORD, "an old format"),
        (twice, ErrorCode::INVALID_RECORD, "two batches"),
        (
            good.slice(..good.len() - 1),
            ErrorCode::INVALID_RECORD,
            "a cut one",
        ),
        (Bytes::new(), ErrorCode::INVALID_RECORD, "nothing"),
        (
            stretched,
            ErrorCode::INVALID_RECORD,
            "fewer records than offsets",
        ),
        (
            counted,
            ErrorCode::INVALID_RECORD,
            "more records than are counted",
        ),
        (
            idempotent(&["a"], 5, 0, -1),
            ErrorCode::INVALID_RECORD,
            "an id without a sequence",
        ),
    ];
    for (batch, code, what) in cases {
        let answer = client.produce("t", batch).await;
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (code, -1),
            "{what}"
        );
        assert!(answer.error_message.is_some());
    }
    assert!(cluster.batches("t", 0).is_empty());
}

/// The batch with another count and last offset in its header, and the checksum of that.
fn recounted(batch: &Bytes, count: i32, last_offset_delta: i32) -> Bytes {
    let mut header = BatchHeader::decode(batch).expect("it is whole");
    header.count = count;
    header.last_offset_delta = last_offset_delta;
    let bytes = [&header.encode()[..], &batch[BatchHeader::LEN..]].concat();
    let sealed = ottla_protocol::records::SealedBatch::copy_of(&bytes, Vec::new());
    let mut sealed = sealed.expect("it is whole");
    sealed.stamp(ProducerStamp::NONE);
    Bytes::copy_from_slice(sealed.as_ref())
}

#[tokio::test]
async fn the_topic_says_how_large_a_batch_may_be() {
    let builder = Cluster::builder().topic_with("t", 1, &[("max.message.bytes", "100")]);
    let cluster = cluster(builder).await;
    let mut client = Client::of(&cluster, 1).await;
    let fits = batch(&[&"x".repeat(100 - batch(&[""]).len())]);
    assert_eq!(fits.len(), 100);
    let answer = client.produce("t", fits).await;
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let answer = client.produce("t", batch(&[&"x".repeat(100)])).await;
    assert_eq!(answer.error_code, ErrorCode::MESSAGE_TOO_LARGE);
}

#[tokio::test]
async fn zstd_needs_version_7() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let batch = batch_of(&["aaaaaaaaaa"; 50], Compression::Zstd, ProducerStamp::NONE);
    let expected = [
        (6, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        (7, ErrorCode::NONE),
    ];
    for (version, code) in expected {
        let answer = client.ask(version, &produce("t", 1, batch.clone())).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, code);
    }
}

#[tokio::test]
async fn acks_are_none_one_or_all() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.send(9, &produce("t", 0, batch(&["silent"]))).await;
    let answer = client.ask(9, &produce("t", 1, batch(&["loud"]))).await;
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 1);
    let answer = client.ask(9, &produce("t", 2, batch(&["never"]))).await;
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::INVALID_REQUIRED_ACKS);
    client
        .send(9, &produce("no such topic", 0, batch(&["lost"])))
        .await;
    assert!(
        client.is_closed().await,
        "who wants no answer learns of the error in this way"
    );
}

#[tokio::test]
async fn all_acks_need_enough_replicas_in_sync() {
    let builder = Cluster::builder().brokers(2);
    let cluster = cluster(builder.topic_with("t", 1, &[("min.insync.replicas", "2")])).await;
    let mut client = Client::of(&cluster, 1).await;
    assert_eq!(
        client.produce("t", batch(&["a"])).await.error_code,
        ErrorCode::NONE
    );
    cluster.stop_broker(2).await.expect("it ran");
    let answer = client.produce("t", batch(&["b"])).await;
    assert_eq!(answer.error_code, ErrorCode::NOT_ENOUGH_REPLICAS);
    let answer = client.ask(9, &produce("t", 1, batch(&["c"]))).await;
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 1);
}

#[tokio::test(start_paused = true)]
async fn the_broker_may_say_the_time() {
    let config = [("message.timestamp.type", "LogAppendTime")];
    let cluster = cluster(Cluster::builder().topic_with("t", 1, &config)).await;
    let mut client = Client::of(&cluster, 1).await;
    let first = client.produce("t", batch(&["a"])).await.log_append_time_ms;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let second = client.produce("t", batch(&["b"])).await.log_append_time_ms;
    assert_eq!(second - first, 5000);
    assert_eq!(
        values(client.fetch("t", 0).await.records).len(),
        2,
        "the checksums hold"
    );
    assert_eq!(client.offset_at("t", first + 1).await.0, 1);
}

#[tokio::test]
async fn a_compacted_topic_wants_keys() {
    let config = [("cleanup.policy", "compact")];
    let cluster = cluster(Cluster::builder().topic_with("t", 1, &config)).await;
    let mut client = Client::of(&cluster, 1).await;
    let answer = client.produce("t", batch(&["a", "b"])).await;
    assert_eq!(answer.error_code, ErrorCode::INVALID_RECORD);
    let records: Vec<_> = answer.record_errors.iter().map(|r| r.batch_index).collect();
    assert_eq!(records, [0, 1]);
}

#[tokio::test]
async fn a_batch_that_comes_again_gets_the_offset_it_has() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    for sequence in 0..6 {
        let answer = client
            .produce("t", idempotent(&["x"], 7, 0, sequence))
            .await;
        assert_eq!(answer.base_offset, sequence.into());
    }
    for sequence in 1..6 {
        let answer = client
            .produce("t", idempotent(&["x"], 7, 0, sequence))
            .await;
        let expected = (ErrorCode::NONE, sequence.into());
        assert_eq!((answer.error_code, answer.base_offset), expected);
    }
    let forgotten = client.produce("t", idempotent(&["x"], 7, 0, 0)).await;
    assert_eq!(
        forgotten.error_code,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
    );
    assert_eq!(cluster.batches("t", 0).len(), 6);
}

#[tokio::test]
async fn sequences_follow_one_another_and_a_new_epoch_begins_anew() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    let script = [
        (0, 40, ErrorCode::NONE, "whoever is unknown begins anywhere"),
        (0, 43, gap, "two records were 40 and 41"),
        (0, 42, ErrorCode::NONE, "the next"),
        (1, 44, gap, "a new epoch begins at 0"),
        (1, 0, ErrorCode::NONE, "as here"),
        (
            0,
            44,
            ErrorCode::INVALID_PRODUCER_EPOCH,
            "the old epoch is fenced",
        ),
    ];
    for (epoch, sequence, code, what) in script {
        let batch = idempotent(&["x", "y"], 7, epoch, sequence);
        assert_eq!(client.produce("t", batch).await.error_code, code, "{what}");
    }
}

#[tokio::test]
async fn sequences_start_over_after_the_greatest() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    for (producer, script) in [
        (7, [(i32::MAX - 1, 0), (1, 3), (1, 3)]),
        (8, [(i32::MAX - 2, 6), (0, 9), (0, 9)]),
    ] {
        for (sequence, offset) in script {
            let batch = idempotent(&["x", "y", "z"], producer, 0, sequence);
            assert_eq!(client.produce("t", batch).await.base_offset, offset);
        }
    }
}

#[tokio::test]
async fn producers_get_ids_and_transactions_are_refused() {
    let cluster = cluster(Cluster::builder()).await;
    let mut client = Client::of(&cluster, 1).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = client.ask(4, &InitProducerIdRequest::default()).await;
        assert_eq!(
            (answer.error_code, answer.producer_epoch),
            (ErrorCode::NONE, 0)
        );
        ids.push(answer.producer_id);
    }
    assert_ne!(ids[0], ids[1]);
    let transactional = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        ..InitProducerIdRequest::default()
    };
    let answer = client.ask(4, &transactional).await;
    assert_eq!(
        answer.error_code,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    );
}
