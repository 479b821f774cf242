//! The bytes to look at, from a file or standard input, raw or as hexadecimal digits.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use bytes::Bytes;

use crate::failure::Failure;

use super::hex;

/// How bytes are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As they are.
    Raw,
    /// As hexadecimal digits.
    Hex,
}

/// Where bytes come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Stdin,
    File(&'a Path),
}

impl<'a> Source<'a> {
    /// A file if there is one, otherwise standard input.
    pub(crate) fn of(file: Option<&'a Path>) -> Self {
        file.map_or(Self::Stdin, Self::File)
    }

    /// All of it.
    pub(crate) fn read(self, spelling: Spelling) -> Result<Bytes, Failure> {
        let mut bytes = Vec::new();
        let read = self.open()?.read_to_end(&mut bytes);
        read.map_err(|e| self.failed(&e))?;
        match spelling {
            Spelling::Raw => Ok(bytes.into()),
            Spelling::Hex => {
                let digits = hex::parse(&bytes).map_err(|e| self.failed(&e));
                digits.map(Into::into)
            }
        }
    }

    /// Its lines with their numbers, which count from 1; empty ones are left out.
    pub(crate) fn lines(
        self,
    ) -> Result<impl Iterator<Item = Result<(usize, Vec<u8>), Failure>>, Failure> {
        let lines = self.open()?.split(b'\n').zip(1..);
        let lines = lines.map(move |(line, n)| match line {
            Ok(line) => Ok((n, line)),
            Err(e) => Err(self.failed(&e)),
        });
        Ok(lines.filter(|line| !matches!(line, Ok((_, line)) if line.trim_ascii().is_empty())))
    }

    fn open(self) -> Result<Box<dyn BufRead>, Failure> {
        match self {
            Self::Stdin => Ok(Box::new(io::stdin().lock())),
            Self::File(path) => {
                let file = File::open(path).map_err(|e| self.failed(&e))?;
                Ok(Box::new(BufReader::new(file)))
            }
        }
    }

    fn failed(self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Failed(match self {
            Self::Stdin => format!("reading standard input: {error}"),
            Self::File(path) => format!("reading {}: {error}", path.display()),
        })
    }
}
