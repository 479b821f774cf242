//! Bytes as hexadecimal digits, both ways.

use std::fmt;

/// As many bytes are shown of a longer run.
const SHOWN: usize = 32;

/// Reads digits in groups, each of which may begin with `0x`.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for group in text.split(u8::is_ascii_whitespace) {
        let digits = match group {
            [b'0', b'x' | b'X', digits @ ..] => digits,
            digits => digits,
        };
        for &c in digits {
            let digit = digit(c)?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => bytes.push(high << 4 | digit),
            }
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err("there is an odd number of hexadecimal digits".to_owned()),
    }
}

fn digit(c: u8) -> Result<u8, String> {
    let digit = char::from(c)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok());
    digit.ok_or_else(|| format!("'{}' is no hexadecimal digit", c.escape_ascii()))
}

/// How many bytes there are, and the first of them: `3 bytes 0a0b0c`.
pub(crate) struct Preview<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Preview<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        Count(bytes.len(), "byte").fmt(f)?;
        if !bytes.is_empty() {
            f.write_str(" ")?;
        }
        for byte in bytes.iter().take(SHOWN) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(if bytes.len() > SHOWN { ".." } else { "" })
    }
}

/// How many there are of something: `1 byte`, `2 bytes`.
pub(crate) struct Count(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(n, of) = self;
        write!(f, "{n} {of}{}", if *n == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_may_be_grouped_prefixed_and_in_any_case() {
        for text in [
            "00fFa1",
            "0x00ffa1",
            "00 ff\ta1\r\n",
            "0x00 0XFF 0xa1",
            "0 0f fa1",
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(vec![0x00, 0xff, 0xa1]), "{text}");
        }
        assert_eq!(parse(b"  "), Ok(vec![]));
        for (text, named) in [
            ("0g", "'g'"),
            ("000", "odd"),
            ("x00", "'x'"),
            ("0000x", "'x'"),
        ] {
            let error = parse(text.as_bytes()).expect_err("it is malformed");
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn a_preview_counts_and_shows_the_first_bytes() {
        assert_eq!(Preview(b"").to_string(), "0 bytes");
        assert_eq!(Preview(b"\x0a").to_string(), "1 byte 0a");
        assert_eq!(
            Preview(&[7; 32]).to_string(),
            format!("32 bytes {}", "07".repeat(32))
        );
        assert_eq!(
            Preview(&[7; 33]).to_string(),
            format!("33 bytes {}..", "07".repeat(32))
        );
    }
}
