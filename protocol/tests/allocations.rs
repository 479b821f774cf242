//! What a peer can make this crate reserve: never more than a multiple of the bytes it sent, and
//! for compressed records never more than the limit and what a codec works with.

use allocation_counter::measure;
use bytes::Bytes;
use ottla_protocol::{
    messages::{APIS, Api, Codec},
    records::{
        BatchBuilder, Batches, Compression, Compressor, Decompressor, NewRecord, ProducerStamp,
        Record,
    },
    wire::{Field, Reader, Type},
};

/// A message takes no more memory than this many bytes for each of its own: an item of one byte,
/// say a struct that an old version leaves empty, becomes a struct of many fields.
const PER_BYTE: u64 = 64;
/// And this much for none at all.
const BASE: u64 = 8 * 1024;
/// How many items the arrays claim.
const ITEMS: usize = 1000;

/// How the one array that matters is spelled.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hostile {
    /// All its items are there, each as short as can be.
    ShortItems,
    /// The same, with strings of one byte, which are each a block of memory.
    ShortStrings,
    /// It and the arrays in its first item claim more than comes.
    Claims,
}

/// Spells the shortest message of a schema, except for one array.
struct Spelling {
    bytes: Vec<u8>,
    version: i16,
    flexible: bool,
    hostile: Hostile,
    /// Arrays still to pass before the one that matters.
    before: Option<usize>,
}

impl Spelling {
    fn put(&mut self, ty: &Type) {
        match ty {
            Type::Bool | Type::Int8 => self.bytes.push(0),
            Type::Int16 | Type::Uint16 => self.bytes.extend([0; 2]),
            Type::Int32 | Type::Uint32 => self.bytes.extend([0; 4]),
            Type::Int64 | Type::Float64 => self.bytes.extend([0; 8]),
            Type::Uuid => self.bytes.extend([0; 16]),
            Type::String => self.string(),
            Type::Bytes => self.count(0, 4),
            Type::Array(item) => self.array(item),
            Type::Nullable(Type::Struct(_)) => self.bytes.push(0xff),
            Type::Nullable(inner) => self.put(inner),
            Type::Struct(fields) => {
                let version = self.version;
                let plain = |f: &&Field| f.spec.has(version) && f.spec.tag.is_none();
                fields.iter().filter(plain).for_each(|f| self.put(&f.ty));
                if self.flexible {
                    self.bytes.push(0);
                }
            }
        }
    }

    fn string(&mut self) {
        let s = if self.hostile == Hostile::ShortStrings {
            "x"
        } else {
            ""
        };
        self.count(s.len(), 2);
        self.bytes.extend(s.as_bytes());
    }

    fn array(&mut self, item: &Type) {
        let items = match self.before {
            Some(0) => ITEMS,
            Some(_) => 1,
            None => 0,
        };
        self.before = self.before.and_then(|n| n.checked_sub(1));
        if self.hostile == Hostile::Claims {
            self.count(ITEMS, 4);
            return (0..items.min(1)).for_each(|_| self.put(item));
        }
        self.count(items, 4);
        (0..items).for_each(|_| self.put(item));
    }

