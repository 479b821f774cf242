//! What a broker says went wrong.

use std::fmt;

use crate::wire::{DecodeError, Reader, Type, Wire, Writer};

/// The error code of a response (`org.apache.kafka.common.protocol.Errors`). Codes this crate does
/// not know are kept, so a newer broker can still be understood in part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($code:literal $name:ident $retriable:literal $message:literal)*) => {
        #[allow(missing_docs, reason = "`message` says what each means")]
        impl ErrorCode {
            $( pub const $name: Self = Self($code); )*

            /// Kafka's name of the code, `None` for one this crate does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $code => Some(stringify!($name)), )*
                    _ => None,
                }
            }

            /// Whether the same request may succeed later (`RetriableException`).
            #[must_use]
            pub const fn is_retriable(self) -> bool {
                match self.0 {
                    $( $code => $retriable, )*
                    _ => false,
                }
            }

            /// What the code means, in a few words.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self.0 {
                    $( $code => $message, )*
                    _ => "an error this client does not know",
                }
            }
        }
    };
}

codes! {
    -1 UNKNOWN_SERVER_ERROR false "the broker failed in a way it has no code for"
    0 NONE false "no error"
    1 OFFSET_OUT_OF_RANGE false "the log holds no such offset"
    2 CORRUPT_MESSAGE true "a record batch failed its checksum or is malformed"
    3 UNKNOWN_TOPIC_OR_PARTITION true "the broker does not host this topic or partition"
}

impl ErrorCode {
    /// Whether this is no error.
    #[inline]
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}: {}", self.message()),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

impl Wire for ErrorCode {
    const TYPE: Type = Type::Int16;

    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i16::decode(r).map(Self)
    }
}

#[cfg(any(test, feature = "any"))]
impl crate::wire::any::Any for ErrorCode {
    fn any(g: &mut crate::wire::any::Gen) -> Self {
        Self(i16::any(g))
    }
}
