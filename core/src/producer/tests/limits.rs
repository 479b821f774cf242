//! What is too large, too early, too long unknown, or another topic of the same name.

use super::*;

fn batch(payload: char, count: u32) -> Batch<char> {
    Batch {
        payload,
        count,
        size: 100,
        created: Instant::now(),
    }
}

fn refused(error: ErrorCode) -> Outcome {
    Outcome::Refused {
        error: Failure::Broker(error),
        possibly_written: false,
    }
}

/// What is behind it may be answered before its parts are there, or after that.
#[test]
fn a_batch_that_is_too_large_goes_on_in_parts_under_its_own_sequences() {
    for (error, answered_first) in [
        (ErrorCode::MESSAGE_TOO_LARGE, false),
        (ErrorCode::RECORD_LIST_TOO_LARGE, true),
    ] {
        let mut s = Script::with_id();
        let window = in_flight(&mut s, 2);
        let behind = |s: &mut Script| {
            s.answer(&window[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
        };
        s.answer(&window[0], error, -1);
        assert_eq!(s.machine.poll_split(), Some((P, 'a')));
        if answered_first {
            behind(&mut s);
        }
        assert_eq!(s.send(), None, "nothing overtakes the parts");
        s.machine
            .handle_split(P, vec![batch('1', 4), batch('2', 6)]);
        if !answered_first {
            behind(&mut s);
        }
        let again: Vec<_> = (0..3).map(|_| s.sent()).collect();
        let stamps: Vec<_> = again.iter().flat_map(stamps).collect();
        assert_eq!(stamps, [(0, 10), (0, 14), (0, 20)]);
        for (request, offset) in again.iter().zip([10, 14, 20]) {
            s.ack(request, offset);
        }
        let expected = [
            ('1', delivered(10)),
            ('2', delivered(14)),
            ('b', delivered(20)),
        ];
        assert_eq!(s.finished(), expected);
        assert!(s.machine.is_idle());
    }
}

#[test]
fn parts_have_no_more_time_than_the_whole_had() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::MESSAGE_TOO_LARGE, -1);
    s.now += 100 * SECOND;
    let late = |payload, count| Batch {
        created: s.now,
        ..batch(payload, count)
    };
    let parts = vec![late('1', 4), late('2', 6)];
    let (slot, _) = s.machine.poll_split().expect("it is to be split");
    s.machine.handle_split(slot, parts);
    s.now += 20 * SECOND;
    s.machine.handle_timeout(s.now);
    let expired = Outcome::Expired {
        possibly_written: false,
        last_error: None,
    };
    assert_eq!(s.finished(), [('1', expired.clone()), ('2', expired)]);
}

#[test]
fn a_single_record_that_is_too_large_is_refused() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 1);
    let request = s.sent();
    s.answer(&request, ErrorCode::MESSAGE_TOO_LARGE, -1);
    assert_eq!(s.machine.poll_split(), None);
    let expected = refused(ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(s.finished(), [('a', expected)]);
}

#[test]
fn a_batch_that_may_be_written_is_not_split() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.machine.handle_lost(s.now, window[0].id, true);
    s.now += SECOND;
    let again = s.sent();
    s.answer(&again, ErrorCode::MESSAGE_TOO_LARGE, -1);
    assert_eq!(s.machine.poll_split(), None);
    let expected = Outcome::Refused {
        error: Failure::Broker(ErrorCode::MESSAGE_TOO_LARGE),
        possibly_written: true,
    };
    assert_eq!(s.finished(), [('a', expected)]);
}

#[test]
fn a_batch_that_is_given_up_while_it_is_split_stays_given_up() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::MESSAGE_TOO_LARGE, -1);
    let (slot, _) = s.machine.poll_split().expect("it is to be split");
    s.machine.abort();
    s.machine
        .handle_split(slot, vec![batch('1', 4), batch('2', 6)]);
    let aborted = Outcome::Aborted {
        possibly_written: false,
    };
    assert_eq!(s.finished(), [('1', aborted.clone()), ('2', aborted)]);
    assert!(s.machine.is_idle());
}

#[test]
fn a_batch_that_is_given_up_before_it_is_split_is_not_lost() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::MESSAGE_TOO_LARGE, -1);
    s.machine.abort();
    assert_eq!(s.machine.poll_split(), None);
    let aborted = Outcome::Aborted {
        possibly_written: false,
    };
    assert_eq!(s.finished(), [('a', aborted)]);
    assert!(s.machine.is_idle());
}

#[test]
fn a_batch_that_cannot_be_split_leaves_its_sequence_to_the_next() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::MESSAGE_TOO_LARGE, -1);
    let (slot, _) = s.machine.poll_split().expect("it is to be split");
    s.machine.handle_split(slot, Vec::new());
    s.batch(P, 'b', 10);
    assert_eq!(stamps(&s.sent()), stamps(&window[0]));
}

