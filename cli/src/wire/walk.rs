//! Prints one message by its table, field by field, as far as its bytes go.
//!
//! The bytes are walked, not a decoded value: of a message that breaks off in the middle, whatever
//! stands before the break is printed all the same. The walk takes its steps with the same
//! [`Reader`] as the decoder does, so the two agree about what is wrong and where.

use std::fmt::{Display, Write};

use ottla::protocol::{
    ErrorCode,
    wire::{DecodeError, DecodeErrorKind, Field, Reader, Type, Wire},
};

use crate::{escape::Escaped, json::base64};

use super::hex::{Count, Preview};

/// A walk through one message.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    text: String,
    /// How far lines are indented.
    indent: usize,
    /// The field that is being read. Where a walk ended early, this is where.
    path: String,
    /// The place that a field is looked for at, and the field that was found.
    wanted: Option<usize>,
    found: String,
    unknown_tags_from: Option<usize>,
}

impl Walk {
    /// Prints from this many spaces on.
    pub(crate) fn indented(indent: usize) -> Self {
        Self {
            indent,
            ..Self::default()
        }
    }

    /// The field that stands at this byte of a message that is whole.
    pub(crate) fn field_at(byte: usize, schema: &Type, r: &mut Reader<'_>) -> String {
        let mut walk = Self {
            wanted: Some(byte),
            ..Self::default()
        };
        // Whatever is wrong lies behind the byte, or it was not reached by any field.
        let _: Result<(), DecodeError> = walk.message(schema, r);
        walk.found
    }

    /// Prints a message.
    ///
    /// # Errors
    /// At the first byte that does not fit the table.
    pub(crate) fn message(&mut self, schema: &Type, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let done = match schema {
            Type::Struct(fields) => self.fields(fields, r),
            other => self.present("", *other, 0, r),
        };
        if done.is_err() {
            if self.at_line_start() {
                self.start_line("");
            }
            self.put("(it breaks off here)");
        }
        self.end_line();
        done
    }

    /// What was printed.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Where an early end was.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where the tagged fields begin among which there are some that the table does not have.
    pub(crate) const fn unknown_tags_from(&self) -> Option<usize> {
        self.unknown_tags_from
    }

    fn fields(&mut self, fields: &[Field], r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let version = r.version();
        let has = |field: &&Field| field.spec.tag.is_none() && field.spec.has(version);
        for field in fields.iter().filter(has) {
            self.field(field, r)?;
        }
        if r.flexible() {
            self.tagged(fields, r)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let outer = self.enter(format_args!("{}{}", self.dot(), field.name), r);
        self.start_line(field.name);
        if let Some(tag) = field.spec.tag {
            self.put(format_args!(" (tag {tag})"));
        }
        self.put(": ");
        let may_be_null = field.spec.null <= r.version();
        self.value(field.name, field.ty, may_be_null, r)?;
        self.end_line();
        self.path.truncate(outer);
        Ok(())
    }

    /// Goes further in, and returns what the path is to be cut to on the way out.
    fn enter(&mut self, step: impl Display, r: &Reader<'_>) -> usize {
        let outer = self.path.len();
        push(&mut self.path, step);
        if self.wanted.is_some_and(|wanted| r.offset() <= wanted) {
            self.found.clone_from(&self.path);
        }
        outer
    }

    /// What stands between the path and the name of a field.
    const fn dot(&self) -> &'static str {
        if self.path.is_empty() { "" } else { "." }
    }

    fn tagged(&mut self, fields: &[Field], r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (from, version) = (r.offset(), r.version());
        let all_known_before = self.unknown_tags_from.is_none();
        let outer = self.enter(format_args!("{}(tagged fields)", self.dot()), r);
        self.path.truncate(outer);
        r.tagged(|tag, body| {
            if let Some(field) = fields.iter().find(|f| f.spec.is_tag(tag, version)) {
                self.field(field, body)?;
                return Ok(true);
            }
            let bytes = body.take(body.remaining())?;
            self.start_line("");
            let bytes = Preview(bytes);
            self.put(format_args!("unknown tagged field {tag}: {bytes}"));
            self.end_line();
            self.unknown_tags_from.get_or_insert(from);
            Ok(false)
        })?;
        if all_known_before && self.unknown_tags_from.is_some() {
            // The sizes and counts further out are other ones too.
            self.unknown_tags_from = Some(from);
        }
        Ok(())
    }

