//! A record, borrowed from its batch or owned.

use bytes::Bytes;

use super::{batch::take_bytes, varint};

/// A record, borrowed from its batch. Copying it out is [`to_owned`](Self::to_owned), which shares
/// the batch's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it stands in its partition.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's or, with log append time, the broker's. -1 is none.
    pub timestamp: i64,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, which compaction reads as a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order, as they were written.
    pub headers: Headers<'a>,
    pub(super) shared: &'a Bytes,
}

impl Record<'_> {
    /// The record by itself. Key, value and headers share the batch's buffer, which lives as long
    /// as any of them.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRecord {
        let own = |bytes: &[u8]| self.shared.slice_ref(bytes);
        OwnedRecord {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(own),
            value: self.value.map(own),
            headers: self
                .headers
                .map(|h| OwnedHeader {
                    key: own(h.key),
                    value: h.value.map(own),
                })
                .collect(),
        }
    }
}

/// A record that stands by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Where it stands in its partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<OwnedHeader>,
}

/// A header that stands by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedHeader {
    /// Its name.
    pub key: Bytes,
    /// Its value; `None` is null.
    pub value: Option<Bytes>,
}

/// One header. Names may repeat, and neither name nor value need be UTF-8: brokers do not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header<'a> {
    /// Its name.
    pub key: &'a [u8],
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A header.
    ///
    /// ```
    /// use ottla_protocol::records::Header;
    /// let header = Header::new("content-type", "application/json");
    /// assert_eq!(header.key, b"content-type");
    /// assert_eq!(Header::new("empty", None::<&str>).value, None);
    /// ```
    #[must_use]
    pub fn new(key: &'a (impl AsRef<[u8]> + ?Sized), value: impl NullableBytes<'a>) -> Self {
        Self {
            key: key.as_ref(),
            value: value.into_bytes(),
        }
    }
}

/// Borrowed bytes that may be null: `&str`, `&[u8]`, `&Vec<u8>`, `&Bytes` and the like, or an `Option` of
/// one.
pub trait NullableBytes<'a> {
    /// The bytes; `None` is null.
    fn into_bytes(self) -> Option<&'a [u8]>;
}

impl<'a, T: AsRef<[u8]> + ?Sized> NullableBytes<'a> for &'a T {
    #[inline]
    fn into_bytes(self) -> Option<&'a [u8]> {
        Some(self.as_ref())
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> NullableBytes<'a> for Option<&'a T> {
    #[inline]
    fn into_bytes(self) -> Option<&'a [u8]> {
        self.map(AsRef::as_ref)
    }
}

/// The headers of a record, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    count: u32,
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Checks that the headers fill `body`; iterating them can then not fail.
    #[inline(always)]
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        // Nearly every record ends with a zero here.
        if body == [0] {
            return Some(Self::default());
        }
        Self::parse_some(body)
    }

    fn parse_some(mut body: &'a [u8]) -> Option<Self> {
        let count = u32::try_from(varint::take(&mut body)?).ok()?;
        let headers = Self { count, rest: body };
        for _ in 0..count {
            take_bytes(&mut body)??;
            take_bytes(&mut body)?;
        }
        body.is_empty().then_some(headers)
    }

    /// The last header of this name, which is the one that counts where names repeat.
    #[must_use]
    pub fn last(self, key: &str) -> Option<Option<&'a [u8]>> {
        self.filter(|h| h.key == key.as_bytes())
            .last()
            .map(|h| h.value)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let key = take_bytes(&mut self.rest)??;
        let value = take_bytes(&mut self.rest)?;
        Some(Header { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count as usize, Some(self.count as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}
