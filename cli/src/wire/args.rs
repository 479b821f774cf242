//! What may be asked for of `wire`.

use std::path::PathBuf;

use clap::{ArgGroup, Args as Group, Subcommand};
use ottla::protocol::messages::Api;

use super::{
    apis,
    input::{Source, Spelling},
    message::Direction,
};

/// Look into bytes of the protocol: messages, captured connections, record batches
///
/// Nothing is connected to. What is in the bytes is printed; what is wrong with them is said on
/// standard error, and the exit code is then 1.
#[derive(Debug, Subcommand)]
pub(crate) enum WireCommand {
    /// List the requests that can be decoded: key, name, versions, and the first flexible version
    ///
    /// One line for each, sorted by key and separated by tabs. A dash stands where no version is
    /// flexible.
    Apis,
    Decode(Decode),
    Batches(Batches),
}

/// Print messages field by field
///
/// Without --frames, each line of the input is the body of one message in hexadecimal digits, or,
/// with --raw, the whole input is one. It is an error when a message does not parse, when bytes are
/// left over behind it, or when writing it again gives other bytes, which are compared up to the
/// first tagged field that is not known here.
///
/// With --frames, the input is what went over a connection in one direction: messages behind their
/// headers and sizes. Requests say themselves what they are. Responses do not, so give the other
/// direction of the connection with --requests, or --api and --version for all of them.
///
/// Digits may be in either case and in groups, each of which may begin with 0x.
#[derive(Debug, Group)]
#[command(group = ArgGroup::new("direction").required(true).args(["request", "response"]))]
pub(crate) struct Decode {
    /// The API, by name or key; see `ottla wire apis`
    #[arg(long, value_name = "NAME|KEY", value_parser = apis::find, requires = "version")]
    #[arg(required_unless_present = "frames")]
    pub(crate) api: Option<&'static Api>,

    /// The version of the message
    #[arg(long, value_name = "N", requires = "api", allow_hyphen_values = true)]
    pub(crate) version: Option<i16>,

    /// The bytes are requests
    #[arg(long)]
    request: bool,

    /// The bytes are responses
    #[arg(long)]
    response: bool,

    /// The input is a stream of frames
    #[arg(long)]
    pub(crate) frames: bool,

    /// The requests that the responses of --frames answer, spelled as these are
    #[arg(long, value_name = "FILE", requires = "frames", conflicts_with_all = ["request", "api"])]
    pub(crate) requests: Option<PathBuf>,

    #[command(flatten)]
    spelling: SpellingArgs,

    /// Where the bytes are, if not on standard input
    pub(crate) file: Option<PathBuf>,
}

/// Print the headers of record batches, and their records if asked for
///
/// The input is the records of a request or response, or a segment file of a broker, and raw bytes
/// unless --hex is given. A batch that is damaged is printed as far as it goes and is an error; the
/// next one is looked for behind it.
#[derive(Debug, Group)]
pub(crate) struct Batches {
    /// The input is hexadecimal digits
    #[arg(long)]
    hex: bool,

    /// Print the records too
    #[arg(long)]
    pub(crate) records: bool,

    /// Print keys and values in full
    #[arg(long, requires = "records")]
    pub(crate) full: bool,

    /// Where the bytes are, if not on standard input
    file: Option<PathBuf>,
}

/// How the input is spelled, where the usual is not meant.
#[derive(Debug, Group)]
struct SpellingArgs {
    /// The input is bytes as they are, as is usual for --frames
    #[arg(long, conflicts_with = "hex")]
    raw: bool,

    /// The input is hexadecimal digits, as is usual without --frames
    #[arg(long)]
    hex: bool,
}

impl Decode {
    pub(crate) fn direction(&self) -> Direction {
        match self.request {
            true => Direction::Request,
            false => Direction::Response,
        }
    }

    pub(crate) fn spelling(&self) -> Spelling {
        let SpellingArgs { raw, hex } = self.spelling;
        match raw || (self.frames && !hex) {
            true => Spelling::Raw,
            false => Spelling::Hex,
        }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source::of(self.file.as_deref())
    }
}

impl Batches {
    pub(crate) fn spelling(&self) -> Spelling {
        match self.hex {
            true => Spelling::Hex,
            false => Spelling::Raw,
        }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source::of(self.file.as_deref())
    }
}
