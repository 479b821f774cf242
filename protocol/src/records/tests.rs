//! Batches written and read back, written by hand, cut, bent and damaged.

mod legacy;
mod transactions;

use bytes::Bytes;

use super::*;

fn record<'a>(timestamp: i64, key: &'a str, value: &'a str) -> NewRecord<'a> {
    NewRecord {
        timestamp,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &[],
    }
}

fn sealed(records: &[NewRecord<'_>], compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new(), 4 << 20);
    for record in records {
        assert!(builder.append(record));
    }
    let mut compressor = Compressor::new(compression, None);
    let (mut batch, _) = builder
        .seal_compressed(&mut compressor, Vec::new())
        .expect("it packs");
    batch.stamp(ProducerStamp {
        id: 77,
        epoch: 3,
        sequence: 9,
        transactional: false,
    });
    Bytes::copy_from_slice(batch.as_ref())
}

fn read(bytes: Bytes) -> Result<Vec<OwnedRecord>, RecordError> {
    let mut decompressor = Decompressor::default();
    let mut all = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch?.open(&mut decompressor)?;
        for record in &batch {
            all.push(record?.to_owned());
        }
    }
    Ok(all)
}

/// One record with key "k", value "v" and a header, as Kafka's own log dump reads it as valid.
const BY_HAND: &[u8] = &[
    0, 0, 0, 0, 0, 0, 0, 0, // base offset
    0, 0, 0, 61, // length
    0xff, 0xff, 0xff, 0xff, // partition leader epoch
    2,    // magic
    0, 0, 0, 0, // crc, filled in by the test
    0, 0, // attributes
    0, 0, 0, 0, // last offset delta
    0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, // base timestamp 1700000000000
    0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, // max timestamp
    0, 0, 0, 0, 0, 0, 0, 77, // producer id
    0, 3, // producer epoch
    0, 0, 0, 9, // base sequence
    0, 0, 0, 1,  // count
    22, // record length 11
    0, 0, 0, // attributes, timestamp delta, offset delta
    2, b'k', 2, b'v', // key and value
    2, 2, b'h', 1, // one header, "h" with a null value
];

