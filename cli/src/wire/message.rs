//! One message: its fields, and what is wrong with it.

use std::fmt;

use bytes::Bytes;
use ottla::protocol::{
    messages::{Api, ApiKey, Codec},
    wire::{DecodeError, EncodeError, Reader, Writer},
};

use super::{apis::Versions, hex::Preview, walk::Walk};

/// Which of the two messages of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Response => "response",
        })
    }
}

/// What some bytes are to be read as: a message in a version that is spoken here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    api: &'static Api,
    version: i16,
    direction: Direction,
}

/// A message as it is printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) fault: Option<Fault>,
}

/// What is wrong with a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The byte at which it is wrong.
    pub(crate) at: usize,
    /// The field that the byte belongs to; empty where it is none.
    pub(crate) field: String,
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.at)?;
        if !self.field.is_empty() {
            write!(f, " in {}", self.field)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Kind {
    /// # Errors
    /// When the version is not spoken here; says which are.
    pub(crate) fn new(
        api: &'static Api,
        version: i16,
        direction: Direction,
    ) -> Result<Self, String> {
        if !api.versions.contains(&version) {
            let (name, versions) = (api.name, Versions(api));
            return Err(format!(
                "{name} has versions {versions} here, and not {version}"
            ));
        }
        Ok(Self {
            api,
            version,
            direction,
        })
    }

    /// Whether the header of a response ends with tagged fields. That of ApiVersions never does:
    /// its reader does not know yet what is spoken (KIP-511).
    pub(crate) fn has_tagged_header(&self) -> bool {
        self.flexible() && self.api.key != ApiKey::ApiVersions
    }

    /// Prints the message that begins at byte `from` of a frame and should end with it.
    pub(crate) fn print(&self, frame: &Bytes, from: usize, indent: usize) -> Printed {
        let mut walk = Walk::indented(indent);
        let mut r = self.reader(frame, from);
        let walked = walk.message(&self.codec().schema, &mut r);
        let fault = match walked {
            Err(error) => Some(fault(&error, walk.path())),
            Ok(()) if r.remaining() > 0 => Some(left_over(frame, r.offset())),
            Ok(()) => self.rewrite(frame, from, walk.unknown_tags_from()),
        };
        let text = walk.into_text();
        Printed { text, fault }
    }

    fn flexible(&self) -> bool {
        self.version >= self.api.flexible
    }

    fn codec(&self) -> &'static Codec {
        match self.direction {
            Direction::Request => &self.api.request,
            Direction::Response => &self.api.response,
        }
    }

    fn reader<'a>(&self, frame: &'a Bytes, from: usize) -> Reader<'a> {
        let mut r = Reader::new(frame, self.version, self.flexible());
        r.take(from).expect("a message begins within its frame");
        r
    }

    /// Whether writing the message again gives the same bytes, as far as all of it is understood.
    fn rewrite(&self, frame: &Bytes, from: usize, until: Option<usize>) -> Option<Fault> {
        let message = match (self.codec().decode)(&mut self.reader(frame, from)) {
            Ok(message) => message,
            Err(error) => return Some(fault(&error, error.field)),
        };
        let mut w = Writer::new(self.version, self.flexible());
        message.encode(&mut w);
        let written = match w.finish() {
            Ok(segments) => segments.concat(),
            Err(error) => return Some(unwritable(from, &error)),
        };
        let read = &frame[from..until.unwrap_or(frame.len())];
        let written = match until {
            Some(_) => &written[..written.len().min(read.len())],
            None => &written[..],
        };
        if read == written {
            return None;
        }
        let same = read.iter().zip(written).take_while(|(a, b)| a == b).count();
        let (at, schema) = (from + same, &self.codec().schema);
        Some(Fault {
            at,
            field: Walk::field_at(at, schema, &mut self.reader(frame, from)),
            what: format!(
                "written again it goes on with {}, where there is {}",
                Next(&written[same..]),
                Next(&read[same..])
            ),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, direction) = (self.api.name, self.direction);
        write!(f, "{name} {direction}, version {}", self.version)
    }
}

/// The first bytes of what follows somewhere.
struct Next<'a>(&'a [u8]);

