//! A walk over the records of a partition, whatever they are, and what must hold on the way.

use bytes::Bytes;
use ottla_protocol::records::{
    AbortedTransactions, Batch, Batches, Compression, ControlRecord, ControlRecordType,
    Decompressor, EndTxnMarker, RawBatch, RecordError, Records,
};

use crate::{bounded, measured};

/// The most that a batch may decompress to.
pub const LIMIT: usize = 256 * 1024;
/// What an error says, and what counts the owners of a buffer.
const WORDS: u64 = 1024;

/// Memory for unpacking so many bytes into so many: what they come to, while it grows, and what the
/// codec works with: tables, windows, and blocks as large as its format has them.
pub fn unpacking_takes(codec: Compression, packed: usize, unpacked: usize) -> u64 {
    let tables = match codec {
        Compression::None => return WORDS,
        Compression::Snappy => 0,
        Compression::Gzip => 128 << 10,
        Compression::Zstd => 1 << 20,
        Compression::Lz4 => 9 << 20,
    };
    WORDS + tables + 5 * packed as u64 + 3 * unpacked as u64
}

/// Memory for opening a batch that comes to so many bytes.
pub fn opening_takes(raw: &RawBatch, unpacked: usize) -> u64 {
    let codec = raw.header().compression().unwrap_or_default();
    unpacking_takes(codec, raw.bytes().len(), unpacked)
}

/// Walks the records of a fetched partition, opened with and without the checksum.
pub fn walk(records: Bytes) {
    let mut decompressor = Decompressor::new(LIMIT);
    let mut aborted = AbortedTransactions::new([(7, 0), (77, i64::MIN), (77, 500)]);
    let mut batches = Batches::new(records);
    while let Some(raw) = bounded(WORDS, || batches.next()) {
        let raw = match raw {
            Ok(raw) => raw,
            Err(error) => return drop(error.to_string()),
        };
        let _ = raw.header().last_offset();
        placed(&raw);
        let checked = raw.clone().open(&mut decompressor);
        assert!(checked.is_err() || raw.check_crc().is_ok());
        match opened(raw, &mut decompressor) {
            Ok(batch) => read(&batch, &mut aborted),
            Err(error) => {
                assert!(checked.is_err(), "the checksum is one more thing to fail");
                drop(error.to_string());
            }
        }
    }
}

/// Opens a batch without the checksum, within the bound.
fn opened(raw: RawBatch, decompressor: &mut Decompressor) -> Result<Batch, RecordError> {
    let takes = |unpacked| opening_takes(&raw, unpacked);
    let (at_best, at_worst) = (takes(0), takes(LIMIT));
    let (batch, peak) = measured(|| raw.clone().open_unchecked(decompressor));
    let most = batch.as_ref().map_or(at_worst, |batch| {
        at_best + 3 * batch.size().min(LIMIT) as u64
    });
    assert!(
        peak <= most,
        "{peak} bytes were taken, and {most} are allowed"
    );
    batch
}

/// A batch that a broker places in its log is the same batch, there.
fn placed(raw: &RawBatch) {
    let placed = raw.placed(70, 7, Some(777));
    let mut batches = Batches::new(placed.bytes().clone());
    let again = batches.next().expect("one batch").expect("it is whole");
    assert_eq!(again.header(), placed.header());
    assert_eq!(again.header().base_offset, 70);
    assert!(batches.next().is_none() && !batches.is_truncated());
}

fn read(batch: &Batch, aborted: &mut AbortedTransactions) {
    each_record(batch);
    messages(batch);
    let control = control(batch);
    let skipped = bounded(WORDS, || aborted.skips(batch));
    match batch.header().is_control() {
        true => assert_ne!(skipped, Ok(false), "control is for nobody"),
        false => assert_eq!(control, None, "data is no control"),
    }
}

fn each_record(batch: &Batch) {
    assert!(batch.size() <= LIMIT.max(batch.header().length as usize + 12));
    // A record costs nothing: they are all borrowed.
    let count = bounded(0, || batch.records().take_while(Result::is_ok).count());
    assert!(count <= batch.len());
    let (mut records, mut payload) = (batch.records(), 0);
    while let Some(Ok(record)) = records.next() {
        let owned = record.to_owned();
        assert_eq!(
            (owned.key.as_deref(), owned.value.as_deref()),
            (record.key, record.value)
        );
        assert_eq!(owned.headers.len(), record.headers.len());
        payload += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        payload += record.headers.map(|h| h.key.len()).sum::<usize>();
    }
    assert!(payload <= batch.size(), "records do not overlap");
    if count > 0 {
        let mut records = batch.records();
        records.nth(count / 2);
        let rest = Records::resume(batch, records.position()).take_while(Result::is_ok);
        assert_eq!(
            rest.count(),
            count - count / 2 - 1,
            "reading goes on where it stopped"
        );
    }
}

/// Of a legacy set everything is known when it is open.
fn messages(batch: &Batch) {
    let header = batch.header();
    if !header.is_legacy() {
        return;
    }
    let offsets: Vec<_> = batch.records().map(|r| r.expect("whole").offset).collect();
    assert_eq!(offsets.len(), batch.len());
    assert_eq!(offsets.first(), Some(&header.base_offset));
    assert!(offsets.is_sorted_by(|a, b| a < b));
    assert!(offsets.last() <= Some(&header.last_offset()));
}

/// What a control batch says; the end of a transaction only where it aborts or commits one.
fn control(batch: &Batch) -> Option<ControlRecord<'_>> {
    use ControlRecordType::{Abort, Commit};
    let control = bounded(WORDS, || batch.control_record()).ok()??;
    if let Some(marker) = bounded(0, || EndTxnMarker::parse(&control)) {
        assert!(matches!(control.control_type, Abort | Commit));
        assert!(marker.version >= 0 && control.value.is_some_and(|v| v.len() >= 6));
    }
    Some(control)
}
