//! Takes values off one frame.

use bytes::Bytes;

use super::{DecodeError, DecodeErrorKind, MAX_STRING, Spec, Wire};

/// Takes values off one frame. Byte strings are slices of the frame, not copies.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    /// Where `rest` ends in the frame.
    end: usize,
    version: i16,
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// A reader of one version of one message.
    #[must_use]
    pub fn new(frame: &'a Bytes, version: i16, flexible: bool) -> Self {
        Self {
            frame,
            rest: frame,
            end: frame.len(),
            version,
            flexible,
        }
    }

    /// The version that is read.
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

    /// The same place in the frame, read from here on in another spelling: a body after its header.
    #[must_use]
    pub fn with_version(self, version: i16, flexible: bool) -> Self {
        Self {
            version,
            flexible,
            ..self
        }
    }

    /// The bytes that are left.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// How many values may be reserved on the word of a count alone: as much memory as there are
    /// bytes still to come. An array that keeps its word grows as it is read.
    pub(super) fn worth<T>(&self) -> usize {
        self.rest.len() / size_of::<T>().max(1) + 1
    }

    /// How far the frame was read.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// An error at the current byte.
    #[cold]
    #[must_use]
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError {
            kind,
            field: "",
            at: self.offset(),
        }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(n) else {
            return Err(self.error(DecodeErrorKind::Truncated));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(DecodeErrorKind::Truncated));
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// The next `n` bytes as a slice that shares the frame.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take_shared(&mut self, n: usize) -> Result<Bytes, DecodeError> {
        let taken = self.take(n)?;
        Ok(self.frame.slice_ref(taken))
    }

    /// An unsigned variable-length integer of at most 32 bits.
    ///
    /// # Errors
    /// When it runs past five bytes or the frame.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut v = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [b] = self.take_array()?;
            v |= u32::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Ok(v);
            }
        }
        Err(self.error(DecodeErrorKind::BadVarint))
    }

    /// The length of an array or byte string; `None` is null. Never more than the bytes left.
    ///
    /// # Errors
    /// When the length cannot be true.
    #[inline]
    pub fn len32(&mut self) -> Result<Option<usize>, DecodeError> {
        let n = if self.flexible {
            i64::from(self.uvarint()?) - 1
        } else {
            i64::from(i32::from_be_bytes(self.take_array()?))
        };
        self.bounded(n)
    }

    /// The length of a string; `None` is null. Never more than the bytes left, nor than Kafka takes.
    ///
    /// # Errors
    /// When the length cannot be true.
    pub fn len16(&mut self) -> Result<Option<usize>, DecodeError> {
        if !self.flexible {
            let n = i16::from_be_bytes(self.take_array()?);
            return self.bounded(i64::from(n));
        }
        let n = self.len32()?;
        match n.filter(|n| *n > MAX_STRING) {
            Some(n) => Err(self.error(DecodeErrorKind::StringTooLong(n))),
            None => Ok(n),
        }
    }

    fn bounded(&self, claimed: i64) -> Result<Option<usize>, DecodeError> {
        let left = self.rest.len();
        match usize::try_from(claimed) {
            Ok(n) if n <= left => Ok(Some(n)),
            Ok(_) => Err(self.error(DecodeErrorKind::TooLong { claimed, left })),
            Err(_) if claimed == -1 => Ok(None),
            Err(_) => Err(self.error(DecodeErrorKind::NegativeLength(claimed))),
        }
    }

    /// The value of a field, which may be null only where its version has the null.
    ///
    /// # Errors
    /// When the bytes are not such a value; the error names the field.
    #[inline]
    pub fn field<T: Wire>(&mut self, spec: Spec, name: &'static str) -> Result<T, DecodeError> {
        let value = match T::decode(self) {
            Ok(value) => value,
            Err(error) => return Err(error.in_field(name)),
        };
        if self.version < spec.null && value.is_null() {
            return Err(self.error(DecodeErrorKind::UnexpectedNull).in_field(name));
        }
        Ok(value)
    }

    /// Hands each tagged field to `known`, which returns whether it read it; others are skipped.
    ///
    /// # Errors
    /// When tags are out of order, a known field does not fill its size, or the frame ends.
    #[inline]
    pub fn tagged(
        &mut self,
        known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        match self.uvarint()? {
            0 => Ok(()),
            n => self.tagged_fields(n, known),
        }
    }

    fn tagged_fields(
        &mut self,
        n: u32,
        mut known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut previous = None;
        for _ in 0..n {
            let tag = self.uvarint()?;
            if previous.is_some_and(|p| tag <= p) {
                return Err(self.error(DecodeErrorKind::TagOrder(tag)));
            }
            previous = Some(tag);
            let size = self.uvarint()? as usize;
            let rest = self.take(size)?;
            let mut body = Self {
                rest,
                end: self.offset(),
                ..*self
            };
            if known(tag, &mut body)? && body.remaining() > 0 {
                return Err(body.error(DecodeErrorKind::TagSize(tag)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::MetadataRequest;

    #[test]
    fn null_is_refused_in_a_version_that_has_none() {
        let null = Bytes::from_static(&[0xff; 4]);
        let error =
            MetadataRequest::decode(&mut Reader::new(&null, 0, false)).expect_err("no null");
        assert_eq!(
            (error.kind, error.field),
            (DecodeErrorKind::UnexpectedNull, "topics")
        );
        let read = MetadataRequest::decode(&mut Reader::new(&null, 1, false));
        assert_eq!(read.expect("null is all topics").topics, None);
    }
}
