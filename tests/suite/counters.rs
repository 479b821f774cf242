//! What must return to zero, and what must not happen more often than so many times a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ottla::{
    Client, Consumer, ErrorCode, ErrorKind, Producer, Record, Start,
    protocol::messages::{ApiKey, FetchResponse},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create};
use tokio::time::{Instant, sleep, timeout};

async fn stage(brokers: i32) -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(brokers).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    (cluster, client)
}

async fn write(client: &Client, topic: &str, records: usize) {
    let producer = Producer::builder(client).build().expect("it builds");
    for _ in 0..records {
        let delivery = producer.send(Record::to(topic).value(&[b'x'; 1000])).await;
        delivery.expect("it is taken").await.expect("it is written");
    }
}

/// Lets what was fetched arrive.
async fn settle() {
    sleep(Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_resumed_is_charged_again_until_its_records_are_taken() {
    let (_cluster, client) = stage(1).await;
    create(&client, "t", 1, &[]).await;
    write(&client, "t", 10).await;
    let builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("it builds");
    consumer.recv().await.expect("a record comes");
    settle().await;
    let queued = consumer.queued_bytes();
    assert!(queued > 9_000, "{queued}");
    consumer.pause("t", 0).expect("it is assigned");
    let silent = timeout(Duration::from_secs(1), consumer.recv()).await;
    silent.expect_err("it is paused");
    assert_eq!(
        consumer.queued_bytes(),
        0,
        "a paused partition takes no room from others"
    );
    consumer.resume("t", 0).expect("it is assigned");
    let queued = consumer.queued_bytes();
    assert!(queued > 9_000, "{queued}");
    for offset in 1..10 {
        assert_eq!(consumer.recv().await.expect("it comes").offset, offset);
    }
    settle().await;
    assert_eq!(consumer.queued_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_batch_gives_back_what_it_was_charged() {
    let (cluster, client) = stage(1).await;
    create(&client, "t", 1, &[]).await;
    write(&client, "t", 10).await;
    let damages = Arc::new(AtomicBool::new(true));
    let damaging = damages.clone();
    cluster.control(move |request| {
        if request.api_key != ApiKey::Fetch || !damaging.load(Ordering::Relaxed) {
            return Action::Pass;
        }
        Action::alter(|response: &mut FetchResponse| {
            for partition in response
                .responses
                .iter_mut()
                .flat_map(|t| &mut t.partitions)
            {
                let mut records = partition.records.take().unwrap_or_default().to_vec();
                // The last byte is covered by the checksum of the last batch.
                if let Some(last) = records.last_mut() {
                    *last ^= 1;
                }
                partition.records = Some(Bytes::from(records));
            }
        })
    });
    let builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("it builds");
    let mut damaged = 0;
    let mut read = 0;
    while damaged < 5 {
        match consumer.recv().await {
            Ok(record) => read = record.offset + 1,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Records(_)), "{error}");
                damaged += 1;
            }
        }
    }
    damages.store(false, Ordering::Relaxed);
    while read < 10 {
        if let Ok(record) = consumer.recv().await {
            assert_eq!(record.offset, read);
            read += 1;
        }
    }
    settle().await;
    // Errors that waited behind the records are taken, too.
    while timeout(Duration::from_secs(1), consumer.recv())
        .await
        .is_ok()
    {}
    assert_eq!(consumer.queued_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn links_to_brokers_that_are_gone_are_dropped() {
    let (cluster, _) = stage(3).await;
    let only = cluster
        .bootstrap()
        .split(',')
        .next()
        .expect("there is one")
        .to_owned();
    let connects = cluster.clone();
    let builder =
        Client::builder(only).connect_with(move |host: &str, port| connects.connect(host, port));
    let client = builder.connect().await.expect("it is there");
    for n in 0..12 {
        create(&client, &format!("t{n}"), 1, &[]).await;
        write(&client, &format!("t{n}"), 1).await;
    }
    let before = client.counts().links;
    for broker in [2, 3] {
        cluster.stop_broker(broker).await.expect("it is up");
    }
    sleep(Duration::from_secs(700)).await;
    let after = client.counts().links;
    // Of one broker: metadata, producing, producer ids, general and slow requests.
    assert!(before > 5 && after <= 5, "{before}, then {after}");
}

/// Connects per virtual second to a cluster that refuses them, while records wait.
#[tokio::test(start_paused = true)]
async fn a_broker_that_refuses_connections_is_asked_ever_more_slowly() {
    let (cluster, _) = stage(1).await;
    let (attempts, refuses) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, refused, connects) = (attempts.clone(), refuses.clone(), cluster.clone());
    let connect = move |host: &str, port| {
        counted.fetch_add(1, Ordering::Relaxed);
        let pipe = (!refused.load(Ordering::Relaxed)).then(|| connects.connect(host, port));
        async move {
            match pipe {
                Some(pipe) => pipe.await,
                None => Err(std::io::ErrorKind::ConnectionRefused.into()),
            }
        }
    };
    // Requests are tried again at once: only the wait between connections holds them back.
    let builder = Client::builder(cluster.bootstrap())
        .connect_with(connect)
        .set("retry.backoff.ms", "1")
        .set("retry.backoff.max.ms", "1")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000");
    let client = builder.connect().await.expect("it is there");
    create(&client, "t", 1, &[]).await;
    write(&client, "t", 1).await;
    cluster.control(|_| Action::CutBefore);
    refuses.store(true, Ordering::Relaxed);
    let producer = Producer::builder(&client).build().expect("it builds");
    let delivery = producer.send(Record::to("t").value("x")).await;
    let before = attempts.load(Ordering::Relaxed);
    let waited = timeout(Duration::from_secs(100), delivery.expect("it is taken")).await;
    waited.expect_err("the broker refuses");
    let attempts = attempts.load(Ordering::Relaxed) - before;
    // Three uses, each once a second after the first few.
    assert!(
        (50..=330).contains(&attempts),
        "{attempts} connects in 100 s"
    );
}

/// Waits that grew are short again after a success.
#[tokio::test(start_paused = true)]
async fn a_success_shortens_the_next_wait() {
    let (cluster, client) = stage(1).await;
    create(&client, "t", 1, &[]).await;
    let failures = Arc::new(AtomicU32::new(0));
    let left = failures.clone();
    cluster.control(move |request| {
        let fails =
            || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        match request.api_key {
            ApiKey::Produce if fails().is_ok() => Action::Fail(ErrorCode::NOT_ENOUGH_REPLICAS),
            _ => Action::Pass,
        }
    });
    let builder = Producer::builder(&client).linger(Duration::ZERO);
    let producer = builder.build().expect("it builds");
    let takes = async |fails: u32| {
        failures.store(fails, Ordering::Relaxed);
        let began = Instant::now();
        let delivery = producer.send(Record::to("t").value("x")).await;
        delivery.expect("it is taken").await.expect("it is written");
        began.elapsed()
    };
    takes(0).await;
    let long = takes(7).await;
    assert!(long > Duration::from_secs(3), "{long:?}");
    let short = takes(1).await;
    assert!(short < Duration::from_millis(200), "{short:?}");
}
