//! A record read from a JSON object, as `consume -J` writes it.

use serde_json::{Map, Value};

/// A header's name and value.
type HeaderBytes = (Vec<u8>, Option<Vec<u8>>);

/// A record to be produced.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonRecord {
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<HeaderBytes>,
}

impl JsonRecord {
    /// Reads one line. The topic, the offset and the kind of the timestamp are passed over: the
    /// record goes to another place.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(line).map_err(|e| format!("no JSON: {e}"))?;
        let Value::Object(mut object) = value else {
            return Err("no JSON object".to_owned());
        };
        let record = Self {
            partition: number(&mut object, "partition")?,
            timestamp: number(&mut object, "ts")?.filter(|ts: &i64| *ts >= 0),
            key: bytes(&mut object, "key", "key_base64")?,
            value: bytes(&mut object, "value", "value_base64")?,
            headers: headers(object.remove("headers"))?,
        };
        for passed_over in ["topic", "offset", "tstype"] {
            object.remove(passed_over);
        }
        match object.keys().next() {
            Some(unknown) => Err(format!("unknown field {unknown:?}")),
            None => Ok(record),
        }
    }
}

fn number<T: TryFrom<i64>>(
    object: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, String> {
    let wrong = || format!("{name} must be a whole number in range");
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_i64().ok_or_else(wrong)?;
            T::try_from(number).map(Some).map_err(|_| wrong())
        }
    }
}

/// Text under one name, or other bytes in base64 under the other.
fn bytes(
    object: &mut Map<String, Value>,
    text: &str,
    other: &str,
) -> Result<Option<Vec<u8>>, String> {
    match (object.remove(text), object.remove(other)) {
        (Some(_), Some(_)) => Err(format!("both {text} and {other}")),
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(None),
        (Some(Value::String(text)), None) => Ok(Some(text.into_bytes())),
        (None, Some(Value::String(coded))) => {
            let decoded = decode(&coded);
            decoded
                .map(Some)
                .ok_or_else(|| format!("{other} is no base64"))
        }
        _ => Err(format!(
            "{text} must be a string or null; other values as text, or {other}"
        )),
    }
}

fn headers(list: Option<Value>) -> Result<Vec<HeaderBytes>, String> {
    let list = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("headers must be a list of {\"key\", \"value\"}".to_owned()),
    };
    list.into_iter().map(header).collect()
}

fn header(value: Value) -> Result<HeaderBytes, String> {
    let Value::Object(mut object) = value else {
        return Err("a header must be an object with key and value".to_owned());
    };
    let key = bytes(&mut object, "key", "key_base64")?;
    let value = bytes(&mut object, "value", "value_base64")?;
    if let Some(unknown) = object.keys().next() {
        return Err(format!("unknown field {unknown:?} in a header"));
    }
    Ok((key.ok_or("a header has no key")?, value))
}

/// RFC 4648, with padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let padding = text.len() - digits.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for at in 0..4 {
            bits = bits << 6 | group.get(at).map_or(Some(0), |digit| value_of(*digit))?;
        }
        let [_, group_bytes @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(group_bytes.get(..group.len() - 1)?);
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::base64;

    #[test]
    fn a_record_is_read_with_all_of_its_fields() {
        let line = br#"{"topic":"t","partition":1,"offset":2,"tstype":"create","ts":3,"key":"k",
            "value_base64":"/w==","headers":[{"key":"h","value":null},{"key":"i","value":""}]}"#;
        let expected = JsonRecord {
            partition: Some(1),
            timestamp: Some(3),
            key: Some(b"k".to_vec()),
            value: Some(b"\xff".to_vec()),
            headers: vec![(b"h".to_vec(), None), (b"i".to_vec(), Some(Vec::new()))],
        };
        assert_eq!(JsonRecord::parse(line), Ok(expected));
        let empty = JsonRecord::parse(br#"{"value":null,"ts":-1}"#);
        assert_eq!(empty, Ok(JsonRecord::default()));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        for (line, what) in [
            (&b"value"[..], "no JSON"),
            (b"[]", "no JSON object"),
            (br#"{"valeu":"x"}"#, "valeu"),
            (br#"{"value":1}"#, "value must be"),
            (br#"{"value":"x","value_base64":"eA=="}"#, "both"),
            (br#"{"value_base64":"x"}"#, "base64"),
            (br#"{"partition":"1"}"#, "partition"),
            (br#"{"partition":3000000000}"#, "partition"),
            (br#"{"headers":{}}"#, "headers"),
            (br#"{"headers":[{"value":"x"}]}"#, "no key"),
        ] {
            let error = JsonRecord::parse(line).expect_err(what);
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let text = base64(&bytes[..length]);
            assert_eq!(decode(&text).as_deref(), Some(&bytes[..length]));
        }
        for wrong in ["=", "A", "A===", "AA=A", "A?==", "AAAA="] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
