//! Message sets of format versions 0 and 1, written by hand: as they were, and as they should not be.

use super::*;

/// What a message is made of; the fields start as those of a plain one.
#[derive(Clone)]
struct Message {
    magic: u8,
    offset: i64,
    attributes: u8,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn message(magic: u8, offset: i64, value: &str) -> Message {
    Message {
        magic,
        offset,
        attributes: 0,
        timestamp: offset.wrapping_add(1000),
        key: None,
        value: Some(value.into()),
    }
}

impl Message {
    fn bytes(&self) -> Vec<u8> {
        let mut covered = vec![self.magic, self.attributes];
        if self.magic == 1 {
            covered.extend(self.timestamp.to_be_bytes());
        }
        for part in [&self.key, &self.value] {
            let length = part.as_ref().map_or(-1, |p| p.len() as i32);
            covered.extend(length.to_be_bytes());
            covered.extend(part.iter().flatten());
        }
        let mut message = self.offset.to_be_bytes().to_vec();
        message.extend((covered.len() as i32 + 4).to_be_bytes());
        message.extend([0; 4]);
        message.extend(covered);
        summed(message)
    }
}

/// The bytes of one message with their checksum made right.
fn summed(mut message: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&message[16..]);
    message[12..16].copy_from_slice(&crc.to_be_bytes());
    message
}

/// A wrapper around these bytes.
fn wrapper(magic: u8, offset: i64, codec: Compression, set: &[u8]) -> Message {
    let mut packed = Vec::new();
    let mut compressor = Compressor::new(codec, None);
    compressor.compress(set, &mut packed).expect("it packs");
    Message {
        attributes: codec.id(),
        value: Some(packed),
        ..message(magic, offset, "")
    }
}

fn wrapped(magic: u8, offset: i64, messages: &[Message]) -> Message {
    let set: Vec<u8> = messages.iter().flat_map(Message::bytes).collect();
    wrapper(magic, offset, Compression::Gzip, &set)
}

fn raw(bytes: Vec<u8>) -> RawBatch {
    let mut batches = Batches::new(bytes.into());
    batches.next().expect("one").expect("it is whole")
}

fn offsets(message: &Message) -> Vec<i64> {
    let all = read(message.bytes().into()).expect("it reads");
    all.iter().map(|r| r.offset).collect()
}

fn kind(bytes: Vec<u8>) -> RecordErrorKind {
    read(bytes.into()).expect_err("it is bad").kind
}

/// As Kafka's own builder writes it.
const VERSION_1: &[u8] = &[
    0, 0, 0, 1, 0x2a, 5, 0xf2, 0, // offset 5000000000
    0, 0, 0, 30, // length
    0xde, 0x62, 0xcb, 3, // crc
    1, 8, // magic; attributes, log append time
    0, 0, 1, 0x8b, 0xcf, 0xe5, 0x7b, 0x88, // timestamp 1700000005000
    0, 0, 0, 3, b'k', b'e', b'y', // key
    0, 0, 0, 5, b'v', b'a', b'l', b'u', b'e', // value
];

#[test]
fn a_message_byte_by_byte() {
    let ours = Message {
        attributes: 8,
        timestamp: 1_700_000_005_000,
        key: Some(b"key".to_vec()),
        ..message(1, 5_000_000_000, "value")
    };
    assert_eq!(ours.bytes(), VERSION_1);
    let batch = raw(VERSION_1.to_vec())
        .open(&mut Decompressor::default())
        .expect("it opens");
    let header = batch.header();
    assert!(header.is_legacy() && !header.is_control() && !header.is_transactional());
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.base_offset, header.count), (5_000_000_000, 1));
    let record = batch.records().next().expect("one").expect("whole");
    assert_eq!(
        (record.offset, record.timestamp),
        (5_000_000_000, 1_700_000_005_000)
    );
    assert_eq!(
        (record.key, record.value),
        (Some(&b"key"[..]), Some(&b"value"[..]))
    );
    assert!(record.headers.is_empty());
}

