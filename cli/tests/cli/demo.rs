//! `demo`, in its own process and on a cluster of others.

use std::sync::Mutex;

use ottla::protocol::{
    ErrorCode,
    messages::{ApiKey, CreateTopicsRequest},
};
use ottla_broker::{Action, Cluster};

use crate::support::{on, ottla};

#[tokio::test]
async fn it_runs_by_itself_and_its_checks_hold() {
    let ran = ottla("demo").await;
    let printed = ran.printed();
    for part in [
        "1800 orders",
        "3 brokers",
        "nothing is lost",
        "Switzerland",
        "records/s",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[tokio::test]
async fn on_another_cluster_it_leaves_nothing_behind() {
    let cluster = Cluster::builder()
        .brokers(2)
        .topic("other", 1)
        .start()
        .await;
    let cluster = cluster.expect("the cluster starts");
    assert!(
        on(&cluster, "demo", b"")
            .await
            .printed()
            .contains("nothing is lost")
    );
    assert_eq!(
        on(&cluster, "topic list", b"").await.printed(),
        "other\t1\t2\n"
    );
}

#[tokio::test]
async fn when_it_fails_it_says_so_and_leaves_nothing_behind() {
    let cluster = Cluster::builder()
        .start()
        .await
        .expect("the cluster starts");
    cluster.control(|request| match request.api_key {
        ApiKey::Produce => Action::Fail(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        _ => Action::Pass,
    });
    let ran = on(&cluster, "demo", b"").await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("TOPIC_AUTHORIZATION_FAILED"), "{ran:?}");
    assert_eq!(on(&cluster, "topic list", b"").await.printed(), "");
}

#[tokio::test]
async fn a_record_that_is_not_its_own_is_noticed() {
    let cluster = Cluster::builder().topic("other", 1).start().await;
    let cluster = cluster.expect("the cluster starts");
    on(&cluster, "produce other", br#"{"order":1,"customer":"C1"}"#)
        .await
        .printed();
    let (hooked, made) = (cluster.clone(), Mutex::new(Vec::new()));
    cluster.control(move |request| {
        let mut made = made.lock().expect("nothing panics under it");
        if let Some(create) = request.message::<CreateTopicsRequest>() {
            made.extend(create.topics.iter().map(|topic| topic.name.clone()));
        }
        if let (ApiKey::InitProducerId, [_, enriched]) = (request.api_key, made.as_slice()) {
            let foreign = hooked.batches("other", 0).concat();
            hooked
                .append(enriched, 0, foreign.into())
                .expect("the topic is there");
        }
        Action::Pass
    });
    let ran = on(&cluster, "demo", b"").await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.contains("customer C1 came under another key"),
        "{ran:?}"
    );
}
