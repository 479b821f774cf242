//! What is believed of a metadata answer, and when the next is asked for.

use ottla_protocol::messages::{MetadataBroker, MetadataPartition, MetadataTopic};
use uuid::Uuid;

use super::*;

const MAX_AGE: Duration = Duration::from_secs(300);
const MAX_IDLE: Duration = Duration::from_secs(200);

fn cluster(now: Instant) -> Cluster {
    let settings = Settings {
        max_age: MAX_AGE,
        max_idle: MAX_IDLE,
        backoff: Backoff::RETRY,
    };
    Cluster::new(now, settings, 1)
}

/// One that topic `t` is wanted of.
fn cluster_of_t(now: Instant) -> Cluster {
    let mut c = cluster(now);
    c.handle_interest(now, "t".into());
    c
}

fn take(c: &mut Cluster, now: Instant, answer: &MetadataResponse) {
    c.handle_metadata(now, answer)
        .expect("it is of this cluster");
}

fn answer(topics: Vec<MetadataTopic>) -> MetadataResponse {
    let broker = |node_id| MetadataBroker {
        node_id,
        host: "h".into(),
        port: 9092,
        rack: None,
    };
    MetadataResponse {
        brokers: vec![broker(1), broker(2)],
        topics,
        ..MetadataResponse::default()
    }
}

fn topic(id: u128, leader_id: i32, leader_epoch: i32) -> MetadataTopic {
    let partition = MetadataPartition {
        leader_id,
        leader_epoch,
        ..MetadataPartition::default()
    };
    MetadataTopic {
        name: Some("t".into()),
        topic_id: Uuid::from_u128(id),
        partitions: vec![partition],
        ..MetadataTopic::default()
    }
}

#[test]
fn a_leader_epoch_goes_back_only_after_it_was_said_often() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    for _ in 0..4 {
        take(&mut c, now, &answer(vec![topic(7, 2, 4)]));
        assert_eq!(c.topology().leader("t", 0), Some((1, 5)));
    }
    take(&mut c, now, &answer(vec![topic(7, 2, 4)]));
    assert_eq!(c.topology().leader("t", 0), Some((2, 4)));
}

#[test]
fn no_leader_does_not_lose_the_epoch() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    take(&mut c, now, &answer(vec![topic(7, -1, -1)]));
    assert_eq!(c.topology().leader("t", 0), None);
    assert_eq!(
        c.topology().topic("t").expect("kept").partitions[0].leader_epoch,
        5
    );
}

/// A topic never loses partitions: an answer without some is an older one. Keys would go elsewhere.
#[test]
fn an_answer_of_a_broker_that_is_behind_takes_no_partition_away() {
    let of = |id, partitions| {
        let mut topic = topic(id, 1, 5);
        let first = topic.partitions.remove(0);
        let partition = |partition_index| MetadataPartition {
            partition_index,
            ..first.clone()
        };
        topic.partitions = (0..partitions).map(partition).collect();
        answer(vec![topic])
    };
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let count = |c: &Cluster| c.topology().topic("t").expect("known").partitions.len();
    for (id, partitions, then) in [(7, 2, 2), (7, 4, 4), (7, 2, 4), (8, 3, 3)] {
        take(&mut c, now, &of(id, partitions));
        assert_eq!(count(&c), then, "{partitions} of {id}");
    }
    assert_eq!(c.topology().leader("t", 2), Some((1, 5)));
    // Without ids the client cannot tell it from a topic that was created again.
    take(&mut c, now, &of(0, 1));
    assert_eq!(count(&c), 1);
}

#[test]
fn a_recreated_topic_starts_over_with_its_epochs() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    take(&mut c, now, &answer(vec![topic(8, 2, 0)]));
    assert_eq!(c.topology().leader("t", 0), Some((2, 0)));
    assert_eq!(
        c.topology()
            .topic_by_id(Uuid::from_u128(8))
            .expect("known")
            .name,
        "t".into()
    );
}

