//! LZ4's frame functions, with a context for each way and the frames that Java reads: independent
//! blocks of 64 KiB, no checksums of blocks or content.
#![expect(
    unsafe_code,
    reason = "C has no other way in, and the safe binding keeps no contexts"
)]

use std::ptr;

use lz4_sys::{
    BlockChecksum, BlockMode, BlockSize, ContentChecksum, FrameType, LZ4F_VERSION,
    LZ4F_compressBegin, LZ4F_compressEnd, LZ4F_compressUpdate, LZ4F_createCompressionContext,
    LZ4F_createDecompressionContext, LZ4F_decompress, LZ4F_freeCompressionContext,
    LZ4F_freeDecompressionContext, LZ4F_isError, LZ4FCompressionContext, LZ4FDecompressionContext,
    LZ4FFrameInfo, LZ4FPreferences,
};

use super::Original;

const PREFERENCES: LZ4FPreferences = LZ4FPreferences {
    frame_info: LZ4FFrameInfo {
        block_size_id: BlockSize::Max64KB,
        block_mode: BlockMode::Independent,
        content_checksum_flag: ContentChecksum::NoChecksum,
        frame_type: FrameType::Frame,
        content_size: 0,
        dict_id: 0,
        block_checksum_flag: BlockChecksum::NoBlockChecksum,
    },
    compression_level: 0,
    auto_flush: 1, // straight from the source, without a buffer between
    favor_dec_speed: 0,
    reserved: [0; 3],
};

pub(super) struct Lz4 {
    compressing: LZ4FCompressionContext,
    decompressing: LZ4FDecompressionContext,
}

impl Lz4 {
    pub(super) fn new() -> Self {
        let mut compressing = LZ4FCompressionContext(ptr::null_mut());
        let mut decompressing = LZ4FDecompressionContext(ptr::null_mut());
        // SAFETY: both write a new context to where they are told.
        unsafe {
            checked(LZ4F_createCompressionContext(
                &mut compressing,
                LZ4F_VERSION,
            ));
            checked(LZ4F_createDecompressionContext(
                &mut decompressing,
                LZ4F_VERSION,
            ));
        }
        Self {
            compressing,
            decompressing,
        }
    }
}

impl Original for Lz4 {
    fn compress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        let (ctx, none) = (self.compressing, ptr::null());
        // SAFETY: the context is one, and what is written stays within the rest of `out`.
        unsafe {
            let n = out.len();
            let mut at = checked(LZ4F_compressBegin(ctx, out.as_mut_ptr(), n, &PREFERENCES));
            let rest = &mut out[at..];
            let (to, room) = (rest.as_mut_ptr(), rest.len());
            let (from, size) = (data.as_ptr(), data.len());
            at += checked(LZ4F_compressUpdate(ctx, to, room, from, size, none));
            let rest = &mut out[at..];
            at + checked(LZ4F_compressEnd(ctx, rest.as_mut_ptr(), rest.len(), none))
        }
    }

    fn decompress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        let (mut written, mut read) = (out.len(), data.len());
        // SAFETY: the context is one, and both lengths are those of their slices.
        let hint = unsafe {
            LZ4F_decompress(
                self.decompressing,
                out.as_mut_ptr(),
                &mut written,
                data.as_ptr(),
                &mut read,
                ptr::null(),
            )
        };
        assert_eq!((checked(hint), read), (0, data.len()), "one whole frame");
        written
    }
}

impl Drop for Lz4 {
    fn drop(&mut self) {
        // SAFETY: nobody uses the contexts after this.
        unsafe {
            checked(LZ4F_freeCompressionContext(self.compressing));
            checked(LZ4F_freeDecompressionContext(self.decompressing));
        }
    }
}

/// A size, unless it is an error.
fn checked(result: usize) -> usize {
    // SAFETY: it only looks at the number.
    assert_eq!(unsafe { LZ4F_isError(result) }, 0, "lz4 failed");
    result
}
