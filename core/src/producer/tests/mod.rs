//! Scripts of one producer against brokers that are well, slow, moved or forgetful.

mod limits;
mod random;
mod states;
mod unrecognised;
mod unsendable;

use std::time::Duration;

use ottla_protocol::records::ProducerStamp;

use super::*;
use crate::backoff::Backoff;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        idempotent: true,
        max_in_flight: 5,
        max_request_size: 1 << 20,
        delivery_timeout: 120 * SECOND,
        unknown_topic_timeout: 30 * SECOND,
        retry_backoff: Backoff::RETRY,
    }
}

/// A machine with a producer id, and the time it thinks it is.
struct Script {
    now: Instant,
    machine: Producer<char>,
    leader: i32,
    /// What a test wants to remember.
    log: Vec<String>,
}

impl Script {
    fn log(&mut self, what: String) {
        self.log.push(what);
    }

    fn new() -> Self {
        let mut s = Self {
            now: Instant::now(),
            machine: Producer::new(settings(), 1),
            leader: 1,
            log: Vec::new(),
        };
        s.machine.add_partition("t".into(), 0);
        s
    }

    fn without_idempotence() -> Self {
        let how = Settings {
            idempotent: false,
            ..settings()
        };
        let mut s = Self::new();
        s.machine = Producer::new(how, 1);
        s.machine.add_partition("t".into(), 0);
        s
    }

    fn with_id() -> Self {
        let mut s = Self::new();
        s.machine.identity.poll(s.now).expect("one is wanted");
        s.machine.handle_identity(s.now, Ok((77, 0)));
        s
    }

    fn batch(&mut self, slot: Slot, payload: char, count: u32) {
        self.machine.handle_batch(
            slot,
            Batch {
                payload,
                count,
                size: 100,
                created: self.now,
            },
        );
    }

    fn send(&mut self) -> Option<Request> {
        let leader = self.leader;
        self.machine.poll_request(self.now, |_, _| match leader {
            0.. => Ok(leader),
            _ => Err(Missing::Leader),
        })
    }

    fn sent(&mut self) -> Request {
        self.send().expect("something may be sent")
    }

    fn answer(&mut self, request: &Request, error: ErrorCode, base_offset: i64) {
        let answer = Answer {
            error,
            base_offset,
            log_append_time: -1,
            log_start_offset: -1,
        };
        self.machine
            .handle_response(self.now, request.id, |_| Some(answer));
    }

    fn ack(&mut self, request: &Request, base_offset: i64) {
        self.answer(request, ErrorCode::NONE, base_offset);
    }

    fn finished(&mut self) -> Vec<(char, Outcome)> {
        std::iter::from_fn(|| self.machine.poll_finished())
            .map(|(_, p, o)| (p, o))
            .collect()
    }
}

fn delivered(base_offset: i64) -> Outcome {
    Outcome::Delivered {
        base_offset,
        log_append_time: -1,
    }
}

fn stamps(request: &Request) -> Vec<(i16, i32)> {
    request
        .batches
        .iter()
        .map(|s| (s.stamp.epoch, s.stamp.sequence))
        .collect()
}

const P: Slot = Slot(0);

/// Sends `n` batches of 10 records each, one acknowledged before to open the window.
fn in_flight(s: &mut Script, n: usize) -> Vec<Request> {
    s.batch(P, '0', 10);
    let first = s.sent();
    s.ack(&first, 0);
    s.finished();
    let names = ['a', 'b', 'c', 'd', 'e', 'f'];
    names.iter().take(n).for_each(|c| s.batch(P, *c, 10));
    (0..n).map(|_| s.sent()).collect()
}

#[test]
fn nothing_is_sent_before_there_is_a_producer_id() {
    let mut s = Script::new();
    assert_eq!(s.machine.poll_identity(s.now), None);
    s.batch(P, 'a', 1);
    assert_eq!(s.send(), None);
    assert!(s.machine.poll_identity(s.now).is_some());
    s.machine.handle_identity(
        s.now,
        Err(Failure::Broker(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)),
    );
    assert_eq!(s.machine.poll_identity(s.now), None);
    s.now = s.machine.poll_timeout().expect("it is tried again");
    assert!(s.machine.poll_identity(s.now).is_some());
    s.machine.handle_identity(s.now, Ok((77, 0)));
    assert_eq!(stamps(&s.sent()), [(0, 0)]);
}

