//! Batches to compress and to decompress, by us and by the library in C: framing included, at
//! default levels, contexts kept.
//!
//! Ours is called as the record path calls it: compressing, into a buffer that is used again;
//! decompressing, into one that it allocates, since batches of records are handed out with it. The
//! library in C gets room that is large enough in both ways, and always the same.

use std::hint::black_box;

use bytes::Bytes;
use ottla_protocol::records::{Compression, Compressor, Decompressor};

use crate::{
    originals::{Original, original},
    payloads,
};

/// Batches of one size, ready for both sides to work on.
pub struct Case {
    pub compression: Compression,
    /// Of all batches together.
    pub bytes: usize,
    plain: Vec<Bytes>,
    /// What each side made of them, and so what each reads again.
    pub ours: Vec<Bytes>,
    pub theirs: Vec<Bytes>,
    /// Room for any batch, compressed or not.
    room: usize,
}

/// Our side, between batches.
pub struct Ours {
    compressor: Compressor,
    decompressor: Decompressor,
    out: Vec<u8>,
}

/// The library in C, between batches.
pub struct Theirs {
    pub name: &'static str,
    library: Box<dyn Original>,
    out: Vec<u8>,
}

impl Case {
    /// `None` where the library in C was not built in.
    pub fn new(compression: Compression, size: usize) -> Option<Self> {
        let plain = payloads::batches(size);
        let mut case = Self {
            compression,
            bytes: plain.iter().map(Bytes::len).sum(),
            plain,
            ours: Vec::new(),
            theirs: Vec::new(),
            room: 2 * size + 1024,
        };
        let (mut ours, mut theirs) = (case.ours(), case.theirs()?);
        for batch in &case.plain {
            case.ours.push(Bytes::copy_from_slice(ours.pack(batch)));
            case.theirs.push(Bytes::copy_from_slice(theirs.pack(batch)));
        }
        case.check(&mut ours, &mut theirs);
        Some(case)
    }

    /// Each reads what the other wrote, or the figures mean nothing.
    fn check(&self, ours: &mut Ours, theirs: &mut Theirs) {
        let made = self.ours.iter().zip(&self.theirs);
        for (plain, (by_us, by_them)) in self.plain.iter().zip(made) {
            for packed in [by_us, by_them] {
                assert_eq!(ours.unpack(self.compression, packed), plain);
                assert_eq!(theirs.unpack(packed), plain);
            }
        }
    }

    pub fn batches(&self) -> usize {
        self.plain.len()
    }

    pub fn ours(&self) -> Ours {
        Ours {
            compressor: Compressor::new(self.compression, None),
            decompressor: Decompressor::default(),
            out: Vec::with_capacity(self.room),
        }
    }

    pub fn theirs(&self) -> Option<Theirs> {
        let (name, library) = original(self.compression)?;
        Some(Theirs {
            name,
            library,
            out: vec![0; self.room],
        })
    }

    pub fn compress(&self, ours: &mut Ours) {
        for batch in &self.plain {
            black_box(ours.pack(black_box(batch)));
        }
    }

    pub fn c_compress(&self, theirs: &mut Theirs) {
        for batch in &self.plain {
            black_box(theirs.pack(black_box(batch)));
        }
    }

    /// Both sides read the same bytes: those that the library in C made.
    pub fn decompress(&self, ours: &mut Ours) {
        for batch in &self.theirs {
            black_box(ours.unpack(self.compression, black_box(batch)));
        }
    }

    pub fn c_decompress(&self, theirs: &mut Theirs) {
        for batch in &self.theirs {
            black_box(theirs.unpack(black_box(batch)));
        }
    }
}

impl Ours {
    fn pack(&mut self, data: &[u8]) -> &[u8] {
        self.out.clear();
        self.compressor
            .compress(data, &mut self.out)
            .expect("it fails for no input");
        &self.out
    }

    fn unpack(&mut self, compression: Compression, data: &Bytes) -> Bytes {
        let unpacked = self.decompressor.decompress(compression, data);
        unpacked.expect("it is sound")
    }
}

impl Theirs {
    fn pack(&mut self, data: &[u8]) -> &[u8] {
        let n = self.library.compress(data, &mut self.out);
        &self.out[..n]
    }

    fn unpack(&mut self, data: &[u8]) -> &[u8] {
        let n = self.library.decompress(data, &mut self.out);
        &self.out[..n]
    }
}
