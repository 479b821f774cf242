//! Topics from their making to their end, and what Metadata says of them.

use ottla_broker::{Cluster, ErrorKind};
use ottla_protocol::{ErrorCode, messages::*};
use uuid::Uuid;

use crate::client::{Client, cluster};

fn asked(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor,
        ..CreatableTopic::default()
    }
}

fn assigned(name: &str, replicas: &[&[i32]]) -> CreatableTopic {
    let assignment = |(partition_index, brokers): (i32, &&[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
    };
    let assignments = (0..).zip(replicas).map(assignment).collect();
    CreatableTopic {
        assignments,
        ..asked(name, -1, -1)
    }
}

fn configured(name: &str, config: &str, value: &str) -> CreatableTopic {
    let configs = vec![CreatableTopicConfig {
        name: config.into(),
        value: Some(value.into()),
    }];
    CreatableTopic {
        configs,
        ..asked(name, 1, 1)
    }
}

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic {
        name: Some(name.into()),
        ..MetadataRequestTopic::default()
    }
}

fn metadata(topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest {
        topics: Some(topics),
        ..MetadataRequest::default()
    }
}

/// Topics to be made, and what becomes of each.
fn creations() -> Vec<(CreatableTopic, ErrorCode)> {
    vec![
        (asked("plain", 3, 2), ErrorCode::NONE),
        (asked("default", -1, -1), ErrorCode::NONE),
        (assigned("assigned", &[&[2, 1], &[1, 2]]), ErrorCode::NONE),
        (
            configured("configured", "retention.ms", "-1"),
            ErrorCode::NONE,
        ),
        (asked("there", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS),
        (asked("none", 0, 1), ErrorCode::INVALID_PARTITIONS),
        (asked("many", 1, 3), ErrorCode::INVALID_REPLICATION_FACTOR),
        (asked("zero", 1, 0), ErrorCode::INVALID_REPLICATION_FACTOR),
        (asked("", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (asked("..", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (asked("a/b", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (asked("like_this", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (
            asked(&"x".repeat(250), 1, 1),
            ErrorCode::INVALID_TOPIC_EXCEPTION,
        ),
        (
            configured("unknown", "flush.ms", "1"),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            configured("wrong", "retention.ms", "soon"),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            configured("recompressed", "compression.type", "gzip"),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            assigned("stranger", &[&[1, 9]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            assigned("doubled", &[&[1, 1]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            assigned("uneven", &[&[1, 2], &[1]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            CreatableTopic {
                num_partitions: 1,
                ..assigned("both", &[&[1]])
            },
            ErrorCode::INVALID_REQUEST,
        ),
        (asked("twice", 1, 1), ErrorCode::INVALID_REQUEST),
        (asked("twice", 1, 1), ErrorCode::INVALID_REQUEST),
    ]
}

#[tokio::test]
async fn topics_are_made_or_refused_for_the_reasons_that_kafka_has() {
    let cluster = cluster(
        Cluster::builder()
            .brokers(2)
            .topic("there", 1)
            .topic("like.this", 1),
    )
    .await;
    let mut client = Client::of(&cluster, 2).await;
    let (topics, codes): (Vec<_>, Vec<_>) = creations().into_iter().unzip();
    for validate_only in [true, false] {
        let request = CreateTopicsRequest {
            topics: topics.clone(),
            validate_only,
            ..CreateTopicsRequest::default()
        };
        let answer = client.ask(7, &request).await;
        let got: Vec<_> = answer
            .topics
            .iter()
            .map(|t| (&t.name, t.error_code))
            .collect();
        let names = topics.iter().map(|t| &t.name);
        assert_eq!(got, names.zip(codes.clone()).collect::<Vec<_>>());
        assert_eq!(answer.topics[0].topic_id.is_nil(), validate_only);
        assert_eq!(
            (
                answer.topics[0].num_partitions,
                answer.topics[0].replication_factor
            ),
            (3, 2)
        );
        let retention = answer.topics[3].configs.iter().flatten();
        let retention: Vec<_> = retention.filter(|c| &*c.name == "retention.ms").collect();
        assert_eq!(
            (retention[0].value.as_deref(), retention[0].config_source),
            (Some("-1"), 1)
        );
    }
    let answer = client.ask(9, &metadata(vec![named("assigned")])).await;
    let partitions = &answer.topics[0].partitions;
    assert_eq!(partitions[0].replica_nodes, [2, 1]);
    assert_eq!((partitions[0].leader_id, partitions[1].leader_id), (2, 1));
}

#[tokio::test]
async fn metadata_knows_topics_by_name_and_by_id() {
    let cluster = cluster(Cluster::builder().brokers(3).topic("a", 3).topic("b", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let all = client
        .ask(
            12,
            &MetadataRequest {
                topics: None,
                ..metadata(vec![])
            },
        )
        .await;
    assert_eq!(all.brokers.len(), 3);
    assert_eq!(
        (&*all.brokers[1].host, all.brokers[1].port),
        ("broker-2", 9092)
    );
    let names: Vec<_> = all.topics.iter().map(|t| t.name.as_deref()).collect();
    assert_eq!(names, [Some("a"), Some("b")]);
    let leaders: Vec<_> = all.topics[0]
        .partitions
        .iter()
        .map(|p| p.leader_id)
        .collect();
    assert_eq!(leaders, [1, 2, 3]);

    assert_eq!(
        client.ask(0, &metadata(vec![])).await.topics.len(),
        2,
        "none was all"
    );
    assert_eq!(
        client.ask(1, &metadata(vec![])).await.topics.len(),
        0,
        "none is none"
    );
    let by_id = |topic_id| MetadataRequestTopic {
        topic_id,
        name: None,
    };
    let request = metadata(vec![by_id(all.topics[1].topic_id), by_id(Uuid::max())]);
    let answer = client.ask(12, &request).await;
    assert_eq!(answer.topics[0].name.as_deref(), Some("b"));
    assert_eq!(answer.topics[1].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(answer.topics[1].name, None);
    let rights = MetadataRequest {
        include_topic_authorized_operations: true,
        ..metadata(vec![named("a")])
    };
    assert_eq!(
        client.ask(9, &rights).await.topics[0].topic_authorized_operations,
        3576
    );
}

#[tokio::test]
async fn topics_are_made_by_asking_where_that_is_allowed() {
    for (setting, code) in [
        ("true", ErrorCode::NONE),
        ("false", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        let builder = Cluster::builder().set("auto.create.topics.enable", setting);
        let cluster = cluster(builder.set("num.partitions", "4")).await;
        let mut client = Client::of(&cluster, 1).await;
        let mut request = metadata(vec![named("new"), named("a/b")]);
        request.allow_auto_topic_creation = false;
        let answer = client.ask(9, &request).await;
        assert_eq!(
            answer.topics[0].error_code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        );
        request.allow_auto_topic_creation = true;
        let answer = client.ask(9, &request).await;
        assert_eq!(answer.topics[0].error_code, code);
        assert_eq!(
            answer.topics[0].partitions.len(),
            if code.is_ok() { 4 } else { 0 }
        );
        assert_eq!(
            answer.topics[1].error_code,
            ErrorCode::INVALID_TOPIC_EXCEPTION
        );
    }
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id_and_come_back_as_others() {
    let cluster = cluster(Cluster::builder().topic("a", 1).topic("b", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let request = DeleteTopicsRequest {
        topic_names: vec!["a".into(), "nowhere".into()],
        ..DeleteTopicsRequest::default()
    };
    let answer = client.ask(5, &request).await.responses;
    let codes: Vec<_> = answer.iter().map(|t| t.error_code).collect();
    assert_eq!(
        codes,
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]
    );

    let metadata_of_b = metadata(vec![named("b")]);
    let topic_id = client.ask(12, &metadata_of_b).await.topics[0].topic_id;
    let by_id = |topic_id| DeleteTopicState {
        name: None,
        topic_id,
    };
    let request = DeleteTopicsRequest {
        topics: vec![by_id(topic_id), by_id(Uuid::max())],
        ..DeleteTopicsRequest::default()
    };
    let answer = client.ask(6, &request).await.responses;
    assert_eq!(answer[0].name.as_deref(), Some("b"));
    let codes: Vec<_> = answer.iter().map(|t| t.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_ID]);

    cluster.create_topic("b", 1).expect("it is gone");
    let answer = client.ask(12, &metadata_of_b).await;
    assert_ne!(answer.topics[0].topic_id, topic_id);
}

#[tokio::test]
async fn settings_and_topics_that_are_wrong_do_not_start() {
    let start = |builder: ottla_broker::ClusterBuilder| builder.in_memory().start();
    let unknown = start(Cluster::builder().set("no.such.setting", "1")).await;
    let error = unknown.expect_err("it is unknown");
    assert!(error.to_string().contains("no.such.setting"), "{error}");
    let malformed = start(Cluster::builder().set("num.partitions", "many")).await;
    assert!(matches!(
        malformed.expect_err("no number").kind(),
        ErrorKind::Setting(_)
    ));
    let topic = start(Cluster::builder().topic("a b", 1)).await;
    assert!(matches!(
        topic.expect_err("a bad name").kind(),
        ErrorKind::Refused(ErrorCode::INVALID_TOPIC_EXCEPTION, _)
    ));
}