/// Without an id brokers count nothing, and each retry may write twice.
#[test]
fn a_producer_id_that_is_none_is_asked_for_again() {
    for none in [(-1, 0), (77, -1), (-1, -1)] {
        let mut s = Script::new();
        s.batch(P, 'a', 1);
        s.machine.poll_identity(s.now);
        s.machine.handle_identity(s.now, Ok(none));
        assert_eq!(s.send(), None, "{none:?}");
        s.now = s.machine.poll_timeout().expect("it is tried again");
        assert!(s.machine.poll_identity(s.now).is_some());
        s.machine.handle_identity(s.now, Ok((77, 0)));
        assert_eq!(stamps(&s.sent()), [(0, 0)]);
    }
}

#[test]
fn a_refused_producer_id_fails_what_is_held() {
    let mut s = Script::new();
    s.batch(P, 'a', 1);
    s.machine.poll_identity(s.now);
    let error = Failure::Broker(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    s.machine.handle_identity(s.now, Err(error.clone()));
    assert_eq!(
        s.finished(),
        [(
            'a',
            Outcome::Refused {
                error,
                possibly_written: false
            }
        )]
    );
    assert!(s.machine.is_idle());
    // And so is what comes later, instead of waiting for its time to be over.
    s.batch(P, 'b', 1);
    let payloads: Vec<_> = s.finished().into_iter().map(|(p, _)| p).collect();
    assert_eq!(payloads, ['b']);
    assert!(s.machine.is_idle());
}

#[test]
fn one_batch_is_out_until_the_first_ack_and_then_five_in_order() {
    let mut s = Script::with_id();
    for c in ['0', 'a', 'b', 'c', 'd', 'e', 'f'] {
        s.batch(P, c, 10);
    }
    let first = s.sent();
    assert_eq!(s.send(), None);
    s.ack(&first, 100);
    let window: Vec<_> = (0..5).map(|_| s.sent()).collect();
    assert_eq!(s.send(), None);
    let sequences: Vec<_> = window.iter().flat_map(stamps).collect();
    assert_eq!(sequences, [(0, 10), (0, 20), (0, 30), (0, 40), (0, 50)]);
    s.ack(&window[0], 110);
    assert_eq!(stamps(&s.sent()), [(0, 60)]);
    assert_eq!(s.finished(), [('0', delivered(100)), ('a', delivered(110))]);
}

#[test]
fn a_batch_that_a_leader_took_before_it_stepped_down_may_be_written() {
    for (base_offset, possibly_written) in [(10, true), (-1, false)] {
        let mut s = Script::with_id();
        let window = in_flight(&mut s, 1);
        s.answer(&window[0], ErrorCode::NOT_LEADER_OR_FOLLOWER, base_offset);
        s.machine.abort();
        assert_eq!(s.finished(), [('a', Outcome::Aborted { possibly_written })]);
    }
}

#[test]
fn a_batch_that_would_wait_for_an_answer_need_not_come_in_yet() {
    let mut s = Script::with_id();
    let takes = |s: &Script| s.machine.takes(s.now, P, |_, _| Ok(1));
    assert!(takes(&s));
    let window = in_flight(&mut s, 5);
    assert!(!takes(&s), "five are out");
    s.ack(&window[0], 10);
    assert!(takes(&s));
    s.batch(P, 'x', 10);
    assert!(!takes(&s), "one waits already");
    s.answer(&window[1], ErrorCode::NOT_LEADER_OR_FOLLOWER, -1);
    assert!(!takes(&s), "all go again");
    s.machine.abort();
    assert!(!takes(&s), "what is out must be answered first");
    for request in &window[2..] {
        s.machine.handle_lost(s.now, request.id, true);
    }
    assert!(takes(&s));
    s.machine.handle_throttle(1, s.now + SECOND);
    assert!(!takes(&s), "the broker asks for a pause");
    assert!(s.machine.takes(s.now, P, |_, _| Err(Missing::Leader)));
    assert_eq!(s.machine.poll_timeout(), Some(s.now + SECOND));
}

#[test]
fn what_is_not_sent_waits_and_what_is_to_be_sent_again_too() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 2);
    assert_eq!(s.machine.poll_waiting(), Some((P, 0)));
    assert_eq!(s.machine.poll_waiting(), None, "nothing has changed since");
    s.batch(P, 'x', 10);
    assert_eq!(s.machine.poll_waiting(), Some((P, 1)));
    assert_eq!(s.machine.broker(window[0].id), Some(1));
    s.machine.handle_lost(s.now, window[0].id, true);
    assert_eq!(s.machine.poll_waiting(), Some((P, 3)));
    assert_eq!(s.machine.broker(window[0].id), None);
}

