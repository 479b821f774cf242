//! Coordinators, and the offsets that are committed to them.

use ottla_broker::Cluster;
use ottla_protocol::{ErrorCode, messages::*, wire::Request};

use crate::client::{Client, cluster};

fn commit(group: &str, offset: i64, metadata: &str) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                committed_metadata: Some(metadata.into()),
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

fn code(answer: &OffsetCommitResponse) -> ErrorCode {
    answer.topics[0].partitions[0].error_code
}

/// The committed offsets of a topic's partitions; without any, those of all topics.
fn ask_for(
    group: &str,
    partitions: Option<Vec<i32>>,
    id: uuid::Uuid,
    version: i16,
) -> OffsetFetchRequest {
    if version < 8 {
        let topic = |partition_indexes| OffsetFetchRequestTopic {
            name: "t".into(),
            partition_indexes,
        };
        return OffsetFetchRequest {
            group_id: group.into(),
            topics: partitions.map(|p| vec![topic(p)]),
            ..OffsetFetchRequest::default()
        };
    }
    let topic = |partition_indexes| OffsetFetchRequestTopics {
        name: "t".into(),
        topic_id: id,
        partition_indexes,
    };
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: partitions.map(|p| vec![topic(p)]),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    }
}

/// Partition, offset and error of everything in the answer.
fn offsets(answer: OffsetFetchResponse) -> Vec<(i32, i64, ErrorCode)> {
    let old = answer.topics.into_iter().flat_map(|t| t.partitions);
    let old = old.map(|p| (p.partition_index, p.committed_offset, p.error_code));
    let new = answer
        .groups
        .into_iter()
        .flat_map(|g| g.topics)
        .flat_map(|t| t.partitions);
    let new = new.map(|p| (p.partition_index, p.committed_offset, p.error_code));
    old.chain(new).collect()
}

#[tokio::test]
async fn what_is_committed_in_any_version_is_fetched_in_any_version() {
    let cluster = cluster(Cluster::builder().topic("t", 2)).await;
    let mut client = Client::of(&cluster, 1).await;
    let id = client.topic_id("t").await;
    for version in OffsetCommitRequest::VERSIONS {
        let mut request = commit("g", 100 + i64::from(version), "note");
        request.topics[0].topic_id = if version >= 10 { id } else { uuid::Uuid::nil() };
        assert_eq!(code(&client.ask(version, &request).await), ErrorCode::NONE);
    }
    let none = ErrorCode::NONE;
    for version in OffsetFetchRequest::VERSIONS {
        let some = ask_for("g", Some(vec![0, 1]), id, version);
        let expected = [(0, 110, none), (1, -1, none)];
        assert_eq!(
            offsets(client.ask(version, &some).await),
            expected,
            "in version {version}"
        );
        if version >= 2 {
            let all = ask_for("g", None, id, version);
            assert_eq!(offsets(client.ask(version, &all).await), [(0, 110, none)]);
            let nobody = ask_for("nobody", None, id, version);
            assert_eq!(offsets(client.ask(version, &nobody).await), []);
        }
    }
}

#[tokio::test]
async fn commits_that_make_no_sense_are_refused() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let long = commit("g", 1, &"x".repeat(4097));
    let answer = client.ask(8, &long).await;
    assert_eq!(code(&answer), ErrorCode::OFFSET_METADATA_TOO_LARGE);
    let mut nowhere = commit("g", 1, "");
    nowhere.topics[0].partitions[0].partition_index = 5;
    let answer = client.ask(8, &nowhere).await;
    assert_eq!(code(&answer), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let mut member = commit("g", 1, "");
    member.generation_id_or_member_epoch = 3;
    assert_eq!(
        code(&client.ask(8, &member).await),
        ErrorCode::ILLEGAL_GENERATION
    );
    assert_eq!(
        code(&client.ask(9, &member).await),
        ErrorCode::GROUP_ID_NOT_FOUND
    );
}

#[tokio::test]
async fn a_deleted_topic_takes_its_offsets_with_it() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.ask(8, &commit("g", 5, "")).await;
    cluster.delete_topic("t").expect("it is there");
    cluster.create_topic("t", 1).expect("it is gone");
    let request = ask_for("g", Some(vec![0]), uuid::Uuid::nil(), 7);
    assert_eq!(
        offsets(client.ask(7, &request).await),
        [(0, -1, ErrorCode::NONE)]
    );
}

#[tokio::test]
async fn the_coordinator_of_a_group_moves_with_what_was_committed() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    let mut clients = [Client::of(&cluster, 1).await, Client::of(&cluster, 2).await];
    for (from, to) in [(0, 1), (1, 0)] {
        cluster.move_coordinator("g", from + 1).expect("it exists");
        let request = commit("g", from.into(), "");
        let answer = clients[from as usize].ask(8, &request).await;
        assert_eq!(code(&answer), ErrorCode::NONE);
        cluster.move_coordinator("g", to + 1).expect("it exists");
        let answer = clients[from as usize].ask(8, &request).await;
        assert_eq!(code(&answer), ErrorCode::NOT_COORDINATOR);
        let find = FindCoordinatorRequest {
            key: "g".into(),
            ..FindCoordinatorRequest::default()
        };
        assert_eq!(clients[0].ask(1, &find).await.node_id, to + 1);
        let fetch = ask_for("g", Some(vec![0]), uuid::Uuid::nil(), 7);
        let fetched = clients[to as usize].ask(7, &fetch).await;
        let committed = fetched.topics[0].partitions[0].committed_offset;
        assert_eq!(committed, i64::from(from));
    }
}

#[tokio::test]
async fn only_the_coordinator_of_a_group_takes_its_offsets() {
    let cluster = cluster(Cluster::builder().brokers(3).topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let keys: Vec<_> = (0..20).map(|i| format!("group-{i}").into()).collect();
    let many = FindCoordinatorRequest {
        coordinator_keys: keys,
        ..FindCoordinatorRequest::default()
    };
    let coordinators = client.ask(4, &many).await.coordinators;
    for coordinator in &coordinators {
        let one = FindCoordinatorRequest {
            key: coordinator.key.clone(),
            ..FindCoordinatorRequest::default()
        };
        assert_eq!(client.ask(1, &one).await.node_id, coordinator.node_id);
    }
    let elsewhere = coordinators
        .iter()
        .find(|c| c.node_id != 1)
        .expect("groups are spread");
    let request = commit(&elsewhere.key, 1, "");
    assert_eq!(
        code(&client.ask(8, &request).await),
        ErrorCode::NOT_COORDINATOR
    );
    let fetch = ask_for(&elsewhere.key, Some(vec![0]), uuid::Uuid::nil(), 7);
    assert_eq!(
        client.ask(7, &fetch).await.error_code,
        ErrorCode::NOT_COORDINATOR
    );

    let mut client = Client::of(&cluster, elsewhere.node_id).await;
    assert_eq!(code(&client.ask(8, &request).await), ErrorCode::NONE);
    cluster
        .stop_broker(elsewhere.node_id)
        .await
        .expect("it ran");
    let mut client = Client::of(&cluster, 1).await;
    let one = FindCoordinatorRequest {
        key: elsewhere.key.clone(),
        ..FindCoordinatorRequest::default()
    };
    let next = client.ask(1, &one).await.node_id;
    assert_ne!(
        next, elsewhere.node_id,
        "another one takes over, with the offsets"
    );
    let answer = Client::of(&cluster, next).await.ask(7, &fetch).await;
    assert_eq!(offsets(answer), [(0, 1, ErrorCode::NONE)]);
}
