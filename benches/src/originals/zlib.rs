//! zlib, reading and writing gzip, with a stream for each way that is reset between batches.
#![expect(
    unsafe_code,
    reason = "the safe binding would turn Ottla's own gzip into C as well"
)]

use std::{ffi::c_int, mem::MaybeUninit};

use libz_sys::{
    Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_OK, Z_STREAM_END, deflate, deflateEnd,
    deflateInit2_, deflateReset, inflate, inflateEnd, inflateInit2_, inflateReset, z_stream,
    zlibVersion,
};

use super::Original;

const DEFAULT_LEVEL: c_int = 6;
/// The largest window, and 16 for gzip's header.
const WINDOW_BITS: c_int = 15 + 16;
const MEMORY_LEVEL: c_int = 8;

pub(super) struct Zlib {
    deflating: Stream,
    inflating: Stream,
}

/// What zlib keeps a pointer to, and so must not move. Where it starts out as zeros, zlib allocates
/// by itself.
type Stream = Box<MaybeUninit<z_stream>>;

impl Zlib {
    pub(super) fn new() -> Self {
        let mut deflating: Stream = Box::new(MaybeUninit::zeroed());
        let mut inflating: Stream = Box::new(MaybeUninit::zeroed());
        let size = size_of::<z_stream>() as c_int;
        // SAFETY: the streams are zeros, which is how zlib wants them.
        let results = unsafe {
            [
                deflateInit2_(
                    deflating.as_mut_ptr(),
                    DEFAULT_LEVEL,
                    Z_DEFLATED,
                    WINDOW_BITS,
                    MEMORY_LEVEL,
                    Z_DEFAULT_STRATEGY,
                    zlibVersion(),
                    size,
                ),
                inflateInit2_(inflating.as_mut_ptr(), WINDOW_BITS, zlibVersion(), size),
            ]
        };
        assert_eq!(results, [Z_OK, Z_OK], "zlib does not start");
        Self {
            deflating,
            inflating,
        }
    }
}

impl Original for Zlib {
    fn compress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        let stream = self.deflating.as_mut_ptr();
        // SAFETY: the stream was started, and what it is given lives until this returns.
        unsafe {
            assert_eq!(deflateReset(stream), Z_OK);
            give(stream, data, out);
            assert_eq!(deflate(stream, Z_FINISH), Z_STREAM_END);
            (*stream).total_out as usize
        }
    }

    fn decompress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        let stream = self.inflating.as_mut_ptr();
        // SAFETY: as above.
        unsafe {
            assert_eq!(inflateReset(stream), Z_OK);
            give(stream, data, out);
            assert_eq!(inflate(stream, Z_FINISH), Z_STREAM_END);
            (*stream).total_out as usize
        }
    }
}

/// Tells a stream where to read and where to write.
///
/// # Safety
/// The stream was started, and is not used after the slices are gone.
unsafe fn give(stream: *mut z_stream, data: &[u8], out: &mut [u8]) {
    // SAFETY: these fields are plain pointers and numbers.
    unsafe {
        (*stream).next_in = data.as_ptr().cast_mut();
        (*stream).avail_in = u32::try_from(data.len()).expect("batches are small");
        (*stream).next_out = out.as_mut_ptr();
        (*stream).avail_out = u32::try_from(out.len()).expect("batches are small");
    }
}

impl Drop for Zlib {
    fn drop(&mut self) {
        // SAFETY: nobody uses the streams after this.
        unsafe {
            deflateEnd(self.deflating.as_mut_ptr());
            inflateEnd(self.inflating.as_mut_ptr());
        }
    }
}