#[test]
fn a_broker_that_asks_for_a_pause_gets_one() {
    let mut s = Script::with_id();
    in_flight(&mut s, 0);
    let until = s.now + SECOND;
    s.machine.handle_throttle(1, until);
    s.machine.handle_throttle(1, until - SECOND / 2);
    s.batch(P, 'a', 1);
    assert_eq!(s.send(), None);
    assert_eq!(s.machine.poll_timeout(), Some(until));
    s.now = until;
    s.machine.handle_timeout(s.now);
    assert!(s.send().is_some());
    assert_ne!(s.machine.poll_timeout(), Some(until), "it would spin");
}

#[test]
fn each_partition_has_its_turn_at_being_first() {
    let mut s = Script::with_id();
    s.machine.settings.max_request_size = 150;
    let slots = [
        P,
        s.machine.add_partition("t".into(), 1),
        s.machine.add_partition("t".into(), 2),
    ];
    for slot in slots {
        (0..3).for_each(|_| s.batch(slot, 'x', 1));
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let request = s.sent();
        served.push(request.batches[0].slot.0);
        s.ack(&request, 0);
    }
    assert_eq!(served, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_topic_that_stays_unknown_is_given_up_with_all_its_batches() {
    for unknown in [
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_ID,
    ] {
        let mut s = Script::with_id();
        let window = in_flight(&mut s, 2);
        let end = s.now + 30 * SECOND;
        for request in &window {
            s.answer(request, unknown, -1);
        }
        s.now += SECOND;
        s.machine.handle_timeout(s.now);
        assert_eq!(s.machine.poll_timeout(), Some(end), "{unknown:?}");
        // Another error in between hides nothing (rule 39), and its wait ends with the topic.
        let again = s.sent();
        s.now = end - SECOND / 1000;
        s.machine.handle_lost(s.now, again.id, true);
        s.now = end;
        s.machine.handle_timeout(s.now);
        let refused = |possibly_written| Outcome::Refused {
            error: Failure::Broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            possibly_written,
        };
        assert_eq!(s.finished(), [('a', refused(true)), ('b', refused(false))]);
        // Should there be a topic again, the sequence that was left open is not gone on with.
        s.batch(P, 'c', 10);
        assert_eq!(stamps(&s.sent()), [(1, 0)]);
    }
}

#[test]
fn a_topic_whose_leader_answers_is_not_unknown() {
    for answer in [
        ErrorCode::NONE,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::THROTTLING_QUOTA_EXCEEDED,
    ] {
        let mut s = Script::with_id();
        s.batch(P, 'a', 1);
        s.batch(P, 'b', 1);
        let began = s.now;
        let request = s.sent();
        s.answer(&request, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1);
        s.now += SECOND;
        let request = s.sent();
        s.answer(&request, answer, 0);
        s.now = began + 31 * SECOND;
        s.machine.handle_timeout(s.now);
        let written: &[_] = match answer {
            ErrorCode::NONE => &[('a', delivered(0))],
            _ => &[],
        };
        assert_eq!(s.finished(), written, "{answer:?}");
    }
}

#[test]
fn what_comes_after_all_was_given_up_has_its_own_time() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 1);
    let request = s.sent();
    s.answer(&request, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1);
    s.machine.abort();
    s.finished();
    s.now += 31 * SECOND;
    s.batch(P, 'b', 1);
    s.machine.handle_timeout(s.now);
    assert_eq!(s.finished(), []);
}

#[test]
fn a_topic_that_only_lacks_a_leader_is_not_unknown_any_more() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 1);
    let began = s.now;
    let request = s.sent();
    s.answer(&request, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1);
    s.leader = -1;
    s.now += SECOND;
    assert_eq!(s.send(), None);
    s.now = began + 31 * SECOND;
    s.machine.handle_timeout(s.now);
    assert_eq!(s.finished(), []);
}

#[test]
fn a_refusal_that_may_have_come_behind_the_append_leaves_its_sequence_open() {
    for (error, base_offset) in [
        (ErrorCode::UNKNOWN_SERVER_ERROR, -1),
        (ErrorCode::INVALID_TXN_STATE, 10),
    ] {
        let mut s = Script::with_id();
        let window = in_flight(&mut s, 1);
        s.answer(&window[0], error, base_offset);
        let expected = Outcome::Refused {
            error: Failure::Broker(error),
            possibly_written: true,
        };
        assert_eq!(s.finished(), [('a', expected)]);
        // Under the same sequence the broker would take the next for a repetition of it.
        s.batch(P, 'b', 10);
        assert_eq!(stamps(&s.sent()), [(1, 0)]);
    }
}

/// Some servers leave `base_offset` at 0 in a refusal. It says nothing about errors that a broker
/// finds before it appends.
#[test]
fn a_refusal_from_before_the_append_is_definite_whatever_its_offset_says() {
    for error in [
        ErrorCode::INVALID_RECORD,
        ErrorCode::INVALID_TIMESTAMP,
        ErrorCode::CORRUPT_MESSAGE,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
    ] {
        let mut s = Script::with_id();
        let window = in_flight(&mut s, 1);
        s.answer(&window[0], error, 0);
        assert_eq!(s.finished(), [('a', refused(error))]);
        s.batch(P, 'b', 10);
        assert_eq!(stamps(&s.sent()), stamps(&window[0]), "{error:?}");
    }
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::MESSAGE_TOO_LARGE, 0);
    assert_eq!(s.machine.poll_split(), Some((P, 'a')), "it is split");
}

