//! Several brokers: who leads, who is asked in vain, and what happens when one goes and comes back.

use std::io;

use ottla_broker::{Cluster, ErrorKind};
use ottla_protocol::{ErrorCode, messages::*};
use tokio::net::TcpStream;

use crate::client::{Client, batch, cluster, fetch, list_offsets, produce, values};

#[tokio::test]
async fn who_does_not_lead_says_who_does() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    cluster.move_leader("t", 0, 2).expect("it has a replica");
    let mut client = Client::of(&cluster, 1).await;
    let answer = client.ask(10, &produce("t", 1, batch(&["a"]))).await;
    let refused = &answer.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let leader = LeaderIdAndEpoch {
        leader_id: 2,
        leader_epoch: 1,
    };
    assert_eq!(refused.current_leader, leader);
    assert_eq!(
        (
            answer.node_endpoints[0].node_id,
            &*answer.node_endpoints[0].host
        ),
        (2, "broker-2")
    );

    let mut request = fetch("t", &[(0, 0)]);
    request.topics[0].topic_id = client.topic_id("t").await;
    let answer = client.ask(16, &request).await;
    assert_eq!(answer.responses[0].partitions[0].current_leader, leader);
    assert_eq!(answer.node_endpoints[0].node_id, 2);
    let answer = client.ask(5, &list_offsets("t", -1)).await;
    let code = answer.topics[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

#[tokio::test]
async fn leader_epochs_fence_old_and_new_believers() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    cluster.move_leader("t", 0, 2).expect("it has a replica");
    let mut client = Client::of(&cluster, 2).await;
    let expected = [
        (-1, ErrorCode::NONE),
        (0, ErrorCode::FENCED_LEADER_EPOCH),
        (1, ErrorCode::NONE),
        (2, ErrorCode::UNKNOWN_LEADER_EPOCH),
    ];
    for (epoch, code) in expected {
        let mut request = fetch("t", &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let answer = client.ask(12, &request).await;
        assert_eq!(answer.responses[0].partitions[0].error_code, code);
        let mut request = list_offsets("t", -1);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let answer = client.ask(7, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, code);
    }
}

#[tokio::test]
async fn a_fetcher_of_another_history_is_told_where_it_departs() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    Client::of(&cluster, 1)
        .await
        .produce("t", batch(&["a", "b"]))
        .await;
    cluster.move_leader("t", 0, 2).expect("it has a replica");
    let mut client = Client::of(&cluster, 2).await;
    client.produce("t", batch(&["c"])).await;
    let mut request = fetch("t", &[(0, 3)]);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let answer = client.ask(12, &request).await;
    let expected = EpochEndOffset {
        epoch: 0,
        end_offset: 2,
    };
    assert_eq!(answer.responses[0].partitions[0].diverging_epoch, expected);
    request.topics[0].partitions[0].last_fetched_epoch = 1;
    let answer = client.ask(12, &request).await;
    assert_eq!(
        answer.responses[0].partitions[0].diverging_epoch,
        EpochEndOffset::default()
    );
}

#[tokio::test]
async fn a_broker_that_comes_back_elsewhere_is_not_where_it_was() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    Client::of(&cluster, 1)
        .await
        .produce("t", batch(&["a"]))
        .await;
    for host in ["broker-1-1", "broker-1-2"] {
        cluster.stop_broker(1).await.expect("it ran");
        let started = cluster.start_broker_elsewhere(1).await;
        started.expect("it was stopped");
        assert_eq!(cluster.bootstrap(), format!("{host}:9092,broker-2:9092"));
        let gone = cluster.connect("broker-1", 9092).await;
        let gone = gone.expect_err("it is not there any more");
        assert_eq!(gone.kind(), io::ErrorKind::ConnectionRefused);
        cluster.connect(host, 9092).await.expect("it is there");
    }
    let again = cluster.start_broker_elsewhere(1).await;
    assert!(again.is_err(), "it runs");
}

#[tokio::test]
async fn a_stopped_broker_cuts_refuses_and_comes_back_with_its_data() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    client.produce("t", batch(&["a"])).await;
    cluster.stop_broker(1).await.expect("it ran");
    assert!(client.is_closed().await);
    let refused = cluster
        .connect("broker-1", 9092)
        .await
        .expect_err("it is stopped");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(cluster.leader("t", 0), Some((2, 1)));
    let mut client = Client::of(&cluster, 2).await;
    assert_eq!(values(client.fetch("t", 0).await.records).len(), 1);
    let metadata = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let answer = client.ask(9, &metadata).await;
    assert_eq!((answer.brokers.len(), answer.controller_id), (1, 2));
    assert_eq!(answer.topics[0].partitions[0].isr_nodes, [2]);
    assert_eq!(answer.topics[0].partitions[0].offline_replicas, [1]);

    cluster.stop_broker(2).await.expect("it ran");
    assert_eq!(cluster.leader("t", 0), Some((-1, 2)));
    cluster.start_broker(1).await.expect("it was stopped");
    assert_eq!(
        cluster.leader("t", 0),
        Some((-1, 2)),
        "broker 1 fell behind and may not lead"
    );
    let answer = Client::of(&cluster, 1).await.ask(9, &metadata).await;
    let code = answer.topics[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::LEADER_NOT_AVAILABLE);
    cluster.start_broker(2).await.expect("it was stopped");
    assert_eq!(cluster.leader("t", 0), Some((2, 3)));
    cluster.move_leader("t", 0, 1).expect("it caught up");
    let mut client = Client::of(&cluster, 1).await;
    assert_eq!(client.produce("t", batch(&["b"])).await.base_offset, 1);
}

#[tokio::test]
async fn a_cluster_on_real_ports_keeps_them_over_a_restart() {
    let cluster = Cluster::builder()
        .brokers(2)
        .start()
        .await
        .expect("it starts");
    let bootstrap = cluster.bootstrap();
    let first = bootstrap
        .split(',')
        .next()
        .expect("two addresses")
        .to_owned();
    let before = TcpStream::connect(&first).await.expect("it listens");
    cluster.stop_broker(1).await.expect("it ran");
    std::net::TcpStream::connect(&first).expect_err("its port refuses at once");
    cluster.start_broker(1).await.expect("it was stopped");
    TcpStream::connect(&first).await.expect("it listens again");
    assert_eq!(cluster.bootstrap(), bootstrap);
    drop(before);

    let (host, port) = first.split_once(':').expect("a host and a port");
    let connecting = cluster.connect(host, port.parse().expect("a number"));
    connecting
        .await
        .expect("there are pipes to brokers with sockets, too");
}

#[tokio::test]
async fn the_last_handle_ends_everything() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let clone = cluster.clone();
    let mut client = Client::of(&cluster, 1).await;
    drop(cluster);
    assert_eq!(
        client.produce("t", batch(&["a"])).await.error_code,
        ErrorCode::NONE
    );
    drop(clone);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn what_makes_no_sense_is_an_error_of_the_handle() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 1)).await;
    let stopped = cluster.stop_broker(3).await.expect_err("there is no third");
    assert!(matches!(stopped.kind(), ErrorKind::NoSuchBroker));
    let started = cluster.start_broker(1).await.expect_err("it runs");
    assert_eq!(started.to_string(), "starting broker 1: it runs already");
    cluster
        .move_leader("t", 7, 1)
        .expect_err("there is no such partition");
    cluster
        .append("t", 0, batch(&["a"]).slice(..68))
        .expect_err("it is cut");
    cluster
        .delete_topic("nowhere")
        .expect_err("it does not exist");
}
