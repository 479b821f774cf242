//! A broker that does not recognise a batch which it may have: a new epoch would write it twice.

use super::*;

const OUT_OF_ORDER: ErrorCode = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;

/// Batches 'a' to 'd', written but not acknowledged: the broker answered that it ran out of time.
fn written_without_acknowledgement() -> (Script, Vec<Request>) {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 4);
    for request in &window {
        s.answer(request, ErrorCode::REQUEST_TIMED_OUT, -1);
    }
    s.now += SECOND;
    (s, window)
}

/// Answers what is sent next, and returns its stamps.
fn next_is(s: &mut Script, error: ErrorCode, offset: i64) -> Vec<(i16, i32)> {
    let request = s.sent();
    s.answer(&request, error, offset);
    // What is pipelined behind it is refused with it.
    while let Some(behind) = s.send() {
        s.answer(&behind, OUT_OF_ORDER, -1);
    }
    s.now += 2 * SECOND;
    stamps(&request)
}

#[test]
fn a_batch_that_may_be_written_is_repeated_before_a_new_epoch_begins() {
    let (mut s, window) = written_without_acknowledgement();
    assert_eq!(next_is(&mut s, OUT_OF_ORDER, -1), stamps(&window[0]));
    let again = s.sent();
    assert_eq!(stamps(&again), stamps(&window[0]));
    s.ack(&again, 10);
    assert_eq!(s.finished(), [('a', delivered(10))]);
}

/// After a restart a broker remembers the last batch of a producer, and none before it.
#[test]
fn the_last_batch_that_the_broker_has_proves_those_before_it() {
    let (mut s, window) = written_without_acknowledgement();
    next_is(&mut s, OUT_OF_ORDER, -1);
    next_is(&mut s, OUT_OF_ORDER, -1);
    assert_eq!(s.machine.state(P), Some(State::Tracing));
    let probe = s.sent();
    assert_eq!(stamps(&probe), stamps(&window[3]));
    assert_eq!(s.send(), None, "nothing goes out beside it");
    s.ack(&probe, 40);
    let expected = [
        ('a', delivered(-1)),
        ('b', delivered(-1)),
        ('c', delivered(-1)),
        ('d', delivered(40)),
    ];
    assert_eq!(s.finished(), expected);
    s.batch(P, 'e', 10);
    assert_eq!(stamps(&s.sent()), [(0, 50)], "the sequence goes on");
}

#[test]
fn batches_behind_the_last_one_that_the_broker_has_go_on_in_order() {
    let (mut s, window) = written_without_acknowledgement();
    next_is(&mut s, OUT_OF_ORDER, -1);
    next_is(&mut s, OUT_OF_ORDER, -1);
    assert_eq!(next_is(&mut s, OUT_OF_ORDER, -1), stamps(&window[3]));
    let probe = s.sent();
    assert_eq!(stamps(&probe), stamps(&window[2]));
    s.ack(&probe, 30);
    let written: Vec<_> = s.finished().into_iter().map(|(p, _)| p).collect();
    assert_eq!(written, ['a', 'b', 'c']);
    assert_eq!(stamps(&s.sent()), stamps(&window[3]));
}

#[test]
fn a_broker_that_has_none_of_them_gets_all_under_a_new_epoch() {
    let (mut s, window) = written_without_acknowledgement();
    for at in [0, 0, 3, 2, 1] {
        assert_eq!(next_is(&mut s, OUT_OF_ORDER, -1), stamps(&window[at]));
    }
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
    let left = std::iter::from_fn(|| s.machine.poll_notice()).last();
    let expected = Notice::NewEpoch {
        slot: P,
        left: 0,
        unrecognised: true,
    };
    assert_eq!(left, Some(expected));
}

#[test]
fn another_leader_is_asked_about_the_first_batch_again() {
    let (mut s, window) = written_without_acknowledgement();
    next_is(&mut s, OUT_OF_ORDER, -1);
    next_is(&mut s, OUT_OF_ORDER, -1);
    s.leader = 2;
    s.machine.handle_leader_changed(P);
    let again = s.sent();
    assert_eq!((again.broker, stamps(&again)), (2, stamps(&window[0])));
}

/// A broker that knows nothing of the producer would append the batch that is to prove the others.
#[test]
fn a_broker_without_memory_of_the_producer_is_given_no_later_batch() {
    let (mut s, window) = written_without_acknowledgement();
    let unknown = ErrorCode::UNKNOWN_PRODUCER_ID;
    assert_eq!(next_is(&mut s, unknown, -1), stamps(&window[0]));
    assert_eq!(next_is(&mut s, unknown, -1), stamps(&window[0]));
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_probe_that_is_lost_is_repeated() {
    let (mut s, window) = written_without_acknowledgement();
    next_is(&mut s, OUT_OF_ORDER, -1);
    next_is(&mut s, OUT_OF_ORDER, -1);
    let probe = s.sent();
    s.machine.handle_lost(s.now, probe.id, true);
    s.now += 2 * SECOND;
    assert_eq!(stamps(&s.sent()), stamps(&window[3]));
}

#[test]
fn tracing_ends_with_the_time_of_the_first_batch() {
    let (mut s, _) = written_without_acknowledgement();
    next_is(&mut s, OUT_OF_ORDER, -1);
    next_is(&mut s, OUT_OF_ORDER, -1);
    s.now += 121 * SECOND;
    s.machine.handle_timeout(s.now);
    let unsure = |o: Outcome| {
        matches!(
            o,
            Outcome::Expired {
                possibly_written: true,
                ..
            }
        )
    };
    assert!(s.finished().into_iter().all(|(_, outcome)| unsure(outcome)));
    assert!(s.machine.is_idle());
    s.batch(P, 'e', 10);
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_later_batch_that_is_refused_while_the_head_is_in_doubt_fails_nothing() {
    let (mut s, window) = written_without_acknowledgement();
    next_is(&mut s, OUT_OF_ORDER, -1);
    next_is(&mut s, OUT_OF_ORDER, -1);
    let probe = s.sent();
    assert_eq!(stamps(&probe), stamps(&window[3]));
    s.answer(&probe, ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1);
    assert_eq!(s.finished(), []);
    s.now += 2 * SECOND;
    assert_eq!(
        stamps(&s.sent()),
        stamps(&window[0]),
        "the head comes first"
    );
}
