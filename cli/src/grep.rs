//! `consume -G`: which records are printed.

use regex::bytes::Regex;

use crate::row::Row;

/// One filter. Null matches nothing.
#[derive(Debug, Clone)]
pub(crate) struct Grep {
    /// Only what does not match is printed.
    negated: bool,
    part: Part,
    pattern: Regex,
}

/// The part of a record that a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Key,
    Value,
    /// Any header of this name.
    Header(String),
}

impl Grep {
    /// Reads `k:RE`, `v:RE` or `h:NAME=RE`, with or without `!` before it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (part, pattern) = match rest.split_once(':') {
            Some(("k", pattern)) => (Part::Key, pattern),
            Some(("v", pattern)) => (Part::Value, pattern),
            Some(("h", header)) => {
                let (name, pattern) = header.split_once('=').ok_or("a header is h:NAME=RE")?;
                (Part::Header(name.to_owned()), pattern)
            }
            _ => return Err("give k:RE, v:RE or h:NAME=RE, with or without ! before it".to_owned()),
        };
        let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
        Ok(Self {
            negated,
            part,
            pattern,
        })
    }

    /// Whether a record passes.
    pub(crate) fn passes(&self, row: &Row<'_>) -> bool {
        let is_match = |bytes: Option<&[u8]>| bytes.is_some_and(|b| self.pattern.is_match(b));
        let matches = match &self.part {
            Part::Key => is_match(row.key),
            Part::Value => is_match(row.value),
            Part::Header(name) => {
                let mut named = row.headers.iter().filter(|h| h.key == name.as_bytes());
                named.any(|header| is_match(header.value))
            }
        };
        matches != self.negated
    }
}

#[cfg(test)]
mod tests {
    use ottla::protocol::records::{Header, TimestampType};

    use super::*;

    #[test]
    fn a_record_passes_by_its_key_its_value_or_a_header() {
        let header = |value| Header { key: b"h", value };
        let row = Row {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp_type: TimestampType::CreateTime,
            timestamp: 0,
            key: Some(b"key"),
            value: None,
            headers: vec![header(None), header(Some(b"a=b\xff"))],
        };
        for (text, passes) in [
            ("k:^k.y$", true),
            ("k:K", false),
            ("!k:K", true),
            ("k:", true),
            ("v:", false),
            ("!v:.", true),
            ("h:h=a=b", true),
            ("h:h=^b", false),
            (r"h:h=(?-u:\xff)$", true),
            ("h:other=", false),
            ("!h:h=a", false),
        ] {
            let grep = Grep::parse(text).expect(text);
            assert_eq!(grep.passes(&row), passes, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_named() {
        for (text, named) in [
            ("abc", "k:RE"),
            ("x:abc", "k:RE"),
            ("h:abc", "h:NAME=RE"),
            ("v:(", "unclosed"),
        ] {
            let error = Grep::parse(text).expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
