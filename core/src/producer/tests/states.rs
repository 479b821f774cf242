//! Every state of a partition and what each event makes of it, as a table that is looked at when it
//! changes: `states.txt` beside this file. The test prints the table it found.

use std::fmt::Write;

use super::*;

/// A partition in a state, and the requests that are out.
type Made = (Script, Vec<Request>);

const STATES: [(State, fn() -> Made); 8] = [
    (State::Idle, || {
        let mut s = Script::with_id();
        in_flight(&mut s, 0);
        (s, Vec::new())
    }),
    (State::Ready, || {
        let mut s = Script::with_id();
        in_flight(&mut s, 0);
        s.batch(P, 'a', 10);
        (s, Vec::new())
    }),
    (State::Proving, || {
        let mut s = Script::with_id();
        s.batch(P, 'a', 10);
        let request = s.sent();
        (s, vec![request])
    }),
    (State::Pipelining, pipelining),
    (State::GoingBack, || {
        let (mut s, mut out) = pipelining();
        s.answer(&out[0], ErrorCode::NOT_LEADER_OR_FOLLOWER, -1);
        (s, out.split_off(1))
    }),
    (State::BackingOff, || {
        let (mut s, out) = pipelining();
        out.iter()
            .for_each(|r| s.answer(r, ErrorCode::NOT_LEADER_OR_FOLLOWER, -1));
        (s, Vec::new())
    }),
    (State::Unresolved, || {
        let (mut s, out) = pipelining();
        s.now += 121 * SECOND;
        s.machine.handle_timeout(s.now);
        s.finished();
        (s, out)
    }),
    (State::Splitting, || {
        let (mut s, mut out) = pipelining();
        s.answer(&out[0], ErrorCode::MESSAGE_TOO_LARGE, -1);
        s.machine.poll_split().expect("it is to be split");
        (s, out.split_off(1))
    }),
];

fn pipelining() -> Made {
    let mut s = Script::with_id();
    let out = in_flight(&mut s, 2);
    (s, out)
}

type Happens = fn(&mut Script, &[Request]);

/// What can happen to a partition. Answers are to the oldest request that is out.
const EVENTS: [(&str, Happens); 13] = [
    ("a batch comes", |s, _| s.batch(P, 'n', 10)),
    ("it may send", |s, _| {
        let request = s.send();
        if let Some(request) = request {
            s.log(format!("sends {:?}", stamps(&request)));
        }
    }),
    ("acknowledged", |s, out| {
        s.answer(&out[0], ErrorCode::NONE, 10)
    }),
    ("not the leader", |s, out| {
        s.answer(&out[0], ErrorCode::NOT_LEADER_OR_FOLLOWER, -1)
    }),
    ("out of order", |s, out| {
        s.answer(&out[0], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    }),
    ("too large", |s, out| {
        s.answer(&out[0], ErrorCode::MESSAGE_TOO_LARGE, -1)
    }),
    ("refused", |s, out| {
        s.answer(&out[0], ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1)
    }),
    ("lost, unwritten", |s, out| {
        s.machine.handle_lost(s.now, out[0].id, false)
    }),
    ("lost", |s, out| {
        s.machine.handle_lost(s.now, out[0].id, true)
    }),
    ("the wait is over", |s, _| {
        s.now += 2 * SECOND;
        s.machine.handle_timeout(s.now);
    }),
    ("out of time", |s, _| {
        s.now += 121 * SECOND;
        s.machine.handle_timeout(s.now);
    }),
    ("topic made anew", |s, _| {
        s.machine.handle_topic_recreated("t")
    }),
    ("aborted", |s, _| s.machine.abort()),
];

/// The events that need something to be out.
const ANSWERS: std::ops::RangeInclusive<usize> = 2..=8;

fn table() -> String {
    let mut table = String::new();
    for (state, make) in STATES {
        for (at, (event, happens)) in EVENTS.into_iter().enumerate() {
            let (mut s, out) = make();
            assert_eq!(s.machine.state(P), Some(state));
            if ANSWERS.contains(&at) && out.is_empty() {
                continue;
            }
            happens(&mut s, &out);
            let after = s.machine.state(P).expect("it is there");
            let mut effects = std::mem::take(&mut s.log);
            effects.extend(s.machine.poll_split().map(|(_, p)| format!("splits {p}")));
            effects.extend(
                s.finished()
                    .into_iter()
                    .map(|(p, end)| format!("{p} {}", short(end))),
            );
            if s.machine.identity.current() != Some((77, 0)) {
                effects.push("new epoch".into());
            }
            let (from, to) = (format!("{state:?}"), format!("{after:?}"));
            writeln!(
                table,
                "{from:<10} | {event:<16} | {to:<10} | {}",
                effects.join(", ")
            )
            .expect("memory takes it");
        }
    }
    table
}

fn short(outcome: Outcome) -> String {
    let unsure = |possibly| if possibly { ", may be written" } else { "" };
    match outcome {
        Outcome::Delivered { base_offset, .. } => format!("delivered at {base_offset}"),
        Outcome::Refused {
            possibly_written, ..
        } => format!("refused{}", unsure(possibly_written)),
        Outcome::Expired {
            possibly_written, ..
        } => format!("expired{}", unsure(possibly_written)),
        Outcome::Aborted { possibly_written } => format!("aborted{}", unsure(possibly_written)),
    }
}

#[test]
fn the_table_of_states_and_events_is_as_it_was_read_last() {
    let table = table();
    println!("{table}");
    let read: Vec<_> = include_str!("states.txt")
        .lines()
        .skip(2)
        .map(str::trim_end)
        .collect();
    let found: Vec<_> = table.lines().map(str::trim_end).collect();
    assert_eq!(found, read);
}
