//! What a client believes of the cluster, how often it asks, and for how long it keeps what it learned.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ottla::{
    Client, Consumer, ErrorCode, ErrorKind, Producer, Record, Start,
    protocol::messages::{
        ApiKey, ApiVersionsRequest, CreatePartitionsRequest, MetadataRequest, MetadataResponse,
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create, delete, patient};
use tokio::time::{Instant, sleep};

async fn stage(brokers: i32) -> (Cluster, Client) {
    let builder = Cluster::builder().brokers(brokers).in_memory();
    let cluster = builder.start().await.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    (cluster, client)
}

/// Counts the metadata requests from now on.
fn count_metadata(cluster: &Cluster) -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    cluster.control(move |request| {
        if request.api_key == ApiKey::Metadata {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Action::Pass
    });
    count
}

async fn names_are_checked(target: &Target) {
    let client = target.client().await;
    for name in ["", ".", "..", "a b", &"x".repeat(250), &"x".repeat(40_000)] {
        let error = client
            .topic(name)
            .await
            .expect_err("no topic has this name");
        assert_eq!(error.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
        assert!(error.to_string().len() < 1000);
        let producer = Producer::builder(&client).build().expect("it builds");
        let error = producer.send(Record::to(name).value("x")).await;
        let error = error.map(drop).expect_err("no topic has this name");
        assert_eq!(error.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
        let error = producer.try_send(Record::to(name).value("x")).map(drop);
        let error = error.expect_err("no topic has this name");
        assert_eq!(error.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
    }
    // The client still finds topics.
    let (_, topic) = target.topic(1).await;
    client.topic(&topic).await.expect("it was created");
}

#[tokio::test]
async fn a_name_that_no_topic_can_have_is_refused_before_a_broker_is_asked() {
    patient(names_are_checked(&Target::embedded(1).await)).await;
}

#[tokio::test]
async fn a_name_that_no_topic_can_have_is_refused_on_real_kafka() {
    if let Some(target) = Target::real() {
        patient(names_are_checked(&target)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_missing_is_not_asked_for_when_no_caller_waits() {
    let (cluster, client) = stage(1).await;
    let count = count_metadata(&cluster);
    client
        .topic("nowhere")
        .await
        .expect_err("it does not exist");
    let asked = count.load(Ordering::Relaxed);
    assert!(asked <= 6, "{asked} requests for one search");
    sleep(Duration::from_secs(3600)).await;
    let asked = count.load(Ordering::Relaxed) - asked;
    assert!(asked <= 13, "{asked} requests in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_a_leader_is_not_asked_for_when_no_caller_waits() {
    let (cluster, client) = stage(2).await;
    create(&client, "t", 1, &[]).await;
    client.topic("t").await.expect("it was created");
    let (leader, _) = cluster.leader("t", 0).expect("it has one");
    for broker in [leader] {
        cluster.stop_broker(broker).await.expect("it is up");
    }
    let count = count_metadata(&cluster);
    sleep(Duration::from_secs(3600)).await;
    let asked = count.load(Ordering::Relaxed);
    assert!(asked <= 26, "{asked} requests in an hour");
}

#[tokio::test(start_paused = true)]
async fn topics_that_were_used_once_are_forgotten() {
    let (cluster, client) = stage(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    for n in 0..50 {
        let topic = format!("t{n}");
        create(&client, &topic, 1, &[]).await;
        let delivery = producer.send(Record::to(&topic).value("x")).await;
        patient(delivery.expect("there is room"))
            .await
            .expect("it is written");
        delete(&client, &topic).await;
    }
    sleep(Duration::from_secs(1300)).await;
    let most = Arc::new(AtomicU32::new(0));
    let seen = most.clone();
    cluster.control(move |request| {
        if let Some(metadata) = request.message::<MetadataRequest>() {
            let topics = metadata.topics.as_ref().map_or(0, Vec::len);
            seen.fetch_max(topics as u32, Ordering::Relaxed);
        }
        Action::Pass
    });
    sleep(Duration::from_secs(1300)).await;
    assert_eq!(most.load(Ordering::Relaxed), 0);
    assert!(client.topology().topics.is_empty());
    // A topic of the same name is a new one, and is found again.
    create(&client, "t0", 1, &[]).await;
    let delivery = producer.send(Record::to("t0").value("y")).await;
    let written = patient(delivery.expect("there is room")).await;
    assert_eq!(written.expect("it is written").offset, Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_first_record_waits_for_a_topic_that_is_created_later() {
    let (_cluster, client) = stage(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let creating = client.clone();
    let creation = tokio::spawn(async move {
        sleep(Duration::from_secs(4)).await;
        create(&creating, "late", 1, &[]).await;
    });
    let delivery = producer.send(Record::to("late").value("x")).await;
    let written = patient(delivery.expect("the topic is created in time")).await;
    assert_eq!(written.expect("it is written").offset, Some(0));
    creation.await.expect("it does not panic");
}

#[tokio::test(start_paused = true)]
async fn a_record_for_a_topic_that_never_comes_says_how_to_create_it() {
    let (_cluster, client) = stage(1).await;
    let mut builder = Producer::builder(&client);
    builder = builder.set("topic.metadata.propagation.max.ms", "5000");
    let producer = builder.build().expect("it builds");
    let began = Instant::now();
    let error = producer
        .send(Record::to("never").value("x"))
        .await
        .map(drop);
    let error = error.expect_err("it does not exist");
    assert!((4..=6).contains(&began.elapsed().as_secs()));
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let told = error.to_string();
    for part in ["never", "allow.auto.create.topics", "ottla topic create"] {
        assert!(told.contains(part), "{told}");
    }
}

/// Adds partitions until the topic has so many.
async fn grow(client: &Client, topic: &str, count: i32) {
    use ottla::protocol::messages::CreatePartitionsTopic;
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: topic.into(),
            count,
            ..CreatePartitionsTopic::default()
        }],
        timeout_ms: 10_000,
        ..CreatePartitionsRequest::default()
    };
    let answer = client
        .request_controller(request)
        .await
        .expect("it is answered");
    assert!(answer.results[0].error_code.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn partitions_that_a_topic_has_gained_are_looked_up_on_real_kafka() {
    let Some(target) = Target::real() else {
        return;
    };
    let (client, topic) = target.topic(1).await;
    client.topic(&topic).await.expect("it was created");
    let producer = Producer::builder(&client).build().expect("it builds");
    let first = producer.send(Record::to(&topic).value("x")).await;
    patient(first.expect("there is room"))
        .await
        .expect("it is written");
    let admin = target.client().await;
    grow(&admin, &topic, 3).await;
    patient(client.offset(&topic, 2, Start::Latest))
        .await
        .expect("it is there");
    grow(&admin, &topic, 4).await;
    let record = Record::to(&topic).partition(3).value("x");
    let delivery = patient(producer.send(record)).await.expect("it is there");
    patient(delivery).await.expect("it is written");
    grow(&admin, &topic, 5).await;
    let consumer = Consumer::builder(&client).assign(topic, 4, Start::Earliest);
    patient(consumer.build()).await.expect("it is there");
}

/// A broker that lags answers with fewer partitions, and after a while with all.
#[tokio::test(start_paused = true)]
async fn a_partition_is_looked_up_again_before_it_is_refused() {
    let (cluster, client) = stage(1).await;
    create(&client, "t", 3, &[]).await;
    let lagging = Arc::new(AtomicU32::new(2));
    let left = lagging.clone();
    cluster.control(move |request| {
        let lags = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if request.api_key != ApiKey::Metadata || !lags {
            return Action::Pass;
        }
        Action::alter(|answer: &mut MetadataResponse| {
            for topic in &mut answer.topics {
                topic.partitions.truncate(1);
            }
        })
    });
    let known = client.topic("t").await.expect("it was created");
    assert_eq!(known.partitions.len(), 1);
    let producer = Producer::builder(&client).build().expect("it builds");
    let delivery = producer.send(Record::to("t").partition(2).value("x")).await;
    patient(delivery.expect("it is there"))
        .await
        .expect("it is written");
    let error = client
        .offset("t", 3, Start::Latest)
        .await
        .expect_err("it has three");
    assert!(matches!(
        error.kind(),
        ErrorKind::NoSuchPartition { partitions: 3 }
    ));
}

/// The address of a broker is taken over by a broker of another cluster.
#[tokio::test(start_paused = true)]
async fn nothing_is_believed_of_another_cluster_nor_sent_to_it() {
    let ours = stage(1).await;
    let builder = Cluster::builder().in_memory().cluster_id("another-cluster");
    let theirs = builder.start().await.expect("it starts");
    let theirs = (theirs.clone(), Target::in_memory_of(theirs).client().await);
    create(&ours.1, "t", 1, &[]).await;
    create(&theirs.1, "t", 1, &[]).await;
    let taken = Arc::new(AtomicU32::new(0));
    let (clusters, over) = ([ours.0.clone(), theirs.0.clone()], taken.clone());
    let connect = move |host: &str, port: u16| {
        let cluster = clusters[over.load(Ordering::Relaxed) as usize].clone();
        let host = host.to_owned();
        async move { cluster.connect(&host, port).await }
    };
    let builder = Client::builder(ours.0.bootstrap()).connect_with(connect);
    let client = builder.connect().await.expect("the first cluster answers");
    let id = client.topology().cluster_id.clone().expect("it has an id");
    client.topic("t").await.expect("it was created");
    taken.store(1, Ordering::Relaxed);
    ours.0.stop_broker(1).await.expect("it is up");
    let producer = Producer::builder(&client).delivery_timeout(Duration::from_secs(20));
    let producer = producer.build().expect("it builds");
    let delivery = producer
        .send(Record::to("t").value("x"))
        .await
        .expect("there is room");
    let error = patient(delivery)
        .await
        .expect_err("no broker of this cluster is left");
    let told = error.to_string();
    let other = theirs
        .1
        .topology()
        .cluster_id
        .clone()
        .expect("it has an id");
    assert!(told.contains(&*id) && told.contains(&*other), "{told}");
    assert!(
        theirs.0.batches("t", 0).is_empty(),
        "a record went to the other cluster"
    );
    assert_eq!(client.topology().cluster_id.as_deref(), Some(&*id));
}

/// One of two bootstrap servers accepts connections and never answers.
#[tokio::test(start_paused = true)]
async fn a_silent_bootstrap_server_costs_a_second() {
    let (cluster, _) = stage(1).await;
    for order in ["silent:1,{}", "{},silent:1"] {
        let cluster = cluster.clone();
        let bootstrap = order.replace("{}", &cluster.bootstrap());
        let connect = move |host: &str, port: u16| {
            let (cluster, host) = (cluster.clone(), host.to_owned());
            async move {
                if host == "silent" {
                    std::future::pending::<()>().await;
                }
                cluster.connect(&host, port).await
            }
        };
        for seed in 0..8 {
            let builder = Client::builder(bootstrap.clone()).connect_with(connect.clone());
            let began = Instant::now();
            let builder = builder.seed(seed).api_timeout(Duration::from_secs(5));
            builder.connect().await.expect("one of them answers");
            assert!(
                began.elapsed() <= Duration::from_secs(2),
                "{:?}",
                began.elapsed()
            );
        }
    }
}

/// A client whose connections lead to another cluster from some time on. Returns how many produce
/// requests reach that cluster.
async fn produce_requests_at_the_wrong_cluster(check: &str) -> u32 {
    let start = async |id: &str| {
        let builder = Cluster::builder().in_memory().cluster_id(id);
        builder.topic("t", 1).start().await.expect("it starts")
    };
    let (right, wrong) = (start("right").await, start("wrong").await);
    let is_taken_over = Arc::new(AtomicU32::new(0));
    let (switch, clusters) = (is_taken_over.clone(), (right.clone(), wrong.clone()));
    let connect = move |host: &str, port| match switch.load(Ordering::Relaxed) {
        0 => clusters.0.connect(host, port),
        _ => clusters.1.connect(host, port),
    };
    let mut builder = Client::builder(right.bootstrap()).connect_with(connect);
    builder = builder.set("metadata.cluster.check.enable", check);
    let client = builder.connect().await.expect("it is there");
    let producer = Producer::builder(&client)
        .delivery_timeout(Duration::from_secs(5))
        .build()
        .expect("it builds");
    let send = async || {
        let delivery = producer.send(Record::to("t").value("x")).await;
        delivery.expect("it is taken").await
    };
    send().await.expect("it is written");
    let produced = Arc::new(AtomicU32::new(0));
    let counted = produced.clone();
    wrong.control(move |request| {
        if request.api_key == ApiKey::Produce {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Action::Pass
    });
    right.control(|_| Action::CutBefore);
    is_taken_over.store(1, Ordering::Relaxed);
    let error = send().await.expect_err("the cluster is gone");
    assert!(error.to_string().contains("right"), "{error}");
    produced.load(Ordering::Relaxed)
}

/// Not even a request that a broker of another cluster would refuse reaches it (KIP-1242).
#[tokio::test(start_paused = true)]
async fn a_connection_names_the_broker_and_the_cluster_that_it_is_meant_for() {
    assert_eq!(produce_requests_at_the_wrong_cluster("true").await, 0);
    assert!(produce_requests_at_the_wrong_cluster("false").await > 0);
}

/// Kafka 4.4 checks the names; brokers before it are not asked in a version that they refuse.
#[tokio::test]
async fn connections_that_name_their_broker_are_taken_by_real_kafka() {
    let Some(target) = Target::real() else {
        return;
    };
    let (client, topic) = target.topic(1).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let delivery = producer.send(Record::to(&topic).value("x")).await;
    delivery.expect("it is taken").await.expect("it is written");
    let (cluster_id, node_id) = (Some("wrong".into()), 1);
    let request = ApiVersionsRequest {
        client_software_name: "ottla".into(),
        client_software_version: "1".into(),
        cluster_id,
        node_id,
    };
    let broker = client.topology().brokers.keys().next().copied();
    let asked = client.request_broker(broker.expect("there is one"), request);
    let answer = asked.await.expect("it answers");
    let newest = answer
        .api_keys
        .iter()
        .find(|a| a.api_key == ApiKey::ApiVersions as i16);
    // One that speaks version 5 refuses, and names no versions.
    if newest.is_none() {
        assert_eq!(answer.error_code, ErrorCode::REBOOTSTRAP_REQUIRED);
    } else {
        assert_eq!(newest.map(|a| a.max_version), Some(4));
    }
}

/// With `allow.auto.create.topics`, only a topic that a caller waits for is created.
#[tokio::test(start_paused = true)]
async fn a_topic_that_was_deleted_does_not_come_back() {
    let builder = Cluster::builder().in_memory();
    let builder = builder.set("auto.create.topics.enable", "true");
    let cluster = builder.start().await.expect("it starts");
    let target = Target::in_memory_of(cluster.clone());
    let builder = target
        .client_builder()
        .set("allow.auto.create.topics", "true");
    let client = builder.connect().await.expect("it is there");
    let producer = Producer::builder(&client).build().expect("it builds");
    let write = async |topic: &str| {
        let delivery = producer.send(Record::to(topic).value("x")).await;
        delivery.expect("it is taken").await.expect("it is written");
    };
    write("deleted").await;
    let consumer = Consumer::builder(&client).assign("deleted", 0, Start::Earliest);
    let consumer = consumer.build().await.expect("it builds");
    cluster.delete_topic("deleted").expect("it is there");
    sleep(Duration::from_secs(700)).await;
    // Another topic is created meanwhile.
    write("other").await;
    sleep(Duration::from_secs(700)).await;
    assert!(cluster.leader("deleted", 0).is_none(), "it came back");
    drop(consumer);
    write("deleted").await;
    assert!(
        cluster.leader("deleted", 0).is_some(),
        "a caller waits for it"
    );
}
