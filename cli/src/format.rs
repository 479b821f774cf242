//! The language of `consume -f`: text with verbs, as franz-go has them.
//!
//! A format is parsed once into a list of pieces; printing a record walks the list.

use std::{
    io::{self, Write},
    str::Chars,
};

use ottla::protocol::records::Header;

use crate::{
    escape::{after_backslash, push},
    row::Row,
};

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Topic,
    TopicLength,
    Partition,
    Offset,
    Timestamp,
    Pair(Pair),
    Headers(Vec<HeaderPiece>),
    HeaderCount,
}

/// A part of a header's format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum HeaderPiece {
    Text(Vec<u8>),
    Pair(Pair),
}

/// What a record and a header both have: a key and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pair {
    Key,
    KeyLength,
    Value,
    ValueLength,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// Says which verb or escape is not known.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut chars = text.chars();
        let mut pieces = Vec::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => literal(&mut pieces).push(after_backslash(&mut chars)?),
                '%' => verb(&mut chars, &mut pieces)?,
                c => push(literal(&mut pieces), c),
            }
        }
        Ok(Self(pieces))
    }

    /// Prints a record.
    pub(crate) fn write(&self, row: &Row<'_>, out: &mut impl Write) -> io::Result<()> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Topic => out.write_all(row.topic.as_bytes())?,
                Piece::TopicLength => write!(out, "{}", row.topic.len())?,
                Piece::Partition => write!(out, "{}", row.partition)?,
                Piece::Offset => write!(out, "{}", row.offset)?,
                Piece::Timestamp => write!(out, "{}", row.timestamp)?,
                Piece::Pair(pair) => pair.write(row.key, row.value, out)?,
                Piece::Headers(pieces) => {
                    for header in &row.headers {
                        write_header(pieces, header, out)?;
                    }
                }
                Piece::HeaderCount => write!(out, "{}", row.headers.len())?,
            }
        }
        Ok(())
    }
}

fn write_header(
    pieces: &[HeaderPiece],
    header: &Header<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    for piece in pieces {
        match piece {
            HeaderPiece::Text(text) => out.write_all(text)?,
            HeaderPiece::Pair(pair) => pair.write(Some(header.key), header.value, out)?,
        }
    }
    Ok(())
}

impl Pair {
    const fn of(verb: char) -> Option<Self> {
        match verb {
            'k' => Some(Self::Key),
            'K' => Some(Self::KeyLength),
            // kcat has the letters of a payload for it.
            'v' | 's' => Some(Self::Value),
            'V' | 'S' => Some(Self::ValueLength),
            _ => None,
        }
    }

    fn write(
        self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self {
            Self::Key => out.write_all(key.unwrap_or_default()),
            Self::KeyLength => write_length(key, out),
            Self::Value => out.write_all(value.unwrap_or_default()),
            Self::ValueLength => write_length(value, out),
        }
    }
}

/// Null is -1, so that it can be told from nothing.
fn write_length(bytes: Option<&[u8]>, out: &mut impl Write) -> io::Result<()> {
    match bytes {
        Some(bytes) => write!(out, "{}", bytes.len()),
        None => out.write_all(b"-1"),
    }
}

/// The text piece at the end of the list.
fn literal(pieces: &mut Vec<Piece>) -> &mut Vec<u8> {
    if !matches!(pieces.last(), Some(Piece::Text(_))) {
        pieces.push(Piece::Text(Vec::new()));
    }
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text,
        _ => unreachable!("it was pushed above"),
    }
}

/// Reads what follows a percent sign.
fn verb(chars: &mut Chars<'_>, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let Some(verb) = chars.next() else {
        return Err("a percent sign at the end; %% is a percent sign".to_owned());
    };
    let piece = match verb {
        '%' | '{' | '}' => {
            push(literal(pieces), verb);
            return Ok(());
        }
        't' => Piece::Topic,
        'T' => Piece::TopicLength,
        'p' => Piece::Partition,
        'o' => Piece::Offset,
        'd' => Piece::Timestamp,
        'H' => Piece::HeaderCount,
        'h' => {
            pieces.push(Piece::Headers(braces(chars)?));
            return Ok(());
        }
        _ => Piece::Pair(Pair::of(verb).ok_or_else(|| unknown(verb))?),
    };
    pieces.push(piece);
    no_modifier(verb, chars)
}

