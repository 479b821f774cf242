//! The compressors that ours are held against: the C of their inventors, which librdkafka and the
//! Java client use too. Contexts are kept from batch to batch, as far as each library lets them be.

mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
mod zlib;
mod zstd;

use ottla_protocol::records::Compression;

/// A library, both ways, into room that is always enough. Returns how much was written.
pub trait Original {
    /// At the library's default level, in the framing that Kafka's clients use.
    fn compress(&mut self, data: &[u8], out: &mut [u8]) -> usize;
    fn decompress(&mut self, data: &[u8], out: &mut [u8]) -> usize;
}

/// The library behind a compression, and its name; `None` when it was not built in.
pub fn original(compression: Compression) -> Option<(&'static str, Box<dyn Original>)> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(("zlib", Box::new(zlib::Zlib::new()))),
        #[cfg(feature = "snappy")]
        Compression::Snappy => Some(("snappy (C++)", Box::new(snappy::Snappy))),
        #[cfg(not(feature = "snappy"))]
        Compression::Snappy => None,
        Compression::Lz4 => Some(("lz4", Box::new(lz4::Lz4::new()))),
        Compression::Zstd => Some(("zstd", Box::new(zstd::Zstd::new()))),
    }
}
