//! What kinds of value a setting takes.

use std::ops::RangeInclusive;

/// What a setting takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int(RangeInclusive<i64>),
    /// A share, from 0 to 1.
    Ratio,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Some of these words, with commas between them.
    ListOf(&'static [&'static str]),
}

impl Kind {
    /// Says what is wrong with a value, if anything is.
    pub(crate) fn check(&self, name: &str, value: &str) -> Result<(), String> {
        let wanted = match self {
            Self::Bool if matches!(value, "true" | "false") => return Ok(()),
            Self::Bool => "true or false".to_owned(),
            Self::Int(range) if value.parse().is_ok_and(|n| range.contains(&n)) => return Ok(()),
            Self::Int(range) => format!("a number from {} to {}", range.start(), range.end()),
            Self::Ratio if value.parse().is_ok_and(|x| (0.0..=1.0).contains(&x)) => return Ok(()),
            Self::Ratio => "a number from 0 to 1".to_owned(),
            Self::OneOf(words) if words.contains(&value) => return Ok(()),
            Self::OneOf(words) => format!("one of {}; nothing else is served", words.join(", ")),
            Self::ListOf(words) if value.split(',').all(|w| words.contains(&w.trim())) => {
                return Ok(());
            }
            Self::ListOf(words) => format!("made of {}", words.join(", ")),
        };
        Err(format!("{name} is {value:?}, but must be {wanted}"))
    }
}