#[test]
fn a_lost_connection_sends_all_again_in_order_under_the_same_sequences() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 3);
    for request in &window {
        s.machine.handle_lost(s.now, request.id, true);
    }
    assert_eq!(s.send(), None);
    s.now += SECOND;
    let again: Vec<_> = (0..3).map(|_| s.sent()).collect();
    let sequences = |r: &[Request]| r.iter().flat_map(stamps).collect::<Vec<_>>();
    assert_eq!(sequences(&again), sequences(&window));
    s.answer(&again[0], ErrorCode::DUPLICATE_SEQUENCE_NUMBER, -1);
    s.ack(&again[1], 20);
    s.ack(&again[2], 30);
    let expected = [
        ('a', delivered(-1)),
        ('b', delivered(20)),
        ('c', delivered(30)),
    ];
    assert_eq!(s.finished(), expected);
}

#[test]
fn answers_behind_a_failed_head_are_not_believed() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 3);
    s.answer(&window[0], ErrorCode::NOT_ENOUGH_REPLICAS, -1);
    s.answer(&window[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    s.now += SECOND;
    // One is still out: going back waits for it.
    assert_eq!(s.send(), None);
    s.answer(&window[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    assert_eq!(stamps(&s.sent()), stamps(&window[0]));
    assert!(s.finished().is_empty());
}

#[test]
fn after_a_move_nothing_goes_to_the_new_leader_before_the_old_one_answered() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 2);
    s.batch(P, 'c', 10);
    s.leader = 2;
    assert_eq!(s.send(), None);
    s.answer(&window[0], ErrorCode::NOT_LEADER_OR_FOLLOWER, -1);
    assert_eq!(s.machine.poll_stale().as_deref(), Some("t"));
    s.now += SECOND;
    assert_eq!(s.send(), None);
    s.answer(&window[1], ErrorCode::NOT_LEADER_OR_FOLLOWER, -1);
    s.now += SECOND;
    let again = s.sent();
    assert_eq!((again.broker, stamps(&again)), (2, stamps(&window[0])));
    // The new leader has acknowledged nothing yet (rule 26).
    assert_eq!(s.send(), None);
}

#[test]
fn a_refused_batch_leaves_its_sequence_to_the_next() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::INVALID_RECORD, -1);
    assert_eq!(
        s.finished(),
        [(
            'a',
            Outcome::Refused {
                error: Failure::Broker(ErrorCode::INVALID_RECORD),
                possibly_written: false,
            }
        )]
    );
    s.batch(P, 'b', 10);
    assert_eq!(stamps(&s.sent()), stamps(&window[0]));
}

#[test]
fn a_refused_batch_with_others_on_their_way_costs_an_epoch() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 3);
    s.answer(&window[0], ErrorCode::INVALID_RECORD, -1);
    // Under its sequence the next would open the way for what may still arrive of the others.
    s.machine.handle_lost(s.now, window[1].id, true);
    s.machine.handle_lost(s.now, window[2].id, true);
    s.now += SECOND;
    // Both may be written, so a new epoch waits until the broker has ruled that out: for the first,
    // which is repeated once, and for the second.
    for at in [1, 1, 2] {
        let again = s.sent();
        assert_eq!(stamps(&again), stamps(&window[at]));
        s.answer(&again, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
        s.now += 2 * SECOND;
    }
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_broker_that_forgot_the_producer_gets_a_new_epoch_from_zero() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 2);
    s.answer(&window[0], ErrorCode::UNKNOWN_PRODUCER_ID, -1);
    s.answer(&window[1], ErrorCode::UNKNOWN_PRODUCER_ID, -1);
    assert_eq!(s.send(), None, "it waits before it tries again");
    s.now += SECOND;
    let again = s.sent();
    assert_eq!(stamps(&again), [(1, 0)]);
    s.ack(&again, 0);
    assert_eq!(stamps(&s.sent()), [(1, 10)]);
}

