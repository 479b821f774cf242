//! Laws that hold for every message in every version.

use bytes::Bytes;

use super::{APIS, Api, Codec};
use crate::wire::{Reader, Writer, any::Gen};

/// Visits request and response of every API in every version.
fn each_message(mut visit: impl FnMut(&Api, &Codec, i16)) {
    for api in APIS {
        for version in api.versions.clone() {
            visit(api, &api.request, version);
            visit(api, &api.response, version);
        }
    }
}

fn written(message: &dyn super::Message, version: i16, flexible: bool) -> Bytes {
    let mut w = Writer::new(version, flexible);
    message.encode(&mut w);
    w.finish()
        .expect("a generated message fits its version")
        .concat()
        .into()
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    each_message(|api, codec, version| {
        let flexible = version >= api.flexible;
        for seed in 0..50 {
            let message = (codec.any)(&mut Gen::new(seed, version));
            let bytes = written(&*message, version, flexible);
            let mut r = Reader::new(&bytes, version, flexible);
            let back =
                (codec.decode)(&mut r).unwrap_or_else(|e| panic!("{} {version}: {e}", api.name));
            assert_eq!(r.remaining(), 0, "{} {version} leaves bytes", api.name);
            assert_eq!(
                format!("{back:?}"),
                format!("{message:?}"),
                "{} {version}",
                api.name
            );
            assert_eq!(
                written(&*back, version, flexible),
                bytes,
                "{} {version}",
                api.name
            );
        }
    });
}

#[test]
fn a_message_cut_short_anywhere_is_an_error() {
    each_message(|api, codec, version| {
        let flexible = version >= api.flexible;
        let message = (codec.any)(&mut Gen::new(7, version));
        let bytes = written(&*message, version, flexible);
        for n in 0..bytes.len().min(2000) {
            let cut = bytes.slice(..n);
            let read = (codec.decode)(&mut Reader::new(&cut, version, flexible));
            assert!(
                read.is_err(),
                "{} {version} cut to {n} of {} bytes",
                api.name,
                bytes.len()
            );
        }
    });
}

#[test]
fn no_garbage_makes_a_decoder_panic() {
    let mut g = Gen::new(1, 0);
    each_message(|api, codec, version| {
        for _ in 0..200 {
            let garbage: Bytes = (0..g.below(64)).map(|_| g.bits() as u8).collect();
            let _ = (codec.decode)(&mut Reader::new(&garbage, version, version >= api.flexible));
        }
    });
}

#[test]
fn the_list_is_ordered_and_versions_make_sense() {
    assert!(APIS.is_sorted_by_key(|api| api.key as i16));
    for api in APIS {
        assert!(
            !api.versions.is_empty() && *api.versions.start() >= 0,
            "{}",
            api.name
        );
        assert!(std::ptr::eq(
            api,
            Api::find(api.key as i16).expect("it is listed")
        ));
    }
}
