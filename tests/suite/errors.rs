//! What errors say: where, why, and what to do.

use std::{error::Error as _, time::Duration};

use ottla::{
    Client, Consumer, ErrorCode, ErrorKind, Producer, Properties, Record, Start,
    protocol::{
        ErrorCode as Code,
        messages::{
            ApiKey, ApiVersion, ApiVersionsResponse, CreateTopicsRequest, ListOffsetsRequest,
        },
    },
};
use ottla_broker::{Action, Cluster};
use ottla_tests::{Target, create};
use tokio::time::Instant;

async fn stage() -> (Cluster, Client) {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    create(&client, "t", 1, &[]).await;
    (cluster, client)
}

#[tokio::test]
async fn a_partition_that_is_not_assigned_is_named_as_data() {
    let (_cluster, client) = stage().await;
    let builder = Consumer::builder(&client).assign("t", 0, Start::Earliest);
    let mut consumer = builder.build().await.expect("it builds");
    let error = consumer.pause("x", 9).expect_err("it is not assigned");
    assert_eq!(error.kind(), &ErrorKind::NotAssigned);
    assert_eq!((error.topic(), error.partition()), (Some("x"), Some(9)));
    let told = error.to_string();
    assert!(told.contains("x-9") && !told.contains("settings"), "{told}");
}

#[tokio::test]
async fn a_closed_producer_says_that_it_is_the_producer_which_is_closed() {
    let (_cluster, client) = stage().await;
    let producer = Producer::builder(&client).build().expect("it builds");
    producer
        .close_within(Duration::from_secs(5))
        .await
        .expect("it closes");
    let sent = producer.send(Record::to("t").value("x")).await;
    let error = sent.map(drop).expect_err("it is closed");
    assert_eq!(error.to_string(), "sending to t: the producer is closed");
    assert_eq!((error.topic(), error.partition()), (Some("t"), None));
}

/// Reporters print an error and then its sources: no cause comes twice.
#[tokio::test]
async fn no_cause_is_told_twice() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = unused.local_addr().expect("it is bound");
    drop(unused);
    let mut builder = Client::builder(address.to_string());
    builder = builder.set("default.api.timeout.ms", "300");
    let error = builder.connect().await.expect_err("it does not listen");
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    assert_eq!(chain.matches("refused").count(), 1, "{chain}");
    assert!(chain.contains(&address.to_string()), "{chain}");
}

#[tokio::test]
async fn a_setting_that_is_not_taken_says_why() {
    let (_cluster, client) = stage().await;
    for (name, why) in [
        ("group.id", "is not supported: "),
        ("key.deserializer", "means nothing to this client"),
        ("fetch.min.byte", "did you mean fetch.min.bytes?"),
    ] {
        let builder = Consumer::builder(&client).set(name, "1");
        let built = builder.assign("t", 0, Start::Earliest).build().await;
        let error = built.expect_err("it is not taken").to_string();
        assert!(error.contains(why) && error.contains(name), "{error}");
    }
}

#[test]
fn a_properties_file_that_is_not_there_is_no_broken_connection() {
    let error = Properties::read("no/such/file.properties");
    let error = error.expect_err("there is none");
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("no/such/file.properties"), "{text}");
    assert!(!text.contains("connection"), "{text}");
}

