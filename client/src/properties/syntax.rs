//! The two ways in which properties are written.

use std::{iter::Peekable, str::Chars};

use crate::error::{Error, Result};

/// How a properties file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// As `java.util.Properties` reads it: `name=value`, `name: value` or `name value`; `#` or `!` before a
    /// comment; a backslash before a character that is meant as it is, before `t`, `n`, `r`, `f` or `uXXXX`,
    /// or at the end of a line that goes on in the next.
    Java,
    /// As the tools on librdkafka read it: `name=value`, and `#` before a comment. Backslashes are as they
    /// are.
    Librdkafka,
}

type Pairs = Vec<(String, String)>;

impl Syntax {
    pub(super) fn parse(self, text: &str) -> Result<Pairs> {
        match self {
            Self::Java => java(text),
            Self::Librdkafka => librdkafka(text),
        }
    }
}

fn librdkafka(text: &str) -> Result<Pairs> {
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong(number, "give NAME=VALUE"));
        };
        pairs.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(pairs)
}

fn java(text: &str) -> Result<Pairs> {
    let mut pairs = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, first)) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut line = first.to_owned();
        // An odd number of backslashes: the last one is not itself escaped.
        while line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1 {
            line.pop();
            let Some((_, next)) = lines.next() else {
                break;
            };
            line.push_str(next.trim_start());
        }
        pairs.push(java_pair(&line).map_err(|what| wrong(number, what))?);
    }
    Ok(pairs)
}

fn java_pair(line: &str) -> std::result::Result<(String, String), &'static str> {
    let mut rest = line.chars().peekable();
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| !matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}')) {
        name.push(unescaped(c, &mut rest)?);
    }
    let space = |c: &char| matches!(c, ' ' | '\t' | '\u{c}');
    while rest.next_if(space).is_some() {}
    if rest.next_if(|c| matches!(c, '=' | ':')).is_some() {
        while rest.next_if(space).is_some() {}
    }
    let mut value = String::new();
    while let Some(c) = rest.next() {
        value.push(unescaped(c, &mut rest)?);
    }
    Ok((name, value))
}

/// The character that this one begins.
fn unescaped(c: char, rest: &mut Peekable<Chars<'_>>) -> std::result::Result<char, &'static str> {
    if c != '\\' {
        return Ok(c);
    }
    let malformed = "\\u needs four hexadecimal digits of a character";
    Ok(match rest.next() {
        Some('t') => '\t',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('f') => '\u{c}',
        Some('u') => {
            let digits: String = rest.by_ref().take(4).collect();
            let code = (digits.len() == 4).then(|| u32::from_str_radix(&digits, 16).ok());
            code.flatten().and_then(char::from_u32).ok_or(malformed)?
        }
        Some(other) => other,
        None => return Err("a backslash ends the file"),
    })
}

fn wrong(line: usize, what: &str) -> Error {
    Error::config(format!("line {line}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(syntax: Syntax, text: &str) -> Vec<(String, String)> {
        syntax.parse(text).expect("it is well-formed")
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_file_of_java_is_read_as_java_reads_it() {
        let text = "# comment\n! comment\n\n a=1\nb : 2 \nc 3\nd\ne=x\\\n   y\\\\\nf=\\u0041\\t\\:\\=\ng\\ h=i=j\n";
        let expected = [
            pair("a", "1"),
            pair("b", "2 "),
            pair("c", "3"),
            pair("d", ""),
            pair("e", "xy\\"),
            pair("f", "A\t:="),
            pair("g h", "i=j"),
        ];
        assert_eq!(read(Syntax::Java, text), expected);
    }

    #[test]
    fn a_file_of_librdkafka_is_read_as_its_tools_read_it() {
        let text = "# comment\n\nssl.ca.location = C:\\new\na=b=c\n";
        let expected = [pair("ssl.ca.location", "C:\\new"), pair("a", "b=c")];
        assert_eq!(read(Syntax::Librdkafka, text), expected);
    }

    #[test]
    fn a_malformed_line_is_named_by_its_number() {
        for (syntax, text) in [
            (Syntax::Librdkafka, "a=1\nb\n"),
            (Syntax::Java, "a=1\nb=\\u12\n"),
            (Syntax::Java, "a=1\nb=\\ud800\n"),
        ] {
            let error = syntax.parse(text).expect_err("it is malformed").to_string();
            assert!(error.contains("line 2: "), "{error}");
        }
    }
}
