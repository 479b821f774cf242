//! One run of one process, and what it took.

use std::{
    io::Read,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ottla_versus::Outcome;
use wait4::Wait4;

/// Longer than any run that goes well.
const LIMIT: Duration = Duration::from_secs(600);

/// What a process took from its start to its end.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// The most memory that it had at a time, in bytes.
    pub(crate) peak: u64,
    /// All that it printed.
    pub(crate) said: String,
}

/// Runs a peer. It must end well and say, in the last line it prints, how many records it did.
pub(crate) fn measure(mut command: Command, records: u64) -> Outcome<Sample> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdout = child.stdout.take().ok_or("its output is not piped")?;
    let (said, output) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text).map(|_| text);
        said.send(read)
    });
    let output = output.recv_timeout(LIMIT);
    if output.is_err() {
        child.kill()?;
    }
    let used = child.wait4()?;
    let wall = start.elapsed();
    let text = output.map_err(|_| format!("it took longer than {LIMIT:?}"))??;
    reader.join().map_err(|_| "its output was not read")??;
    if !used.status.success() {
        return Err(format!("it ended with {}", used.status).into());
    }
    let last = text.lines().last().unwrap_or_default();
    if !last.starts_with(&format!("{records} records ")) {
        return Err(format!("{records} records were wanted, and it said: {last}").into());
    }
    Ok(Sample {
        wall,
        user: used.rusage.utime,
        system: used.rusage.stime,
        peak: used.rusage.maxrss,
        said: text,
    })
}