#[test]
fn a_topic_that_one_answer_lacks_is_kept() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    take(&mut c, now, &answer(vec![]));
    assert!(c.topology().topic("t").is_some());
}

#[test]
fn errors_of_a_topic_are_counted_until_it_is_well() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let bad = MetadataTopic {
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ..topic(0, 1, 1)
    };
    take(&mut c, now, &answer(vec![bad.clone()]));
    take(&mut c, now, &answer(vec![bad]));
    assert_eq!(c.topology().errors["t"].times, 2);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    assert!(c.topology().errors.is_empty());
}

#[test]
fn hints_are_believed_when_they_are_news_and_the_broker_is_known() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    assert!(!c.handle_leader_hint("t", 0, 2, 4, None));
    assert!(!c.handle_leader_hint("t", 0, 9, 6, None));
    assert!(c.handle_leader_hint("t", 0, 2, 6, None));
    let nine = Broker {
        id: 9,
        host: "n".into(),
        port: 1,
        rack: None,
    };
    assert!(c.handle_leader_hint("t", 0, 9, 7, Some(nine)));
    assert_eq!(c.topology().leader("t", 0), Some((9, 7)));
}

#[test]
fn absurd_partition_numbers_cost_nothing() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let mut t = topic(7, 1, 5);
    t.partitions[0].partition_index = i32::MAX;
    take(&mut c, now, &answer(vec![t]));
    assert!(
        c.topology()
            .topic("t")
            .expect("taken")
            .partitions
            .is_empty()
    );
}

#[test]
fn one_refresh_is_out_at_a_time_and_the_next_comes_with_age() {
    let now = Instant::now();
    let mut c = cluster(now);
    assert!(c.poll_refresh(now));
    assert!(!c.poll_refresh(now));
    assert_eq!(c.poll_timeout(), None);
    take(&mut c, now, &answer(vec![]));
    assert_eq!(c.poll_timeout(), Some(now + MAX_AGE));
    assert!(!c.poll_refresh(now + MAX_AGE / 2));
    assert!(c.poll_refresh(now + MAX_AGE));
}

#[test]
fn callers_that_ask_again_are_served_soon_and_then_more_slowly() {
    let mut now = Instant::now();
    let mut c = cluster(now);
    c.handle_interest(now, "t".into());
    let mut waits = Vec::new();
    for _ in 0..6 {
        assert!(c.poll_refresh(now));
        take(&mut c, now, &answer(vec![]));
        c.handle_stale(now);
        let next = c.poll_timeout().expect("it is wanted");
        waits.push(next - now);
        now = next;
    }
    assert!(waits[0] < Duration::from_millis(130) && waits[5] >= Duration::from_millis(800));
    // After a quiet time the wait is short again.
    assert!(c.poll_refresh(now));
    take(&mut c, now, &answer(vec![]));
    now += Duration::from_secs(30);
    c.handle_stale(now);
    assert!(c.poll_timeout().expect("soon") <= now + Duration::from_millis(120));
}

#[test]
fn a_topic_that_is_missing_is_asked_for_again_only_while_a_caller_asks() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    assert!(c.poll_refresh(now));
    take(&mut c, now, &answer(vec![]));
    assert_eq!(c.poll_timeout(), Some(now + MAX_AGE));
    c.handle_stale(now);
    assert!(c.poll_timeout().expect("soon") <= now + Duration::from_millis(120));
}

#[test]
fn a_topic_without_a_leader_is_left_alone_until_a_caller_asks() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    assert!(c.poll_refresh(now));
    take(&mut c, now, &answer(vec![topic(7, -1, -1)]));
    assert_eq!(c.poll_timeout(), Some(now + MAX_AGE));
}