    fn value(
        &mut self,
        name: &str,
        ty: Type,
        may_be_null: bool,
        r: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let (ty, nullable) = match ty {
            Type::Nullable(inner) => (*inner, true),
            ty => (ty, false),
        };
        let length = match ty {
            Type::String => r.len16()?,
            Type::Bytes | Type::Array(_) => r.len32()?,
            Type::Struct(_) if nullable => (i8::decode(r)? >= 0).then_some(0),
            _ => Some(0),
        };
        match length {
            Some(length) => self.present(name, ty, length, r),
            None if nullable && may_be_null => {
                self.put("null");
                Ok(())
            }
            None => Err(r.error(DecodeErrorKind::UnexpectedNull)),
        }
    }

    /// A value that is not null, and so long if it is of those that have a length.
    fn present(
        &mut self,
        name: &str,
        ty: Type,
        length: usize,
        r: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        match ty {
            Type::Bool => self.put(bool::decode(r)?),
            Type::Int8 => self.put(i8::decode(r)?),
            Type::Int16 if name.ends_with("error_code") => self.error_code(ErrorCode::decode(r)?),
            Type::Int16 => self.put(i16::decode(r)?),
            Type::Int32 => self.put(i32::decode(r)?),
            Type::Int64 => self.put(i64::decode(r)?),
            Type::Uint16 => self.put(u16::decode(r)?),
            Type::Uint32 => self.put(u32::decode(r)?),
            Type::Float64 => self.put(f64::decode(r)?),
            Type::Uuid => self.put(uuid(r.take_array()?)),
            Type::String => self.string(r.take(length)?, r)?,
            Type::Bytes if name == "records" => {
                let bytes = r.take(length)?;
                self.put(format_args!("record batches, {}", Preview(bytes)));
            }
            Type::Bytes => self.put(Preview(r.take(length)?)),
            Type::Array(item @ Type::Struct(_)) if length > 0 => self.structs(*item, length, r)?,
            Type::Array(item) => self.list(*item, length, r)?,
            Type::Struct(fields) => {
                self.end_line();
                self.indent += 2;
                self.fields(fields, r)?;
                self.indent -= 2;
            }
            Type::Nullable(_) => unreachable!("what may be null was taken apart before"),
        }
        Ok(())
    }

    fn error_code(&mut self, code: ErrorCode) {
        let name = code.name().unwrap_or("(unknown)");
        self.put(format_args!("{} {name}", code.0));
    }

    fn string(&mut self, bytes: &[u8], r: &Reader<'_>) -> Result<(), DecodeError> {
        if std::str::from_utf8(bytes).is_err() {
            return Err(r.error(DecodeErrorKind::NotUtf8));
        }
        self.put(Escaped(bytes));
        Ok(())
    }

    /// Structs, on lines of their own.
    fn structs(&mut self, item: Type, n: usize, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.put(Count(n, "item"));
        self.indent += 2;
        for i in 0..n {
            let outer = self.enter(format_args!("[{i}]"), r);
            self.end_line();
            self.start_line(&format!("[{i}]"));
            self.value("", item, true, r)?;
            self.path.truncate(outer);
        }
        self.indent -= 2;
        Ok(())
    }

    /// Everything else, on one line.
    fn list(&mut self, item: Type, n: usize, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.put("[");
        for i in 0..n {
            let outer = self.enter(format_args!("[{i}]"), r);
            self.put(if i == 0 { "" } else { ", " });
            self.value("", item, true, r)?;
            self.path.truncate(outer);
        }
        self.put("]");
        Ok(())
    }

    fn at_line_start(&self) -> bool {
        self.text.is_empty() || self.text.ends_with('\n')
    }

    fn start_line(&mut self, label: &str) {
        let indent = self.indent;
        self.put(format_args!("{:indent$}{label}", ""));
    }

    fn end_line(&mut self) {
        if !self.at_line_start() {
            // Behind the name of a struct.
            let end = self.text.trim_end_matches(' ').len();
            self.text.truncate(end);
            self.put('\n');
        }
    }

    fn put(&mut self, what: impl Display) {
        if self.wanted.is_none() {
            push(&mut self.text, what);
        }
    }
}

fn push(text: &mut String, what: impl Display) {
    write!(text, "{what}").expect("a string takes everything");
}

/// As Kafka's tools spell it: base64 for URLs, without padding.
fn uuid(bytes: [u8; 16]) -> String {
    let text = base64(&bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}