#[test]
fn bits_that_meant_nothing_yet_mean_nothing() {
    for magic in [0, 1] {
        let odd = Message {
            attributes: 0b0111_1000,
            ..message(magic, 5, "v")
        };
        let header = *raw(odd.bytes()).header();
        assert!(!header.is_control() && !header.is_transactional());
        assert_eq!(header.delete_horizon(), None);
    }
    let append_time = Message {
        attributes: 8,
        ..message(0, 5, "v")
    };
    let header = *raw(append_time.bytes()).header();
    assert_eq!(header.timestamp_type(), TimestampType::CreateTime);
    let records = read(append_time.bytes().into()).expect("it reads");
    assert_eq!(records[0].timestamp, -1, "version 0 has no times");
}

#[test]
fn formats_may_change_within_a_frame() {
    let frame = [
        message(0, 0, "a").bytes(),
        wrapped(0, 2, &[message(0, 1, "b"), message(0, 2, "c")]).bytes(),
        wrapped(1, 4, &[message(1, 0, "d"), message(1, 1, "e")]).bytes(),
        message(1, 5, "f").bytes(),
        sealed(&[record(0, "k", "g")], Compression::None).to_vec(),
    ];
    let values: Vec<_> = read(frame.concat().into())
        .expect("it reads")
        .into_iter()
        .map(|r| r.value.expect("a value"))
        .collect();
    assert_eq!(values.concat(), b"abcdefg");
}

#[test]
fn a_wrappers_offset_is_that_of_its_last_message() {
    let apart = |magic| {
        [
            message(magic, 10, "a"),
            message(magic, 12, "b"),
            message(magic, 19, "c"),
        ]
    };
    assert_eq!(offsets(&wrapped(1, 100, &apart(1))), [91, 93, 100]);
    assert_eq!(offsets(&wrapped(0, 19, &apart(0))), [10, 12, 19]);

    let unopened = raw(wrapped(1, 100, &apart(1)).bytes());
    assert_eq!(
        (unopened.header().last_offset(), unopened.header().count),
        (100, -1)
    );
    let opened = unopened
        .open(&mut Decompressor::default())
        .expect("it opens");
    let header = opened.header();
    assert_eq!(
        (header.base_offset, header.last_offset(), header.count),
        (91, 100, 3)
    );
    assert_eq!(opened.len(), 3);
    // Compaction took the last message: the next offset stays behind it.
    assert_eq!(offsets(&wrapped(0, 30, &apart(0))), [10, 12, 19]);
}

#[test]
fn offsets_that_cannot_be_are_refused() {
    let bad = |wrapper: &Message| kind(wrapper.bytes());
    let beyond = RecordErrorKind::BadRecord("an offset beyond its wrapper's");
    let backwards = RecordErrorKind::BadRecord("an offset that is not behind the one before");
    for magic in [0, 1] {
        let two = |a, b| [message(magic, a, "a"), message(magic, b, "b")];
        assert_eq!(bad(&wrapped(magic, 4, &two(0, 5))), beyond);
        assert_eq!(bad(&wrapped(magic, i64::MIN, &two(0, i64::MAX))), beyond);
        assert_eq!(bad(&wrapped(magic, i64::MAX, &two(0, i64::MAX))), beyond);
        assert_eq!(bad(&wrapped(magic, 9, &two(5, 5))), backwards);
        assert_eq!(bad(&wrapped(magic, 9, &two(5, 4))), backwards);
        assert_eq!(bad(&wrapped(magic, 9, &two(-2, 4))), backwards);
        assert_eq!(bad(&message(magic, -1, "a")), backwards);
    }
}

#[test]
fn the_time_of_a_wrapper_counts_where_it_is_that_of_appending() {
    let mut outer = wrapped(1, 1, &[message(1, 0, "a"), message(1, 1, "b")]);
    let times = |outer: &Message| {
        let records = read(outer.bytes().into()).expect("it reads");
        records.iter().map(|r| r.timestamp).collect::<Vec<_>>()
    };
    assert_eq!(times(&outer), [1000, 1001]);
    outer.attributes |= 8;
    outer.timestamp = 42;
    assert_eq!(times(&outer), [42, 42]);
}

