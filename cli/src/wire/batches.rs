//! `wire batches`: walks record batches, damaged ones included.

use std::fmt;

use bytes::Bytes;
use ottla::protocol::records::{BatchHeader, Batches, RawBatch, RecordError};

use crate::failure::Failure;

use super::{
    args,
    batch::{Printer, Shown, print_header},
    hex::Count,
    report::Report,
};

/// Where length and magic stand in every record format.
const LENGTH_AT: usize = 8;
const MAGIC_AT: usize = 16;
/// What the length does not count.
const LOG_OVERHEAD: usize = 12;

/// Prints batches.
pub(crate) fn run(args: &args::Batches) -> Result<(), Failure> {
    let shown = match (args.records, args.full) {
        (false, _) => Shown::Header,
        (true, false) => Shown::Records,
        (true, true) => Shown::FullRecords,
    };
    let bytes = args.source().read(args.spelling())?;
    let mut report = Report::new();
    let done = walk(&bytes, Printer::new(shown), &mut report);
    report.finish(done)
}

fn walk(bytes: &Bytes, mut printer: Printer, report: &mut Report) -> Result<(), Failure> {
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.slice(at..);
        if is_preallocated(&rest) {
            let zeros = Count(rest.len(), "byte");
            return report.print(&format!("{zeros} of zeros at byte {at}, as preallocated\n"));
        }
        let damage = match Batches::new(rest.clone()).next() {
            Some(Ok(batch)) => print(at, batch, &mut printer, report)?,
            Some(Err(error)) => {
                print_front(at, &rest, report)?;
                Some(error)
            }
            None => {
                print_front(at, &rest, report)?;
                return report.fault(format_args!("at byte {at}: {}", CutShort(&rest)));
            }
        };
        let next = size(&rest).filter(|size| damage.is_none() || is_batch(&rest[*size..]));
        if let Some(what) = damage {
            let lost = next.map_or("; where the next one begins cannot be known", |_| "");
            report.fault(format_args!("at byte {at}: {what}{lost}"))?;
        }
        at = next.map_or(bytes.len(), |size| at + size);
    }
    Ok(())
}

fn print(
    at: usize,
    batch: RawBatch,
    printer: &mut Printer,
    report: &mut Report,
) -> Result<Option<RecordError>, Failure> {
    let size = Count(batch.bytes().len(), "byte");
    let printed = printer.print(batch);
    report.print(&format!("batch at byte {at}, {size}\n{}", printed.text))?;
    Ok(printed.damage)
}

/// Prints the header of a batch that cannot be cut out, if it is there and of this format.
fn print_front(at: usize, rest: &[u8], report: &mut Report) -> Result<(), Failure> {
    let header = BatchHeader::decode(rest).filter(|header| header.magic == 2);
    let Some(header) = header else { return Ok(()) };
    report.print(&format!("batch at byte {at}\n{}", print_header(&header)))
}

/// Brokers may reserve the room of a segment before they fill it (`log.preallocate`).
fn is_preallocated(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == 0)
}

/// The size of the batch in front as its length says, if there is so much.
fn size(rest: &[u8]) -> Option<usize> {
    let length = length(rest).and_then(|n| usize::try_from(n).ok())?;
    let size = length.checked_add(LOG_OVERHEAD)?;
    (size <= rest.len()).then_some(size)
}

fn length(rest: &[u8]) -> Option<i32> {
    let length = rest.get(LENGTH_AT..)?.first_chunk();
    length.copied().map(i32::from_be_bytes)
}

/// Whether a batch may begin here, or nothing does: then the length of the one before is true.
fn is_batch(rest: &[u8]) -> bool {
    let known = |magic: &u8| (0..=2).contains(magic);
    let positive = length(rest).is_none_or(|n| n > 0);
    is_preallocated(rest) || positive && rest.get(MAGIC_AT).is_none_or(known)
}

/// A batch that goes on behind the end of the input.
struct CutShort<'a>(&'a [u8]);

impl fmt::Display for CutShort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = Count(self.0.len(), "byte");
        let size = length(self.0).map(|n| i64::from(n) + LOG_OVERHEAD as i64);
        match size {
            Some(size) => write!(f, "the input ends after {here} of a batch of {size}"),
            None => write!(f, "the input ends after {here} of a batch"),
        }
    }
}