    fn count(&mut self, n: usize, width: usize) {
        if !self.flexible {
            return self.bytes.extend(&(n as u32).to_be_bytes()[4 - width..]);
        }
        let mut n = n + 1;
        while n >= 0x80 {
            self.bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.bytes.push(n as u8);
    }
}

/// The message with its `nth` array hostile; `None` when it has no so many.
fn spell(api: &Api, codec: &Codec, version: i16, nth: usize, hostile: Hostile) -> Option<Bytes> {
    let mut spelling = Spelling {
        bytes: Vec::new(),
        version,
        flexible: version >= api.flexible,
        hostile,
        before: Some(nth),
    };
    spelling.put(&codec.schema);
    if hostile == Hostile::Claims {
        spelling.bytes.resize(spelling.bytes.len() + ITEMS, 0xff);
    }
    spelling.before.is_none().then(|| spelling.bytes.into())
}

#[test]
fn a_message_takes_no_more_than_a_multiple_of_its_bytes() {
    let mut arrays = 0;
    for api in APIS {
        for (codec, version) in api
            .versions
            .clone()
            .flat_map(|v| [(&api.request, v), (&api.response, v)])
        {
            for hostile in [Hostile::ShortItems, Hostile::ShortStrings, Hostile::Claims] {
                for bytes in (0..).map_while(|n| spell(api, codec, version, n, hostile)) {
                    arrays += 1;
                    let mut r = Reader::new(&bytes, version, version >= api.flexible);
                    let mut read = None;
                    let peak = measure(|| read = Some((codec.decode)(&mut r))).bytes_max;
                    let name = api.name;
                    if hostile != Hostile::Claims {
                        let read = read.expect("it ran");
                        read.unwrap_or_else(|e| panic!("{name} {version} {hostile:?}: {e}"));
                    }
                    let most = BASE + PER_BYTE * bytes.len() as u64;
                    assert!(
                        peak <= most,
                        "{name} {version} {hostile:?}: {peak} > {most}"
                    );
                }
            }
        }
    }
    assert!(arrays > 1000, "only {arrays} arrays were tried");
}

/// What the codecs work with, beside what they make: tables, windows, blocks.
const CODEC: u64 = 1 << 20;

#[test]
fn a_bomb_takes_no_more_than_a_multiple_of_the_limit() {
    const LIMIT: usize = 256 * 1024;
    let zeros = vec![0; 4 << 20];
    for codec in &Compression::ALL[1..] {
        let mut packed = Vec::new();
        Compressor::new(*codec, None)
            .compress(&zeros, &mut packed)
            .expect("it packs");
        let packed = Bytes::from(packed);
        let mut read = None;
        let took = measure(|| read = Some(Decompressor::new(LIMIT).decompress(*codec, &packed)));
        assert!(read.expect("it ran").is_err(), "{codec}");
        let most = CODEC + 3 * LIMIT as u64;
        assert!(
            took.bytes_max <= most,
            "{codec}: {} > {most}",
            took.bytes_max
        );
    }
}

/// Headers that claim what does not come.
const CLAIMS: &[(Compression, &[u8])] = &[
    // A raw snappy block of 4 GiB.
    (Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
    // An LZ4 frame of 4 MiB blocks and 2^40 bytes; the header's checksum is wrong or right.
    (
        Compression::Lz4,
        &[
            4, 0x22, 0x4d, 0x18, 0x68, 0x70, 0, 0, 0, 0, 0, 1, 0, 0, 0x5d,
        ],
    ),
    // Zstandard windows of 128 MiB, 2 GiB and 3.75 TiB.
    (
        Compression::Zstd,
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x88, 1, 0, 0],
    ),
    (
        Compression::Zstd,
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0],
    ),
    (
        Compression::Zstd,
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0],
    ),
    // One segment of 2^40 bytes, and one of 100 MiB.
    (
        Compression::Zstd,
        &[
            0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0,
        ],
    ),
    (
        Compression::Zstd,
        &[0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x40, 6, 1, 0, 0],
    ),
];

#[test]
fn a_header_that_claims_much_takes_little() {
    for (codec, bytes) in CLAIMS {
        let data = Bytes::from_static(bytes);
        let took = measure(|| drop(Decompressor::new(64 * 1024).decompress(*codec, &data)));
        let peak = took.bytes_max;
        assert!(peak <= CODEC, "{codec} {bytes:x?}: {peak}");
    }
}

#[test]
fn records_are_read_and_written_without_a_single_allocation() {
    let mut buffer = vec![0; 64 * 1024];
    let record = NewRecord {
        key: Some(b"key"),
        value: Some(&[7; 100]),
        ..NewRecord::default()
    };
    let mut fill = || {
        let mut builder = BatchBuilder::new(std::mem::take(&mut buffer), 60 * 1024);
        while builder.append(&record) {}
        let mut batch = builder.seal();
        batch.stamp(ProducerStamp::NONE);
        let frame = (batch.size(), batch.into_buffer());
        buffer = frame.1;
        frame.0
    };
    let mut size = 0;
    assert_eq!(measure(|| size = fill()).count_total, 0, "writing");
    let frame = Bytes::copy_from_slice(&buffer[..size]);
    // A frame is shared by what it is cut into; the count of owners is allocated with the first.
    let _whole = frame.clone();
    let mut decompressor = Decompressor::default();
    let took = measure(|| {
        for raw in Batches::new(frame) {
            let batch = raw.expect("whole").open(&mut decompressor).expect("sound");
            assert!(batch.records().all(|r| r.is_ok()));
        }
    });
    assert_eq!(took.count_total, 0, "reading");
}

#[test]
fn a_plain_legacy_message_is_read_without_a_single_allocation() {
    let mut message = vec![0; 12];
    let covered = [&[0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5][..], b"value"].concat();
    message[8..].copy_from_slice(&(covered.len() as i32 + 4).to_be_bytes());
    message.extend(crc32fast::hash(&covered).to_be_bytes());
    message.extend(covered);
    let frame = Bytes::from(message.repeat(100));
    let _whole = frame.clone();
    let mut decompressor = Decompressor::default();
    let mut values = 0;
    let took = measure(|| {
        for raw in Batches::new(frame) {
            let batch = raw.expect("whole").open(&mut decompressor).expect("sound");
            let whole =
                |r: &Result<Record<'_>, _>| r.as_ref().is_ok_and(|r| r.value == Some(b"value"));
            values += batch.records().filter(whole).count();
        }
    });
    assert_eq!((values, took.count_total), (100, 0));
}