#[test]
fn topics_are_forgotten_when_they_were_idle_and_have_no_lease() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    c.handle_leases(now + MAX_IDLE, |name| name == "t");
    assert!(c.topology().topic("t").is_some(), "it is leased");
    c.handle_leases(now + MAX_IDLE * 2 - Duration::from_secs(1), |_| false);
    assert!(
        c.topology().topic("t").is_some(),
        "it was in use until then"
    );
    c.handle_leases(now + MAX_IDLE * 2, |_| false);
    let topology = c.topology();
    assert!(topology.topics.is_empty() && topology.ids.is_empty());
    assert_eq!(c.wanted().count(), 0);
}

#[test]
fn topics_that_no_caller_wants_are_not_kept() {
    let now = Instant::now();
    let mut c = cluster(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    assert!(c.topology().topics.is_empty() && c.topology().ids.is_empty());
}

#[test]
fn a_broker_of_another_cluster_is_not_believed() {
    let of = |id: Option<&str>, topics| MetadataResponse {
        cluster_id: id.map(Into::into),
        ..answer(topics)
    };
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &of(Some("A"), vec![topic(7, 1, 5)]));
    let other = c.handle_metadata(now, &of(Some("B"), vec![topic(8, 2, 9)]));
    let (ours, theirs) = ("A".into(), "B".into());
    assert_eq!(other, Err(OtherCluster { ours, theirs }));
    assert_eq!(c.topology().cluster_id.as_deref(), Some("A"));
    assert_eq!(c.topology().leader("t", 0), Some((1, 5)));
    // Old brokers do not say their cluster.
    take(&mut c, now, &of(None, vec![topic(7, 2, 6)]));
    assert_eq!(c.topology().cluster_id.as_deref(), Some("A"));
    assert_eq!(c.topology().leader("t", 0), Some((2, 6)));
}

#[test]
fn a_partition_that_an_answer_leaves_out_keeps_its_leader() {
    let of = |numbers: &[i32], epoch| {
        let mut topic = topic(7, 1, epoch);
        let first = topic.partitions.remove(0);
        let partition = |n: &i32| MetadataPartition {
            partition_index: *n,
            ..first.clone()
        };
        topic.partitions = numbers.iter().map(partition).collect();
        answer(vec![topic])
    };
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &of(&[0, 1, 2, 3, 4], 7));
    for left_out in [&[0, 2][..], &[4], &[]] {
        take(&mut c, now, &of(left_out, 8));
        assert_eq!(c.topology().leader("t", 1), Some((1, 7)), "{left_out:?}");
    }
    assert_eq!(c.topology().leader("t", 4), Some((1, 8)));
}

/// Each answer with an older epoch counts only directly behind another.
#[test]
fn answers_with_an_older_epoch_count_only_in_a_row() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    for _ in 0..3 {
        for _ in 0..4 {
            take(&mut c, now, &answer(vec![topic(7, 2, 4)]));
        }
        take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    }
    take(&mut c, now, &answer(vec![topic(7, 2, 4)]));
    assert_eq!(c.topology().leader("t", 0), Some((1, 5)));
}

#[test]
fn something_stale_is_looked_at_soon_even_while_an_answer_is_on_its_way() {
    let now = Instant::now();
    let mut c = cluster(now);
    assert!(c.poll_refresh(now));
    c.handle_stale(now);
    take(&mut c, now, &answer(vec![]));
    let next = c.poll_timeout().expect("soon");
    assert!(next > now && next <= now + Duration::from_millis(120));
}

#[test]
fn a_failed_refresh_is_repeated_ever_more_slowly() {
    let start = Instant::now();
    let (mut c, mut now) = (cluster_of_t(start), start);
    let pauses = [(); 4].map(|()| {
        assert!(c.poll_refresh(now));
        c.handle_failed(now);
        let next = c.poll_timeout().expect("it is tried again");
        let pause = next - now;
        now = next;
        pause
    });
    assert!(pauses[0] > Duration::ZERO && pauses[0] <= Duration::from_millis(120));
    assert!(pauses[3] > pauses[0] * 4, "{pauses:?}");
}

