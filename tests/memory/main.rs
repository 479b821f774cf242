//! What a producer takes of memory while no broker takes its records, and a consumer while no
//! application takes its batches: no more than `buffer.memory` or `queued.max.messages.kbytes`, and a
//! constant.
//!
//! The brokers have a thread of their own, so that what is counted on the test's thread is the
//! client's alone.

mod consumer;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    task::Poll,
    thread,
};

use ottla::{
    Client, ErrorKind, Producer, Record, Start,
    protocol::{messages::ApiKey, records::Compression},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{create, patient};
use tokio::sync::oneshot;

const PARTITIONS: i32 = 7;
/// The default.
const BUFFER_MEMORY: usize = 32 << 20;
/// On top of `buffer.memory`: what connections, requests and the bookkeeping of batches take.
const PLAIN: usize = 1 << 20;
/// The same with the batch that is being compressed, and its compressor at the default level.
const COMPRESSING: usize = PLAIN + (1 << 20);

/// Lets requests through, or holds them.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set_closed(&self, closed: bool) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = self.opened.wait_while(closed, |closed| *closed);
        drop(opened.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Runs a cluster on a thread of its own, which stands still with the first produce request while the
/// gate is closed; ends with what is returned.
fn cluster_elsewhere(gate: Arc<Gate>) -> (String, oneshot::Sender<()>) {
    let (bootstrap, started) = mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    thread::spawn(move || {
        runtime().block_on(async {
            let cluster = Cluster::builder().start().await.expect("it starts");
            cluster.control(move |request| {
                if request.api_key == ApiKey::Produce {
                    gate.pass();
                }
                Action::Pass
            });
            bootstrap.send(cluster.bootstrap()).expect("it is awaited");
            // Nobody sends anything.
            let _ended: Result<(), _> = ended.await;
        });
    });
    (started.recv().expect("the cluster starts"), end)
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime is possible")
}

fn record(n: i64, value: &[u8]) -> Record<'_> {
    let partition = n as i32 % PARTITIONS;
    Record::to("t").partition(partition).value(value)
}

/// Sends until there is no room. How many records that were?
async fn fill(producer: &Producer, value: &[u8]) -> i64 {
    for n in 0.. {
        match producer.try_send(record(n, value)) {
            Ok(delivery) => drop(delivery),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::BufferFull), "{error}");
                return n;
            }
        }
        // Now and then, so that batches are taken over and sent as far as they can be.
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    unreachable!("numbers do not end")
}

/// Fills the memory, and finds that a sender who waits is let in as soon as the broker goes on. How
/// many records there was room for?
async fn fill_and_recover(client: &Client, producer: &Producer, value: &[u8], gate: &Gate) -> i64 {
    gate.set_closed(true);
    let before = written(client).await;
    let sent = fill(producer, value).await;
    let mut late = pin!(producer.send(record(sent, value)));
    let waits = poll_fn(|cx| Poll::Ready(late.as_mut().poll(cx).is_pending())).await;
    assert!(waits, "there is no room");
    // What lingered is sent now, to make room.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.set_closed(false);
    drop(late.await.expect("there is room again"));
    producer.flush().await.expect("it is open");
    assert_eq!(written(client).await - before, sent + 1);
    sent
}

/// How many records the cluster has.
async fn written(client: &Client) -> i64 {
    let mut written = 0;
    for partition in 0..PARTITIONS {
        let end = client.offset("t", partition, Start::Latest).await;
        written += end.expect("the leader says");
    }
    written
}

/// Stalls once with records of each size, and once more with those of the first.
fn a_stalled_broker(compression: Compression, sizes: &[usize]) {
    let gate = Arc::new(Gate::default());
    let (bootstrap, _cluster) = cluster_elsewhere(gate.clone());
    let runtime = runtime();
    let client = runtime.block_on(async {
        let client = Client::builder(bootstrap).connect().await;
        let client = client.expect("it is reached");
        create(&client, "t", PARTITIONS, &[]).await;
        client.topic("t").await.expect("it was just created");
        client
    });
    let value = |size: usize| (0..size).map(|n| n as u8).collect::<Vec<_>>();
    let took = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut builder = Producer::builder(&client).compression(compression);
            let memory = BUFFER_MEMORY.to_string();
            builder = builder.set("buffer.memory", &memory);
            let producer = builder.build().expect("the settings are fine");
            let mut room = Vec::new();
            for size in sizes.iter().chain(&sizes[..1]) {
                let value = value(*size);
                let filled = fill_and_recover(&client, &producer, &value, &gate);
                room.push(patient(filled).await);
            }
            let again = room[sizes.len()];
            // By now several batches may be on their way, before they are full.
            assert!(again * 2 > room[0], "{room:?}: less fits than before");
        });
    });
    let most = took.bytes_max as usize;
    let on_top = match compression {
        Compression::None => PLAIN,
        _ => COMPRESSING,
    };
    println!("{compression}, {sizes:?} B: {most} bytes at most");
    assert!(most >= BUFFER_MEMORY / 2, "{most} bytes: it did not stall");
    assert!(most <= BUFFER_MEMORY + on_top, "{most} bytes");
}

#[test]
fn memory_stays_within_the_setting_while_a_broker_stalls() {
    a_stalled_broker(Compression::None, &[1000]);
}

#[test]
fn so_it_does_with_small_records() {
    a_stalled_broker(Compression::None, &[10]);
}

#[test]
fn so_it_does_with_records_larger_than_a_batch() {
    a_stalled_broker(Compression::None, &[300_000]);
}

/// Buffers of one size that lie ready are no use for another.
#[test]
fn so_it_does_when_records_change_their_size() {
    a_stalled_broker(Compression::None, &[1000, 300_000, 100_000]);
}

#[test]
fn so_it_does_while_compressing() {
    for compression in Compression::ALL {
        a_stalled_broker(compression, &[100]);
    }
}
