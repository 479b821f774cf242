//! Batches that cannot be sent: for what is in them, or because their broker asked for a pause.

use super::*;

#[test]
fn what_cannot_be_written_is_refused_and_leaves_its_sequence_to_the_next() {
    let mut s = Script::with_id();
    s.batch(P, 'a', 3);
    let request = s.sent();
    let error = Failure::Broker(ErrorCode::UNSUPPORTED_VERSION);
    s.machine.handle_unsendable(s.now, request.id, &error);
    let possibly_written = false;
    let refused = Outcome::Refused {
        error,
        possibly_written,
    };
    assert_eq!(s.finished(), [('a', refused)]);
    assert!(s.machine.is_idle());
    assert_eq!(s.machine.broker(request.id), None);
    s.batch(P, 'b', 1);
    assert_eq!(stamps(&s.sent()), [(0, 0)]);
}

#[test]
fn what_waits_for_a_broker_goes_to_the_next_leader_at_once() {
    let mut s = Script::with_id();
    s.machine.handle_throttle(1, s.now + SECOND);
    s.batch(P, 'a', 1);
    assert_eq!(s.send(), None, "broker 1 asked for a pause");
    s.leader = 2;
    s.machine.handle_leader_changed(P);
    assert_eq!(s.sent().broker, 2);
}

/// The last batches of an old epoch are answered before the first of the next is sent (rules 27, 32).
#[test]
fn a_new_epoch_waits_for_what_is_out_under_the_old_one() {
    let mut s = Script::with_id();
    let other = s.machine.add_partition("t".into(), 1);
    let first = in_flight(&mut s, 2);
    // The broker forgot the producer of another partition: all change epoch.
    s.batch(other, 'x', 1);
    let request = s.sent();
    s.answer(&request, ErrorCode::UNKNOWN_PRODUCER_ID, -1);
    s.batch(P, 'z', 1);
    s.now += SECOND;
    while let Some(request) = s.send() {
        assert!(request.batches.iter().all(|sent| sent.slot == other));
    }
    for request in &first {
        s.ack(request, 0);
    }
    assert_eq!(stamps(&s.sent()), [(1, 0)]);
}