#[test]
fn a_hint_names_any_leader_but_the_known_one_and_ends_the_error() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let mut unwell = topic(7, 1, 5);
    unwell.partitions[0].error_code = ErrorCode::LEADER_NOT_AVAILABLE;
    take(&mut c, now, &answer(vec![unwell]));
    let before = c.topology().generation;
    assert!(
        !c.handle_leader_hint("t", 0, 1, 5, None),
        "it is known already"
    );
    assert!(!c.handle_leader_hint("t", 0, -1, 6, None));
    assert_eq!(c.topology().generation, before);
    let zero = Broker {
        id: 0,
        host: "z".into(),
        port: 1,
        rack: None,
    };
    assert!(c.handle_leader_hint("t", 0, 0, 5, Some(zero)));
    let topology = c.topology();
    assert_eq!(topology.generation, before + 1);
    assert_eq!(topology.leader("t", 0), Some((0, 5)));
    let topic = topology.topic("t").expect("it is known");
    assert_eq!(topic.partitions[0].error, ErrorCode::NONE);
}

#[test]
fn errors_that_earlier_callers_saw_do_not_count_for_the_next() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let bad = MetadataTopic {
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ..topic(0, 1, 1)
    };
    let mut times = 0;
    while c.wanted().next().is_some() {
        take(&mut c, now, &answer(vec![bad.clone()]));
        times += 1;
        assert_eq!(c.topology().errors["t"].times, times);
    }
    c.handle_interest(now, "t".into());
    assert!(c.topology().errors.is_empty());
    assert!(c.wanted().eq([&"t".into()]));
    take(&mut c, now, &answer(vec![bad]));
    c.handle_interest(now, "t".into());
    assert_eq!(c.topology().errors["t"].times, 1, "it is wanted already");
}

/// Brokers learn of topic ids one by one while a cluster is upgraded (rules 15, 17).
#[test]
fn a_topic_id_that_comes_later_or_is_left_out_makes_no_other_topic() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(0, 1, 5)]));
    take(&mut c, now, &answer(vec![topic(7, 2, 4)]));
    assert_eq!(c.topology().leader("t", 0), Some((1, 5)));
    take(&mut c, now, &answer(vec![topic(0, 2, 4)]));
    let topology = c.topology();
    assert_eq!(topology.leader("t", 0), Some((1, 5)));
    assert_eq!(topology.topic("t").expect("known").id, Uuid::from_u128(7));
}

/// The leaders of thousands of partitions may change at once.
#[test]
fn hints_that_come_together_copy_the_topology_once() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(1, 1, 7)]));
    let shown = c.topology().clone();
    let place = |c: &Cluster| c.topology().topic("t").map(Arc::as_ptr);
    let before = place(&c);
    assert!(c.handle_leader_hint("t", 0, 2, 8, None));
    let copied = place(&c);
    assert_ne!(copied, before, "others hold the old one");
    assert!(c.handle_leader_hint("t", 0, 1, 9, None));
    assert_eq!(place(&c), copied);
    assert_eq!(shown.leader("t", 0).map(|(_, epoch)| epoch), Some(7));
    assert_eq!(c.topology().leader("t", 0), Some((1, 9)));
}

#[test]
fn a_leader_is_known_only_with_its_address() {
    use crate::fetcher::Leaders;

    let now = Instant::now();
    let mut c = cluster_of_t(now);
    take(&mut c, now, &answer(vec![topic(1, 2, 7)]));
    let leader = |c: &Cluster| Leaders::leader(&**c.topology(), &"t".into(), 0);
    assert_eq!(leader(&c), Some((2, 7)));
    take(&mut c, now, &answer(vec![topic(1, 3, 8)]));
    assert_eq!(leader(&c), None, "there is no broker 3");
    let knows = |id| Leaders::knows(&**c.topology(), id);
    assert!(knows(2) && !knows(3));
}

