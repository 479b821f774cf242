//! What must hold in the end, whatever went wrong.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::{
    plan::Family,
    world::{Fate, History, Sent},
};

/// Everything that does not hold.
pub(crate) fn broken(family: Family, history: &History) -> Vec<String> {
    let mut broken = history.wrong.clone();
    let places = places(history);
    for sent in &history.sent {
        let at = places.get(&sent.value).map_or(&[][..], |p| p);
        broken.extend(broken_by(family, sent, at));
    }
    if family != Family::AtLeastOnce {
        broken.extend(disorder(history, &places));
    }
    broken.extend(unknown(history));
    broken.extend(unexplained(history));
    broken.extend(misread(history));
    broken.extend(strayed(history));
    broken
}

/// Where in which log each value stands.
type Places<'a> = HashMap<&'a Bytes, Vec<(i32, i64)>>;

fn places(history: &History) -> Places<'_> {
    let mut places = Places::new();
    for (partition, log) in history.logs.iter().enumerate() {
        for stored in log {
            let place = (partition as i32, stored.offset);
            places.entry(&stored.value).or_default().push(place);
        }
    }
    places
}

fn broken_by(family: Family, sent: &Sent, at: &[(i32, i64)]) -> Option<String> {
    let told = |offset: i64| at.contains(&(sent.partition, offset));
    let holds = match (&sent.fate, family) {
        (Fate::Hung, _) => false,
        (Fate::NotTaken, _) => at.is_empty(),
        (Fate::Written(-1), Family::Idempotent | Family::Answered) => at.len() == 1,
        (Fate::Written(offset), Family::Idempotent | Family::Answered) => {
            at.len() == 1 && told(*offset)
        }
        (Fate::Written(-1), _) => !at.is_empty(),
        (Fate::Written(offset), _) => told(*offset),
        (
            Fate::Failed {
                possibly_written: true,
                ..
            },
            Family::Idempotent | Family::Answered,
        ) => at.len() <= 1,
        // What was refused for being out of order was not written, had it been true.
        (Fate::Failed { .. }, Family::Forgetful) => true,
        (
            Fate::Failed {
                possibly_written, ..
            },
            _,
        ) => *possibly_written || at.is_empty(),
    };
    let strays = at.iter().any(|(partition, _)| *partition != sent.partition);
    (!holds || strays).then(|| {
        let value = name(&sent.value);
        format!(
            "{value} for {}: {:?}, but it stands at {at:?}",
            sent.partition, sent.fate
        )
    })
}

/// What one producer sent to one partition and was acknowledged stands in the order of sending.
fn disorder(history: &History, places: &Places<'_>) -> Vec<String> {
    let mut last: BTreeMap<(usize, i32), (i64, &Sent)> = BTreeMap::new();
    let mut disorder = Vec::new();
    for sent in &history.sent {
        let (Fate::Written(_), Some(places)) = (&sent.fate, places.get(&sent.value)) else {
            continue;
        };
        let Some(first) = places.iter().map(|(_, offset)| *offset).min() else {
            continue;
        };
        let key = (sent.producer, sent.partition);
        if let Some((before, other)) = last.insert(key, (first, sent))
            && before >= first
        {
            let (other, value) = (name(&other.value), name(&sent.value));
            disorder.push(format!(
                "{}: {other} at {before} was sent before {value} at {first}",
                sent.partition
            ));
        }
    }
    disorder
}

/// No storm lasts as long as a topic may be unknown, so no record is given up for that.
fn unknown(history: &History) -> Vec<String> {
    let given_up = history.sent.iter().filter(|sent| match &sent.fate {
        Fate::Failed {
            timed_out, error, ..
        } => !timed_out && error.contains("UNKNOWN_TOPIC"),
        _ => false,
    });
    given_up
        .map(|sent| format!("given up, {}: {:?}", name(&sent.value), sent.fate))
        .collect()
}

/// Records in the logs that no producer sent.
fn unexplained(history: &History) -> Vec<String> {
    let sent: HashMap<_, _> = history.sent.iter().map(|s| (&s.value, ())).collect();
    let stored = history.logs.iter().flatten();
    let unknown = stored.filter(|s| !sent.contains_key(&s.value));
    unknown
        .map(|s| format!("no producer sent {}", name(&s.value)))
        .collect()
}

/// The consumer sees every log as it is: each offset once, in order.
fn misread(history: &History) -> Vec<String> {
    let mut misread = Vec::new();
    for (partition, log) in history.logs.iter().enumerate() {
        let read = history.read.iter().filter(|r| r.0 == partition as i32);
        let read: Vec<_> = read.map(|(_, offset, value)| (*offset, value)).collect();
        let stored: Vec<_> = log.iter().map(|s| (s.offset, &s.value)).collect();
        if read != stored {
            let at = read.iter().zip(&stored).position(|(r, s)| r != s);
            let at = at.unwrap_or_else(|| read.len().min(stored.len()));
            let place = |p: &(i64, &Bytes)| format!("{} at {}", name(p.1), p.0);
            let (got, there) = (read.get(at).map(place), stored.get(at).map(place));
            misread.push(format!(
                "{partition}: {} read of {}; where {there:?} stands, {got:?} was read",
                read.len(),
                stored.len()
            ));
        }
        if !log.iter().map(|s| s.offset).eq(0..log.len() as i64) {
            misread.push(format!("{partition}: the log has holes"));
        }
    }
    misread
}

/// At each offset the wandering consumer reads the record that stands there.
fn strayed(history: &History) -> Vec<String> {
    let stands = |partition: i32, offset: i64| {
        let log = history.logs.get(partition as usize)?;
        log.get(offset as usize).map(|stored| &stored.value)
    };
    let wandered = history.wandered.iter();
    let strayed =
        wandered.filter(|(partition, offset, value)| stands(*partition, *offset) != Some(value));
    strayed
        .map(|(partition, offset, value)| {
            format!("{partition}: the wanderer read {} at {offset}", name(value))
        })
        .collect()
}

/// A value without its padding.
pub(crate) fn name(value: &Bytes) -> String {
    String::from_utf8_lossy(value)
        .trim_end_matches('x')
        .to_owned()
}
