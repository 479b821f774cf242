//! LZ4 frames around the blocks of `lz4_flex`: the framing is done here, straight from and into the
//! buffers of the batch. Java writes and reads only independent blocks of up to 64 KiB without
//! block checksums; what others may write is read, too.

use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into,
    decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

use super::{Unpack, make_room};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const VERSION: u8 = 0b0100_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUMS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const RESERVED: u8 = 1 << 1;
const DICTIONARY: u8 = 1;
/// The byte that says that a block holds up to 64 KiB.
const UP_TO_64_KIB: u8 = 4 << 4;
/// The bit in front of a block that is stored as it is.
const STORED: u32 = 1 << 31;
/// How far back a block may refer into those before it, where blocks are linked.
const WINDOW: usize = 64 * 1024;
/// What is compressed at a time: the most that `lz4_flex` has its small and fast table for.
const BLOCK: usize = u16::MAX as usize - 1;

/// Compresses one batch after another.
pub(super) struct Packer {
    table: CompressTable,
    block: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self {
            table: CompressTable::small(),
            block: vec![0; get_maximum_output_size(BLOCK)],
        }
    }

    pub(super) fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let flags = [VERSION | INDEPENDENT, UP_TO_64_KIB];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&flags);
        out.push(header_checksum(&flags));
        for chunk in data.chunks(BLOCK) {
            let packed = compress_into_with_table(chunk, &mut self.block, &mut self.table);
            let packed = packed.map_err(|e| e.to_string())?;
            let (size, block) = match self.block.get(..packed) {
                Some(block) if packed < chunk.len() => (packed as u32, block),
                _ => (chunk.len() as u32 | STORED, chunk),
            };
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(block);
        }
        out.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

fn header_checksum(header: &[u8]) -> u8 {
    (XxHash32::oneshot(0, header) >> 8) as u8
}

/// Whether the checksum of a frame's header is looked at. In format version 0 Kafka wrote a wrong
/// one, over the magic number too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderChecksum {
    Checked,
    Ignored,
}

/// Frames, one behind the other. Says how much came out, into room that grows as far as needed.
pub(super) fn decompress(
    data: &[u8],
    buf: &mut Vec<u8>,
    limit: usize,
    checksum: HeaderChecksum,
) -> Result<usize, Unpack> {
    let mut input = Input(data);
    let mut out = Output { buf, at: 0, limit };
    while !input.0.is_empty() {
        frame(&mut input, &mut out, checksum)?;
    }
    Ok(out.at)
}

fn frame(
    input: &mut Input<'_>,
    out: &mut Output<'_>,
    checksum: HeaderChecksum,
) -> Result<(), Unpack> {
    let header = Header::read(input, checksum)?;
    let start = out.at;
    loop {
        let size = input.u32()?;
        if size == 0 {
            break;
        }
        let (size, stored) = ((size & !STORED) as usize, size & STORED != 0);
        if size > header.block_size {
            return Err(Unpack::damaged("a block is larger than its frame allows"));
        }
        let block = input.take(size)?;
        if header.has(BLOCK_CHECKSUMS) && input.u32()? != XxHash32::oneshot(0, block) {
            return Err(Unpack::damaged("the checksum of a block is wrong"));
        }
        if stored {
            out.store(block)?;
        } else {
            out.unpack(block, &header, start)?;
        }
    }
    let content = out.buf.get(start..out.at).unwrap_or_default();
    if header.has(CONTENT_CHECKSUM) && input.u32()? != XxHash32::oneshot(0, content) {
        return Err(Unpack::damaged("the checksum of the content is wrong"));
    }
    match header.content_size {
        Some(size) if size != content.len() as u64 => {
            Err(Unpack::damaged("the content is not as long as it says"))
        }
        _ => Ok(()),
    }
}

struct Header {
    flags: u8,
    /// The most that a block decompresses to.
    block_size: usize,
    content_size: Option<u64>,
}

