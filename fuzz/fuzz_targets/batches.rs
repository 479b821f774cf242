//! Any bytes as the records of a fetched partition.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::walk;

fuzz_target!(|input: &[u8]| walk(Bytes::copy_from_slice(input)));
