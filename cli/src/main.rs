//! The `ottla` command: topics, producing, consuming, and a demo, on the client of this workspace;
//! and a look into the bytes of its protocol.
//!
//! - [`args`] says what may be asked for, [`session`] connects and reads settings, [`setting_list`]
//!   tells which there are.
//! - Each command is a module: [`topic`], [`produce`], [`consume`], [`demo`], [`wire`].
//! - [`place`] and [`grep`] say which records are wanted; [`mod@format`] and [`json`] write one, and
//!   [`output`] is where they write to.
//! - [`manual`] makes completions and man pages from the arguments.
//!
//! Data goes to standard output and nothing else does. What went wrong is a [`Failure`], which
//! knows the exit code: 1 for what failed, 2 for what was asked for wrongly.

mod args;
mod consume;
mod demo;
mod escape;
mod failure;
mod format;
mod grep;
mod interrupt;
mod json;
mod json_record;
mod lines;
mod manual;
mod output;
mod patient;
mod place;
mod produce;
mod row;
mod session;
mod setting_list;
mod span;
mod topic;
mod wire;

use std::{env, process::ExitCode};

use clap::Parser;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use args::{Args, Command, TopicCommand};
use failure::Failure;

/// Which events are shown, as `target=level,..`.
const LOG: &str = "RUST_LOG";

const NO_CLUSTER: &str = "this command talks to no cluster; leave out -b, -F, -X and --timeout";

fn main() -> ExitCode {
    if setting_list::is_asked_for(env::args_os()) {
        return ended(setting_list::print());
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(answer) => return failure::from_clap(&answer),
    };
    let (mut command, before) = (args.command, args.connection);
    let verbose = match command.connection() {
        Some(connection) => {
            *connection = std::mem::take(connection).or_before(before);
            connection.verbose
        }
        None if before.is_given() => return ended(Err(Failure::Usage(NO_CLUSTER.to_owned()))),
        None => before.verbose,
    };
    trace(verbose);
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("starting the runtime: {e}")))
        .and_then(|runtime| {
            let done = runtime.block_on(run(&command));
            // Whatever is still looking a name up is not worth waiting for.
            runtime.shutdown_background();
            done
        });
    ended(done)
}

fn ended(done: Result<(), Failure>) -> ExitCode {
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Topic(TopicCommand::Create(args)) => topic::create(args).await,
        Command::Topic(TopicCommand::List(args)) => topic::list(args).await,
        Command::Topic(TopicCommand::Delete(args)) => topic::delete(args).await,
        Command::Produce(args) => produce::run(args).await,
        Command::Consume(args) => consume::run(args).await,
        Command::Wire(command) => wire::run(command),
        Command::Completions(args) => manual::completions(args),
        Command::Man(args) => manual::pages(args),
    }
}

/// Shows the client's own events on standard error. `RUST_LOG` decides where it is set.
fn trace(verbose: u8) {
    let level = match verbose {
        // What a warning is about, the command tells itself.
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let targets = match env::var(LOG) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|error| {
            failure::note(format_args!("{LOG} is {text:?}, which is ignored: {error}"));
            Targets::new().with_default(level)
        }),
        _ => Targets::new().with_default(level),
    };
    let events = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(events.with_filter(targets))
        .init();
}
