//! Why a command did not end well, and the exit code of that.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use ottla::ErrorKind;

use crate::interrupt::Signal;

/// Why a command ended before it was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command was wrong.
    Usage(String),
    /// Something failed.
    Failed(String),
    /// Something failed, and standard error says what already.
    Told,
    /// The reader of standard output has closed it.
    OutputClosed,
    /// A signal came before all was done.
    Interrupted(Signal),
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;

impl Failure {
    /// What writing to standard output came to.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("writing to standard output: {error}")),
        }
    }

    /// Says on standard error what there is to say.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Usage(what) => {
                note(what);
                ExitCode::from(USAGE)
            }
            Self::Failed(what) => {
                note(what);
                ExitCode::from(FAILED)
            }
            Self::Told => ExitCode::from(FAILED),
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Interrupted(signal) => ExitCode::from(signal.exit_code()),
        }
    }
}

impl From<ottla::Error> for Failure {
    fn from(error: ottla::Error) -> Self {
        match error.kind() {
            ErrorKind::Config(what) | ErrorKind::UnknownSetting(what) => Self::Usage(what.clone()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Tells the user something, on standard error.
pub(crate) fn note(what: impl std::fmt::Display) {
    // Where standard error is closed there is nobody to tell.
    let _: io::Result<()> = writeln!(io::stderr(), "ottla: {what}");
}

/// Help and the version are what was asked for; everything else that clap says is about usage.
pub(crate) fn from_clap(answer: &clap::Error) -> ExitCode {
    if !answer.use_stderr() {
        let written = write!(io::stdout(), "{}", answer.render());
        return match written.map_err(Failure::output) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        };
    }
    let text = answer.render().to_string();
    let what = text.strip_prefix("error: ");
    // A command without its subcommand is answered with help, and only that.
    note(
        what.map_or_else(|| format!("no command\n\n{text}"), str::to_owned)
            .trim_end(),
    );
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_leaves_is_no_failure() {
        let closed = Failure::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(closed, Failure::OutputClosed);
        let full = Failure::output(io::ErrorKind::StorageFull.into());
        assert!(matches!(full, Failure::Failed(_)));
    }
}
