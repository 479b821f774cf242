//! Appends values in the spelling of one version.

use bytes::{BufMut, Bytes};

use super::{EncodeError, EncodeErrorKind, MAX_STRING, Spec, Wire};

/// A payload of at least this many bytes is shared with the frame instead of copied into it.
const SHARE_FROM: usize = 4096;

/// Appends values in the spelling of one version. Large payloads are shared, not copied: the frame
/// comes out as several segments, to be written with one `writev`.
#[derive(Debug)]
pub struct Writer {
    buf: Vec<u8>,
    /// Payloads that stand between the bytes of `buf`, each with the offset it stands at.
    shared: Vec<(usize, Bytes)>,
    version: i16,
    flexible: bool,
    /// Inside a tagged field, whose size stands before it, everything is copied.
    copy_all: bool,
    field: &'static str,
    refused: Option<EncodeError>,
}

impl Writer {
    /// A writer for one version of one message.
    #[must_use]
    pub fn new(version: i16, flexible: bool) -> Self {
        Self::in_buffer(Vec::with_capacity(256), version, flexible)
    }

    /// A writer into a buffer that was used before, and whose content is dropped. It comes back from
    /// [`finish_parts`](Self::finish_parts).
    #[must_use]
    pub fn in_buffer(mut buf: Vec<u8>, version: i16, flexible: bool) -> Self {
        buf.clear();
        Self {
            buf,
            shared: Vec::new(),
            version,
            flexible,
            copy_all: false,
            field: "",
            refused: None,
        }
    }

    /// The version that is written.
    #[inline]
    #[must_use]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Whether lengths are compact and structs end with tagged fields (KIP-482).
    #[inline]
    #[must_use]
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Switches the spelling, for a header whose body is spelled otherwise.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The bytes written so far, shared payloads included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buf.len() + self.shared.iter().map(|(_, b)| b.len()).sum::<usize>()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty() && self.shared.is_empty()
    }

    /// Says which field comes next, for the error that names it.
    #[inline]
    pub fn name(&mut self, field: &'static str) {
        self.field = field;
    }

    /// Appends a field where its version has it in place. One that is written among the tagged
    /// fields is counted instead: 1, or 0 where it is left out for being the default.
    #[inline]
    pub fn field<T: Wire>(
        &mut self,
        spec: Spec,
        name: &'static str,
        value: &T,
        is_default: impl Fn() -> bool,
    ) -> u32 {
        self.name(name);
        if !spec.has(self.version) {
            if spec.must && !is_default() {
                self.refuse(EncodeErrorKind::NoSuchField);
            }
        } else if self.version < spec.null && value.is_null() {
            self.refuse(EncodeErrorKind::NoNull);
        } else if spec.tag.is_none() {
            value.encode(self);
        } else {
            return u32::from(!is_default());
        }
        0
    }

    /// Notes that the current field cannot be written; the first such note wins.
    #[cold]
    pub fn refuse(&mut self, kind: EncodeErrorKind) {
        let error = EncodeError {
            kind,
            field: self.field,
            version: self.version,
        };
        self.refused.get_or_insert(error);
    }

    /// The frame as segments in order.
    ///
    /// # Errors
    /// When a field cannot be carried by this version.
    pub fn finish(self) -> Result<Vec<Bytes>, EncodeError> {
        let (head, rest) = self.finish_parts()?;
        let mut segments = Vec::with_capacity(1 + rest.len());
        segments.push(head.into());
        segments.extend(rest);
        Ok(segments)
    }

    /// The frame as a first segment that can still be patched, and the segments after it.
    ///
    /// # Errors
    /// When a field cannot be carried by this version.
    pub fn finish_parts(self) -> Result<(Vec<u8>, Vec<Bytes>), EncodeError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let Some(&(first, _)) = self.shared.first() else {
            return Ok((self.buf, Vec::new()));
        };
        let mut head = self.buf;
        let tail = Bytes::from(head.split_off(first));
        let mut segments = Vec::with_capacity(2 * self.shared.len());
        let mut at = first;
        for (offset, payload) in self.shared {
            if offset > at {
                segments.push(tail.slice(at - first..offset - first));
            }
            segments.push(payload);
            at = offset;
        }
        if at - first < tail.len() {
            segments.push(tail.slice(at - first..));
        }
        Ok((head, segments))
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Appends values of `N` bytes each.
    pub(super) fn put_all<const N: usize>(&mut self, values: impl Iterator<Item = [u8; N]>) {
        values.for_each(|value| self.buf.extend_from_slice(&value));
    }

    /// Appends a payload, sharing it where it is large.
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARE_FROM || self.copy_all {
            self.put(bytes);
        } else {
            self.shared.push((self.buf.len(), bytes.clone()));
        }
    }

    /// Appends an unsigned variable-length integer.
    #[inline]
    pub fn uvarint(&mut self, mut v: u32) {
        while v >= 0x80 {
            self.buf.put_u8(v as u8 | 0x80);
            v >>= 7;
        }
        self.buf.put_u8(v as u8);
    }

    /// The length of an array or byte string: compact where flexible, `int32` before.
    pub fn len32(&mut self, n: Option<usize>) {
        if n.is_some_and(|n| n >= i32::MAX as usize) {
            return self.refuse(EncodeErrorKind::TooLong(n.unwrap_or(0)));
        }
        if self.flexible {
            self.uvarint(n.map_or(0, |n| n as u32 + 1));
        } else {
            self.buf.put_i32(n.map_or(-1, |n| n as i32));
        }
    }

    /// The length of a string: compact where flexible, `int16` before. Kafka reads no longer ones in
    /// either form, and ends the connection instead.
    pub fn len16(&mut self, n: Option<usize>) {
        match n {
            Some(n) if n > MAX_STRING => self.refuse(EncodeErrorKind::TooLong(n)),
            n if self.flexible => self.len32(n),
            n => self.buf.put_i16(n.map_or(-1, |n| n as i16)),
        }
    }

    /// Appends a field where its version has it among the tagged ones and it is not the default.
    #[inline]
    pub fn tagged<T: Wire>(&mut self, spec: Spec, value: &T, is_default: impl Fn() -> bool) {
        if let Some(tag) = spec.tag
            && spec.has(self.version)
            && !is_default()
        {
            self.put_tagged(tag, value);
        }
    }

    /// Tag, size, value. The size is slid in once the value is written.
    fn put_tagged(&mut self, tag: u32, value: &impl Wire) {
        self.uvarint(tag);
        let outer = std::mem::replace(&mut self.copy_all, true);
        let start = self.buf.len();
        value.encode(self);
        let size = self.buf.len() - start;
        self.uvarint(size as u32);
        let prefix = self.buf.len() - start - size;
        if let Some(written) = self.buf.get_mut(start..) {
            written.rotate_right(prefix);
        }
        self.copy_all = outer;
    }
}
