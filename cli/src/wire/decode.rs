//! `wire decode`

use bytes::Bytes;

use crate::failure::Failure;

use super::{
    args::Decode,
    frames::{self, Answered},
    hex::{self, Count},
    input::{Source, Spelling},
    message::{Direction, Kind},
    report::Report,
};

/// Prints messages, or frames of them.
pub(crate) fn run(args: &Decode) -> Result<(), Failure> {
    let mut report = Report::new();
    let done = if args.frames {
        frames_of(args, &mut report)
    } else {
        messages(args, &mut report)
    };
    report.finish(done)
}

fn frames_of(args: &Decode, report: &mut Report) -> Result<(), Failure> {
    let usage = |what: &str| Err(Failure::Usage(what.to_owned()));
    let kind = kind(args)?;
    let answered = match (args.direction(), kind, &args.requests) {
        (Direction::Request, None, _) => None,
        (Direction::Request, Some(_), _) => {
            return usage("requests say what they are: leave out --api and --version");
        }
        (Direction::Response, Some(kind), _) => Some(Answered::Alike(kind)),
        (Direction::Response, None, Some(file)) => {
            let stream = Source::File(file).read(args.spelling())?;
            Some(Answered::by(&stream, report)?)
        }
        (Direction::Response, None, None) => {
            return usage("responses do not say what they are: give --requests, or --api");
        }
    };
    let stream = args.source().read(args.spelling())?;
    match answered {
        None => frames::requests(&stream, report),
        Some(answered) => frames::responses(&stream, answered, report),
    }
}

fn messages(args: &Decode, report: &mut Report) -> Result<(), Failure> {
    let kind = kind(args)?.ok_or_else(|| Failure::Usage("give --api and --version".to_owned()))?;
    if args.spelling() == Spelling::Raw {
        let message = args.source().read(Spelling::Raw)?;
        return print(kind, "", &message, report);
    }
    for line in args.source().lines()? {
        let (n, digits) = line?;
        match hex::parse(&digits) {
            Ok(bytes) => print(kind, &format!("line {n}: "), &bytes.into(), report)?,
            Err(what) => report.fault(format_args!("line {n}: {what}"))?,
        }
        // Who types wants to see.
        report.flush()?;
    }
    Ok(())
}

/// What all of the messages are, if the command line says so.
fn kind(args: &Decode) -> Result<Option<Kind>, Failure> {
    let Some((api, version)) = args.api.zip(args.version) else {
        return Ok(None);
    };
    let kind = Kind::new(api, version, args.direction());
    kind.map(Some).map_err(Failure::Usage)
}

fn print(kind: Kind, place: &str, bytes: &Bytes, report: &mut Report) -> Result<(), Failure> {
    let printed = kind.print(bytes, 0, 2);
    let size = Count(bytes.len(), "byte");
    report.print(&format!("{place}{kind}, {size}\n{}", printed.text))?;
    match printed.fault {
        Some(fault) => report.fault(format_args!("{place}{fault}")),
        None => Ok(()),
    }
}
