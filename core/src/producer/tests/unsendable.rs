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