#[test]
fn other_partitions_change_epoch_only_behind_what_they_have_out() {
    let mut s = Script::with_id();
    let other = s.machine.add_partition("t".into(), 1);
    let window = in_flight(&mut s, 1);
    s.batch(other, 'x', 5);
    let x = s.sent();
    assert_eq!(stamps(&x), [(0, 0)]);
    s.answer(&window[0], ErrorCode::UNKNOWN_PRODUCER_ID, -1);
    s.batch(other, 'y', 5);
    s.now += SECOND;
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
    s.machine.handle_lost(s.now, x.id, true);
    s.now += SECOND;
    // Its outcome is unknown: it keeps the old epoch, and what follows has the new one.
    let x = s.sent();
    assert_eq!(stamps(&x), [(0, 0)]);
    assert_eq!(s.send(), None);
    s.ack(&x, 0);
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_batch_out_of_time_that_may_be_written_costs_an_epoch() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.machine.handle_lost(s.now, window[0].id, true);
    s.now += 121 * SECOND;
    s.machine.handle_timeout(s.now);
    let last_error = Some(Failure::Lost {
        possibly_written: true,
    });
    let expected = Outcome::Expired {
        possibly_written: true,
        last_error,
    };
    assert_eq!(s.finished(), [('a', expected)]);
    s.batch(P, 'b', 10);
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_batch_out_of_time_in_flight_stops_the_partition_until_it_is_answered() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.now += 121 * SECOND;
    s.machine.handle_timeout(s.now);
    assert!(matches!(
        s.finished()[..],
        [(
            'a',
            Outcome::Expired {
                possibly_written: true,
                ..
            }
        )]
    ));
    s.batch(P, 'b', 10);
    assert_eq!(s.send(), None);
    s.ack(&window[0], 10);
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn all_that_is_in_flight_when_its_time_is_up_may_be_written() {
    let mut s = Script::with_id();
    in_flight(&mut s, 2);
    s.batch(P, 'c', 10);
    s.now += 121 * SECOND;
    s.machine.handle_timeout(s.now);
    let expired = |possibly_written| Outcome::Expired {
        possibly_written,
        last_error: None,
    };
    let expected = [
        ('a', expired(true)),
        ('b', expired(true)),
        ('c', expired(false)),
    ];
    assert_eq!(s.finished(), expected);
}

/// Two in flight, one of which is out of time before the other.
fn first_of_two_out_of_time(s: &mut Script) -> Vec<Request> {
    s.batch(P, '0', 10);
    let first = s.sent();
    s.ack(&first, 0);
    s.batch(P, 'a', 10);
    s.now += SECOND;
    s.batch(P, 'b', 10);
    let window = vec![s.sent(), s.sent()];
    s.now += 119 * SECOND + SECOND / 2;
    s.machine.handle_timeout(s.now);
    assert_eq!(s.finished().len(), 2);
    window
}

#[test]
fn what_may_be_written_behind_a_batch_out_of_time_keeps_its_stamp() {
    for possibly_written in [true, false] {
        let mut s = Script::with_id();
        let window = first_of_two_out_of_time(&mut s);
        s.machine.handle_lost(s.now, window[0].id, true);
        s.machine.handle_lost(s.now, window[1].id, possibly_written);
        s.batch(P, 'c', 10);
        if possibly_written {
            let again = s.sent();
            assert_eq!(stamps(&again), stamps(&window[1]));
            // Nothing begins behind it before its outcome is known.
            assert_eq!(s.send(), None);
            s.ack(&again, 20);
            assert_eq!(s.finished(), [('b', delivered(20))]);
        }
        assert_eq!(stamps(&s.sent()), [(1, 0)]);
    }
}

#[test]
fn batches_acknowledged_behind_an_expired_batch_are_not_written_again() {
    let mut s = Script::with_id();
    let window = first_of_two_out_of_time(&mut s);
    s.ack(&window[0], 10);
    s.ack(&window[1], 20);
    let again = s.sent();
    assert_eq!(stamps(&again), stamps(&window[1]));
    s.ack(&again, 20);
    assert_eq!(s.finished(), [('b', delivered(20))]);
    s.batch(P, 'c', 10);
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_batch_out_of_time_that_was_never_sent_costs_nothing() {
    let mut s = Script::with_id();
    in_flight(&mut s, 0);
    s.leader = -1;
    s.batch(P, 'a', 10);
    assert_eq!(s.send(), None);
    assert_eq!(s.machine.poll_stale().as_deref(), Some("t"));
    s.now += 121 * SECOND;
    s.machine.handle_timeout(s.now);
    assert!(matches!(
        s.finished()[..],
        [(
            'a',
            Outcome::Expired {
                possibly_written: false,
                ..
            }
        )]
    ));
    s.leader = 1;
    s.batch(P, 'b', 10);
    assert_eq!(stamps(&s.sent()), [(0, 10)]);
}

#[test]
fn partitions_of_one_leader_share_a_request_up_to_its_size() {
    let mut s = Script::with_id();
    s.machine.settings.max_request_size = 250;
    for n in 1..4 {
        s.machine.add_partition("t".into(), n);
    }
    for (slot, c) in (0..4).map(Slot).zip(['a', 'b', 'c', 'd']) {
        s.batch(slot, c, 1);
    }
    let sizes = [s.sent().batches.len(), s.sent().batches.len()];
    assert_eq!((sizes, s.send()), ([2, 2], None));
}

#[test]
fn a_partition_missing_from_the_answer_is_sent_again() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.machine.handle_response(s.now, window[0].id, |_| None);
    s.now += SECOND;
    assert_eq!(stamps(&s.sent()), stamps(&window[0]));
}

#[test]
fn a_wait_that_is_over_while_an_answer_is_awaited_does_not_come_up_again_and_again() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 2);
    s.answer(&window[0], ErrorCode::NOT_ENOUGH_REPLICAS, -1);
    s.now = s.machine.poll_timeout().expect("it is tried again");
    s.machine.handle_timeout(s.now);
    assert_eq!(s.send(), None);
    assert!(s.machine.poll_timeout().is_some_and(|at| at > s.now));
}

