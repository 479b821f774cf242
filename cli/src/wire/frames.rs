//! What went over a connection in one direction: messages behind their headers and sizes.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Display},
};

use bytes::Bytes;
use ottla::protocol::{
    ErrorCode,
    frame::{RequestHeader, correlation_id},
    messages::{Api, ApiKey},
    wire::Reader,
};

use crate::{escape::Escaped, failure::Failure};

use super::{
    hex::{Count, Preview},
    message::{Direction, Fault, Kind, Printed, fault},
    report::Report,
};

/// The size in front of a frame takes so many bytes.
const SIZE: usize = 4;
/// The correlation id, which is the header of a response, takes so many.
const CORRELATION_ID: usize = 4;
/// How far the fields stand behind the line that names the message.
const INDENT: usize = 2;

/// Prints a stream of requests.
pub(crate) fn requests(stream: &Bytes, report: &mut Report) -> Result<(), Failure> {
    for frame in Frames::new(stream) {
        match frame {
            Ok(frame) => tell(&frame, request(&frame.bytes), report)?,
            Err(what) => report.fault(what)?,
        }
    }
    Ok(())
}

/// Prints a stream of responses.
pub(crate) fn responses(
    stream: &Bytes,
    mut answered: Answered,
    report: &mut Report,
) -> Result<(), Failure> {
    for frame in Frames::new(stream) {
        match frame {
            Ok(frame) => tell(&frame, response(&frame.bytes, &mut answered), report)?,
            Err(what) => report.fault(what)?,
        }
    }
    Ok(())
}

/// A frame with its header taken off: a title for it, and its fields.
struct Opened {
    title: String,
    body: Printed,
}

fn tell(frame: &Frame, opened: Opened, report: &mut Report) -> Result<(), Failure> {
    let Opened { title, body } = opened;
    report.print(&format!("{frame}: {title}\n{}", body.text))?;
    let place = format!("frame at byte {}", frame.at);
    if let Some(mut fault) = body.fault {
        fault.at += frame.at + SIZE;
        report.fault(format_args!("{place}: {fault}"))?;
    }
    if frame.bytes.len() < frame.size {
        let missing = Count(frame.size - frame.bytes.len(), "byte");
        report.fault(format_args!("{place}: the stream ends {missing} too early"))?;
    }
    Ok(())
}

fn request(frame: &Bytes) -> Opened {
    let flexible = |key| Api::find(key).map_or(i16::MAX, |api| api.flexible);
    let (header, from) = match RequestHeader::decode(frame, flexible) {
        Ok((header, r)) => (header, r.offset()),
        Err(error) => return unread("request", frame, 0, fault(&error, "the header")),
    };
    let id = header.correlation_id;
    let client = header.client_id.as_deref();
    let client = client.map_or_else(
        || "null".to_owned(),
        |id| Escaped(id.as_bytes()).to_string(),
    );
    let title = |what: &dyn Display| format!("{what}, correlation id {id}, client id {client}");
    match spoken(header.api_key, header.version, Direction::Request) {
        Ok(kind) => Opened {
            title: title(&kind),
            body: kind.print(frame, from, INDENT),
        },
        Err(what) => {
            let api = Api::find(header.api_key);
            let name = api.map_or_else(
                || format!("API {}", header.api_key),
                |api| api.name.to_owned(),
            );
            let asked = format!("{name} request, version {}", header.version);
            unread(&title(&asked), frame, from, in_header(what))
        }
    }
}

fn response(frame: &Bytes, answered: &mut Answered) -> Opened {
    let Some(id) = correlation_id(frame) else {
        let what = in_header("it is too short for a correlation id".to_owned());
        return unread("response", frame, 0, what);
    };
    let title = |what: &dyn Display| format!("{what}, correlation id {id}");
    let kind = match answered.kind(id, frame) {
        Ok(kind) => kind,
        Err(what) => {
            return unread(&title(&"response"), frame, CORRELATION_ID, in_header(what));
        }
    };
    match behind_header(kind, frame) {
        Ok(from) => Opened {
            title: title(&kind),
            body: kind.print(frame, from, INDENT),
        },
        Err(fault) => unread(&title(&kind), frame, CORRELATION_ID, fault),
    }
}

/// Where the body of a response begins.
fn behind_header(kind: Kind, frame: &Bytes) -> Result<usize, Fault> {
    let mut r = Reader::new(frame, 0, true);
    let mut skip = || {
        r.take(CORRELATION_ID)?;
        if kind.has_tagged_header() {
            r.tagged(|_, _| Ok(false))?;
        }
        Ok(r.offset())
    };
    skip().map_err(|error| fault(&error, "the header"))
}

/// A frame whose body is not understood.
fn unread(title: &str, frame: &Bytes, from: usize, fault: Fault) -> Opened {
    let body = Preview(frame.get(from..).unwrap_or_default());
    Opened {
        title: title.to_owned(),
        body: Printed {
            text: format!("{:INDENT$}{body}\n", ""),
            fault: Some(fault),
        },
    }
}

fn in_header(what: String) -> Fault {
    let (at, field) = (0, "the header".to_owned());
    Fault { at, field, what }
}

fn spoken(key: i16, version: i16, direction: Direction) -> Result<Kind, String> {
    let api = Api::find(key).ok_or_else(|| format!("there is no API {key} here"))?;
    Kind::new(api, version, direction)
}

