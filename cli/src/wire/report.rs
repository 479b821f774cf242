//! What is printed, and whether anything was wrong.

use std::{fmt::Display, io::Write};

use crate::{
    failure::{Failure, note},
    output::Output,
};

/// Standard output beside standard error, in the order of what is said.
#[derive(Debug)]
pub(crate) struct Report {
    out: Output,
    faulty: bool,
}

impl Report {
    pub(crate) fn new() -> Self {
        let out = Output::stdout();
        Self { out, faulty: false }
    }

    /// Prints text as it is.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.out.put(|to| to.write_all(text.as_bytes()))
    }

    /// Says what is wrong, after all that was printed before.
    pub(crate) fn fault(&mut self, what: impl Display) -> Result<(), Failure> {
        self.out.flush()?;
        self.faulty = true;
        note(what);
        Ok(())
    }

    /// Shows what was printed so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()
    }

    /// Shows all of it, and fails if anything was wrong.
    pub(crate) fn finish(self, done: Result<(), Failure>) -> Result<(), Failure> {
        let faulty = self.faulty;
        self.out.finish(done)?;
        if faulty { Err(Failure::Told) } else { Ok(()) }
    }
}
