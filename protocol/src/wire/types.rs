//! The spelling of every type of Kafka's schema language.

use std::{mem::size_of, sync::Arc};

use bytes::Bytes;
use uuid::Uuid;

use super::{DecodeError, DecodeErrorKind, Outcome, Reader, Struct, Type, Wire, Writer};

macro_rules! fixed {
    ($($ty:ty, $kafka:ident;)*) => { $(
        impl Wire for $ty {
            const TYPE: Type = Type::$kafka;

            #[inline]
            fn encode(&self, w: &mut Writer) {
                w.put(&self.to_be_bytes());
            }

            #[inline]
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_be_bytes(r.take_array()?))
            }

            fn encode_all(values: &[Self], w: &mut Writer) {
                w.put_all(values.iter().map(|value| value.to_be_bytes()));
            }

            fn decode_many(r: &mut Reader<'_>, n: usize) -> Result<Vec<Self>, DecodeError> {
                let size = n.saturating_mul(size_of::<Self>());
                if size > r.remaining() {
                    // One by one, for the error to be at the one that is cut.
                    return (0..n).map(|_| Self::decode(r)).collect();
                }
                let (values, _) = r.take(size)?.as_chunks();
                Ok(values.iter().map(|value| Self::from_be_bytes(*value)).collect())
            }
        }
    )* };
}

fixed! {
    i8,  Int8;
    i16, Int16;
    i32, Int32;
    i64, Int64;
    u16, Uint16;
    u32, Uint32;
    f64, Float64;
}

impl Wire for bool {
    const TYPE: Type = Type::Bool;

    fn encode(&self, w: &mut Writer) {
        w.put(&[u8::from(*self)]);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [b] = r.take_array()?;
        Ok(b != 0)
    }
}

impl Wire for Uuid {
    const TYPE: Type = Type::Uuid;

    fn encode(&self, w: &mut Writer) {
        w.put(self.as_bytes());
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from_bytes(r.take_array()?))
    }
}

/// What has a length in front of it, and is null when that length is -1: each type with and without
/// the null.
macro_rules! nullable {
    ($([$($generic:tt)*] $ty:ty, $kafka:expr, $put:ident, $take:ident, $outcome:expr;)*) => { $(
        impl<$($generic)*> Wire for $ty {
            const TYPE: Type = $kafka;

            fn encode(&self, w: &mut Writer) {
                $put(Some(self), w);
            }

            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match $take(r)? {
                    Some(value) => Ok(value),
                    None => Err(r.error(DecodeErrorKind::UnexpectedNull)),
                }
            }

            fn outcome(&self) -> Outcome {
                $outcome(Some(self))
            }
        }

        impl<$($generic)*> Wire for Option<$ty> {
            const TYPE: Type = Type::Nullable(&$kafka);

            fn encode(&self, w: &mut Writer) {
                $put(self.as_ref(), w);
            }

            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $take(r)
            }

            fn outcome(&self) -> Outcome {
                $outcome(self.as_ref())
            }

            fn is_null(&self) -> bool {
                self.is_none()
            }
        }
    )* };
}

nullable! {
    []        Arc<str>, Type::String,           put_str,   take_str,   no_codes;
    []        Bytes,    Type::Bytes,            put_bytes, take_bytes, no_codes;
    [T: Wire] Vec<T>,   Type::Array(&T::TYPE),  put_items, take_items, codes_of;
}

const fn no_codes<T>(_: Option<&T>) -> Outcome {
    Outcome::Nothing
}

fn codes_of<T: Wire>(items: Option<&Vec<T>>) -> Outcome {
    let items = items.into_iter().flatten();
    items.fold(Outcome::Nothing, |all, item| all.and(item.outcome()))
}

fn put_str(s: Option<&Arc<str>>, w: &mut Writer) {
    w.len16(s.map(|s| s.len()));
    w.put(s.map_or(&[], |s| s.as_bytes()));
}

fn take_str(r: &mut Reader<'_>) -> Result<Option<Arc<str>>, DecodeError> {
    let Some(n) = r.len16()? else { return Ok(None) };
    let bytes = r.take(n)?;
    match std::str::from_utf8(bytes) {
        Ok(s) => Ok(Some(s.into())),
        Err(_) => Err(r.error(DecodeErrorKind::NotUtf8)),
    }
}

fn put_bytes(b: Option<&Bytes>, w: &mut Writer) {
    w.len32(b.map(Bytes::len));
    if let Some(b) = b {
        w.put_shared(b);
    }
}

fn take_bytes(r: &mut Reader<'_>) -> Result<Option<Bytes>, DecodeError> {
    r.len32()?.map(|n| r.take_shared(n)).transpose()
}

fn put_items<T: Wire>(items: Option<&Vec<T>>, w: &mut Writer) {
    w.len32(items.map(Vec::len));
    T::encode_all(items.map_or(&[], Vec::as_slice), w);
}

fn take_items<T: Wire>(r: &mut Reader<'_>) -> Result<Option<Vec<T>>, DecodeError> {
    r.len32()?.map(|n| T::decode_many(r, n)).transpose()
}

impl<T: Struct> Wire for Option<T> {
    const TYPE: Type = Type::Nullable(&T::TYPE);

    fn outcome(&self) -> Outcome {
        self.as_ref().map_or(Outcome::Nothing, T::outcome)
    }

    fn encode(&self, w: &mut Writer) {
        (if self.is_some() { 1i8 } else { -1 }).encode(w);
        if let Some(s) = self {
            s.encode(w);
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if i8::decode(r)? < 0 {
            return Ok(None);
        }
        T::decode(r).map(Some)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}
