//! Where the parts of a message lie: a walk over its bytes along its schema, which knows how
//! lengths are spelled and nothing of how this crate reads them.

use std::ops::Range;

use ottla_protocol::wire::{Field, Type};

use crate::Choice;

/// How a length is spelled.
#[derive(Debug, Clone, Copy)]
pub enum Spelling {
    Int16,
    Int32,
    /// As an unsigned varint, one more than it is.
    Compact,
    /// The same, as it is: the counts, numbers and sizes of tagged fields.
    Tag,
}

/// The parts of one message.
#[derive(Debug, Default)]
pub struct Parts {
    pub lengths: Vec<(Range<usize>, Spelling)>,
    pub arrays: Vec<Array>,
    /// Every value: fields, items, and what they hold.
    pub values: Vec<Range<usize>>,
}

/// An array that is not empty.
#[derive(Debug)]
pub struct Array {
    /// Which of the lengths is its count.
    pub length: usize,
    pub count: usize,
    pub first: Range<usize>,
}

impl Parts {
    /// The parts of a message that this crate wrote.
    pub fn of(choice: &Choice, message: &[u8]) -> Self {
        let mut walk = Walk {
            message,
            at: 0,
            version: choice.version,
            flexible: choice.flexible,
            parts: Self::default(),
        };
        walk.value(&choice.codec.schema);
        assert_eq!(walk.at, message.len(), "the schema of {choice:?} fits it");
        walk.parts
    }

    /// The value that a length begins, or the length alone where it begins none.
    pub fn value(&self, length: &Range<usize>) -> Range<usize> {
        let begun = self.values.iter().find(|v| v.start == length.start);
        begun.unwrap_or(length).clone()
    }
}

struct Walk<'a> {
    message: &'a [u8],
    at: usize,
    version: i16,
    flexible: bool,
    parts: Parts,
}

impl Walk<'_> {
    fn value(&mut self, ty: &Type) {
        let start = self.at;
        match ty {
            Type::Bool | Type::Int8 => self.at += 1,
            Type::Int16 | Type::Uint16 => self.at += 2,
            Type::Int32 | Type::Uint32 => self.at += 4,
            Type::Int64 | Type::Float64 => self.at += 8,
            Type::Uuid => self.at += 16,
            Type::String => self.at += self.length(Spelling::Int16).max(0) as usize,
            Type::Bytes => self.at += self.length(Spelling::Int32).max(0) as usize,
            Type::Array(item) => self.array(item),
            Type::Nullable(Type::Struct(fields)) => {
                self.at += 1;
                if self.message[start] == 1 {
                    self.fields(fields);
                }
            }
            Type::Nullable(inner) => return self.value(inner),
            Type::Struct(fields) => self.fields(fields),
        }
        self.parts.values.push(start..self.at);
    }

    fn array(&mut self, item: &Type) {
        let length = self.parts.lengths.len();
        let count = self.length(Spelling::Int32).max(0) as usize;
        for i in 0..count {
            let start = self.at;
            self.value(item);
            if i == 0 {
                let first = start..self.at;
                self.parts.arrays.push(Array {
                    length,
                    count,
                    first,
                });
            }
        }
    }

    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        let there = || fields.iter().filter(|f| f.spec.has(version));
        for field in there().filter(|f| f.spec.tag.is_none()) {
            self.value(&field.ty);
        }
        if !self.flexible {
            return;
        }
        for _ in 0..self.length(Spelling::Tag) {
            let tag = self.length(Spelling::Tag) as u32;
            self.length(Spelling::Tag);
            let field = there().find(|f| f.spec.tag == Some(tag));
            self.value(&field.expect("only known tags are written").ty);
        }
    }

    /// Takes a length; this is how it is spelled where the message is not flexible.
    fn length(&mut self, classic: Spelling) -> i64 {
        let start = self.at;
        let spelling = match classic {
            Spelling::Int16 | Spelling::Int32 if self.flexible => Spelling::Compact,
            classic => classic,
        };
        let length = match spelling {
            Spelling::Int16 => i16::from_be_bytes(self.take()).into(),
            Spelling::Int32 => i32::from_be_bytes(self.take()).into(),
            Spelling::Compact => self.uvarint() - 1,
            Spelling::Tag => self.uvarint(),
        };
        self.parts.lengths.push((start..self.at, spelling));
        length
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        *self.message[self.at - N..]
            .first_chunk()
            .expect("it is whole")
    }

    fn uvarint(&mut self) -> i64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.take();
            value |= i64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
}