impl fmt::Display for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the end");
        }
        self.0.iter().take(8).try_for_each(|b| write!(f, "{b:02x}"))
    }
}

pub(crate) fn fault(error: &DecodeError, path: &str) -> Fault {
    Fault {
        at: error.at,
        field: path.to_owned(),
        what: error.kind.to_string(),
    }
}

fn left_over(frame: &Bytes, at: usize) -> Fault {
    let (field, rest) = (String::new(), Preview(&frame[at..]));
    let what = format!("the message ends here, and this is left over: {rest}");
    Fault { at, field, what }
}

fn unwritable(at: usize, error: &EncodeError) -> Fault {
    let field = error.field.to_owned();
    let what = format!("it cannot be written again: {error}");
    Fault { at, field, what }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::{
        super::{apis, hex},
        *,
    };

    /// Every message in every version as Kafka's own classes wrote it.
    const GOLDEN: &[u8] = include_bytes!("../../../protocol/testdata/golden.txt.gz");

    fn kind(api: &str, version: i16, direction: Direction) -> Kind {
        Kind::new(apis::find(api).expect("it is known"), version, direction).expect("it is spoken")
    }

    /// The messages of the file, as far as they are spoken here.
    fn each_golden(mut visit: impl FnMut(&str, Kind, &Bytes)) {
        let mut text = String::new();
        let unpacked = GzDecoder::new(GOLDEN).read_to_string(&mut text);
        unpacked.expect("it unpacks");
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [api, version, direction, name, hex] = words[..] else {
                panic!("{line} is no message");
            };
            let Ok(api) = apis::find(api) else { continue };
            let direction = match direction {
                "request" => Direction::Request,
                _ => Direction::Response,
            };
            let version = version.parse().expect("a version");
            let Ok(kind) = Kind::new(api, version, direction) else {
                continue;
            };
            let bytes = hex::parse(hex.as_bytes()).expect("digits");
            visit(&format!("{kind}, {name}"), kind, &bytes.into());
        }
    }

    #[test]
    fn every_message_that_kafka_writes_is_printed_without_a_fault() {
        let mut count = 0;
        each_golden(|name, kind, bytes| {
            let printed = kind.print(bytes, 0, 0);
            assert_eq!(printed.fault, None, "{name}: {}", printed.text);
            count += 1;
        });
        assert!(count > 3500, "there are {count}");
    }

    #[test]
    fn what_is_wrong_is_what_the_decoder_says() {
        each_golden(|name, kind, bytes| {
            let step = bytes.len() / 8 + 1;
            for n in (0..bytes.len()).step_by(step) {
                agrees(name, kind, &bytes.slice(..n));
                let mut other = bytes.to_vec();
                other[n] ^= 0x81;
                agrees(name, kind, &other.into());
            }
        });
    }

    #[track_caller]
    fn agrees(name: &str, kind: Kind, bytes: &Bytes) {
        let decoded = (kind.codec().decode)(&mut kind.reader(bytes, 0));
        let printed = kind.print(bytes, 0, 0);
        let Err(error) = decoded else {
            return assert!(!printed.text.contains("breaks off"), "{name}: {bytes:02x?}");
        };
        let found = printed.fault.expect("the decoder found one");
        assert_eq!(
            (found.at, &found.what),
            (error.at, &error.kind.to_string()),
            "{name}"
        );
        let field = found.field.rsplit('.').next().unwrap_or_default();
        let field = field.split('[').next().unwrap_or_default();
        assert_eq!(field, error.field, "{name}: {found}");
        assert!(
            printed.text.ends_with("(it breaks off here)\n"),
            "{name}: {}",
            printed.text
        );
    }

    #[test]
    fn a_message_that_breaks_off_is_printed_up_to_there() {
        let kind = kind("Metadata", 1, Direction::Response);
        let bytes = Bytes::from_static(
            b"\0\0\0\x01\0\0\0\x07\0\x01h\0\0\x23\x84\xff\xff\0\0\0\x01\
              \0\0\0\x01\0\x05\0\x01t\x01\0\0\0\x01\0\0\0\0\0\x07\0",
        );
        let printed = kind.print(&bytes, 0, 2);
        let expected = "  brokers: 1 item
    [0]
      node_id: 7
      host: \"h\"
      port: 9092
      rack: null
  controller_id: 1
  topics: 1 item
    [0]
      error_code: 5 LEADER_NOT_AVAILABLE
      name: \"t\"
      is_internal: true
      partitions: 1 item
        [0]
          error_code: 0 NONE
          partition_index: 7
          leader_id: (it breaks off here)\n";
        assert_eq!(printed.text, expected);
        let fault = printed.fault.expect("it is not whole").to_string();
        let expected = "at byte 41 in topics[0].partitions[0].leader_id: the frame ends too early";
        assert_eq!(fault, expected);
    }

    #[test]
    fn what_is_left_over_is_counted_and_shown() {
        let kind = kind("Heartbeat", 0, Direction::Response);
        let printed = kind.print(&Bytes::from_static(b"\0\x1b\x07\x08"), 0, 0);
        assert_eq!(printed.text, "error_code: 27 REBALANCE_IN_PROGRESS\n");
        let fault = printed.fault.expect("it is too long").to_string();
        let expected = "at byte 2: the message ends here, and this is left over: 2 bytes 0708";
        assert_eq!(fault, expected);
    }

    #[test]
    fn another_spelling_of_the_same_is_found_with_its_field() {
        for (api, version, bytes, place) in [
            (
                "DeleteGroups",
                2,
                &b"\x82\0\x02a\0"[..],
                "at byte 0 in groups_names",
            ),
            (
                "DeleteGroups",
                2,
                b"\x02\x82\0a\0",
                "at byte 1 in groups_names[0]",
            ),
            (
                "DeleteGroups",
                2,
                b"\x02\x02a\x80\0",
                "at byte 3 in (tagged fields)",
            ),
            (
                "Metadata",
                4,
                b"\0\0\0\0\x02",
                "at byte 4 in allow_auto_topic_creation",
            ),
        ] {
            let kind = kind(api, version, Direction::Request);
            let fault = kind.print(&Bytes::copy_from_slice(bytes), 0, 0).fault;
            let fault = fault.expect("it is not how it is written").to_string();
            assert!(
                fault.starts_with(&format!("{place}: written again")),
                "{fault}"
            );
        }
    }

    #[test]
    fn what_stands_before_unknown_tagged_fields_is_written_again() {
        let kind = kind("DeleteGroups", 2, Direction::Request);
        let good = kind.print(&Bytes::from_static(b"\x02\x02a\x01\x07\x02hi"), 0, 0);
        assert_eq!(good.fault, None);
        assert_eq!(
            good.text,
            "groups_names: [\"a\"]\nunknown tagged field 7: 2 bytes 6869\n"
        );
        let bad = kind.print(&Bytes::from_static(b"\x82\0\x02a\x01\x07\x02hi"), 0, 0);
        assert_eq!(bad.fault.map(|fault| fault.at), Some(0));
    }

    #[test]
    fn unknown_tagged_fields_inside_known_ones_change_the_sizes_around_them() {
        let kind = kind("Fetch", 15, Direction::Request);
        let front = [&[0; 21][..], b"\x01\x01\x01"].concat();
        // Tag 1 is the replica's state: its id, its epoch, and a field of tomorrow.
        let state = [&b"\x01\x01\x10"[..], &[0; 12], b"\x01\x09\x01\x05"].concat();
        let printed = kind.print(&[front, state].concat().into(), 0, 0);
        assert_eq!(printed.fault, None);
        let expected = "replica_state (tag 1):\n  replica_id: 0\n  replica_epoch: 0\n  \
            unknown tagged field 9: 1 byte 05\n";
        assert!(printed.text.ends_with(expected), "{}", printed.text);
    }

    #[test]
    fn null_breaks_a_message_off_where_its_version_has_none() {
        for (version, expected) in [(0, "topics: (it breaks off here)\n"), (1, "topics: null\n")] {
            let kind = kind("Metadata", version, Direction::Request);
            let printed = kind.print(&Bytes::from_static(&[0xff; 4]), 0, 0);
            assert_eq!(printed.text, expected);
        }
    }
}