impl Header {
    fn read(input: &mut Input<'_>, checksum: HeaderChecksum) -> Result<Self, Unpack> {
        if input.array()? != MAGIC {
            return Err(Unpack::damaged("no LZ4 frame"));
        }
        let begin = *input;
        let [flags, sizes] = input.array()?;
        if flags & VERSION_MASK != VERSION || flags & (RESERVED | DICTIONARY) != 0 {
            return Err(Unpack::damaged(
                "an LZ4 frame of a kind that Kafka does not have",
            ));
        }
        let block_size = match sizes >> 4 {
            n @ 4..=7 if sizes & 0b1000_1111 == 0 => 1 << (8 + 2 * n),
            _ => return Err(Unpack::damaged("an LZ4 frame of an unknown block size")),
        };
        let content_size = match flags & CONTENT_SIZE {
            0 => None,
            _ => Some(u64::from_le_bytes(input.array()?)),
        };
        let described = begin.0.len() - input.0.len();
        let described = begin.0.get(..described).unwrap_or_default();
        let [claimed] = input.array()?;
        if checksum == HeaderChecksum::Checked && claimed != header_checksum(described) {
            return Err(Unpack::damaged("the checksum of the LZ4 header is wrong"));
        }
        Ok(Self {
            flags,
            block_size,
            content_size,
        })
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What was not read yet.
#[derive(Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Unpack> {
        let split = self.0.split_at_checked(n);
        let (taken, rest) = split.ok_or_else(|| Unpack::damaged("the LZ4 frame is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unpack> {
        let split = self.0.split_first_chunk();
        let (taken, rest) = split.ok_or_else(|| Unpack::damaged("the LZ4 frame is cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Unpack> {
        self.array().map(u32::from_le_bytes)
    }
}

/// What came out, in front of room that was made for more.
struct Output<'a> {
    buf: &'a mut Vec<u8>,
    at: usize,
    limit: usize,
}

impl Output<'_> {
    fn store(&mut self, block: &[u8]) -> Result<(), Unpack> {
        if block.len() > self.limit - self.at {
            return Err(Unpack::TooLarge);
        }
        let (_, after) = self.room(block.len());
        after.copy_from_slice(block);
        self.at += block.len();
        Ok(())
    }

    /// `start` is where the frame began: no block refers to what is before. What is at hand is mostly
    /// enough, and more room is zeroed first.
    fn unpack(&mut self, block: &[u8], header: &Header, start: usize) -> Result<(), Unpack> {
        // No byte stands for more than 255.
        let most = header.block_size.min(256 * block.len() + 64);
        let room = most.min(self.limit - self.at);
        let at_hand = room.min(self.buf.len() - self.at);
        let unpacked = match self.unpack_into(at_hand, block, header, start) {
            Err(DecompressError::OutputTooSmall { .. }) if at_hand < room => {
                self.unpack_into(room, block, header, start)
            }
            done => done,
        };
        match unpacked {
            Ok(n) => {
                self.at += n;
                Ok(())
            }
            Err(DecompressError::OutputTooSmall { .. }) if room < most => Err(Unpack::TooLarge),
            Err(error) => Err(Unpack::damaged(error)),
        }
    }

    fn unpack_into(
        &mut self,
        room: usize,
        block: &[u8],
        header: &Header,
        start: usize,
    ) -> Result<usize, DecompressError> {
        let (before, after) = self.room(room);
        if header.has(INDEPENDENT) {
            return decompress_into(block, after);
        }
        let window = before.len().saturating_sub(WINDOW).max(start);
        decompress_into_with_dict(block, after, before.get(window..).unwrap_or_default())
    }

    /// What came out so far, and as much room as is asked for.
    fn room(&mut self, n: usize) -> (&[u8], &mut [u8]) {
        make_room(self.buf, self.at, n, self.limit);
        let (before, after) = self.buf.split_at_mut(self.at);
        (before, after.get_mut(..n).unwrap_or_default())
    }
}