#[tokio::test]
async fn a_record_that_is_too_large_names_its_topic_as_data() {
    let (_cluster, client) = stage().await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let value = vec![0; 2 << 20];
    let sent = producer.send(Record::to("t").value(&value)).await;
    let error = sent.expect_err("it is too large");
    assert!(matches!(error.kind(), ErrorKind::RecordTooLarge { .. }));
    assert_eq!((error.topic(), error.partition()), (Some("t"), None));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_broker_names_the_broker_as_data() {
    let (cluster, client) = stage().await;
    let mut builder = Consumer::builder(&client).assign("t", 0, Start::Offset(7));
    builder = builder.set("auto.offset.reset", "none");
    let mut consumer = builder.build().await.expect("it builds");
    let error = consumer.recv().await.expect_err("the log is empty");
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!((error.topic(), error.partition()), (Some("t"), Some(0)));
    cluster.control(|request| match request.api_key {
        ApiKey::CreateTopics | ApiKey::ListOffsets => Action::CutBefore,
        _ => Action::Pass,
    });
    let asked = client.request_broker(1, CreateTopicsRequest::default());
    let error = asked.await.expect_err("the connection is cut");
    assert_eq!(error.broker(), Some(1), "{error}");
    assert!(
        matches!(error.kind(), ErrorKind::Disconnected(_)),
        "{error}"
    );
    // The client repeats a request that changes nothing until its time is up.
    let asked = client.request_broker(1, ListOffsetsRequest::default());
    let error = asked.await.expect_err("the connection is cut");
    assert_eq!(error.broker(), Some(1), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
}

/// A cluster whose brokers speak everything but one API, or that one only in these versions.
async fn without(api: ApiKey, versions: Option<(i16, i16)>) -> Cluster {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    let client = Target::in_memory_of(cluster.clone()).client().await;
    create(&client, "t", 1, &[]).await;
    cluster.control(move |request| {
        if request.api_key != ApiKey::ApiVersions {
            return Action::Pass;
        }
        Action::alter(move |response: &mut ApiVersionsResponse| {
            response.api_keys.retain(|a| a.api_key != api as i16);
            response
                .api_keys
                .extend(versions.map(|(min, max)| ApiVersion {
                    api_key: api as i16,
                    min_version: min,
                    max_version: max,
                }));
        })
    });
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_too_old_is_named_at_once() {
    let cluster = without(ApiKey::Metadata, Some((0, -1))).await;
    let began = Instant::now();
    let connected = Target::in_memory_of(cluster)
        .client_builder()
        .connect()
        .await;
    let error = connected.expect_err("there is no common version");
    assert!(matches!(error.kind(), ErrorKind::Version(_)), "{error}");
    assert!(error.to_string().contains("too old"), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_told_at_once() {
    let cluster = Cluster::builder().in_memory().start().await;
    let cluster = cluster.expect("it starts");
    cluster.control(|request| match request.api_key {
        ApiKey::Metadata => {
            let id = request.correlation_id.to_be_bytes();
            Action::replace_frame([&id[..], &[0, 1, 2]].concat())
        }
        _ => Action::Pass,
    });
    let began = Instant::now();
    let connected = Target::in_memory_of(cluster)
        .client_builder()
        .connect()
        .await;
    let error = connected.expect_err("the answer cannot be read");
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_producer_ids_is_told_once_with_the_setting_that_helps() {
    let cluster = without(ApiKey::InitProducerId, None).await;
    let client = Target::in_memory_of(cluster).client().await;
    let producer = Producer::builder(&client).build().expect("it builds");
    let began = Instant::now();
    let delivery = producer.send(Record::to("t").value("x")).await;
    let error = delivery
        .expect("it is taken")
        .await
        .expect_err("there is no id");
    assert!(matches!(error.kind(), ErrorKind::Version(_)), "{error}");
    let told = error.to_string();
    assert!(told.contains("InitProducerId"), "{told}");
    assert!(told.contains("enable.idempotence=false"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(error.code(), None::<Code>);
}

/// A record that was never sent tells what it waited for.
#[tokio::test(start_paused = true)]
async fn a_record_that_waited_for_a_producer_id_tells_why_there_was_none() {
    let (cluster, client) = stage().await;
    cluster.control(|request| match request.api_key {
        ApiKey::InitProducerId => Action::Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        _ => Action::Pass,
    });
    let builder = Producer::builder(&client).delivery_timeout(Duration::from_secs(5));
    let producer = builder.build().expect("it builds");
    let delivery = producer.send(Record::to("t").value("x")).await;
    let error = delivery.expect("it is taken").await;
    let told = error.expect_err("there is no id").to_string();
    let cause = "asking for a producer id: COORDINATOR_LOAD_IN_PROGRESS";
    assert!(told.contains(cause), "{told}");
}