#[test]
fn an_unknown_topic_is_given_up_and_one_without_a_leader_is_not() {
    for (missing, given_up) in [
        (Missing::Topic, true),
        (Missing::Leader, false),
        (Missing::Knowledge, false),
    ] {
        let mut s = Script::with_id();
        s.batch(P, 'a', 1);
        let end = s.now + 31 * SECOND;
        while s.now < end {
            assert_eq!(s.machine.poll_request(s.now, |_, _| Err(missing)), None);
            let Some(next) = s.machine.poll_timeout() else {
                break;
            };
            s.now = next;
            s.machine.handle_timeout(s.now);
        }
        assert_eq!(!s.finished().is_empty(), given_up, "{missing:?}");
    }
}

#[test]
fn a_topic_made_anew_gets_a_new_epoch() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.machine.handle_topic_recreated("t");
    s.batch(P, 'b', 10);
    assert_eq!(s.send(), None, "what is out comes first");
    s.answer(&window[0], ErrorCode::UNKNOWN_TOPIC_ID, -1);
    s.now += SECOND;
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

/// A new log takes any first sequence: one that overtakes the head would stand in its place (rule 26).
#[test]
fn what_may_be_written_goes_to_a_topic_made_anew_one_by_one() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 3);
    s.machine.handle_topic_recreated("t");
    // What the old log acknowledges proves nothing of the new one.
    s.ack(&window[0], 10);
    for request in &window[1..] {
        s.machine.handle_lost(s.now, request.id, true);
    }
    s.now += SECOND;
    let first = s.sent();
    assert_eq!(stamps(&first), stamps(&window[1]));
    assert_eq!(s.send(), None);
    s.ack(&first, 0);
    assert_eq!(stamps(&s.sent()), stamps(&window[2]));
}

#[test]
fn a_partition_that_holds_nothing_waits_for_nothing() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 1);
    s.now += 120 * SECOND - SECOND / 100;
    s.leader = -1;
    assert_eq!(s.send(), None);
    assert_eq!(s.machine.state(P), Some(State::BackingOff));
    s.now += SECOND / 100;
    s.machine.handle_timeout(s.now);
    assert_eq!(s.finished().len(), 1);
    assert_eq!(s.machine.state(P), Some(State::Idle));
}

#[test]
fn a_topic_made_anew_while_nothing_is_held_gets_a_new_epoch_too() {
    let mut s = Script::with_id();
    in_flight(&mut s, 0);
    s.machine.handle_topic_recreated("t");
    s.batch(P, 'b', 10);
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}

#[test]
fn a_topic_made_anew_while_a_batch_is_split_gets_a_new_epoch_for_the_parts() {
    let mut s = Script::with_id();
    let window = in_flight(&mut s, 1);
    s.answer(&window[0], ErrorCode::MESSAGE_TOO_LARGE, -1);
    let (slot, _) = s.machine.poll_split().expect("it is to be split");
    s.machine.handle_topic_recreated("t");
    s.machine
        .handle_split(slot, vec![batch('1', 4), batch('2', 6)]);
    let first = s.sent();
    s.ack(&first, 0);
    assert_eq!([stamps(&first), stamps(&s.sent())], [[(1, 0)], [(1, 4)]]);
}

#[test]
fn another_topic_made_anew_changes_nothing() {
    let mut s = Script::with_id();
    in_flight(&mut s, 0);
    s.machine.handle_topic_recreated("u");
    s.batch(P, 'b', 10);
    assert_eq!(stamps(&s.sent()), [(0, 10)]);
}

/// Backoffs count the failures of what is held now. One that went on where an earlier, failed batch left off
/// would use up the time of the next batch after a single lost connection.
#[test]
fn a_batch_waits_for_its_own_failures_and_tells_no_others() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 1);
    for _ in 0..10 {
        let request = s.sent();
        s.answer(&request, ErrorCode::NOT_ENOUGH_REPLICAS, -1);
        s.now += 2 * SECOND;
    }
    s.now += settings().delivery_timeout;
    s.machine.handle_timeout(s.now);
    assert_eq!(s.finished().len(), 1);
    s.batch(P, 'b', 1);
    let request = s.sent();
    s.machine.handle_lost(s.now, request.id, false);
    let again = s.machine.poll_timeout().expect("it waits") - s.now;
    assert!(again <= Backoff::RETRY.first.mul_f64(1.2), "{again:?}");

    s.now += settings().delivery_timeout;
    s.machine.handle_timeout(s.now);
    s.finished();
    s.batch(P, 'c', 1);
    s.now += settings().delivery_timeout;
    s.machine.handle_timeout(s.now);
    let told = s.finished();
    assert!(
        matches!(
            &told[..],
            [(
                'c',
                Outcome::Expired {
                    last_error: None,
                    ..
                }
            )]
        ),
        "{told:?}"
    );
}
