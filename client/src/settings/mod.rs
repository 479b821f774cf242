//! Settings by their Kafka names: one row of a table for each, so that an existing properties file
//! works.
//!
//! - `value`: how the value of a setting is read and shown.
//! - `client`: the table of the client; the producer's and the consumer's are with them.

mod client;
pub(crate) mod foreign;
mod value;

use std::{ops::RangeBounds, time::Duration};

pub(crate) use client::Settings;
pub(crate) use value::{Kib, Value};

use crate::error::{Error, ErrorKind, Result};
use foreign::Foreign;

/// The longest time a setting may say: what fits the protocol's 32 bits of milliseconds (rule 13).
pub(crate) const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// One setting, as data: what `ottla -X help` and the tables of the docs are made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setting {
    /// Kafka's name.
    pub name: &'static str,
    /// Other names of the same, mostly librdkafka's.
    pub aliases: &'static [&'static str],
    /// What has it: `client`, `producer` or `consumer`.
    pub of: &'static str,
    /// What it does, what it costs, when to change it.
    pub doc: &'static str,
    /// The values that it takes.
    pub values: fn() -> String,
    /// The value without which it is.
    pub default: fn() -> String,
}

/// Declares the settings of one thing: a row is a field, its type, its default, its names, and where
/// it has one its range. Fields behind `also` have no name and are set by methods of a builder.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident of $of:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $ty:ty = $default:expr, $first:literal $(| $alias:literal)*
                $(, in $range:expr)? $(, shown $shown:literal)?;
            )*
            $(also {
                $( $(#[$xmeta:meta])* $extra:ident: $xty:ty = $xdefault:expr; )*
            })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $vis $field: $ty, )*
            $($( $(#[$xmeta])* $vis $extra: $xty, )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $default, )*
                    $($( $extra: $xdefault, )*)?
                }
            }
        }

        impl $name {
            /// Every setting, in the order of the docs.
            $vis const TABLE: &'static [$crate::settings::Setting] = &[$(
                $crate::settings::Setting {
                    name: $first,
                    aliases: &[$($alias),*],
                    of: $of,
                    doc: concat!($($doc),+),
                    values: || {
                        #[allow(unused_mut, unused_assignments, reason = "not every row has a range")]
                        let mut range = String::new();
                        $( range = $crate::settings::describe(&$range); )?
                        let values = <$ty as $crate::settings::Value>::VALUES;
                        if range.is_empty() { values.to_owned() } else { format!("{values}, {range}") }
                    },
                    default: || {
                        #[allow(unused_mut, unused_assignments, reason = "not every row is shown otherwise")]
                        let mut shown = "";
                        $( shown = $shown; )?
                        if shown.is_empty() {
                            $crate::settings::Value::show(&Self::default().$field)
                        } else {
                            shown.to_owned()
                        }
                    },
                },
            )*];

            /// Sets the setting of this name.
            $vis fn set(&mut self, name: &str, value: &str) -> $crate::error::Result<()> {
                match name {
                    $( $first $(| $alias)* => {
                        let read = $crate::settings::read(name, value)?;
                        $( $crate::settings::check_range(name, value, &read, &$range)?; )?
                        self.$field = read;
                    } )*
                    _ => return Err($crate::settings::unknown(name, value, Self::TABLE)),
                }
                Ok(())
            }
        }
    };
}
pub(crate) use settings;

/// A time that was given as one, brought into what the protocol can say.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(LONGEST)
}

/// Reads the value of a setting.
pub(crate) fn read<T: Value>(name: &str, value: &str) -> Result<T> {
    T::read(value.trim()).ok_or_else(|| malformed(name, value, T::VALUES))
}

/// Holds a number against the range of its setting.
pub(crate) fn check_range<T: Value>(
    name: &str,
    value: &str,
    read: &T,
    range: &impl RangeBounds<i64>,
) -> Result<()> {
    match read.number() {
        Some(number) if !range.contains(&number) => Err(malformed(name, value, &describe(range))),
        _ => Ok(()),
    }
}

/// A range in words.
pub(crate) fn describe(range: &impl RangeBounds<i64>) -> String {
    use std::ops::Bound;
    let first = match range.start_bound() {
        Bound::Included(first) => first.to_string(),
        Bound::Excluded(before) => (before + 1).to_string(),
        Bound::Unbounded => return String::new(),
    };
    match range.end_bound() {
        Bound::Included(last) => format!("from {first} to {last}"),
        Bound::Excluded(behind) => format!("from {first} to {}", behind - 1),
        Bound::Unbounded => format!("at least {first}"),
    }
}

/// A value that a setting does not take.
pub(crate) fn malformed(name: &str, value: &str, wanted: &str) -> Error {
    Error::config(format!("{name} is {value:?}, but must be {wanted}"))
}

/// A name that is no setting of these: it is not supported, means nothing here, is misspelt, or is a setting
/// of another part.
pub(crate) fn unknown(name: &str, value: &str, table: &[Setting]) -> Error {
    let of = table.first().map_or("client", |setting| setting.of);
    let what = match foreign::of(name, value) {
        Foreign::Refused(why) => format!("{name} is not supported: {why}"),
        Foreign::Meaningless => format!("{name} means nothing to this client; leave it out"),
        Foreign::Unknown => {
            let hint = hint(name, table.iter());
            format!("{name} is no setting of the {of}{hint}")
        }
    };
    Error::new(ErrorKind::UnknownSetting(what), "settings")
}

/// The nearest name, where one is near.
pub(crate) fn hint<'a>(name: &str, settings: impl Iterator<Item = &'a Setting>) -> String {
    let name = name.to_lowercase();
    let names = settings.flat_map(|s| std::iter::once(s.name).chain(s.aliases.iter().copied()));
    let near = names.map(|known| (strsim::osa_distance(&name, known), known));
    // A third of the letters may differ: more is another word.
    match near.min() {
        Some((distance, known)) if distance * 3 <= known.len() => {
            format!("; did you mean {known}?")
        }
        _ => String::new(),
    }
}

/// Times as the protocol has them.
pub(crate) fn as_millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
