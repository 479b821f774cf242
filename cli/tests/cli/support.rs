//! Runs the command and collects what it says.

use std::{process::Stdio, time::Duration};

use ottla_broker::Cluster;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::timeout,
};

/// Nothing here takes nearly as long, unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it printed, when it went well and had nothing to say besides.
    #[track_caller]
    pub(crate) fn printed(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        std::str::from_utf8(&self.stdout).expect("it printed text")
    }

    /// Its message, when it ended with this code and printed nothing.
    #[track_caller]
    pub(crate) fn message(&self, code: i32) -> &str {
        assert_eq!(
            (self.code, self.stdout.as_slice()),
            (Some(code), &b""[..]),
            "{self:?}"
        );
        assert!(self.stderr.starts_with("ottla: "), "{self:?}");
        &self.stderr
    }
}

/// The command with these arguments, separated by spaces, and its three streams as pipes.
pub(crate) fn command(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(args.split_whitespace());
    command.env_remove("OTTLA_BOOTSTRAP");
    command.env_remove("OTTLA_CONFIG").kill_on_drop(true);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) async fn finish(mut child: Child, input: &[u8]) -> Ran {
    let mut stdin = child.stdin.take();
    let write = async {
        if let Some(stdin) = &mut stdin {
            // It may have ended without reading all of it.
            let _: std::io::Result<()> = stdin.write_all(input).await;
        }
        drop(stdin);
    };
    let (_, output) = timeout(HANGS, async {
        tokio::join!(write, child.wait_with_output())
    })
    .await
    .expect("the command ends by itself");
    let output = output.expect("the command runs");
    Ran {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("messages are text"),
    }
}

/// Runs the command without a cluster.
pub(crate) async fn ottla(args: &str) -> Ran {
    finish(command(args).spawn().expect("the command starts"), b"").await
}

/// A command that was begun on this cluster.
pub(crate) fn begin(cluster: &Cluster, args: &str) -> Child {
    let mut command = command(args);
    command.args(["-b", &cluster.bootstrap()]);
    command.spawn().expect("the command starts")
}

/// Runs the command on this cluster.
pub(crate) async fn on(cluster: &Cluster, args: &str, input: &[u8]) -> Ran {
    finish(begin(cluster, args), input).await
}

/// Presses Ctrl-C.
pub(crate) async fn interrupt(child: &Child) {
    signal(child, "-INT").await;
}

/// Sends a signal.
pub(crate) async fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    let status = Command::new("kill").args([name, &pid]).status().await;
    assert!(status.expect("there is a kill command").success());
}

/// A cluster of one broker with topics of one partition.
pub(crate) async fn cluster(topics: &[&str]) -> Cluster {
    let builder = topics
        .iter()
        .fold(Cluster::builder(), |b, topic| b.topic(topic, 1));
    builder.start().await.expect("the cluster starts")
}
