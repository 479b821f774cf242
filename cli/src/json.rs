//! A record as a JSON object on a line of its own.

use std::io::{self, Write};

use ottla::protocol::records::{Header, TimestampType};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::row::Row;

/// Prints a record and a newline.
pub(crate) fn write(row: &Row<'_>, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Object(row))?;
    out.write_all(b"\n")
}

struct Object<'a>(&'a Row<'a>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.0;
        let headers: Vec<_> = row.headers.iter().map(HeaderObject).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("topic", row.topic)?;
        map.serialize_entry("partition", &row.partition)?;
        map.serialize_entry("offset", &row.offset)?;
        map.serialize_entry("tstype", timestamp_type(row.timestamp_type))?;
        map.serialize_entry("ts", &row.timestamp)?;
        bytes(&mut map, "key", "key_base64", row.key)?;
        bytes(&mut map, "value", "value_base64", row.value)?;
        map.serialize_entry("headers", &headers)?;
        map.end()
    }
}

/// Names may repeat, so headers are a list.
struct HeaderObject<'a>(&'a Header<'a>);

impl Serialize for HeaderObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        bytes(&mut map, "key", "key_base64", Some(self.0.key))?;
        bytes(&mut map, "value", "value_base64", self.0.value)?;
        map.end()
    }
}

/// As kcat spells them.
const fn timestamp_type(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "create",
        TimestampType::LogAppendTime => "logappend",
    }
}

/// Text under one name, and under the other what is none.
fn bytes<M: SerializeMap>(
    map: &mut M,
    text: &'static str,
    other: &'static str,
    value: Option<&[u8]>,
) -> Result<(), M::Error> {
    match value.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => map.serialize_entry(text, &()),
        Some(Ok(value)) => map.serialize_entry(text, value),
        Some(Err(value)) => map.serialize_entry(other, &base64(value)),
    }
}

/// RFC 4648, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { digit.into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(row: &Row<'_>) -> String {
        let mut out = Vec::new();
        write(row, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("JSON is text")
    }

    #[test]
    fn a_record_is_one_line_with_its_fields_in_order() {
        let row = Row {
            topic: "t",
            partition: 1,
            offset: 2,
            timestamp_type: TimestampType::LogAppendTime,
            timestamp: 3,
            key: Some(b"a\"\n"),
            value: None,
            headers: Vec::new(),
        };
        let expected = r#"{"topic":"t","partition":1,"offset":2,"tstype":"logappend","ts":3,"#;
        let expected = format!(
            "{expected}{}\n",
            r#""key":"a\"\n","value":null,"headers":[]}"#
        );
        assert_eq!(print(&row), expected);
    }

    #[test]
    fn bytes_that_are_no_text_get_a_name_of_their_own() {
        let header = |key, value| Header { key, value };
        let row = Row {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp_type: TimestampType::CreateTime,
            timestamp: -1,
            key: Some(b"\xff"),
            value: Some(b""),
            headers: vec![header(b"h", None), header(b"h", Some(b"\x80"))],
        };
        let text = print(&row);
        assert!(
            text.contains(r#""key_base64":"/w==","value":"","#),
            "{text}"
        );
        let headers = r#""headers":[{"key":"h","value":null},{"key":"h","value_base64":"gA=="}]"#;
        assert!(text.contains(headers), "{text}");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(b"\xfb\xff\xfe"), "+//+");
    }
}