#[test]
fn what_a_wrapper_may_not_hold_is_refused() {
    let gzip = |magic, set: &[u8]| kind(wrapper(magic, 9, Compression::Gzip, set).bytes());
    let plain = message(1, 3, "a");
    let nested = wrapped(1, 3, std::slice::from_ref(&plain)).bytes();
    let short = plain.bytes()[..20].to_vec();
    let longer = [&plain.bytes()[..], &[0]].concat();
    let bad = [
        (nested, "a compression inside a compressed one"),
        (
            message(0, 3, "a").bytes(),
            "another format version than its wrapper",
        ),
        (
            message(2, 3, "a").bytes(),
            "another format version than its wrapper",
        ),
        (short, "a length beyond its message set"),
        (longer, "a length beyond its message set"),
    ];
    for (set, what) in bad {
        assert_eq!(gzip(1, &set), RecordErrorKind::BadRecord(what));
    }
    assert_eq!(gzip(0, &[]), RecordErrorKind::BadCount(0));
    let empty = Message {
        value: None,
        ..wrapper(1, 9, Compression::Gzip, &[])
    };
    let no_value = RecordErrorKind::BadRecord("no value to decompress");
    assert_eq!(kind(empty.bytes()), no_value);
    let zstd = wrapper(1, 9, Compression::Zstd, &plain.bytes());
    assert_eq!(kind(zstd.bytes()), RecordErrorKind::UnknownCompression(4));
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for magic in [0, 1] {
        let good = message(magic, 3, "value").bytes();
        let key_at = if magic == 0 { 18 } else { 26 };
        let with = |at: usize, length: i32| {
            let mut bent = good.clone();
            bent[at..at + 4].copy_from_slice(&length.to_be_bytes());
            kind(summed(bent))
        };
        let least = if magic == 0 { 14 } else { 22 };
        for length in [i32::MIN, -1, 0, least - 1] {
            assert_eq!(with(8, length), RecordErrorKind::BadLength(length));
        }
        let key = RecordErrorKind::BadRecord("a key beyond its end");
        let value = RecordErrorKind::BadRecord("a value beyond its end");
        for length in [i32::MIN, -2, 6, i32::MAX] {
            assert_eq!(with(key_at + 4, length), value, "{length}");
        }
        for length in [i32::MIN, -2, 10, i32::MAX] {
            assert_eq!(with(key_at, length), key, "{length}");
        }
        assert_eq!(
            with(key_at + 4, 4),
            RecordErrorKind::BadRecord("bytes after its value")
        );
    }
}

#[test]
fn every_bent_byte_of_a_message_is_noticed_or_outside_the_checksum() {
    for magic in [0, 1] {
        let good = wrapped(magic, 1, &[message(magic, 0, "a"), message(magic, 1, "b")]).bytes();
        for i in 0..good.len() {
            let mut bent = good.clone();
            bent[i] ^= 0x10;
            // The offset is the broker's to change; a length may say "cut short".
            assert!(i < 12 || read(bent.into()).is_err(), "byte {i}");
        }
    }
}

#[test]
fn messages_inside_a_wrapper_are_checked_where_checks_are_wanted() {
    let mut set = message(1, 0, "value").bytes();
    *set.last_mut().expect("a byte") ^= 1;
    let outer = wrapper(1, 0, Compression::Snappy, &set).bytes();
    assert!(raw(outer.clone()).check_crc().is_ok());
    assert!(matches!(
        kind(outer.clone()),
        RecordErrorKind::BadCrc { .. }
    ));
    let unchecked = raw(outer).open_unchecked(&mut Decompressor::default());
    assert_eq!(unchecked.expect("it opens").len(), 1);
}

#[test]
fn a_bomb_in_a_wrapper_stops_at_the_limit() {
    let set = message(1, 0, &"0".repeat(900_000)).bytes();
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let outer = raw(wrapper(1, 0, codec, &set).bytes());
        let open = |limit| outer.clone().open(&mut Decompressor::new(limit));
        let error = open(set.len() - 1).expect_err("it is too large");
        let limit = set.len() - 1;
        assert_eq!(error.kind, RecordErrorKind::TooLarge { limit }, "{codec}");
        assert_eq!(open(set.len()).expect("it fits").size(), set.len());
    }
}