#[test]
fn a_batch_byte_by_byte() {
    let headers = [Header {
        key: b"h",
        value: None,
    }];
    let record = NewRecord {
        headers: &headers,
        ..record(1_700_000_000_000, "k", "v")
    };
    let mut expected = BY_HAND.to_vec();
    let crc = crc32c::crc32c(&expected[21..]);
    expected[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(sealed(&[record], Compression::None), expected);
}

#[test]
fn records_come_back_through_every_compression() {
    let value = "the same words again and again ".repeat(40);
    let headers = [
        Header {
            key: b"a",
            value: Some(b"1"),
        },
        Header {
            key: b"a",
            value: None,
        },
        Header {
            key: b"\xff",
            value: Some(b""),
        },
    ];
    for compression in Compression::ALL {
        let records: Vec<_> = (0..3000)
            .map(|i| NewRecord {
                key: (i % 3 != 0).then_some(b"key".as_slice()),
                value: (i % 5 != 0).then_some(&value.as_bytes()[..i % 900]),
                headers: if i % 7 == 0 { &headers } else { &[] },
                timestamp: 1_000 - 300 * (i as i64 % 4),
            })
            .collect();
        let back = read(sealed(&records, compression)).expect("it reads");
        assert_eq!(back.len(), records.len(), "{compression}");
        for (i, (got, sent)) in back.iter().zip(&records).enumerate() {
            assert_eq!(got.offset, i as i64);
            assert_eq!(got.timestamp, sent.timestamp);
            assert_eq!(got.key.as_deref(), sent.key);
            assert_eq!(got.value.as_deref(), sent.value);
            let got: Vec<_> = got
                .headers
                .iter()
                .map(|h| Header {
                    key: &h.key,
                    value: h.value.as_deref(),
                })
                .collect();
            assert_eq!(got, sent.headers, "{compression}");
        }
    }
}

#[test]
fn a_batch_that_compression_would_grow_stays_as_it_is() {
    let batch = sealed(&[record(0, "k", "v")], Compression::Gzip);
    let header = BatchHeader::decode(&batch).expect("it is whole");
    assert_eq!(header.compression(), Ok(Compression::None));
    assert_eq!(read(batch).expect("it reads").len(), 1);
}

#[test]
fn a_full_batch_takes_no_more_but_the_first_record_always_fits() {
    let mut builder = BatchBuilder::new(Vec::new(), 200);
    let long = "x".repeat(10_000);
    assert!(builder.append(&record(0, "k", &long)));
    assert!(!builder.append(&record(0, "k", "v")));
    assert_eq!(builder.count(), 1);
    let mut builder = BatchBuilder::new(Vec::new(), 6000);
    while builder.append(&record(5, "key", "value")) {}
    assert!(
        builder.size() <= 6000 && builder.size() > 5900,
        "{}",
        builder.size()
    );
}

#[test]
fn the_size_after_a_record_is_known_to_the_byte() {
    let headers = [Header {
        key: b"name",
        value: Some(&[7; 200]),
    }];
    let long = "x".repeat(300);
    let mut builder = BatchBuilder::new(Vec::new(), 20_000);
    let mut refused = 0;
    for i in 0..400 {
        let record = NewRecord {
            headers: if i % 5 == 0 { &headers } else { &[] },
            ..record(1_000_000 - i * i * 7919, "key", &long[..i as usize % 130])
        };
        let (fits, size) = (builder.would_fit(&record), builder.size_after(&record));
        assert_eq!(fits, size <= 20_000, "record {i}");
        if builder.is_empty() {
            assert_eq!(size, record.batch_size());
        }
        let before = builder.size();
        assert_eq!(builder.append(&record), fits, "record {i}");
        let expected = if fits { size } else { before };
        assert_eq!(builder.size(), expected, "record {i}");
        refused += usize::from(!fits);
    }
    assert!(refused > 0, "the limit was never reached");
    let size = builder.size();
    assert_eq!(builder.seal().size(), size);
}

#[test]
fn a_record_that_no_batch_can_hold_is_refused_even_as_the_first() {
    let part = vec![0; 64 << 20];
    let headers = [Header {
        key: b"part",
        value: Some(&part),
    }; 33];
    let huge = NewRecord {
        headers: &headers,
        ..record(0, "k", "v")
    };
    assert!(huge.batch_size() > MAX_BATCH);
    let mut builder = BatchBuilder::new(Vec::new(), usize::MAX);
    assert!(!builder.would_fit(&huge) && !builder.append(&huge));
    assert!(builder.is_empty() && builder.append(&record(0, "k", "v")));
    assert_eq!(builder.limit(), MAX_BATCH);
    builder.raise_limit(usize::MAX);
    assert_eq!(builder.limit(), MAX_BATCH);
}

#[test]
fn levels_that_a_codec_does_not_have_are_refused_by_name() {
    let good = [
        (Compression::Gzip, -1),
        (Compression::Gzip, 9),
        (Compression::Zstd, -131_072),
    ];
    for (codec, level) in good {
        assert_eq!(codec.check_level(level), Ok(()), "{codec} {level}");
    }
    let says = |codec: Compression, level| codec.check_level(level).expect_err("none").to_string();
    let gzip = "gzip has no level 10; there are 1 to 9";
    assert_eq!(says(Compression::Gzip, 10), gzip);
    assert!(says(Compression::Gzip, 0).ends_with("there are 1 to 9"));
    let zstd = "zstd has no level 23; there are -131072 to 22";
    assert_eq!(says(Compression::Zstd, 23), zstd);
    let lz4 = "lz4 has no level 9; it has no levels here";
    assert_eq!(says(Compression::Lz4, 9), lz4);
}

#[test]
fn a_level_makes_a_difference_and_minus_one_is_gzips_default() {
    let text: String = (0..4000)
        .map(|i| format!("{} words, ", i * i % 977))
        .collect();
    let packed = |codec, level| {
        let mut out = Vec::new();
        let mut compressor = Compressor::new(codec, level);
        compressor
            .compress(text.as_bytes(), &mut out)
            .expect("it packs");
        out
    };
    for (codec, fast, thorough) in [(Compression::Gzip, 1, 9), (Compression::Zstd, -50, 19)] {
        let (fast, thorough) = (packed(codec, Some(fast)), packed(codec, Some(thorough)));
        assert!(thorough.len() < fast.len(), "{codec}");
    }
    assert_eq!(
        packed(Compression::Gzip, Some(-1)),
        packed(Compression::Gzip, None)
    );
}

#[test]
fn a_used_buffer_leaves_nothing_behind() {
    let first = sealed(&[record(0, "k", &"z".repeat(3000))], Compression::None);
    let mut builder = BatchBuilder::new(first.to_vec(), 1 << 20);
    assert!(builder.append(&record(0, "k", "v")));
    let mut batch = builder.seal();
    batch.stamp(ProducerStamp {
        id: 77,
        epoch: 3,
        sequence: 9,
        transactional: false,
    });
    assert_eq!(
        batch.as_ref(),
        sealed(&[record(0, "k", "v")], Compression::None)
    );
}

#[test]
fn a_used_buffer_larger_than_the_limit_does_not_raise_it() {
    let mut builder = BatchBuilder::new(vec![7; 64 << 10], 1000);
    while builder.append(&record(0, "key", "value")) {}
    assert!((980..=1000).contains(&builder.size()), "{}", builder.size());
    builder.raise_limit(2000);
    while builder.append(&record(0, "key", "value")) {}
    assert!(
        (1980..=2000).contains(&builder.size()),
        "{}",
        builder.size()
    );
}

#[test]
fn a_stamp_can_be_renewed() {
    let mut builder = BatchBuilder::new(Vec::new(), 1 << 20);
    assert!(builder.append(&record(0, "k", "v")));
    let mut batch = builder.seal();
    batch.stamp(ProducerStamp {
        id: 1,
        epoch: 0,
        sequence: 0,
        transactional: true,
    });
    batch.stamp(ProducerStamp {
        id: 77,
        epoch: 3,
        sequence: 9,
        transactional: false,
    });
    assert_eq!(
        batch.as_ref(),
        sealed(&[record(0, "k", "v")], Compression::None)
    );
}

#[test]
fn a_tail_cut_short_is_a_state_and_no_error() {
    let batch = sealed(&[record(0, "k", "v")], Compression::None);
    let frame = [&batch[..], &batch[..]].concat();
    for n in batch.len()..frame.len() {
        let mut batches = Batches::new(Bytes::copy_from_slice(&frame[..n]));
        assert!(batches.next().expect("the first is whole").is_ok());
        assert!(batches.next().is_none());
        assert_eq!(batches.is_truncated(), n > batch.len());
    }
}

#[test]
fn every_bent_byte_is_noticed_or_outside_the_checksum() {
    let batch = sealed(&[record(0, "key", "value")], Compression::None);
    for i in 0..batch.len() {
        let mut bent = batch.to_vec();
        bent[i] ^= 0x10;
        // Base offset and leader epoch are the broker's to change; a length may say "cut short".
        let outside = i < 16;
        assert!(outside || read(bent.into()).is_err(), "byte {i}");
    }
}

/// A batch whose header is bent after the fact, its checksum made right again.
fn bent(batch: &[u8], at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

#[test]
fn counts_and_lengths_that_cannot_be_are_refused() {
    let batch = sealed(&[record(0, "key", "value")], Compression::None);
    let kind = |bytes| read(bytes).expect_err("it is bent").kind;
    assert_eq!(
        kind(bent(&batch, 57, &i32::MAX.to_be_bytes())),
        RecordErrorKind::BadCount(i32::MAX)
    );
    assert_eq!(
        kind(bent(&batch, 57, &(-1i32).to_be_bytes())),
        RecordErrorKind::BadCount(-1)
    );
    assert_eq!(
        kind(bent(&batch, 8, &5i32.to_be_bytes())),
        RecordErrorKind::BadLength(5)
    );
    assert_eq!(
        kind(bent(&batch, 8, &(-9i32).to_be_bytes())),
        RecordErrorKind::BadLength(-9)
    );
    assert_eq!(kind(bent(&batch, 16, &[7])), RecordErrorKind::BadMagic(7));
    assert_eq!(
        kind(bent(&batch, 22, &[5])),
        RecordErrorKind::UnknownCompression(5)
    );
    let record_length = RecordErrorKind::BadRecord("a length beyond its batch");
    assert_eq!(kind(bent(&batch, 61, &[126])), record_length);
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = "0".repeat(900_000);
    for compression in &Compression::ALL[1..] {
        let batch = sealed(&[record(0, "k", &zeros)], *compression);
        assert!(
            batch.len() < 100_000,
            "{compression} packs {} bytes",
            batch.len()
        );
        let raw = Batches::new(batch.clone())
            .next()
            .expect("one")
            .expect("it is whole");
        let error = raw
            .clone()
            .open(&mut Decompressor::new(1000))
            .expect_err("it is too large");
        assert_eq!(
            error.kind,
            RecordErrorKind::TooLarge { limit: 1000 },
            "{compression}"
        );
        let exact = Decompressor::default().decompress(*compression, &raw.bytes().slice(61..));
        let limit = exact.expect("it unpacks").len();
        assert!(
            raw.clone().open(&mut Decompressor::new(limit)).is_ok(),
            "{compression}"
        );
        assert!(
            raw.open(&mut Decompressor::new(limit - 1)).is_err(),
            "{compression}"
        );
    }
}

#[test]
fn damaged_compressed_records_are_an_error_and_never_a_panic() {
    let value = "some words, some words, some other words".repeat(20);
    for compression in &Compression::ALL[1..] {
        let packed = sealed(&[record(0, "k", &value)], *compression).slice(61..);
        for i in 0..packed.len() {
            let _ = Decompressor::new(1 << 20).decompress(*compression, &packed.slice(..i));
            let mut bent = packed.to_vec();
            bent[i] ^= 0xff;
            let _ = Decompressor::new(1 << 20).decompress(*compression, &bent.into());
        }
        let cut = packed.slice(..packed.len() / 2);
        assert!(
            Decompressor::default()
                .decompress(*compression, &cut)
                .is_err(),
            "{compression}"
        );
    }
}

#[test]
fn snappy_without_framing_and_with_framing_twice_is_read() {
    let raw = snap::raw::Encoder::new()
        .compress_vec(b"raw words")
        .expect("it packs");
    let mut d = Decompressor::default();
    assert_eq!(
        d.decompress(Compression::Snappy, &raw.into()).expect("raw"),
        "raw words"
    );
    let mut framed = Vec::new();
    let mut c = Compressor::new(Compression::Snappy, None);
    c.compress(b"one ", &mut framed).expect("it packs");
    c.compress(b"two", &mut framed).expect("it packs");
    assert_eq!(
        d.decompress(Compression::Snappy, &framed.into())
            .expect("framed"),
        "one two"
    );
}

#[test]
fn streams_in_a_row_are_read_as_one() {
    for compression in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let mut packed = Vec::new();
        let mut c = Compressor::new(compression, None);
        c.compress(b"one ", &mut packed).expect("it packs");
        c.compress(b"two", &mut packed).expect("it packs");
        let both = Decompressor::default().decompress(compression, &packed.into());
        assert_eq!(both.expect("both"), "one two", "{compression}");
    }
}

#[test]
fn log_append_time_is_the_time_of_every_record() {
    let batch = sealed(
        &[record(10, "k", "v"), record(20, "k", "v")],
        Compression::None,
    );
    let batch = bent(&batch, 21, &[0, 8]);
    let times: Vec<_> = read(batch)
        .expect("it reads")
        .iter()
        .map(|r| r.timestamp)
        .collect();
    assert_eq!(times, [20, 20]);
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let all: Vec<_> = (0..10).map(|i| record(i, "k", "v")).collect();
    let batch = sealed(&all, Compression::None);
    let raw = Batches::new(batch)
        .next()
        .expect("one")
        .expect("it is whole");
    let batch = raw.open(&mut Decompressor::default()).expect("it opens");
    let mut records = batch.records();
    for _ in 0..4 {
        records.next();
    }
    let at = records.position();
    let rest: Vec<_> = Records::resume(&batch, at)
        .map(|r| r.expect("whole").offset)
        .collect();
    assert_eq!(rest, [4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_broker_places_a_batch_without_touching_its_checksum() {
    let bytes = sealed(
        &[record(5, "a", "1"), record(9, "b", "2")],
        Compression::Lz4,
    );
    let batch = Batches::new(bytes).next().expect("one").expect("whole");
    let placed = batch.placed(1000, 7, None);
    assert_eq!(placed.header().last_offset(), 1001);
    assert_eq!(placed.header().partition_leader_epoch, 7);
    assert_eq!(placed.header().crc, batch.header().crc);
    let records = read(placed.bytes().clone()).expect("it is whole");
    assert_eq!((records[1].offset, records[1].timestamp), (1001, 9));

    let stamped = batch.placed(1000, 7, Some(42));
    let records = read(stamped.bytes().clone()).expect("its checksum was made again");
    assert_eq!((records[0].timestamp, records[1].timestamp), (42, 42));
}
