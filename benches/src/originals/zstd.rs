//! Zstandard by its one-shot calls, with a context for each way.

use zstd_safe::{CCtx, CParameter, DCtx};

use super::Original;

const DEFAULT_LEVEL: i32 = 3;

pub(super) struct Zstd {
    compressing: CCtx<'static>,
    decompressing: DCtx<'static>,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut compressing = CCtx::create();
        let level = CParameter::CompressionLevel(DEFAULT_LEVEL);
        compressing.set_parameter(level).expect("it is a level");
        Self {
            compressing,
            decompressing: DCtx::create(),
        }
    }
}

impl Original for Zstd {
    fn compress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        self.compressing
            .compress2(out, data)
            .expect("there is room")
    }

    fn decompress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        self.decompressing
            .decompress(out, data)
            .expect("it is sound")
    }
}
