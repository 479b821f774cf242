//! Bytes that cannot be typed: `\n`, `\t`, `\r`, `\0`, `\\` and `\xNN`.

use std::{
    fmt::{self, Write},
    str::Chars,
};

/// What separates a key from its value; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delimiter(Vec<u8>);

impl Delimiter {
    /// A newline.
    pub(crate) fn newline() -> Self {
        Self(vec![b'\n'])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The parts of a line before and after the first delimiter.
    pub(crate) fn split<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let at = line
            .windows(self.0.len())
            .position(|window| window == self.0)?;
        Some((&line[..at], &line[at + self.0.len()..]))
    }
}

/// Reads a delimiter.
pub(crate) fn delimiter(text: &str) -> Result<Delimiter, String> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => bytes.push(after_backslash(&mut chars)?),
            c => push(&mut bytes, c),
        }
    }
    if bytes.is_empty() {
        return Err("a delimiter is at least one byte long".to_owned());
    }
    Ok(Delimiter(bytes))
}

/// The byte that an escape stands for, its backslash taken already.
pub(crate) fn after_backslash(rest: &mut Chars<'_>) -> Result<u8, String> {
    match rest.next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('r') => Ok(b'\r'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let (high, low) = (hex(rest), hex(rest));
            let byte = high.zip(low).map(|(high, low)| high << 4 | low);
            byte.ok_or_else(|| "\\x needs two hexadecimal digits".to_owned())
        }
        Some(other) => Err(format!("there is no escape \\{other}; \\\\ is a backslash")),
        None => Err("a backslash at the end; \\\\ is a backslash".to_owned()),
    }
}

fn hex(rest: &mut Chars<'_>) -> Option<u8> {
    rest.next()?.to_digit(16)?.try_into().ok()
}

/// Appends a character as UTF-8.
pub(crate) fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Bytes between quotation marks, with escapes for what cannot be typed and for quotation marks.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| escape(c, f))?;
            chunk
                .invalid()
                .iter()
                .try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

fn escape(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\t' => f.write_str("\\t"),
        '\r' => f.write_str("\\r"),
        '\\' => f.write_str("\\\\"),
        c if c == '"' || c.is_control() => {
            let mut buffer = [0; 4];
            let mut bytes = c.encode_utf8(&mut buffer).bytes();
            bytes.try_for_each(|byte| write!(f, "\\x{byte:02x}"))
        }
        c => f.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_may_be_any_bytes() {
        let bytes = |text| delimiter(text).map(|d| d.0);
        assert_eq!(bytes(":"), Ok(b":".to_vec()));
        assert_eq!(bytes(r"\t\0"), Ok(b"\t\0".to_vec()));
        assert_eq!(bytes(r"\x00\xfF"), Ok(vec![0, 255]));
        assert_eq!(bytes("→"), Ok("→".as_bytes().to_vec()));
        for wrong in ["", r"\", r"\q", r"\x", r"\x1", r"\x+1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_split_at_the_first_delimiter() {
        let delimiter = delimiter("::").expect("it is well-formed");
        assert_eq!(
            delimiter.split(b"a:b::c::d"),
            Some((&b"a:b"[..], &b"c::d"[..]))
        );
        assert_eq!(delimiter.split(b"::"), Some((&b""[..], &b""[..])));
        assert_eq!(delimiter.split(b"a:b"), None);
        assert_eq!(delimiter.split(b""), None);
    }

    #[test]
    fn what_is_escaped_is_read_again() {
        let bytes = "a\"b\\\n\t\r\0\u{7f}\u{85}→é".as_bytes();
        let bytes = [bytes, b"\xff\xe2\x86"].concat();
        let text = Escaped(&bytes).to_string();
        let expected = r#""a\x22b\\\n\t\r\x00\x7f\xc2\x85→é\xff\xe2\x86""#;
        assert_eq!(text, expected);
        let inner = text.trim_matches('"');
        assert_eq!(delimiter(inner), Ok(Delimiter(bytes)));
    }
}
