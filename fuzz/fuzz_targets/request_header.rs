//! Any bytes as a client's request: the header, and the body where the header names one.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::{BASE, PER_BYTE, bounded};
use ottla_protocol::{frame::RequestHeader, messages::Api};

fuzz_target!(|input: &[u8]| {
    let frame = Bytes::copy_from_slice(input);
    bounded(BASE + PER_BYTE * frame.len() as u64, || read(&frame));
});

fn read(frame: &Bytes) {
    let flexible = |key| Api::find(key).map_or(i16::MAX, |api| api.flexible);
    let Ok((header, mut r)) = RequestHeader::decode(frame, flexible) else {
        return;
    };
    assert!(r.offset() >= 10, "a header is at least ten bytes");
    assert_eq!(r.offset() + r.remaining(), frame.len());
    let api = Api::find(header.api_key).filter(|api| api.versions.contains(&header.version));
    if let Some(api) = api {
        let _ = (api.request.decode)(&mut r);
    }
}
