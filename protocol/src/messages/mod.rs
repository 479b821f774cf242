//! Every request and response, one file per API, listed here by key.
//!
//! Field names are Kafka's in Rust's spelling; where a response and its request share a name for
//! a struct, the response's is in the past tense or says what it holds.

use std::{fmt::Debug, ops::RangeInclusive, sync::Arc};

#[allow(unused_imports, reason = "the tables draw on these as they need them")]
use bytes::Bytes;
#[allow(unused_imports, reason = "the tables draw on these as they need them")]
use uuid::Uuid;

use crate::{
    ErrorCode,
    table::api,
    wire::{DecodeError, Reader, Request, Struct, Type, Wire, Writer},
};

/// Lists the APIs: a module each, [`ApiKey`], and [`APIS`].
macro_rules! apis {
    ($($key:literal $name:ident $module:ident $request:ident)*) => {
        $( mod $module; pub use $module::*; )*

        /// The APIs this crate speaks, by Kafka's names and keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are Kafka's own")]
        #[repr(i16)]
        pub enum ApiKey { $( $name = $key ),* }

        /// The APIs this crate speaks, ordered by key.
        pub static APIS: &[Api] = &[$( Api::of::<$request>(ApiKey::$name) ),*];
    };
}

apis! {
    18 ApiVersions    api_versions    ApiVersionsRequest
}

/// One API as data: for whoever handles messages without knowing them, as tests, fuzz targets,
/// proxies and tools do.
#[derive(Debug)]
pub struct Api {
    /// Its key.
    pub key: ApiKey,
    /// Kafka's name of it, such as `Fetch`.
    pub name: &'static str,
    /// The versions this crate speaks.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version (KIP-482).
    pub flexible: i16,
    /// The request.
    pub request: Codec,
    /// The response.
    pub response: Codec,
}

/// How to read one message without knowing its type.
#[derive(Debug)]
pub struct Codec {
    /// The message in Kafka's schema language.
    pub schema: Type,
    /// Reads the message.
    pub decode: fn(&mut Reader<'_>) -> Result<Box<dyn Message>, DecodeError>,
    /// Makes a random message.
    #[cfg(any(test, feature = "any"))]
    pub any: fn(&mut crate::wire::any::Gen) -> Box<dyn Message>,
}

/// Any request or response.
pub trait Message: Debug + Send {
    /// Appends the message; see [`Wire::encode`].
    fn encode(&self, w: &mut Writer);
}

impl<T: Struct + Debug + Send> Message for T {
    fn encode(&self, w: &mut Writer) {
        Wire::encode(self, w);
    }
}

impl Api {
    #[cfg(not(any(test, feature = "any")))]
    const fn of<R: Request>(key: ApiKey) -> Self {
        Self::with::<R>(key, Codec::of::<R>(), Codec::of::<R::Response>())
    }

    #[cfg(any(test, feature = "any"))]
    const fn of<R>(key: ApiKey) -> Self
    where
        R: Request + crate::wire::any::Any,
        R::Response: crate::wire::any::Any,
    {
        Self::with::<R>(key, Codec::of::<R>(), Codec::of::<R::Response>())
    }

    const fn with<R: Request>(key: ApiKey, request: Codec, response: Codec) -> Self {
        assert!(
            key as i16 == R::KEY,
            "the list and the table disagree about a key"
        );
        let (name, versions, flexible) = (R::NAME, R::VERSIONS, R::FLEXIBLE);
        Self {
            key,
            name,
            versions,
            flexible,
            request,
            response,
        }
    }

    /// The API with this key.
    #[must_use]
    pub fn find(key: i16) -> Option<&'static Self> {
        APIS.iter().find(|api| api.key as i16 == key)
    }
}

impl Codec {
    #[cfg(not(any(test, feature = "any")))]
    const fn of<T: Struct + Debug + Send + 'static>() -> Self {
        Self {
            schema: T::TYPE,
            decode: |r| Ok(Box::new(T::decode(r)?)),
        }
    }

    #[cfg(any(test, feature = "any"))]
    const fn of<T: Struct + crate::wire::any::Any + Debug + Send + 'static>() -> Self {
        Self {
            schema: T::TYPE,
            decode: |r| Ok(Box::new(T::decode(r)?)),
            any: |g| Box::new(T::any(g)),
        }
    }
}

#[cfg(test)]
mod tests;