#[test]
fn every_answer_and_every_topic_forgotten_makes_a_newer_topology() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let mut before = c.topology().generation;
    for _ in 0..3 {
        take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
        assert_eq!(c.topology().generation, before + 1);
        before += 1;
    }
    c.handle_leases(now, |_| false);
    assert_eq!(c.topology().generation, before, "nothing was forgotten");
    c.handle_leases(now + MAX_IDLE, |_| false);
    assert_eq!(c.topology().generation, before + 1);
}

/// When the machine forgets one topic, it keeps the other topics with their ids and errors.
#[test]
fn only_the_topics_that_are_idle_are_forgotten() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    c.handle_interest(now, "u".into());
    let mut u = topic(8, 2, 3);
    u.name = Some("u".into());
    take(&mut c, now, &answer(vec![topic(7, 1, 5), u.clone()]));
    let later = now + MAX_IDLE;
    c.handle_leases(later, |name| name == "u");
    assert!(c.topology().topic("t").is_none());
    assert!(c.topology().topic_by_id(Uuid::from_u128(7)).is_none());
    assert_eq!(c.topology().leader("u", 0), Some((2, 3)));
    assert!(c.topology().topic_by_id(Uuid::from_u128(8)).is_some());
    // An error of a topic that is wanted stays, and goes with the last interest in it.
    u.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    take(&mut c, later, &answer(vec![u]));
    assert!(c.topology().errors.contains_key("u"));
    c.handle_leases(later, |name| name == "u");
    assert!(c.topology().errors.contains_key("u"), "it is in use");
    c.handle_leases(later + MAX_IDLE, |_| false);
    assert!(!c.topology().errors.contains_key("u"));
}

/// Errors of earlier callers are dropped for a topic that nobody wanted, and for no other.
#[test]
fn an_interest_in_a_topic_that_is_wanted_already_keeps_its_errors() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    let mut unknown = topic(7, 1, 5);
    unknown.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    take(&mut c, now, &answer(vec![unknown]));
    c.handle_interest(now, "t".into());
    assert!(c.topology().errors.contains_key("t"));
}

/// A caller that uses a topic of which nothing is known causes a request, also when others wanted it before.
#[test]
fn an_interest_in_a_topic_that_is_unknown_yet_asks_again() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    assert!(c.poll_refresh(now));
    take(&mut c, now, &answer(vec![]));
    assert!(!c.is_asked_for());
    c.handle_interest(now, "t".into());
    assert!(c.is_asked_for());
}

/// A caller that uses a topic again, which is known, causes no request.
#[test]
fn a_refresh_is_asked_for_by_news_and_not_by_age() {
    let now = Instant::now();
    let mut c = cluster_of_t(now);
    assert!(c.is_asked_for());
    assert!(c.poll_refresh(now));
    assert!(!c.is_asked_for());
    take(&mut c, now, &answer(vec![topic(7, 1, 5)]));
    c.handle_interest(now, "t".into());
    assert!(!c.is_asked_for());
    assert_eq!(c.poll_timeout(), Some(now + MAX_AGE));
    // Due by age: what turns out to be stale then is seen by that refresh.
    c.handle_stale(now + MAX_AGE);
    assert!(!c.is_asked_for());
    assert!(c.poll_refresh(now + MAX_AGE));
    take(&mut c, now + MAX_AGE, &answer(vec![topic(7, 1, 5)]));
    c.handle_interest(now + MAX_AGE, "new".into());
    assert!(c.is_asked_for());
}

#[test]
fn the_error_of_another_cluster_names_both() {
    let other = OtherCluster {
        ours: "one".into(),
        theirs: "two".into(),
    };
    let text = other.to_string();
    assert!(
        text.contains("cluster two") && text.contains("cluster one"),
        "{text}"
    );
}
