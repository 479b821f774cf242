//! What a table says about its fields, as data: the encoder reads it at compile time, and tests hold
//! it against Kafka's own schemas.

/// In which versions a field exists, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// The first version that has the field.
    pub min: i16,
    /// The last version that has the field.
    pub max: i16,
    /// The number of a tagged field (KIP-482).
    pub tag: Option<u32>,
    /// Losing the field would change what the message means: refused where it does not exist.
    pub must: bool,
    /// The first version in which the field can be null.
    pub null: i16,
}

impl Spec {
    /// A plain field of all versions.
    pub const ALL: Self = Self {
        min: 0,
        max: i16::MAX,
        tag: None,
        must: false,
        null: 0,
    };

    /// Whether `version` has the field.
    #[inline]
    #[must_use]
    pub const fn has(&self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Whether `version` has the field in its place, untagged.
    #[inline]
    #[must_use]
    pub const fn is_plain(&self, version: i16) -> bool {
        self.tag.is_none() && self.has(version)
    }

    /// Whether `version` has the field as tagged field `tag`.
    #[inline]
    #[must_use]
    pub const fn is_tag(&self, tag: u32, version: i16) -> bool {
        matches!(self.tag, Some(t) if t == tag) && self.has(version)
    }
}

/// One field of a struct.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, in Rust's spelling of Kafka's.
    pub name: &'static str,
    /// Its versions.
    pub spec: Spec,
    /// Its type.
    pub ty: Type,
    /// Writes the value it has where nothing else is said.
    #[cfg(any(test, feature = "any"))]
    pub default: fn(&mut super::Writer),
}

/// A type of Kafka's schema language. `records` are `Bytes` here.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names are Kafka's own")]
pub enum Type {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint16,
    Uint32,
    Float64,
    Uuid,
    String,
    Bytes,
    Array(&'static Self),
    Nullable(&'static Self),
    Struct(&'static [Field]),
}
