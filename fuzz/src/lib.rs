//! What the fuzz targets share: choosing a message by bytes, spelling it, and bounding what a
//! decoder may take.

use bytes::Bytes;
use ottla_protocol::{
    messages::{APIS, Api, Codec, Message},
    wire::{DecodeError, EncodeError, Reader, Writer},
};

/// Memory that a decoder may take for every byte it was given; see `protocol/tests/allocations.rs`
/// for where the figure comes from.
pub const PER_BYTE: u64 = 64;
/// Memory that a decoder may take for no bytes at all.
pub const BASE: u64 = 8 * 1024;

/// One message in one version, as bytes choose it.
#[derive(Debug)]
pub struct Choice {
    pub api: &'static Api,
    pub codec: &'static Codec,
    pub version: i16,
}

impl Choice {
    /// The bytes wrap around, so that each of them chooses something.
    pub fn new(api: u8, response: bool, version: u8) -> Self {
        let api = &APIS[usize::from(api) % APIS.len()];
        let count = api.versions.clone().count() as i16;
        let codec = if response {
            &api.response
        } else {
            &api.request
        };
        let version = api.versions.start() + i16::from(version) % count;
        Self {
            api,
            codec,
            version,
        }
    }

    fn flexible(&self) -> bool {
        self.version >= self.api.flexible
    }

    /// Decodes within the bound, and says how many bytes were left over.
    pub fn decode(&self, bytes: &Bytes) -> Result<(Box<dyn Message>, usize), DecodeError> {
        bounded(BASE + PER_BYTE * bytes.len() as u64, || {
            let mut r = Reader::new(bytes, self.version, self.flexible());
            let message = (self.codec.decode)(&mut r)?;
            Ok((message, r.remaining()))
        })
    }

    pub fn encode(&self, message: &dyn Message) -> Result<Bytes, EncodeError> {
        let mut w = Writer::new(self.version, self.flexible());
        message.encode(&mut w);
        Ok(w.finish()?.concat().into())
    }
}

/// Runs `work`, which may hold no more than `most` bytes at any moment.
pub fn bounded<T>(most: u64, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let took = allocation_counter::measure(|| result = Some(work()));
    let peak = took.bytes_max;
    assert!(
        peak <= most,
        "{peak} bytes were taken, and {most} are allowed"
    );
    result.expect("the work was done")
}
