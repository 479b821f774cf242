//! Laws that hold for every message in every version; below, what Kafka itself says of them.

mod by_hand;
mod golden;
mod schemas;

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::{APIS, Api, Codec, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::wire::{Reader, Writer, any::Gen};

/// A table of whatever kind: a request, a response, or the data that members embed in them.
struct Table {
    /// The API's key; -1 for what is embedded.
    key: i16,
    name: &'static str,
    what: &'static str,
    versions: RangeInclusive<i16>,
    flexible: i16,
    codec: &'static Codec,
}

impl Table {
    fn all() -> Vec<Self> {
        let mut tables = Vec::new();
        for api in APIS {
            tables.push(Self::of_api(api, "request", &api.request));
            tables.push(Self::of_api(api, "response", &api.response));
        }
        tables.push(Self {
            key: -1,
            name: "ConsumerProtocolSubscription",
            what: "data",
            versions: ConsumerProtocolSubscription::VERSIONS,
            flexible: i16::MAX,
            codec: const { &Codec::of::<ConsumerProtocolSubscription>() },
        });
        tables.push(Self {
            key: -1,
            name: "ConsumerProtocolAssignment",
            what: "data",
            versions: ConsumerProtocolAssignment::VERSIONS,
            flexible: i16::MAX,
            codec: const { &Codec::of::<ConsumerProtocolAssignment>() },
        });
        tables
    }

    fn of_api(api: &'static Api, what: &'static str, codec: &'static Codec) -> Self {
        Self {
            key: api.key as i16,
            name: api.name,
            what,
            versions: api.versions.clone(),
            flexible: api.flexible,
            codec,
        }
    }
}

/// Visits every message in every version.
fn each_message(mut visit: impl FnMut(&Table, i16)) {
    for table in Table::all() {
        for version in table.versions.clone() {
            visit(&table, version);
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
    each_message(|table, version| {
        let flexible = version >= table.flexible;
        for seed in 0..50 {
            let message = (table.codec.any)(&mut Gen::new(seed, version));
            let bytes = written(&*message, version, flexible);
            let mut r = Reader::new(&bytes, version, flexible);
            let back = (table.codec.decode)(&mut r)
                .unwrap_or_else(|e| panic!("{} {version}: {e}", table.name));
            assert_eq!(r.remaining(), 0, "{} {version} leaves bytes", table.name);
            assert_eq!(
                format!("{back:?}"),
                format!("{message:?}"),
                "{} {version}",
                table.name
            );
            assert_eq!(
                written(&*back, version, flexible),
                bytes,
                "{} {version}",
                table.name
            );
        }
    });
}

#[test]
fn a_message_cut_short_anywhere_is_an_error() {
    each_message(|table, version| {
        let flexible = version >= table.flexible;
        let message = (table.codec.any)(&mut Gen::new(7, version));
        let bytes = written(&*message, version, flexible);
        for n in 0..bytes.len().min(2000) {
            let cut = bytes.slice(..n);
            let read = (table.codec.decode)(&mut Reader::new(&cut, version, flexible));
            assert!(
                read.is_err(),
                "{} {version} cut to {n} of {} bytes",
                table.name,
                bytes.len()
            );
        }
    });
}

#[test]
fn no_garbage_makes_a_decoder_panic() {
    let mut g = Gen::new(1, 0);
    each_message(|table, version| {
        for _ in 0..200 {
            let garbage: Bytes = (0..g.below(64)).map(|_| g.bits() as u8).collect();
            let _ = (table.codec.decode)(&mut Reader::new(
                &garbage,
                version,
                version >= table.flexible,
            ));
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