/// What the responses of a stream answer.
pub(crate) enum Answered {
    /// All of them the same.
    Alike(Kind),
    /// API key and version of the requests, by correlation id; in order, where an id comes again.
    Requests(HashMap<i32, VecDeque<(i16, i16)>>),
}

impl Answered {
    /// Reads the headers of a stream of requests.
    pub(crate) fn by(stream: &Bytes, report: &mut Report) -> Result<Self, Failure> {
        let mut requests: HashMap<_, VecDeque<_>> = HashMap::new();
        for frame in Frames::new(stream) {
            let header = frame.and_then(|frame| {
                let header = RequestHeader::decode(&frame.bytes, |_| i16::MAX);
                let at = frame.at;
                header
                    .map_err(|e| format!("frame at byte {at}: the header: {}", e.kind))
                    .map(|(header, _)| header)
            });
            match header {
                Ok(header) => {
                    let asked = requests.entry(header.correlation_id).or_default();
                    asked.push_back((header.api_key, header.version));
                }
                Err(what) => report.fault(format_args!("in the requests: {what}"))?,
            }
        }
        Ok(Self::Requests(requests))
    }

    fn kind(&mut self, id: i32, frame: &[u8]) -> Result<Kind, String> {
        let requests = match self {
            Self::Alike(kind) => return Ok(*kind),
            Self::Requests(requests) => requests,
        };
        let asked = requests.get_mut(&id).and_then(VecDeque::pop_front);
        let (key, version) = asked.ok_or_else(|| format!("no request has correlation id {id}"))?;
        spoken(
            key,
            answered_version(key, version, frame),
            Direction::Response,
        )
    }
}

/// A version of ApiVersions that the broker does not speak is answered in version 0 (KIP-511).
fn answered_version(key: i16, version: i16, frame: &[u8]) -> i16 {
    let refusal = ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes();
    let body = frame.get(CORRELATION_ID..).unwrap_or_default();
    if key == ApiKey::ApiVersions as i16 && body.starts_with(&refusal) {
        return 0;
    }
    version
}

/// One frame of a stream, which may end before the frame does.
#[derive(Debug)]
struct Frame {
    /// Where its size stands.
    at: usize,
    /// What the size says.
    size: usize,
    /// What there is behind the size.
    bytes: Bytes,
}

impl Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, size) = (self.at, Count(self.size, "byte"));
        match self.bytes.len() {
            here if here < self.size => write!(f, "frame at byte {at}, {here} of {size}"),
            _ => write!(f, "frame at byte {at}, {size}"),
        }
    }
}

/// Cuts a stream into frames. After an error there are no more.
struct Frames {
    rest: Bytes,
    at: usize,
}

impl Frames {
    fn new(stream: &Bytes) -> Self {
        let rest = stream.clone();
        Self { rest, at: 0 }
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let at = self.at;
        let Some(size) = rest.first_chunk().copied().map(i32::from_be_bytes) else {
            let there = Preview(&rest);
            return Some(Err(format!(
                "at byte {at}: the stream ends in the size of a frame: {there}"
            )));
        };
        let Ok(size) = usize::try_from(size) else {
            return Some(Err(format!(
                "at byte {at}: a frame cannot have a size of {size}"
            )));
        };
        let mut bytes = rest.split_off(SIZE);
        self.rest = bytes.split_off(size.min(bytes.len()));
        self.at += SIZE + bytes.len();
        Some(Ok(Frame { at, size, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use ottla::protocol::messages::APIS;

    use super::*;

    /// A frame without its size: API key, version, correlation id, and no client id.
    fn header(key: i16, version: i16, id: i32) -> Vec<u8> {
        let parts = [key.to_be_bytes(), version.to_be_bytes()].concat();
        [&parts[..], &id.to_be_bytes(), &[0xff, 0xff]].concat()
    }

    #[test]
    fn an_id_that_comes_again_is_answered_in_order() {
        let headers = [header(3, 1, 7), header(12, 0, 8), header(3, 12, 7)];
        let stream = headers
            .iter()
            .flat_map(|h| [&[0, 0, 0, 10], &h[..]].concat());
        let mut report = Report::new();
        let answered = Answered::by(&stream.collect(), &mut report);
        let mut answered = answered.expect("there is nothing to say");
        let mut kind = |id| answered.kind(id, &[]).map(|kind| kind.to_string());
        assert_eq!(kind(7).as_deref(), Ok("Metadata response, version 1"));
        assert_eq!(kind(7).as_deref(), Ok("Metadata response, version 12"));
        assert_eq!(kind(8).as_deref(), Ok("Heartbeat response, version 0"));
        assert!(kind(7).is_err());
    }

    #[test]
    fn frames_of_any_bytes_are_printed_and_told() {
        for (api, fill) in APIS
            .iter()
            .flat_map(|api| [(api, 0), (api, 1), (api, 0x80), (api, 0xff)])
        {
            for version in api.versions.clone() {
                for n in 0..40 {
                    let key = api.key as i16;
                    let mut frame = header(key, version, 1);
                    frame.resize(n, fill);
                    let frame = Bytes::from(frame);
                    let asked = request(&frame);
                    assert!(!asked.title.is_empty());
                    let requests = HashMap::from([(1, VecDeque::from([(key, version)]))]);
                    let answer = [&1i32.to_be_bytes()[..], &frame].concat();
                    let answer = response(&answer.into(), &mut Answered::Requests(requests));
                    assert!(
                        answer.title.contains("correlation id 1"),
                        "{}",
                        answer.title
                    );
                }
            }
        }
    }
}