#[test]
fn sequences_wrap_to_zero() {
    use super::partition::advance;
    assert_eq!(advance(i32::MAX, 1), 0);
    assert_eq!(advance(i32::MAX - 1, 3), 1);
    assert_eq!(advance(5, 10), 15);
}

#[test]
fn closing_says_which_batches_a_broker_may_have() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.batch(P, 'b', 10);
    s.machine.abort();
    let [a, b] = [true, false].map(|possibly_written| Outcome::Aborted { possibly_written });
    assert_eq!(s.finished(), [('a', a), ('b', b)]);
    s.ack(&window[0], 10);
    assert!(s.machine.is_idle() && s.finished().is_empty());
}

#[test]
fn without_idempotence_batches_carry_no_producer_id() {
    let mut s = Script::without_idempotence();
    s.batch(P, 'a', 1);
    assert_eq!(s.machine.poll_identity(s.now), None);
    assert_eq!(s.sent().batches[0].stamp, ProducerStamp::NONE);
}

#[test]
fn without_idempotence_a_batch_behind_a_failed_one_is_not_written_twice() {
    let mut s = Script::without_idempotence();
    s.batch(P, 'z', 1);
    let first = s.sent();
    s.ack(&first, 0);
    s.batch(P, 'a', 1);
    s.batch(P, 'b', 1);
    let (a, b) = (s.sent(), s.sent());
    s.answer(&a, ErrorCode::NOT_ENOUGH_REPLICAS, -1);
    s.ack(&b, 1);
    s.now += 2 * SECOND;
    let again = s.sent();
    s.ack(&again, 2);
    let all = [
        ('z', delivered(0)),
        ('b', delivered(1)),
        ('a', delivered(2)),
    ];
    assert_eq!(s.finished(), all);
    assert!(s.send().is_none() && s.machine.is_idle());
}

#[test]
fn a_refusal_after_a_lost_answer_leaves_the_sequence_behind() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 3);
    s.batch(P, 'b', 3);
    let first = s.sent();
    s.machine.handle_lost(s.now, first.id, true);
    s.now += 2 * SECOND;
    let again = s.sent();
    s.answer(&again, ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1);
    let refused = Outcome::Refused {
        error: Failure::Broker(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        possibly_written: true,
    };
    assert_eq!(s.finished(), [('a', refused)]);
    // Under the old epoch the broker may take 'b' for the 'a' it has, and drop it.
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_broker_takes_no_more_requests_than_may_be_in_flight() {
    let mut s = Script::with_id();
    let takes = |s: &Script| s.machine.broker_takes(s.now, 1);
    let requests = in_flight(&mut s, 4);
    assert!(takes(&s));
    s.batch(P, 'x', 10);
    let last = s.sent();
    assert!(!takes(&s), "five are in flight");
    assert!(s.machine.broker_takes(s.now, 2), "another broker has none");
    for request in &requests {
        s.ack(request, 10);
    }
    assert!(takes(&s));
    s.ack(&last, 10);
}
