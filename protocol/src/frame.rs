//! A message behind its header: what travels between client and broker, size prefix included.

use bytes::Bytes;

use crate::wire::{
    DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Reader, Request, Wire, Writer,
};

/// Where the correlation id stands in a request frame: after size, API key and version.
const CORRELATION_ID: std::ops::Range<usize> = 8..12;

/// One frame ready for the wire: the size prefix, the header and the body. Large payloads follow the
/// first segment uncopied.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    head: Vec<u8>,
    rest: Vec<Bytes>,
}

impl Frame {
    /// The length of the frame in bytes, size prefix included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there is nothing in it; a frame that was encoded never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Stamps the correlation id of a request frame, known only to the connection that sends it.
    pub fn set_correlation_id(&mut self, id: i32) {
        if let Some(place) = self.head.get_mut(CORRELATION_ID) {
            place.copy_from_slice(&id.to_be_bytes());
        }
    }

    /// The frame in order, to be written with one `writev`.
    pub fn into_segments(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.head.into()).chain(self.rest)
    }

    /// The frame as one run of bytes, for tests and tools.
    #[must_use]
    pub fn concat(self) -> Bytes {
        self.into_segments().collect::<Vec<_>>().concat().into()
    }

    /// Fills in the size that was left open.
    fn seal(w: Writer) -> Result<Self, EncodeError> {
        let (version, size) = (w.version(), w.len() - 4);
        let too_long = |_| EncodeError {
            kind: EncodeErrorKind::TooLong(size),
            field: "frame",
            version,
        };
        let size = i32::try_from(size).map_err(too_long)?;
        let (mut head, rest) = w.finish_parts()?;
        if let Some(place) = head.first_chunk_mut() {
            *place = size.to_be_bytes();
        }
        Ok(Self { head, rest })
    }
}

/// What stands before every request (`RequestHeader` version 1 and 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API asked.
    pub api_key: i16,
    /// The version of the request and of its answer.
    pub version: i16,
    /// Comes back with the answer.
    pub correlation_id: i32,
    /// What the client calls itself (`client.id`).
    pub client_id: Option<std::sync::Arc<str>>,
}

impl RequestHeader {
    /// Reads the header and tells how the body behind it is spelled; `frame` is without its size
    /// prefix. `flexible` says from which version on an API is flexible.
    ///
    /// # Errors
    /// When the frame is too short or malformed.
    pub fn decode(
        frame: &Bytes,
        flexible: impl FnOnce(i16) -> i16,
    ) -> Result<(Self, Reader<'_>), DecodeError> {
        let mut r = Reader::new(frame, 0, false);
        let (api_key, version) = (i16::decode(&mut r)?, i16::decode(&mut r)?);
        let correlation_id = i32::decode(&mut r)?;
        // The client id stays a classic string even in the flexible header (KIP-482).
        let client_id = Wire::decode(&mut r)?;
        let mut r = r.with_version(version, version >= flexible(api_key));
        if r.flexible() {
            r.tagged(|_, _| Ok(false))?;
        }
        Ok((
            Self {
                api_key,
                version,
                correlation_id,
                client_id,
            },
            r,
        ))
    }
}

/// A request frame. Its correlation id is zero until [`Frame::set_correlation_id`].
///
/// # Errors
/// When this crate has no such version of the request, or the version cannot carry what is set.
pub fn request<R: Request>(
    body: &R,
    version: i16,
    client_id: Option<&str>,
) -> Result<Frame, EncodeError> {
    check::<R>(version)?;
    let mut w = Writer::new(version, false);
    w.put(&[0; 4]);
    R::KEY.encode(&mut w);
    version.encode(&mut w);
    0i32.encode(&mut w);
    w.name("client_id");
    w.len16(client_id.map(str::len));
    w.put(client_id.unwrap_or_default().as_bytes());
    if version >= R::FLEXIBLE {
        w.set_flexible(true);
        w.uvarint(0);
    }
    body.encode(&mut w);
    Frame::seal(w)
}

/// A response frame, for brokers of tests and for proxies.
///
/// # Errors
/// As [`request`].
pub fn response<R: Request>(
    body: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Frame, EncodeError> {
    check::<R>(version)?;
    let mut w = Writer::new(version, version >= R::FLEXIBLE);
    w.put(&[0; 4]);
    correlation_id.encode(&mut w);
    if has_tagged_header::<R>(version) {
        w.uvarint(0);
    }
    body.encode(&mut w);
    Frame::seal(w)
}

/// The correlation id of a response frame, which is without its size prefix.
#[must_use]
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().copied().map(i32::from_be_bytes)
}

/// Reads the response to an `R` in `version`; `frame` is without its size prefix. Bytes after the
/// message are left alone.
///
/// # Errors
/// When the bytes are not such a response.
pub fn decode_response<R: Request>(
    frame: &Bytes,
    version: i16,
) -> Result<R::Response, DecodeError> {
    let mut r = Reader::new(frame, version, version >= R::FLEXIBLE);
    if !R::VERSIONS.contains(&version) {
        return Err(r.error(DecodeErrorKind::NoSuchVersion {
            key: R::KEY,
            version,
        }));
    }
    i32::decode(&mut r)?;
    if has_tagged_header::<R>(version) {
        r.tagged(|_, _| Ok(false))?;
    }
    R::Response::decode(&mut r)
}

/// The answer to ApiVersions has the old header in every version: the client cannot know yet
/// which one the broker speaks (KIP-511, rule 1).
fn has_tagged_header<R: Request>(version: i16) -> bool {
    version >= R::FLEXIBLE && R::KEY != crate::messages::ApiKey::ApiVersions as i16
}

fn check<R: Request>(version: i16) -> Result<(), EncodeError> {
    if R::VERSIONS.contains(&version) {
        return Ok(());
    }
    Err(EncodeError {
        kind: EncodeErrorKind::NoSuchVersion,
        field: R::NAME,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ApiVersionsRequest, ApiVersionsResponse};

    #[test]
    fn a_request_frame_byte_by_byte() {
        let body = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: "1".into(),
            ..ApiVersionsRequest::default()
        };
        let mut frame = request(&body, 3, Some("me")).expect("it fits");
        frame.set_correlation_id(7);
        let expected = b"\0\0\0\x16\0\x12\0\x03\0\0\0\x07\0\x02me\0\x06ottla\x021\0";
        assert_eq!(frame.concat(), expected.as_slice());
    }

    #[test]
    fn the_answer_to_api_versions_has_no_tags_in_its_header() {
        let frame = response::<ApiVersionsRequest>(&ApiVersionsResponse::default(), 3, 9);
        let bytes = frame.expect("it fits").concat().slice(4..);
        assert_eq!(&bytes[..], b"\0\0\0\x09\0\0\x01\0\0\0\0\0");
        assert_eq!(correlation_id(&bytes), Some(9));
        let back = decode_response::<ApiVersionsRequest>(&bytes, 3).expect("it is whole");
        assert_eq!(back, ApiVersionsResponse::default());
    }
}
