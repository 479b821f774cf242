//! Consumers whose application reads nothing, or slowly.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ottla::{
    Client, Consumer, Producer, Record, Start,
    protocol::{
        messages::{ApiKey, FetchResponse},
        records::{BatchHeader, Compression},
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{create, patient};
use tokio::sync::oneshot;

use super::{Gate, cluster_elsewhere, runtime};

const MIB: usize = 1 << 20;
/// `queued.max.messages.kbytes` of these tests, in bytes.
const QUEUED: usize = MIB;
/// On top of it: what connections, requests and the tasks of a consumer take.
const CONSTANT: usize = MIB;

/// What the thread held at most while consumers read nothing for a while, and how many there were.
fn held(client: &Client, runtime: &tokio::runtime::Runtime, consumers: usize) -> usize {
    let took = allocation_counter::measure(|| {
        runtime.block_on(patient(async {
            let mut all = Vec::new();
            for _ in 0..consumers {
                let builder = Consumer::builder(client).assign("t", 0, Start::Earliest);
                let builder = builder.set("queued.max.messages.kbytes", "1024");
                all.push(builder.build().await.expect("it builds"));
            }
            // No more comes once the budget is used up.
            let mut before = 0;
            loop {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let queued: usize = all.iter().map(Consumer::queued_bytes).sum();
                if queued == before && queued > 0 {
                    break;
                }
                before = queued;
            }
            for consumer in &mut all {
                consumer.recv().await.expect("a record comes");
            }
        }));
    });
    took.bytes_max as usize
}

/// A client of a cluster on another thread with a topic of one partition.
fn stage() -> (tokio::runtime::Runtime, Client, oneshot::Sender<()>) {
    let (bootstrap, end) = cluster_elsewhere(Arc::new(Gate::default()));
    let runtime = runtime();
    let client = runtime.block_on(async {
        let client = Client::builder(bootstrap).connect().await;
        let client = client.expect("it is reached");
        create(&client, "t", 1, &[("max.message.bytes", "20000000")]).await;
        client.topic("t").await.expect("it was just created");
        client
    });
    (runtime, client, end)
}

/// Lets go of a producer and of its memory, which would be counted as given back by others.
async fn ended(producer: Producer) {
    drop(producer);
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// A few kilobytes that open to hundreds of megabytes.
#[test]
fn what_opens_to_much_more_is_opened_as_there_is_room() {
    const BATCH: usize = 4 * MIB;
    let (runtime, client, _end) = stage();
    runtime.block_on(patient(async {
        let producer = Producer::builder(&client)
            .compression(Compression::Zstd)
            .set("batch.size", &BATCH.to_string())
            .set("max.request.size", &(2 * BATCH).to_string());
        let producer = producer.build().expect("it builds");
        let value = vec![b'x'; MIB];
        for _ in 0..100 {
            let sent = producer.send(Record::to("t").value(&value)).await;
            drop(sent.expect("it is taken"));
        }
        producer.flush().await.expect("it is written");
        ended(producer).await;
    }));
    for consumers in [1, 10] {
        let most = held(&client, &runtime, consumers);
        println!("{consumers} consumers, 100 MiB of zstd: {most} bytes at most");
        // One batch as it opens, for which a buffer of twice its size may be reserved.
        let bound = consumers * (QUEUED + 2 * BATCH + CONSTANT);
        assert!(most >= consumers * BATCH, "{most} bytes: nothing was read");
        assert!(most <= bound, "{most} bytes of {bound}");
    }
}

/// Each batch takes a place in the queue, however few bytes it has.
#[test]
fn batches_of_one_small_record_each_are_charged_for_their_places() {
    let (runtime, client, _end) = stage();
    runtime.block_on(patient(async {
        let builder = Producer::builder(&client).set("batch.size", "1");
        let producer = builder.build().expect("it builds");
        for _ in 0..30_000 {
            let sent = producer.send(Record::to("t").value("0123456789")).await;
            drop(sent.expect("it is taken"));
        }
        producer.flush().await.expect("it is written");
        ended(producer).await;
    }));
    for consumers in [1, 10] {
        let most = held(&client, &runtime, consumers);
        println!("{consumers} consumers, batches of one record: {most} bytes at most");
        // One fetch of `max.partition.fetch.bytes`, whose buffer doubles as bytes arrive.
        let bound = consumers * (QUEUED + 2 * MIB + CONSTANT);
        assert!(most <= bound, "{most} bytes of {bound}");
    }
}

/// Batches that compaction emptied, as many as fit into a fetch, again and again.
fn emptied(from: i64) -> Bytes {
    let mut all = Vec::new();
    for base_offset in from..from + 15_000 {
        let header = BatchHeader {
            base_offset,
            length: BatchHeader::LEN as i32 - 12,
            partition_leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: 0,
        };
        let mut bytes = header.encode();
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        all.extend_from_slice(&bytes);
    }
    Bytes::from(all)
}

#[test]
fn batches_without_records_are_charged_for_their_places() {
    let (started, end) = emptied_cluster();
    let runtime = runtime();
    let client = runtime.block_on(async {
        let client = Client::builder(started).connect().await;
        client.expect("it is reached")
    });
    let took = allocation_counter::measure(|| {
        runtime.block_on(patient(async {
            let builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
            let builder = builder.set("queued.max.messages.kbytes", "1024");
            let mut consumer = builder.build().await.expect("it builds");
            for round in 0..20 {
                // Some are taken, so that more is fetched.
                for _ in 0..500 {
                    consumer.next_batch().await.expect("a batch comes");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert!(round > 0 || consumer.queued_bytes() > 0);
            }
        }));
    });
    let most = took.bytes_max as usize;
    println!("batches without records: {most} bytes at most");
    let bound = QUEUED + 2 * MIB + CONSTANT;
    assert!(most <= bound, "{most} bytes of {bound}");
    drop(end);
}

/// A cluster on a thread of its own whose fetches bring batches without records only.
fn emptied_cluster() -> (String, oneshot::Sender<()>) {
    let (bootstrap, started) = std::sync::mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let cluster = Cluster::builder().topic("t", 1).start().await;
            let cluster = cluster.expect("it starts");
            let from = AtomicI64::new(0);
            cluster.control(move |request| {
                if request.api_key != ApiKey::Fetch {
                    return Action::Pass;
                }
                let at = from.fetch_add(15_000, Ordering::Relaxed);
                Action::alter(move |response: &mut FetchResponse| {
                    for p in response
                        .responses
                        .iter_mut()
                        .flat_map(|t| &mut t.partitions)
                    {
                        p.error_code = ottla::ErrorCode::NONE;
                        p.high_watermark = i64::MAX;
                        p.records = Some(emptied(at));
                    }
                })
            });
            bootstrap.send(cluster.bootstrap()).expect("it is awaited");
            // It ends with what is returned.
            let _ended: Result<(), _> = ended.await;
        });
    });
    (started.recv().expect("the cluster starts"), end)
}
