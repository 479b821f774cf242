//! Every version of every API that is served, and the answer to those that are not.

use std::ops::RangeInclusive;

use ottla_broker::Cluster;
use ottla_protocol::{
    ErrorCode, frame,
    messages::*,
    wire::{Request, Writer, any::Gen},
};

use crate::client::{Client, batch, cluster, produce, values};

/// Sends the default request in every version; returns which API that was.
async fn in_every_version<R: Request>(cluster: &Cluster) -> (i16, RangeInclusive<i16>) {
    in_versions::<R>(cluster, R::VERSIONS).await
}

async fn in_versions<R: Request>(
    cluster: &Cluster,
    versions: RangeInclusive<i16>,
) -> (i16, RangeInclusive<i16>) {
    for version in versions.clone() {
        let request = R::default();
        Client::of(cluster, 1).await.ask(version, &request).await;
    }
    (R::KEY, versions)
}

#[tokio::test]
async fn every_api_answers_in_every_version_and_says_so() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut answered = vec![
        in_every_version::<FetchRequest>(&cluster).await,
        in_every_version::<ListOffsetsRequest>(&cluster).await,
        in_every_version::<MetadataRequest>(&cluster).await,
        in_every_version::<OffsetCommitRequest>(&cluster).await,
        in_every_version::<OffsetFetchRequest>(&cluster).await,
        in_every_version::<FindCoordinatorRequest>(&cluster).await,
        in_every_version::<CreateTopicsRequest>(&cluster).await,
        in_every_version::<DeleteTopicsRequest>(&cluster).await,
        in_every_version::<OffsetForLeaderEpochRequest>(&cluster).await,
        // Kafka calls version 6 unstable, and does not offer it.
        in_versions::<InitProducerIdRequest>(&cluster, 0..=5).await,
    ];
    // An empty produce request wants no answer, and ApiVersions wants a name.
    for version in ProduceRequest::VERSIONS {
        let request = ProduceRequest {
            acks: 1,
            ..ProduceRequest::default()
        };
        Client::of(&cluster, 1).await.ask(version, &request).await;
    }
    let mut client = Client::of(&cluster, 1).await;
    for version in ApiVersionsRequest::VERSIONS {
        let request = api_versions("ottla");
        assert_eq!(
            client.ask(version, &request).await.error_code,
            ErrorCode::NONE
        );
    }
    answered.push((ProduceRequest::KEY, 0..=*ProduceRequest::VERSIONS.end()));
    answered.push((ApiVersionsRequest::KEY, ApiVersionsRequest::VERSIONS));
    answered.sort_unstable_by_key(|(key, _)| *key);

    let told = client.ask(3, &api_versions("ottla")).await.api_keys;
    let told = told
        .iter()
        .map(|k| (k.api_key, k.min_version..=k.max_version));
    assert_eq!(told.collect::<Vec<_>>(), answered);
}

fn api_versions(name: &str) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: name.into(),
        client_software_version: "1.0".into(),
        ..ApiVersionsRequest::default()
    }
}

#[tokio::test]
async fn what_is_produced_in_any_version_is_fetched_in_any_version() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let mut client = Client::of(&cluster, 1).await;
    let topic_id = client.topic_id("t").await;
    let mut expected = Vec::new();
    for version in ProduceRequest::VERSIONS {
        let value = format!("produced in {version}");
        let mut request = produce("t", -1, batch(&[&value]));
        if version >= 13 {
            request.topic_data[0].topic_id = topic_id;
        }
        let answer = client.ask(version, &request).await;
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, ErrorCode::NONE);
        expected.push((answer.base_offset, value));
    }
    for version in FetchRequest::VERSIONS {
        let mut request = crate::client::fetch("t", &[(0, 0)]);
        if version >= 13 {
            request.topics[0].topic_id = topic_id;
        }
        let answer = client.ask(version, &request).await;
        let fetched = answer.responses[0].partitions[0].clone();
        assert_eq!(
            (fetched.error_code, fetched.high_watermark),
            (ErrorCode::NONE, 11)
        );
        assert_eq!(values(fetched.records), expected, "in version {version}");
    }
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let cluster = cluster(Cluster::builder()).await;
    let mut client = Client::of(&cluster, 1).await;
    let frame = b"\0\0\0\x0b\0\x12\x7f\xff\0\0\0\0\0\0\0";
    client.send_raw(frame).await;
    let answer = client
        .answer::<ApiVersionsRequest>(0)
        .await
        .expect("an answer");
    assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_VERSION);
    let range = ApiVersion {
        api_key: 18,
        min_version: 0,
        max_version: 5,
    };
    assert_eq!(answer.api_keys, [range]);
    let bad_name = client.ask(3, &api_versions("-")).await;
    assert_eq!(bad_name.error_code, ErrorCode::INVALID_REQUEST);
}

#[tokio::test]
async fn what_is_not_served_ends_the_connection() {
    let cluster = cluster(Cluster::builder()).await;
    let mut client = Client::of(&cluster, 1).await;
    client.send(0, &HeartbeatRequest::default()).await;
    assert!(client.is_closed().await);
    let mut client = Client::of(&cluster, 1).await;
    client
        .send_raw(b"\0\0\0\x0a\0\x00\x00\x02\0\0\0\0\xff\xff")
        .await;
    assert!(
        client.is_closed().await,
        "Produce 2 is told for librdkafka, but not served"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_of_random_content_are_answered_or_end_the_connection() {
    let cluster = cluster(Cluster::builder().brokers(2).topic("t", 2)).await;
    let mut client = Client::of(&cluster, 1).await;
    for key in client.ask(0, &ApiVersionsRequest::default()).await.api_keys {
        let api = Api::find(key.api_key).expect("what is served is known");
        for version in key.min_version.max(*api.versions.start())..=key.max_version {
            for seed in 0..20 {
                let request = (api.request.any)(&mut Gen::new(seed, version));
                let mut body = Writer::new(version, version >= api.flexible);
                request.encode(&mut body);
                let body = body.finish().expect("it fits its version").concat();
                let tags: &[u8] = if version >= api.flexible { &[0] } else { &[] };
                let key = (api.key as i16).to_be_bytes();
                let parts = [
                    &key,
                    &version.to_be_bytes()[..],
                    &[0; 4],
                    &[255; 2],
                    tags,
                    &body,
                ];
                let frame = parts.concat();
                let mut client = Client::of(&cluster, 1).await;
                client.send_raw(&(frame.len() as i32).to_be_bytes()).await;
                client.send_raw(&frame).await;
                let Some(answer) = client.frame().await else {
                    // Only who wants no answer may find itself without one.
                    assert_eq!(api.key, ApiKey::Produce, "{request:?}");
                    continue;
                };
                assert_eq!(frame::correlation_id(&answer), Some(0), "{request:?}");
            }
        }
    }
    let metadata = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    client.ask(1, &metadata).await;
}