#[test]
fn the_wrong_checksum_of_lz4_headers_is_read_in_version_0_alone() {
    for (content_size, at) in [(false, 6), (true, 14)] {
        for magic in [0, 1] {
            let set = message(magic, 0, "value").bytes();
            let mut outer = wrapper(magic, 0, Compression::Lz4, &set);
            let frame = outer.value.as_mut().expect("a frame");
            if content_size {
                frame[4] |= 8;
                frame.splice(6..6, (set.len() as u64).to_le_bytes());
            }
            // As Kafka did, over the magic number too.
            frame[at] = (twox_hash::XxHash32::oneshot(0, &frame[..at]) >> 8) as u8;
            let opened = raw(outer.bytes()).open(&mut Decompressor::default());
            assert_eq!(opened.is_ok(), magic == 0, "version {magic}: {opened:?}");
        }
    }
}

#[test]
fn an_lz4_frame_cut_short_is_damage_in_every_version() {
    for magic in [0, 1] {
        let whole = wrapper(magic, 0, Compression::Lz4, &message(magic, 0, "v").bytes());
        let frame = whole.value.clone().expect("a frame");
        for cut in 0..frame.len() - 4 {
            let value = Some(frame[..cut].to_vec());
            let bent = Message {
                value,
                ..whole.clone()
            };
            assert!(read(bent.bytes().into()).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn reading_a_set_goes_on_where_it_stopped() {
    let all: Vec<_> = (0..10).map(|i| message(1, i, "v")).collect();
    let batch = raw(wrapped(1, 9, &all).bytes())
        .open(&mut Decompressor::default())
        .expect("it opens");
    let mut records = batch.records();
    assert_eq!(records.size_hint().1, Some(10));
    records.nth(3);
    assert_eq!(records.size_hint().1, Some(6));
    let at = records.position();
    let offsets = |records: Records<'_>| {
        records
            .map(|r| r.expect("whole").offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets(Records::resume(&batch, at)), [4, 5, 6, 7, 8, 9]);
    assert_eq!(offsets(batch.records_from(8)), [8, 9]);
    records.nth(5);
    assert!(records.next().is_none() && records.next().is_none());
}

#[test]
fn a_broker_places_a_message() {
    for magic in [0, 1] {
        let set = [message(magic, 0, "a"), message(magic, 1, "b")];
        for placed in [
            raw(message(magic, 3, "a").bytes()).placed(1000, 7, Some(42)),
            raw(wrapped(magic, 1, &set).bytes()).placed(1000, 7, Some(42)),
        ] {
            assert_eq!(placed.header(), raw(placed.bytes().to_vec()).header());
            assert_eq!(placed.header().last_offset(), 1000);
            let records = read(placed.bytes().clone()).expect("its checksum holds");
            let last = records.last().expect("one");
            assert_eq!(last.timestamp, if magic == 0 { -1 } else { 42 });
        }
    }
}

#[test]
fn no_bent_byte_makes_reading_a_set_panic() {
    let two = |magic| [message(magic, 3, "a"), message(magic, 4, "b")];
    let plain = |magic: u8| {
        two(magic)
            .iter()
            .flat_map(Message::bytes)
            .collect::<Vec<u8>>()
    };
    let sets = [
        plain(0),
        plain(1),
        wrapped(0, 4, &two(0)).bytes(),
        wrapped(1, 9, &two(1)).bytes(),
    ];
    let mut decompressor = Decompressor::new(1 << 16);
    let mut read_all = |bytes: Vec<u8>| {
        for batch in Batches::new(bytes.into()).flatten() {
            let Ok(batch) = batch.open_unchecked(&mut decompressor) else {
                continue;
            };
            assert_eq!(batch.records().filter(Result::is_ok).count(), batch.len());
        }
    };
    for set in &sets {
        for at in 0..set.len() {
            for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
                let mut bent = set.clone();
                bent[at] = value;
                read_all(bent);
            }
        }
    }
    // The same inside a wrapper, where no packing makes the bent byte unreadable.
    for (magic, set) in [(0, &sets[0]), (1, &sets[1])] {
        for at in 0..set.len() {
            for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
                let mut bent = set.clone();
                bent[at] = value;
                read_all(wrapper(magic, i64::MAX, Compression::Snappy, &bent).bytes());
            }
        }
    }
}
