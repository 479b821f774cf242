//! How the value of a setting is read and shown.

use std::{sync::Arc, time::Duration};

use ottla_protocol::records::Compression;

use super::LONGEST;

/// A type that settings have.
pub(crate) trait Value: Sized {
    /// What it takes, in words.
    const VALUES: &'static str;

    /// Reads a value without space around it.
    fn read(text: &str) -> Option<Self>;

    /// The value as [`read`](Self::read) takes it.
    fn show(&self) -> String;

    /// The value as a number that a range can be about.
    fn number(&self) -> Option<i64> {
        None
    }
}

impl Value for Duration {
    const VALUES: &'static str = "milliseconds, at most 2147483647";

    fn read(text: &str) -> Option<Self> {
        let time = Self::from_millis(text.parse().ok()?);
        (time <= LONGEST).then_some(time)
    }

    fn show(&self) -> String {
        self.as_millis().to_string()
    }

    fn number(&self) -> Option<i64> {
        i64::try_from(self.as_millis()).ok()
    }
}

macro_rules! numbers {
    ($($ty:ty)*) => { $(
        impl Value for $ty {
            const VALUES: &'static str = "a number";

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<i64> {
                Some(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )* };
}

numbers! { i32 usize }

/// Bytes that are given in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kib(pub(crate) usize);

impl Value for Kib {
    const VALUES: &'static str = "KiB";

    fn read(text: &str) -> Option<Self> {
        Some(Self(text.parse::<usize>().ok()?.checked_mul(1024)?))
    }

    fn show(&self) -> String {
        (self.0 / 1024).to_string()
    }

    fn number(&self) -> Option<i64> {
        i64::try_from(self.0 / 1024).ok()
    }
}

impl Value for bool {
    const VALUES: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Arc<str> {
    const VALUES: &'static str = "text";

    fn read(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl<T: Value> Value for Option<T> {
    const VALUES: &'static str = T::VALUES;

    fn read(text: &str) -> Option<Self> {
        T::read(text).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, T::show)
    }

    fn number(&self) -> Option<i64> {
        self.as_ref()?.number()
    }
}

impl Value for Compression {
    const VALUES: &'static str = "none, gzip, snappy, lz4 or zstd";

    fn read(text: &str) -> Option<Self> {
        text.to_ascii_lowercase().parse().ok()
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}