/// Reads what a header is printed as: `{%k=%v }`.
fn braces(chars: &mut Chars<'_>) -> Result<Vec<HeaderPiece>, String> {
    if chars.next() != Some('{') {
        return Err("%h needs the format of a header in braces, such as %h{%k=%v }".to_owned());
    }
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    loop {
        match chars.next() {
            Some('}') => break,
            Some('\\') => text.push(after_backslash(chars)?),
            Some('%') => match chars.next() {
                Some(c @ ('%' | '{' | '}')) => push(&mut text, c),
                Some(c) => {
                    let pair = Pair::of(c).ok_or_else(|| unknown_in_header(c))?;
                    no_modifier(c, chars)?;
                    pieces.push(HeaderPiece::Text(std::mem::take(&mut text)));
                    pieces.push(HeaderPiece::Pair(pair));
                }
                None => return Err(unclosed()),
            },
            Some(c) => push(&mut text, c),
            None => return Err(unclosed()),
        }
    }
    pieces.push(HeaderPiece::Text(text));
    pieces.retain(|piece| !matches!(piece, HeaderPiece::Text(text) if text.is_empty()));
    Ok(pieces)
}

/// In franz-go, braces behind a verb modify it; better refused than printed.
fn no_modifier(verb: char, chars: &Chars<'_>) -> Result<(), String> {
    if chars.as_str().starts_with('{') {
        return Err(format!("%{verb} takes no braces; %{{ is a brace"));
    }
    Ok(())
}

fn unknown(verb: char) -> String {
    format!("there is no verb %{verb}; those are %t %p %o %d %k %v %h{{..}} %T %K %V %H %%")
}

fn unknown_in_header(verb: char) -> String {
    format!("there is no verb %{verb} in %h{{..}}; those are %k %v %K %V %%")
}

fn unclosed() -> String {
    "the brace of %h{..} is not closed".to_owned()
}

#[cfg(test)]
mod tests {
    use ottla::protocol::records::TimestampType;

    use super::*;

    fn row() -> Row<'static> {
        let header = |key, value| Header { key, value };
        Row {
            topic: "orders",
            partition: 3,
            offset: 42,
            timestamp_type: TimestampType::CreateTime,
            timestamp: 1_700_000_000_000,
            key: Some(b"k\xff"),
            value: None,
            headers: vec![
                header(b"a", Some(b"1")),
                header(b"a", None),
                header(b"\x80", Some(b"\xfe")),
            ],
        }
    }

    fn print(format: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let format = Format::parse(format).expect(format);
        format
            .write(&row(), &mut out)
            .expect("a vector takes everything");
        out
    }

    #[test]
    fn every_verb_prints_its_part() {
        assert_eq!(print("%t/%p@%o %d"), b"orders/3@42 1700000000000");
        assert_eq!(print("%T %K %V %H"), b"6 2 -1 3");
        assert_eq!(print("100%% %{x%} {y}"), b"100% {x} {y}");
    }

    #[test]
    fn bytes_that_are_no_text_pass_unchanged_and_null_is_nothing() {
        assert_eq!(print("[%k][%v]"), b"[k\xff][]");
    }

    #[test]
    fn headers_are_printed_one_by_one_in_their_own_format() {
        assert_eq!(print("%h{%k=%v }."), b"a=1 a= \x80=\xfe .");
        assert_eq!(print(r"%h{%K:%V%}\x7c}"), b"1:1}|1:-1}|1:1}|");
        assert_eq!(print("%h{}"), b"");
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(print(r"\t\r\n\\\x00\xFFä"), b"\t\r\n\\\x00\xff\xc3\xa4");
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (format, named) in [
            ("%q", "%q"),
            ("%", "percent sign"),
            ("%h", "%h{%k=%v }"),
            ("%h{%k", "not closed"),
            ("%h{%", "not closed"),
            ("%h{%o}", "%o"),
            ("%v{hex}", "%v"),
            ("%h{%v{hex}}", "%v"),
            (r"\q", r"\q"),
            (r"%h{\q}", r"\q"),
            ("\\", "backslash"),
        ] {
            let error = Format::parse(format).expect_err(format);
            assert!(error.contains(named), "{format}: {error}");
        }
    }
}
