//! `topic create`, `topic list`, `topic delete`.

use ottla_broker::Cluster;

use crate::support::{cluster, on};

async fn three_brokers() -> Cluster {
    Cluster::builder()
        .brokers(3)
        .start()
        .await
        .expect("the cluster starts")
}

#[tokio::test]
async fn topics_are_made_listed_and_deleted() {
    let cluster = three_brokers().await;
    let created = on(&cluster, "topic create b -p 4 -r 2", b"").await;
    assert_eq!(created.printed(), "b\t4\t2\n");
    on(
        &cluster,
        "topic create a -p 1 -r 3 -c cleanup.policy=compact",
        b"",
    )
    .await
    .printed();
    assert_eq!(
        on(&cluster, "topic list", b"").await.printed(),
        "a\t1\t3\nb\t4\t2\n"
    );
    assert_eq!(on(&cluster, "topic delete b", b"").await.printed(), "");
    assert_eq!(on(&cluster, "topic list", b"").await.printed(), "a\t1\t3\n");
}

#[tokio::test]
async fn the_broker_decides_what_is_not_said() {
    let cluster = Cluster::builder()
        .brokers(3)
        .set("num.partitions", "7")
        .start()
        .await;
    let cluster = cluster.expect("the cluster starts");
    assert_eq!(
        on(&cluster, "topic create a", b"").await.printed(),
        "a\t7\t3\n"
    );
}

#[tokio::test]
async fn a_topic_that_is_there_already_is_named() {
    let cluster = cluster(&["orders"]).await;
    let ran = on(&cluster, "topic create orders", b"").await;
    assert!(
        ran.message(1).contains("orders: TOPIC_ALREADY_EXISTS"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_setting_that_topics_do_not_have_is_refused() {
    let cluster = three_brokers().await;
    let ran = on(&cluster, "topic create orders -c no.such=1", b"").await;
    assert!(ran.message(1).contains("INVALID_CONFIG"), "{ran:?}");
    assert_eq!(on(&cluster, "topic list", b"").await.printed(), "");
}

#[tokio::test]
async fn a_topic_that_is_not_there_cannot_be_deleted() {
    let cluster = three_brokers().await;
    let ran = on(&cluster, "topic delete orders", b"").await;
    assert!(
        ran.message(1)
            .contains("orders: UNKNOWN_TOPIC_OR_PARTITION"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn several_topics_are_made_and_deleted_at_once_and_what_fails_is_told() {
    let cluster = three_brokers().await;
    let made = on(&cluster, "topic create a b c -p 2 -r 1", b"").await;
    assert_eq!(made.printed(), "a\t2\t1\nb\t2\t1\nc\t2\t1\n");
    let again = on(&cluster, "topic create b d -p 2 -r 1", b"").await;
    assert_eq!(
        (again.code, &again.stdout[..]),
        (Some(1), &b"d\t2\t1\n"[..]),
        "{again:?}"
    );
    assert!(
        again
            .stderr
            .contains("making topic b: TOPIC_ALREADY_EXISTS"),
        "{again:?}"
    );
    let deleted = on(&cluster, "topics rm a nowhere c", b"").await;
    assert!(
        deleted.message(1).contains("deleting topic nowhere"),
        "{deleted:?}"
    );
    assert_eq!(
        on(&cluster, "topic ls", b"").await.printed(),
        "b\t2\t1\nd\t2\t1\n"
    );
}
