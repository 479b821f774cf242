//! Where a consumer reads from: starts that no log has, positions outside the log, brokers that do not
//! say, and how often they are asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, Consumer, ErrorCode, ErrorKind, Producer, Record, Reset, Start,
    protocol::messages::{
        ApiKey, FetchRequest, FetchResponse, FetchedPartition, FetchedTopic, ListOffsetsResponse,
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{OwnRecord, Target, create, patient, read, recreate, send_all};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A topic with ten records in each partition.
async fn stage(partitions: i32) -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(1).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    create(&client, "t", partitions, &[]).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let records: Vec<_> = (0..partitions)
        .flat_map(|n| (0..10).map(move |i| OwnRecord::value(n, i.to_string())))
        .collect();
    send_all(&producer, "t", &records).await;
    (cluster, client)
}

/// Counts the requests of one kind from now on.
fn count(cluster: &Cluster, api: ApiKey) -> Arc<AtomicU32> {
    let counted = Arc::new(AtomicU32::new(0));
    let count = counted.clone();
    cluster.control(move |request| {
        if request.api_key == api {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Action::Pass
    });
    counted
}

#[tokio::test(start_paused = true)]
async fn starts_that_no_log_has_are_refused_everywhere() {
    let (_cluster, client) = stage(1).await;
    for start in [
        Start::Timestamp(-1),
        Start::Timestamp(-2),
        Start::Timestamp(-3),
        Start::Timestamp(i64::MIN),
        Start::Offset(-1),
        Start::Offset(-2),
    ] {
        let refused = |error: ottla::Error| {
            assert!(
                matches!(error.kind(), ErrorKind::Config(_)),
                "{start:?}: {error}"
            );
        };
        let consumer = Consumer::builder(&client).assign("t", 0, start);
        refused(consumer.build().await.map(drop).expect_err("no log has it"));
        refused(
            client
                .offset("t", 0, start)
                .await
                .expect_err("no log has it"),
        );
        let consumer = Consumer::builder(&client).assign("t", 0, Start::Earliest);
        let mut consumer = consumer.build().await.expect("the topic is there");
        refused(consumer.seek("t", 0, start).expect_err("no log has it"));
        refused(
            consumer
                .assign("t", 0, start)
                .await
                .expect_err("no log has it"),
        );
    }
}

/// Told once, an application that calls again would wait for ever.
#[tokio::test(start_paused = true)]
async fn a_position_outside_the_log_is_told_by_every_call_until_the_application_seeks() {
    let (_cluster, client) = stage(2).await;
    let consumer = Consumer::builder(&client).reset(Reset::None);
    let consumer = consumer
        .assign("t", 0, Start::Offset(100))
        .assign("t", 1, Start::Offset(5));
    let mut consumer = consumer.build().await.expect("the topic is there");
    let (mut errors, mut records) = (0, 0);
    for _ in 0..20 {
        match patient(consumer.recv()).await {
            Ok(record) => {
                assert_eq!(record.partition, 1);
                records += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
                errors += 1;
            }
        }
    }
    assert_eq!((errors, records), (15, 5), "the other partition goes on");
    patient(consumer.next_batch())
        .await
        .expect_err("it waits for a seek");
    consumer
        .seek("t", 0, Start::Offset(7))
        .expect("it is assigned");
    assert_eq!(read(&mut consumer, 3).await.len(), 3);
    timeout(SECOND, consumer.recv())
        .await
        .expect_err("all is read");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_always_says_out_of_range_is_asked_more_and_more_slowly() {
    let (cluster, client) = stage(1).await;
    cluster.control(|request| match request.api_key {
        ApiKey::Fetch => Action::Fail(ErrorCode::OFFSET_OUT_OF_RANGE),
        _ => Action::Pass,
    });
    let fetches = Arc::new(AtomicU32::new(0));
    let asked = fetches.clone();
    cluster.control(move |request| {
        if request.api_key == ApiKey::ListOffsets {
            asked.fetch_add(1, Ordering::Relaxed);
        }
        Action::Pass
    });
    let consumer = Consumer::builder(&client).reset(Reset::Earliest);
    let consumer = consumer.assign("t", 0, Start::Earliest).build().await;
    let mut consumer = consumer.expect("the topic is there");
    timeout(60 * SECOND, consumer.recv())
        .await
        .expect_err("nothing comes");
    let asked = fetches.load(Ordering::Relaxed);
    assert!(asked < 100, "{asked} requests in a minute");
}

#[tokio::test(start_paused = true)]
async fn an_offset_of_minus_one_is_no_answer() {
    let (cluster, client) = stage(1).await;
    let left = Arc::new(AtomicU32::new(3));
    cluster.control(move |request| {
        if request.api_key != ApiKey::ListOffsets {
            return Action::Pass;
        }
        let says_nothing = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        Action::alter(move |answer: &mut ListOffsetsResponse| {
            if says_nothing {
                answer.topics[0].partitions[0].offset = -1;
            }
        })
    });
    let began = Instant::now();
    let end = client.offset("t", 0, Start::Latest).await;
    assert_eq!(end.expect("the broker says it at last"), 10);
    assert!(
        began.elapsed() >= SECOND / 5,
        "it was asked again after a while"
    );
    let future = client.offset("t", 0, Start::Timestamp(i64::MAX)).await;
    assert_eq!(future.expect("no record has this time"), 10);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_asks_for_a_pause_is_not_fetched_from_before() {
    let (cluster, client) = stage(1).await;
    let fetches = count(&cluster, ApiKey::Fetch);
    cluster.control(move |request| match request.api_key {
        ApiKey::Fetch => Action::alter(|answer: &mut FetchResponse| {
            answer.throttle_time_ms = 10_000;
        }),
        _ => Action::Pass,
    });
    let consumer = Consumer::builder(&client).assign("t", 0, Start::Latest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    timeout(60 * SECOND, consumer.recv())
        .await
        .expect_err("nothing comes");
    let asked = fetches.load(Ordering::Relaxed);
    assert!((5..=7).contains(&asked), "{asked} fetches in a minute");
}

/// One that answers at once, although it was asked to wait for records.
#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_at_once_with_nothing_is_not_asked_as_fast() {
    let (cluster, client) = stage(1).await;
    let fetches = count(&cluster, ApiKey::Fetch);
    cluster.control(|request| {
        let Some(fetch) = request.message::<FetchRequest>() else {
            return Action::Pass;
        };
        use ottla::protocol::messages::{FetchedPartition, FetchedTopic};
        let answer = |p: i32| FetchedPartition {
            partition_index: p,
            ..FetchedPartition::default()
        };
        Action::replace(FetchResponse {
            responses: fetch
                .topics
                .iter()
                .map(|topic| FetchedTopic {
                    topic: topic.topic.clone(),
                    topic_id: topic.topic_id,
                    partitions: topic
                        .partitions
                        .iter()
                        .map(|p| answer(p.partition))
                        .collect(),
                })
                .collect(),
            ..FetchResponse::default()
        })
    });
    let consumer = Consumer::builder(&client).assign("t", 0, Start::Latest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    timeout(10 * SECOND, consumer.recv())
        .await
        .expect_err("nothing comes");
    let asked = fetches.load(Ordering::Relaxed);
    assert!(asked <= 110, "{asked} fetches in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn many_partitions_are_placed_by_one_request() {
    let (cluster, client) = stage(500).await;
    let asked = count(&cluster, ApiKey::ListOffsets);
    let mut builder = Consumer::builder(&client);
    for n in 0..500 {
        builder = builder.assign("t", n, Start::Earliest);
    }
    let mut consumer = builder.build().await.expect("the topic is there");
    assert_eq!(read(&mut consumer, 5000).await.len(), 5000);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    for n in 0..500 {
        consumer
            .seek("t", n, Start::Earliest)
            .expect("it is assigned");
    }
    assert_eq!(read(&mut consumer, 5000).await.len(), 5000);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// The byte limit of a fetch is used up from the front, and the front is another one each time.
#[tokio::test]
async fn a_topic_behind_a_large_one_is_read_too() {
    let cluster = Cluster::builder()
        .in_memory()
        .start()
        .await
        .expect("it starts");
    let mut targets = vec![Target::in_memory_of(cluster)];
    targets.extend(Target::real());
    for target in targets {
        let (client, large) = target.topic(1).await;
        let small = format!("{large}-z");
        create(&client, &small, 1, &[]).await;
        let producer = Producer::builder(&client).build().expect("it builds");
        let record = |n: usize| OwnRecord::value(0, vec![b'x'; n]);
        let many: Vec<_> = (0..2000).map(|_| record(1000)).collect();
        send_all(&producer, &large, &many).await;
        send_all(&producer, &small, &[record(1)]).await;
        let mut builder = Consumer::builder(&client)
            .assign(large.clone(), 0, Start::Earliest)
            .assign(small.clone(), 0, Start::Earliest);
        builder = builder.set("fetch.max.bytes", "1000");
        builder = builder.set("max.partition.fetch.bytes", "1000");
        let mut consumer = builder.build().await.expect("the topics are there");
        let mut before = 0;
        while patient(consumer.recv())
            .await
            .expect("it is readable")
            .topic[..]
            != small[..]
        {
            before += 1;
        }
        assert!(
            before < 1900,
            "{before} records of the large topic came first"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_dropped_consumer_are_closed() {
    let (_cluster, client) = stage(1).await;
    let consumer = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    read(&mut consumer, 10).await;
    let with = client.counts().links;
    drop(consumer);
    sleep(SECOND).await;
    assert_eq!(client.counts().links, with - 1);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_paused_and_resumed_at_once_keeps_its_order() {
    let (_cluster, client) = stage(1).await;
    let producer = Producer::builder(&client).build();
    let more: Vec<_> = (10..20)
        .map(|i| OwnRecord::value(0, i.to_string()))
        .collect();
    send_all(&producer.expect("it builds"), "t", &more).await;
    let consumer = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = consumer.build().await.expect("the topic is there");
    let first = patient(consumer.recv()).await.expect("it is readable");
    consumer.pause("t", 0).expect("it is assigned");
    // The second batch arrives meanwhile, and is held.
    let silent = timeout(SECOND, consumer.recv()).await;
    silent.expect_err("the partition is paused");
    consumer.resume("t", 0).expect("it is assigned");
    let mut offsets = vec![first.offset];
    while offsets.len() < 20 {
        let next = patient(consumer.recv()).await.expect("it is readable");
        offsets.push(next.offset);
        consumer.pause("t", 0).expect("it is assigned");
        consumer.resume("t", 0).expect("it is assigned");
    }
    assert_eq!(offsets, (0..20).collect::<Vec<_>>());
}

/// Counts the partitions that fetches name, and lets `trouble` decide about each.
fn watch_fetches(
    cluster: &Cluster,
    trouble: impl Fn(&FetchRequest) -> Action + Send + Sync + 'static,
) -> Arc<AtomicU32> {
    let named = Arc::new(AtomicU32::new(0));
    let counted = named.clone();
    cluster.control(move |request| {
        let Some(fetch) = request.message::<FetchRequest>() else {
            return Action::Pass;
        };
        let partitions = fetch.topics.iter().map(|t| t.partitions.len() as u32);
        counted.fetch_add(partitions.sum(), Ordering::Relaxed);
        trouble(fetch)
    });
    named
}

/// Idle partitions are named once; then the broker knows them (KIP-227).
#[tokio::test(start_paused = true)]
async fn a_fetch_names_only_the_partitions_that_changed() {
    let (cluster, client) = stage(1).await;
    create(&client, "many", 500, &[]).await;
    let named = watch_fetches(&cluster, |_| Action::Pass);
    let mut builder = Consumer::builder(&client);
    for n in 0..500 {
        builder = builder.assign("many", n, Start::Earliest);
    }
    let mut consumer = builder.build().await.expect("it builds");
    let producer = Producer::builder(&client).build().expect("it builds");
    for n in 0..50 {
        let delivery = producer
            .send(Record::to("many").partition(7).value("x"))
            .await;
        delivery.expect("it is taken").await.expect("it is written");
        assert_eq!(consumer.recv().await.expect("it comes").offset, n);
    }
    sleep(Duration::from_secs(60)).await;
    let named = named.load(Ordering::Relaxed);
    assert!(named < 1000, "{named} partitions were named");
}

/// Sessions that end at any time lose no record and bring none twice.
#[tokio::test(start_paused = true)]
async fn a_session_that_the_broker_ends_is_begun_again() {
    for code in [
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    ] {
        let (cluster, client) = stage(1).await;
        create(&client, "many", 5, &[]).await;
        let fetches = AtomicU32::new(0);
        watch_fetches(&cluster, move |fetch| {
            let nth = fetches.fetch_add(1, Ordering::Relaxed);
            if nth % 3 == 2 && fetch.session_id != 0 {
                return Action::Fail(code);
            }
            Action::Pass
        });
        let mut builder = Consumer::builder(&client);
        for n in 0..5 {
            builder = builder.assign("many", n, Start::Earliest);
        }
        let mut consumer = builder.build().await.expect("it builds");
        let producer = Producer::builder(&client).build().expect("it builds");
        let mut next = [0; 5];
        for n in 0..100 {
            let delivery = producer
                .send(Record::to("many").partition(n % 5).value("x"))
                .await;
            delivery.expect("it is taken").await.expect("it is written");
            let record = consumer.recv().await.expect("it comes");
            let next = &mut next[record.partition as usize];
            assert_eq!(record.offset, *next);
            *next += 1;
        }
        assert_eq!(next, [20; 5]);
    }
}

/// A topic that is not read any more leaves the session of its broker, also when its metadata was
/// forgotten or it was created again before the broker could be told. Or the broker would send its
/// records as fast as it can, for ever, to a client that drops them.
#[tokio::test(start_paused = true)]
async fn a_topic_that_is_read_no_more_leaves_the_session_whatever_became_of_it() {
    for recreated in [false, true] {
        let (cluster, _) = stage(1).await;
        let target = Target::in_memory_of(cluster.clone());
        let builder = target.client_builder().set("metadata.max.idle.ms", "100");
        let builder = builder.set("metadata.max.age.ms", "50");
        let client = builder.connect().await.expect("it connects");
        let other = target.client().await;
        create(&other, "left", 1, &[]).await;
        let mut consumer = Consumer::builder(&client)
            .assign("t", 0, Start::Latest)
            .assign("left", 0, Start::Latest)
            .set("fetch.max.wait.ms", "2000")
            .build()
            .await
            .expect("it builds");
        sleep(3 * SECOND).await;
        // The broker is asked already, and hears no more for a while.
        consumer.unassign("left", 0).expect("it was assigned");
        if recreated {
            recreate(&other, "left").await;
        }
        sleep(SECOND).await;
        let known = client.topology().topic("left").is_some();
        assert!(!known, "the metadata was forgotten");
        let producer = Producer::builder(&other).build().expect("it builds");
        if recreated {
            let again = consumer.assign("left", 0, Start::Latest).await;
            again.expect("it is assigned");
        }
        sleep(3 * SECOND).await;
        send_all(&producer, "left", &[OwnRecord::value(0, "x")]).await;
        let fetches = count(&cluster, ApiKey::Fetch);
        timeout(10 * SECOND, consumer.recv()).await.ok();
        sleep(10 * SECOND).await;
        let fetches = fetches.load(Ordering::Relaxed);
        assert!(
            fetches < 40,
            "{fetches} fetches, created again: {recreated}"
        );
    }
}

/// A broker whose session holds what this client does not want would send it again as fast as it is asked.
#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_for_what_nobody_wants_is_asked_at_a_slow_rate() {
    let (cluster, client) = stage(1).await;
    let fetches = Arc::new(AtomicU32::new(0));
    let (counted, asking) = (fetches.clone(), client.clone());
    watch_fetches(&cluster, move |fetch| {
        counted.fetch_add(1, Ordering::Relaxed);
        if fetch.session_id == 0 {
            return Action::Pass;
        }
        let topology = asking.topology();
        let partition = FetchedPartition {
            partition_index: 99,
            records: Some("records".into()),
            ..FetchedPartition::default()
        };
        let topic = FetchedTopic {
            topic_id: topology.topic("t").expect("it is known").id,
            partitions: vec![partition],
            ..FetchedTopic::default()
        };
        Action::replace(FetchResponse {
            session_id: fetch.session_id,
            responses: vec![topic],
            ..FetchResponse::default()
        })
    });
    let mut consumer = Consumer::builder(&client)
        .assign("t", 0, Start::Earliest)
        .build()
        .await
        .expect("it builds");
    assert_eq!(read(&mut consumer, 10).await.len(), 10);
    timeout(10 * SECOND, consumer.recv()).await.ok();
    let fetches = fetches.load(Ordering::Relaxed);
    assert!(fetches < 250, "{fetches} fetches in 10 seconds");
}
