//! Any bytes as the records of a fetched partition, opened with and without the checksum.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::bounded;
use ottla_protocol::records::{AbortedTransactions, Batch, Batches, Decompressor, Records};

const LIMIT: usize = 2 << 20;
/// What the tables and windows of the codecs take beside what they make.
const CODECS: u64 = 12 << 20;

fuzz_target!(|input: &[u8]| {
    let records = Bytes::copy_from_slice(input);
    bounded(CODECS + 4 * LIMIT as u64, || walk(records));
});

fn walk(records: Bytes) {
    let mut decompressor = Decompressor::new(LIMIT);
    let mut batches = Batches::new(records);
    let mut aborted = AbortedTransactions::new([(7, 0), (77, i64::MIN), (77, 500)]);
    for raw in &mut batches {
        let raw = match raw {
            Ok(raw) => raw,
            Err(error) => return drop(error.to_string()),
        };
        let _ = raw.header().last_offset();
        let opened = raw.clone().open(&mut decompressor);
        assert!(opened.is_err() || raw.check_crc().is_ok());
        match raw.open_unchecked(&mut decompressor) {
            Ok(batch) => {
                read(&batch);
                messages(&batch);
                let control = batch.header().is_control();
                let skipped = aborted.skips(&batch);
                assert!(!control || skipped != Ok(false), "control is for nobody");
            }
            Err(error) => drop(error.to_string()),
        }
    }
}

fn read(batch: &Batch) {
    assert!(batch.size() <= LIMIT.max(batch.header().length as usize));
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
