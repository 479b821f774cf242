//! Scripts of a fetcher and its brokers.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::backoff::Backoff;

const LEASE: Duration = Duration::from_secs(300);

/// Broker 1 leads all, and these brokers are known.
struct Known(&'static [i32]);

impl Leaders for Known {
    fn leader(&self, _: &Arc<str>, _: i32) -> Option<(i32, i32)> {
        self.0.first().map(|broker| (*broker, 0))
    }

    fn topic_id(&self, _: &Arc<str>) -> Uuid {
        Uuid::nil()
    }

    fn knows(&self, broker: i32) -> bool {
        self.0.contains(&broker)
    }
}

fn fetcher(reset: Reset) -> Fetcher {
    let settings = Settings {
        reset,
        backoff: Backoff::RETRY,
        replica_lease: LEASE,
    };
    Fetcher::new(settings, 1)
}

fn look_up(f: &mut Fetcher, now: Instant) -> Option<Lookup> {
    let mut lookups = f.poll_lookups(now, &Known(&[1, 2]))?.lookups;
    assert_eq!(lookups.len(), 1);
    f.handle_lookups_done(1);
    lookups.pop()
}

fn one(reset: Reset, start: Start) -> (Fetcher, Slot) {
    let mut f = fetcher(reset);
    let slot = f.handle_assigned("t".into(), 0, start, 0);
    (f, slot)
}

fn poll(f: &mut Fetcher, now: Instant) -> Option<Fetch> {
    f.poll_fetch(now, &Known(&[1, 2]))
}

fn answer(f: &mut Fetcher, now: Instant, fetch: &Fetch, fetched: Fetched) -> bool {
    f.handle_fetch_done(fetch.broker, 0);
    f.handle_fetched(now, fetch.broker, &fetch.partitions[0], fetched)
}

#[test]
fn a_broker_has_one_fetch_at_a_time_and_the_next_goes_on_behind_it() {
    let now = Instant::now();
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let first = poll(&mut f, now).expect("it is ready");
    assert_eq!((first.broker, first.partitions[0].offset), (1, 5));
    assert_eq!(poll(&mut f, now), None);
    assert!(answer(&mut f, now, &first, Fetched::UpTo(9)));
    assert_eq!(
        poll(&mut f, now).expect("it goes on").partitions[0].offset,
        9
    );
}

#[test]
fn what_was_on_its_way_before_a_seek_is_dropped() {
    let now = Instant::now();
    let (mut f, slot) = one(Reset::None, Start::Offset(5));
    let first = poll(&mut f, now).expect("it is ready");
    f.handle_seek(slot, Start::Offset(0), 1);
    assert!(!answer(&mut f, now, &first, Fetched::UpTo(9)));
    assert_eq!(poll(&mut f, now).expect("again").partitions[0].offset, 0);
}

#[test]
fn a_seek_outranks_a_lookup_on_its_way() {
    let now = Instant::now();
    let (mut f, slot) = one(Reset::None, Start::Latest);
    let lookup = look_up(&mut f, now).expect("it is unplaced");
    f.handle_seek(slot, Start::Offset(3), 1);
    f.handle_looked_up(now, &lookup, Ok(100));
    assert_eq!(poll(&mut f, now).expect("placed").partitions[0].offset, 3);
}

#[test]
fn out_of_range_follows_the_reset_policy_and_is_never_silent_without_one() {
    let now = Instant::now();
    let error = ErrorCode::OFFSET_OUT_OF_RANGE;
    let (mut f, _) = one(Reset::Earliest, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    answer(&mut f, now, &fetch, Fetched::Error(error));
    assert_eq!(
        look_up(&mut f, now).expect("to be placed").start,
        Start::Earliest
    );
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    answer(&mut f, now, &fetch, Fetched::Error(error));
    assert_eq!(f.poll_problem().expect("told").offset, 5);
    assert_eq!(poll(&mut f, now), None);
}

#[test]
fn a_partition_that_an_answer_leaves_out_is_fetched_again_later() {
    let now = Instant::now();
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    assert!(!answer(&mut f, now, &fetch, Fetched::Missing));
    assert_eq!(poll(&mut f, now), None);
    let later = f.poll_timeout().expect("it waits");
    assert_eq!(poll(&mut f, later).expect("again").partitions[0].offset, 5);
}

#[test]
fn a_topic_that_was_created_again_is_not_read_from_the_old_offset() {
    let now = Instant::now();
    let (mut f, slot) = one(Reset::Earliest, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    f.handle_recreated(slot);
    assert!(!answer(&mut f, now, &fetch, Fetched::UpTo(9)));
    let problem = f.poll_problem().expect("told");
    assert_eq!(
        (problem.error, problem.offset),
        (ErrorCode::UNKNOWN_TOPIC_ID, 5)
    );
    assert_eq!(poll(&mut f, now), None);
    f.handle_seek(slot, Start::Offset(0), 1);
    assert_eq!(poll(&mut f, now).expect("sought").partitions[0].offset, 0);
}

#[test]
fn a_lost_fetch_is_made_again_after_a_while() {
    let now = Instant::now();
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    f.handle_fetch_lost(now, &fetch, true);
    assert_eq!(f.poll_stale().as_deref(), Some("t"));
    assert_eq!(poll(&mut f, now), None);
    let later = f.poll_timeout().expect("it waits");
    assert_eq!(poll(&mut f, later).expect("again").partitions[0].offset, 5);
}

/// Byte limits are used up from the front: the partitions that got nothing come first next time.
#[test]
fn partitions_that_got_nothing_come_first_in_the_next_fetch() {
    let now = Instant::now();
    let mut f = fetcher(Reset::None);
    for (topic, n) in [("a", 0), ("a", 1), ("z", 0)] {
        f.handle_assigned(topic.into(), n, Start::Offset(0), 0);
    }
    let mut firsts = Vec::new();
    for _ in 0..4 {
        let fetch = poll(&mut f, now).expect("ready");
        let first = fetch.partitions[0].clone();
        firsts.push((first.topic.to_string(), first.partition));
        f.handle_fetch_done(1, 0);
        for wanted in &fetch.partitions[1..] {
            f.handle_fetched(now, 1, wanted, Fetched::UpTo(wanted.offset));
        }
        f.handle_fetched(now, 1, &first, Fetched::UpTo(first.offset + 1));
    }
    let expected = [("a", 0), ("a", 1), ("z", 0), ("a", 0)];
    assert_eq!(firsts, expected.map(|(topic, n)| (topic.to_owned(), n)));
}

#[test]
fn all_positions_of_a_leader_are_looked_up_in_one_request() {
    let now = Instant::now();
    let mut f = fetcher(Reset::None);
    for n in 0..100 {
        f.handle_assigned("t".into(), n, Start::Earliest, 0);
    }
    let all = f.poll_lookups(now, &Known(&[1])).expect("to be placed");
    assert_eq!((all.broker, all.lookups.len()), (1, 100));
    // What comes while it is out waits for it.
    f.handle_assigned("t".into(), 100, Start::Earliest, 0);
    assert_eq!(f.poll_lookups(now, &Known(&[1])), None);
    f.handle_lookups_done(1);
    assert_eq!(
        f.poll_lookups(now, &Known(&[1]))
            .expect("one")
            .lookups
            .len(),
        1
    );
}

/// A fetcher whose first position was outside the log and reset, and the fetch from the new one.
fn reset_once(now: Instant) -> (Fetcher, Fetch) {
    let (mut f, _) = one(Reset::Earliest, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    let error = Fetched::Error(ErrorCode::OFFSET_OUT_OF_RANGE);
    answer(&mut f, now, &fetch, error);
    let lookup = look_up(&mut f, now).expect("the first is made at once");
    f.handle_looked_up(now, &lookup, Ok(0));
    let fetch = poll(&mut f, now).expect("placed");
    (f, fetch)
}

/// A broker that says so again and again is not asked as fast as it answers.
#[test]
fn a_reset_that_leads_nowhere_is_repeated_only_after_a_while() {
    let now = Instant::now();
    let error = Fetched::Error(ErrorCode::OFFSET_OUT_OF_RANGE);
    let (mut f, fetch) = reset_once(now);
    answer(&mut f, now, &fetch, error);
    assert_eq!(look_up(&mut f, now), None);
    let later = f.poll_timeout().expect("it waits");
    assert!(look_up(&mut f, later).is_some());
}

/// A fetch that brings nothing is no progress.
#[test]
fn a_reset_is_repeated_only_after_a_while_though_an_empty_fetch_came_between() {
    let now = Instant::now();
    let error = Fetched::Error(ErrorCode::OFFSET_OUT_OF_RANGE);
    for (brought, at_once) in [(0, false), (1, true)] {
        let (mut f, fetch) = reset_once(now);
        answer(&mut f, now, &fetch, Fetched::UpTo(brought));
        let fetch = poll(&mut f, now).expect("it goes on");
        answer(&mut f, now, &fetch, error);
        assert_eq!(look_up(&mut f, now).is_some(), at_once, "{brought} records");
    }
}

#[test]
fn a_topic_made_again_before_its_position_is_known_is_told_without_one() {
    let now = Instant::now();
    let (mut f, slot) = one(Reset::None, Start::Earliest);
    f.handle_recreated(slot);
    assert_eq!(f.poll_problem().expect("told").offset, -1);
    assert_eq!(look_up(&mut f, now), None);
}

#[test]
fn a_seek_ends_the_wait_of_the_old_position() {
    let now = Instant::now();
    let (mut f, slot) = one(Reset::None, Start::Offset(5));
    f.handle_no_progress(now, slot);
    assert_eq!(poll(&mut f, now), None);
    f.handle_seek(slot, Start::Offset(0), 1);
    assert_eq!(f.poll_timeout(), None);
    assert_eq!(poll(&mut f, now).expect("at once").partitions[0].offset, 0);
}

#[test]
fn a_missing_leader_is_looked_for() {
    let now = Instant::now();
    for start in [Start::Offset(5), Start::Latest] {
        let (mut f, _) = one(Reset::None, start);
        assert_eq!(f.poll_fetch(now, &Known(&[])), None);
        assert_eq!(f.poll_lookups(now, &Known(&[])), None);
        assert_eq!(f.poll_stale().as_deref(), Some("t"), "{start:?}");
        assert!(f.poll_timeout().is_some());
    }
}

#[test]
fn a_throttled_broker_is_left_alone_until_the_pause_is_over() {
    let now = Instant::now();
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let until = now + Duration::from_secs(1);
    f.handle_throttle(1, until);
    assert_eq!(poll(&mut f, now), None);
    assert_eq!(f.poll_timeout(), Some(until));
    assert!(poll(&mut f, until).is_some());
    assert_eq!(f.poll_timeout(), None);
}

#[test]
fn the_replica_that_the_leader_names_is_read_until_its_lease_ends() {
    let now = Instant::now();
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    assert!(!answer(&mut f, now, &fetch, Fetched::Replica(2)));
    let fetch = poll(&mut f, now).expect("at once");
    assert_eq!((fetch.broker, fetch.partitions[0].offset), (2, 5));
    assert!(answer(&mut f, now, &fetch, Fetched::UpTo(6)));
    assert_eq!(poll(&mut f, now).map(|f| f.broker), Some(2));
    f.handle_fetch_done(2, 0);
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    answer(&mut f, now, &fetch, Fetched::Replica(2));
    assert_eq!(poll(&mut f, now + LEASE).map(|f| f.broker), Some(1));
}

#[test]
fn a_replica_that_fails_sends_its_partitions_back_to_the_leader() {
    let now = Instant::now();
    for error in [
        ErrorCode::OFFSET_OUT_OF_RANGE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ] {
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        answer(&mut f, now, &fetch, Fetched::Replica(2));
        let fetch = poll(&mut f, now).expect("at once");
        answer(&mut f, now, &fetch, Fetched::Error(error));
        assert_eq!(f.poll_problem(), None, "the leader decides");
        let later = f.poll_timeout().expect("it waits");
        let fetch = poll(&mut f, later).expect("again");
        assert_eq!((fetch.broker, fetch.partitions[0].offset), (1, 5));
    }
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    answer(&mut f, now, &fetch, Fetched::Replica(2));
    let fetch = poll(&mut f, now).expect("at once");
    f.handle_fetch_lost(now, &fetch, false);
    assert_eq!(poll(&mut f, now).map(|f| f.broker), Some(1));
}

#[test]
fn brokers_that_name_each_other_are_asked_only_so_often() {
    for named in [2, 9] {
        let mut now = Instant::now();
        let began = now;
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let mut asked = 0;
        while now < began + Duration::from_secs(10) {
            if let Some(fetch) = poll(&mut f, now) {
                asked += 1;
                let other = if fetch.broker == 1 { named } else { 1 };
                answer(&mut f, now, &fetch, Fetched::Replica(other));
            } else {
                now = f.poll_timeout().expect("it waits");
            }
        }
        assert!(asked < 100, "{asked} fetches in ten seconds");
    }
}

#[test]
fn retriable_errors_look_for_the_leader_and_others_are_told() {
    let now = Instant::now();
    let (mut f, _) = one(Reset::None, Start::Offset(5));
    let fetch = poll(&mut f, now).expect("ready");
    answer(
        &mut f,
        now,
        &fetch,
        Fetched::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    );
    assert!(f.poll_problem().is_none() && f.poll_stale().is_some());
    let fetch = poll(&mut f, now + Duration::from_secs(2)).expect("again");
    answer(
        &mut f,
        now,
        &fetch,
        Fetched::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
    );
    assert!(f.poll_problem().is_some());
}

/// The slots of a fetch, in order.
fn named(fetch: &Fetch) -> Vec<(i32, i64)> {
    let wanted = fetch.partitions.iter();
    wanted.map(|w| (w.partition, w.offset)).collect()
}

fn left(fetch: &Fetch) -> Vec<i32> {
    fetch.forgotten.iter().map(|w| w.partition).collect()
}

/// Three partitions in a session of broker 1.
fn in_session(now: Instant) -> (Fetcher, [Slot; 3]) {
    let mut f = fetcher(Reset::None);
    let slots = [0, 1, 2].map(|n| f.handle_assigned("t".into(), n, Start::Offset(5), n as u32));
    let full = poll(&mut f, now).expect("all are ready");
    assert_eq!(
        (full.session, named(&full)),
        ((0, 0), vec![(0, 5), (1, 5), (2, 5)])
    );
    assert!(f.handle_fetch_done(1, 77));
    (f, slots)
}

#[test]
fn a_session_names_only_what_changed() {
    let now = Instant::now();
    let (mut f, _) = in_session(now);
    let wanted = f.wanted(1, &"t".into(), 1).expect("it is in the session");
    assert!(f.handle_fetched(now, 1, &wanted, Fetched::UpTo(9)));
    let second = poll(&mut f, now).expect("one goes on");
    assert_eq!((second.session, named(&second)), ((77, 1), vec![(1, 9)]));
    assert!(second.forgotten.is_empty());
    // Nothing came: the broker is asked again for all that it knows.
    assert!(f.handle_fetch_done(1, 77));
    let third = poll(&mut f, now).expect("it is asked again");
    assert_eq!((third.session, named(&third)), ((77, 2), vec![]));
    assert_eq!(poll(&mut f, now), None, "one at a time");
}

#[test]
fn what_is_paused_or_unassigned_leaves_the_session_and_comes_back() {
    let now = Instant::now();
    let (mut f, [a, b, c]) = in_session(now);
    f.handle_paused(a, true);
    f.handle_unassigned(b);
    f.handle_seek(c, Start::Latest, 9);
    let fetch = poll(&mut f, now);
    assert_eq!(
        fetch, None,
        "nothing is left to fetch, so nothing need be forgotten"
    );
    f.handle_paused(a, false);
    let again = poll(&mut f, now).expect("one is left");
    assert_eq!((again.session, named(&again)), ((0, 0), vec![(0, 5)]));
}

#[test]
fn what_leaves_a_session_is_forgotten_unless_it_was_assigned_again() {
    let now = Instant::now();
    let (mut f, [a, b, _]) = in_session(now);
    f.handle_paused(a, true);
    f.handle_unassigned(b);
    let again = f.handle_assigned("t".into(), 1, Start::Offset(3), 8);
    let fetch = poll(&mut f, now).expect("two are left");
    assert_eq!(named(&fetch), [(1, 3)]);
    assert_eq!(left(&fetch), [0]);
    let wanted = f.wanted(1, &"t".into(), 1).expect("it is in the session");
    assert_eq!(wanted.slot, again);
}

/// A topic by its id, led by broker 1.
struct Id(u128);

impl Leaders for Id {
    fn leader(&self, _: &Arc<str>, _: i32) -> Option<(i32, i32)> {
        Some((1, 0))
    }

    fn topic_id(&self, _: &Arc<str>) -> Uuid {
        Uuid::from_u128(self.0)
    }

    fn knows(&self, _: i32) -> bool {
        true
    }
}

/// A broker compares ids: told to forget a partition under another id, it keeps the partition.
#[test]
fn a_topic_leaves_a_session_under_the_id_that_it_came_under() {
    let now = Instant::now();
    let mut f = fetcher(Reset::None);
    let [a, _] = [0, 1].map(|n| f.handle_assigned("t".into(), n, Start::Offset(5), n as u32));
    f.poll_fetch(now, &Id(7)).expect("both are ready");
    assert!(f.handle_fetch_done(1, 77));
    f.handle_unassigned(a);
    // The application assigns the partition again, and the topic has a new id by now.
    f.handle_assigned("t".into(), 0, Start::Offset(0), 9);
    let fetch = f.poll_fetch(now, &Id(8)).expect("one is new");
    let ids = |all: &[Wanted]| all.iter().map(|w| w.topic_id.as_u128()).collect::<Vec<_>>();
    assert_eq!(
        (ids(&fetch.partitions), ids(&fetch.forgotten)),
        (vec![8], vec![7])
    );
}

#[test]
fn a_session_that_names_what_is_not_wanted_is_begun_again() {
    let now = Instant::now();
    let (mut f, _) = in_session(now);
    poll(&mut f, now).expect("it is asked again");
    assert!(f.handle_fetch_done(1, 77));
    f.handle_unwanted(1);
    let full = poll(&mut f, now).expect("all are ready");
    assert_eq!((full.session, full.partitions.len()), ((0, 0), 3));
}

#[test]
fn a_session_that_is_lost_is_begun_again_with_everything() {
    let now = Instant::now();
    let (mut f, _) = in_session(now);
    let fetch = poll(&mut f, now).expect("it is asked again");
    assert_eq!(fetch.session, (77, 1));
    f.handle_session_lost(1);
    let full = poll(&mut f, now).expect("all are ready");
    assert_eq!((full.session, full.partitions.len()), ((0, 0), 3));
    // An answer of another session than was asked for counts as none.
    assert!(f.handle_fetch_done(1, 78));
    poll(&mut f, now).expect("it is asked again");
    assert!(!f.handle_fetch_done(1, 0));
    let full = poll(&mut f, now).expect("all are ready");
    assert_eq!((full.session, full.partitions.len()), ((0, 0), 3));
}

#[test]
fn a_lost_fetch_puts_all_members_off_and_ends_the_session() {
    let now = Instant::now();
    let (mut f, _) = in_session(now);
    let fetch = poll(&mut f, now).expect("it is asked again");
    assert!(fetch.partitions.is_empty());
    f.handle_fetch_lost(now, &fetch, false);
    assert_eq!(poll(&mut f, now), None, "all wait");
    let later = now + Duration::from_secs(1);
    let full = poll(&mut f, later).expect("the waits are over");
    assert_eq!((full.session, full.partitions.len()), ((0, 0), 3));
}

#[test]
fn an_idle_partition_leaves_its_replica_when_the_lease_ends() {
    let now = Instant::now();
    let (mut f, [a, ..]) = in_session(now);
    let wanted = f.wanted(1, &"t".into(), 0).expect("it is in the session");
    f.handle_fetched(now, 1, &wanted, Fetched::Replica(2));
    let replica = f
        .poll_fetch(now, &Known(&[1, 2]))
        .expect("one of two brokers");
    let leader = f.poll_fetch(now, &Known(&[1, 2])).expect("the other one");
    let (replica, leader) = if replica.broker == 2 {
        (replica, leader)
    } else {
        (leader, replica)
    };
    assert_eq!((replica.broker, named(&replica)), (2, vec![(0, 5)]));
    assert_eq!(left(&leader), [0]);
    assert!(f.handle_fetch_done(2, 5) && f.handle_fetch_done(1, 77));
    let end = now + LEASE;
    assert_eq!(f.poll_timeout(), Some(end));
    let fetch = f.poll_fetch(end, &Known(&[1, 2])).expect("it goes back");
    assert_eq!((fetch.broker, named(&fetch)), (1, vec![(0, 5)]));
    assert_eq!(f.wanted(1, &"t".into(), 0).map(|w| w.slot), Some(a));
    assert_eq!(
        f.poll_fetch(end, &Known(&[1, 2])),
        None,
        "the replica has nothing else"
    );
}

#[test]
fn a_partition_that_waits_for_its_old_leader_goes_to_the_new_one() {
    let now = Instant::now();
    let (mut f, first) = one(Reset::None, Start::Offset(5));
    let fetch = f.poll_fetch(now, &Known(&[1])).expect("ready");
    assert_eq!(fetch.broker, 1);
    let second = f.handle_assigned("t".into(), 1, Start::Offset(0), 1);
    assert_eq!(f.poll_fetch(now, &Known(&[1])), None, "one is in flight");
    assert_eq!(f.poll_fetch(now, &Known(&[2])), None, "it waits there");
    f.handle_leader_changed(second);
    let fetch = f.poll_fetch(now, &Known(&[2])).expect("it is free");
    assert_eq!((fetch.broker, named(&fetch)), (2, vec![(1, 0)]));
    assert_ne!(first, second);
}

#[test]
fn a_partition_whose_leader_is_unreachable_asks_for_metadata() {
    let (mut f, slot) = one(Reset::None, Start::Offset(5));
    assert_eq!(f.poll_stale(), None);
    f.handle_moved(slot);
    assert_eq!(f.poll_stale().as_deref(), Some("t"));
}

#[test]
fn what_is_paused_or_unassigned_is_not_fetched() {
    let now = Instant::now();
    let (mut f, slot) = one(Reset::None, Start::Offset(5));
    f.handle_paused(slot, true);
    assert_eq!(poll(&mut f, now), None);
    f.handle_paused(slot, false);
    let fetch = poll(&mut f, now).expect("it is resumed");
    assert!(answer(&mut f, now, &fetch, Fetched::UpTo(9)));
    f.handle_unassigned(slot);
    assert_eq!(poll(&mut f, now), None);
    assert_eq!((f.poll_timeout(), f.poll_problem()), (None, None));
}
