//! Which names a topic can have.

use std::fmt;

/// The longest name in bytes: a log's folder carries it with the partition behind it.
const LONGEST: usize = 249;

/// What is wrong with the name of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidName {
    /// It is empty.
    Empty,
    /// It is `.` or `..`.
    Dots,
    /// It has more than 249 bytes.
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It has a character other than ASCII letters, digits, `.`, `_` and `-`.
    Character(char),
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the topic name is empty"),
            Self::Dots => f.write_str("a topic name must not be . or .."),
            Self::TooLong { bytes } => write!(
                f,
                "the topic name has {bytes} bytes, more than the {LONGEST} that Kafka allows"
            ),
            Self::Character(c) => write!(
                f,
                "the topic name has the character {c:?}; Kafka allows ASCII letters, digits, '.', \
                 '_' and '-'"
            ),
        }
    }
}

impl std::error::Error for InvalidName {}

/// Checks a topic's name as brokers do. A name that a broker cannot read, such as one of 40,000
/// bytes, would otherwise end the connection with every metadata request that asks for it.
///
/// # Errors
/// What is wrong with the name.
pub fn check_topic_name(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name == "." || name == ".." {
        return Err(InvalidName::Dots);
    }
    let bytes = name.len();
    if bytes > LONGEST {
        return Err(InvalidName::TooLong { bytes });
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name.chars().find(|c| !is_legal(*c)) {
        Some(c) => Err(InvalidName::Character(c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_brokers_check_them() {
        for name in ["a", "A.b_c-9", "...", &"x".repeat(249)] {
            assert_eq!(check_topic_name(name), Ok(()), "{name}");
        }
        assert_eq!(check_topic_name(""), Err(InvalidName::Empty));
        assert_eq!(check_topic_name("."), Err(InvalidName::Dots));
        assert_eq!(check_topic_name(".."), Err(InvalidName::Dots));
        let bytes = 250;
        let long = check_topic_name(&"x".repeat(bytes));
        assert_eq!(long, Err(InvalidName::TooLong { bytes }));
        assert_eq!(check_topic_name("a b"), Err(InvalidName::Character(' ')));
        assert_eq!(check_topic_name("ä"), Err(InvalidName::Character('ä')));
    }
}
