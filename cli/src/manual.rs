//! `completions` and `man`: what shells and man know of the commands, made from the same arguments.

use std::{fs, io::Write};

use clap::CommandFactory;

use crate::{
    args::{Args, Completions, Man},
    failure::Failure,
    output::Output,
};

/// `completions`
pub(crate) fn completions(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ottla", &mut script);
    let mut out = Output::stdout();
    let written = out.put(|out| out.write_all(&script));
    out.finish(written)
}

/// `man`
pub(crate) fn pages(args: &Man) -> Result<(), Failure> {
    let folder = &args.folder;
    let written = fs::create_dir_all(folder);
    let written = written.and_then(|()| clap_mangen::generate_to(Args::command(), folder));
    written.map_err(|error| Failure::Failed(format!("writing to {}: {error}", folder.display())))
}
