//! What readers of committed records skip, and what control records say.

use super::*;

const TRANSACTIONAL: u8 = 1 << 4;
const CONTROL: u8 = 1 << 5;

/// A batch of one record.
fn batch(producer: i64, offset: i64, attributes: u8, record: NewRecord<'_>) -> Batch {
    let bytes = sealed(&[record], Compression::None);
    let bytes = bent(&bytes, 0, &offset.to_be_bytes());
    let bytes = bent(&bytes, 22, &[attributes]);
    let bytes = bent(&bytes, 43, &producer.to_be_bytes());
    let raw = Batches::new(bytes).next().expect("one").expect("whole");
    raw.open(&mut Decompressor::default()).expect("it opens")
}

fn data(producer: i64, offset: i64, attributes: u8) -> Batch {
    batch(producer, offset, attributes, record(0, "k", "v"))
}

fn control(producer: i64, offset: i64, key: &[u8], value: Option<&[u8]>) -> Batch {
    let record = NewRecord {
        key: Some(key),
        value,
        ..NewRecord::default()
    };
    batch(producer, offset, TRANSACTIONAL | CONTROL, record)
}

fn abort(producer: i64, offset: i64) -> Batch {
    control(producer, offset, &[0, 0, 0, 0], Some(&[0, 0, 0, 0, 0, 4]))
}

fn commit(producer: i64, offset: i64) -> Batch {
    control(producer, offset, &[0, 0, 0, 1], Some(&[0, 0, 0, 0, 0, 4]))
}

/// Whether each is skipped.
fn skipped(listed: &[(i64, i64)], batches: &[Batch]) -> Vec<bool> {
    let mut aborted = AbortedTransactions::new(listed.iter().copied());
    let skip = |batch| aborted.skips(batch).expect("it reads");
    batches.iter().map(skip).collect()
}

#[test]
fn an_aborted_transaction_is_skipped_until_its_marker() {
    let log = [
        data(1, 0, TRANSACTIONAL),
        data(1, 1, TRANSACTIONAL),
        abort(1, 2),
        data(1, 3, TRANSACTIONAL),
        commit(1, 4),
    ];
    assert_eq!(skipped(&[(1, 0)], &log), [true, true, true, false, true]);
    assert_eq!(skipped(&[(1, 1)], &log), [false, true, true, false, true]);
    assert_eq!(skipped(&[], &log), [false, false, true, false, true]);
    assert_eq!(skipped(&[(2, 0)], &log), [false, false, true, false, true]);
}

#[test]
fn the_list_may_have_any_order() {
    let log = [
        data(1, 0, TRANSACTIONAL),
        abort(1, 1),
        data(1, 2, TRANSACTIONAL),
        commit(1, 3),
        data(1, 4, TRANSACTIONAL),
        abort(1, 5),
        data(1, 6, TRANSACTIONAL),
    ];
    let expected = [true, true, false, true, true, true, false];
    assert_eq!(skipped(&[(1, 0), (1, 4)], &log), expected);
    assert_eq!(skipped(&[(1, 4), (2, 0), (1, 0)], &log), expected);
}

#[test]
fn a_marker_that_ends_nothing_here_leaves_later_transactions_aborted() {
    let log = [
        abort(1, 0),
        data(1, 1, TRANSACTIONAL),
        abort(1, 2),
        data(1, 3, TRANSACTIONAL),
    ];
    assert_eq!(skipped(&[(1, 1)], &log), [true, true, true, false]);
}

#[test]
fn an_abort_ends_all_that_its_producer_began_before_and_a_commit_nothing() {
    let log = [
        data(1, 0, TRANSACTIONAL),
        commit(1, 1),
        data(1, 2, TRANSACTIONAL),
        abort(1, 3),
        data(1, 4, TRANSACTIONAL),
    ];
    let expected = [true, true, true, true, false];
    assert_eq!(skipped(&[(1, 0)], &log), expected);
    assert_eq!(skipped(&[(1, 0), (1, 2)], &log), expected);
}

#[test]
fn what_is_outside_transactions_is_never_aborted() {
    let log = [data(1, 0, TRANSACTIONAL), data(1, 1, 0), data(-1, 2, 0)];
    assert_eq!(skipped(&[(1, 0), (-1, 0)], &log), [true, false, false]);
}

#[test]
fn readers_get_no_control_batches() {
    let leader = control(-1, 0, &[0, 0, 0, 2], None);
    let not_transactional = batch(-1, 1, CONTROL, record(0, "", ""));
    let younger = control(1, 2, &[0, 9, 0x12, 0x34, 5], None);
    assert_eq!(
        skipped(&[], &[leader, not_transactional, younger]),
        [true; 3]
    );
}

#[test]
fn a_marker_that_cannot_be_read_is_an_error_since_it_may_be_the_end() {
    for key in [&[][..], &[0, 0, 0], &[0xff, 0xff, 0, 0]] {
        let marker = control(1, 2, key, None);
        let mut aborted = AbortedTransactions::new([(1, 0)]);
        let error = aborted.skips(&marker).expect_err("its type is not there");
        assert_eq!(error.base_offset, 2);
    }
}

#[test]
fn a_marker_tells_the_epoch_of_its_coordinator() {
    let parse = |batch: &Batch| {
        let control = batch.control_record().expect("it reads").expect("control");
        (control.control_type, EndTxnMarker::parse(&control))
    };
    let (kind, marker) = parse(&abort(1, 0));
    let expected = EndTxnMarker {
        version: 0,
        coordinator_epoch: 4,
    };
    assert_eq!((kind, marker), (ControlRecordType::Abort, Some(expected)));
    // A later version may add to both key and value.
    let later = control(1, 0, &[0, 1, 0, 1, 9], Some(&[0, 1, 0, 0, 0, 7, 9]));
    let (kind, marker) = parse(&later);
    assert_eq!(kind, ControlRecordType::Commit);
    assert_eq!(
        marker.map(|m| (m.version, m.coordinator_epoch)),
        Some((1, 7))
    );

    let no_end = control(1, 0, &[0, 0, 0, 2], Some(&[0, 0, 0, 0, 0, 4]));
    assert_eq!(parse(&no_end), (ControlRecordType::LeaderChange, None));
    let cut_short = control(1, 0, &[0, 0, 0, 0], Some(&[0, 0, 0, 0, 0]));
    assert_eq!(parse(&cut_short), (ControlRecordType::Abort, None));
    assert_eq!(data(1, 0, TRANSACTIONAL).control_record(), Ok(None));
}
