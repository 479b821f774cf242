//! Choosing a message by bytes, and what must hold for each.

use std::fmt::Debug;

use bytes::Bytes;
use ottla_protocol::{
    messages::{APIS, Codec, ConsumerProtocolAssignment, ConsumerProtocolSubscription, Message},
    wire::{DecodeError, EncodeError, Reader, Struct, Writer, any::Any},
};

use crate::{BASE, PER_BYTE, bounded};

/// One message in one version, as bytes choose it.
#[derive(Debug)]
pub struct Choice {
    pub name: &'static str,
    pub codec: &'static Codec,
    pub version: i16,
    pub flexible: bool,
}

impl Choice {
    /// A request or a response. The bytes wrap around, so that each of them chooses something.
    pub fn new(api: u8, response: bool, version: u8) -> Self {
        let api = &APIS[usize::from(api) % APIS.len()];
        let count = api.versions.clone().count() as i16;
        let version = api.versions.start() + i16::from(version) % count;
        Self {
            name: api.name,
            codec: if response {
                &api.response
            } else {
                &api.request
            },
            version,
            flexible: version >= api.flexible,
        }
    }

    /// What a member of a group subscribes to. A version that nobody knows is read as the newest.
    pub fn subscription(version: i16) -> Self {
        Self {
            name: "ConsumerProtocolSubscription",
            codec: const { &codec::<ConsumerProtocolSubscription>() },
            version: version.min(*ConsumerProtocolSubscription::VERSIONS.end()),
            flexible: false,
        }
    }

    /// What a member of a group was assigned, versions alike.
    pub fn assignment(version: i16) -> Self {
        Self {
            name: "ConsumerProtocolAssignment",
            codec: const { &codec::<ConsumerProtocolAssignment>() },
            version: version.min(*ConsumerProtocolAssignment::VERSIONS.end()),
            flexible: false,
        }
    }

    /// Decodes within the bound, and says how many bytes were left over.
    pub fn decode(&self, bytes: &Bytes) -> Result<(Box<dyn Message>, usize), DecodeError> {
        bounded(BASE + PER_BYTE * bytes.len() as u64, || {
            let mut r = Reader::new(bytes, self.version, self.flexible);
            let message = (self.codec.decode)(&mut r)?;
            Ok((message, r.remaining()))
        })
    }

    pub fn encode(&self, message: &dyn Message) -> Result<Bytes, EncodeError> {
        let mut w = Writer::new(self.version, self.flexible);
        message.encode(&mut w);
        Ok(w.finish()?.concat().into())
    }

    /// Reads any bytes. If they are a message, it can be written, and is spelled one way only from
    /// then on. What came in may be spelled in more than one: unknown tags, defaults written out, a
    /// bool of 7.
    pub fn check(&self, bytes: &Bytes) {
        let Ok((message, left)) = self.decode(bytes) else {
            return;
        };
        let written = self
            .encode(&*message)
            .expect("what was read can be written");
        // Bytes that come back as they were read need no second reading.
        if written != bytes[..bytes.len() - left] {
            self.same(&*message, &written);
        }
    }

    /// Reads what was written of a message: it is the same one, and is written the same again.
    pub fn same(&self, message: &dyn Message, written: &Bytes) {
        let (again, left) = self.decode(written).expect("what was written can be read");
        assert_eq!(left, 0, "bytes are left over");
        assert_eq!(format!("{again:?}"), format!("{message:?}"));
        let twice = self.encode(&*again).expect("it was written before");
        assert_eq!(&twice, written);
    }
}

/// How to read what members embed in messages, which no API has.
const fn codec<T: Struct + Any + Debug + Send + 'static>() -> Codec {
    Codec {
        schema: T::TYPE,
        decode: |r| Ok(Box::new(T::decode(r)?)),
        any: |g| Box::new(T::any(g)),
    }
}
