//! Bending a valid message at its joints: what random bytes would seldom hit upon.

use std::ops::Range;

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use crate::{
    Choice,
    parts::{Parts, Spelling},
};

/// A message grows no larger than this by edits.
const MOST: usize = 64 * 1024;

/// One change to a message. Numbers that choose a part wrap around.
#[derive(Debug, Clone, Arbitrary)]
pub enum Edit {
    /// Says another length than comes.
    Claim { length: u16, claim: i32 },
    /// The same, a little beside the truth.
    Miscount { length: u16, by: i8 },
    /// Says null where something is, which not every field may be.
    Null { length: u16 },
    /// Repeats the first item of an array and counts it, so that the message stays a valid one,
    /// except within a tagged field.
    Repeat { array: u16, times: u16 },
    /// Leaves a value out.
    Remove { value: u16 },
    /// Puts a value where another is.
    Replace { value: u16, by: u16 },
    /// Puts bytes in front of a value.
    Insert { value: u16, bytes: Vec<u8> },
    /// Ends the message in front of a value.
    Cut { value: u16 },
    /// Flips bits of a byte.
    Flip { at: u16, bits: u8 },
}

/// A message that this crate wrote, with edits made to it. Where two meet, the one further in front
/// is made.
pub fn edited(choice: &Choice, message: &[u8], edits: &[Edit]) -> Bytes {
    let parts = Parts::of(choice, message);
    let mut splices: Vec<Splice> = edits
        .iter()
        .flat_map(|edit| edit.splices(&parts, message))
        .collect();
    splices.sort_by_key(|splice| splice.at.start);
    let (mut edited, mut done) = (Vec::with_capacity(message.len()), 0);
    for splice in splices {
        if splice.at.start < done || edited.len() + splice.bytes.len() > MOST {
            continue;
        }
        edited.extend_from_slice(&message[done..splice.at.start]);
        edited.extend_from_slice(&splice.bytes);
        done = splice.at.end;
    }
    edited.extend_from_slice(&message[done..]);
    edited.into()
}

/// Bytes that come in the place of others.
struct Splice {
    at: Range<usize>,
    bytes: Vec<u8>,
}

impl Edit {
    fn splices(&self, parts: &Parts, message: &[u8]) -> Vec<Splice> {
        let value = |n: u16| nth(&parts.values, n).cloned().unwrap_or(0..0);
        match self {
            Self::Claim { length, claim } => {
                let length = nth(&parts.lengths, *length).into_iter();
                let claimed = length.map(|(at, spelling)| splice(at, spelling.spell(*claim)));
                claimed.collect()
            }
            Self::Miscount { length, by } => {
                let length = nth(&parts.lengths, *length).into_iter();
                let beside = length.map(|(at, _)| splice(at, beside(&message[at.clone()], *by)));
                beside.collect()
            }
            Self::Null { length } => {
                let length = nth(&parts.lengths, *length).into_iter();
                let null =
                    length.map(|(at, spelling)| splice(&parts.value(at), spelling.spell(-1)));
                null.collect()
            }
            Self::Repeat { array, times } => repeat(parts, message, *array, *times),
            Self::Remove { value: n } => vec![splice(&value(*n), Vec::new())],
            Self::Replace { value: n, by } => {
                vec![splice(&value(*n), message[value(*by)].to_vec())]
            }
            Self::Insert { value: n, bytes } => {
                let start = value(*n).start;
                vec![splice(&(start..start), bytes.clone())]
            }
            Self::Cut { value: n } => {
                vec![splice(&(value(*n).start..message.len()), Vec::new())]
            }
            Self::Flip { at, bits } => {
                let at = usize::from(*at) % message.len().max(1);
                let byte = message.get(at).into_iter();
                let flipped = byte.map(|byte| splice(&(at..at + 1), vec![byte ^ bits]));
                flipped.collect()
            }
        }
    }
}

fn splice(at: &Range<usize>, bytes: Vec<u8>) -> Splice {
    let at = at.clone();
    Splice { at, bytes }
}

fn nth<T>(all: &[T], n: u16) -> Option<&T> {
    all.get(usize::from(n) % all.len().max(1))
}

/// The last byte of a length, a little off; what is above it stays.
fn beside(length: &[u8], by: i8) -> Vec<u8> {
    let mut length = length.to_vec();
    if let Some(last) = length.last_mut() {
        *last = last.wrapping_add_signed(by);
    }
    length
}

fn repeat(parts: &Parts, message: &[u8], array: u16, times: u16) -> Vec<Splice> {
    let Some(array) = nth(&parts.arrays, array) else {
        return Vec::new();
    };
    let item = &message[array.first.clone()];
    let times = usize::from(times).min(MOST / item.len().max(1));
    let (at, spelling) = &parts.lengths[array.length];
    let start = array.first.start;
    let count = splice(at, spelling.spell((array.count + times) as i32));
    let items = splice(&(start..start), item.repeat(times));
    vec![count, items]
}

impl Spelling {
    fn spell(self, length: i32) -> Vec<u8> {
        match self {
            Self::Int16 => (length as i16).to_be_bytes().to_vec(),
            Self::Int32 => length.to_be_bytes().to_vec(),
            Self::Compact => uvarint(length.wrapping_add(1) as u32),
            Self::Tag => uvarint(length as u32),
        }
    }
}

fn uvarint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
