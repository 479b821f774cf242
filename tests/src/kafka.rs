//! Real Kafka, through the script in `kafka/`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

/// The variable that names the folder of a running cluster.
const VARIABLE: &str = "OTTLA_TEST_KAFKA";

/// A cluster of real brokers.
#[derive(Debug, Clone)]
pub struct Kafka {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Started here, and so ended here.
    ours: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ours {
            script(&["down", &self.path.display().to_string()]);
            let removed = std::fs::remove_dir_all(&self.path);
            removed.expect("the folder of the cluster can be removed");
        }
    }
}

impl Kafka {
    /// The cluster that the environment names. Without one, says so and is `None`.
    #[must_use]
    pub fn given() -> Option<Self> {
        let Some(path) = std::env::var_os(VARIABLE) else {
            eprintln!("skipped: needs real Kafka, and {VARIABLE} names none (kafka/README.md)");
            return None;
        };
        let path = PathBuf::from(path);
        Some(Self {
            folder: Arc::new(Folder { path, ours: false }),
        })
    }

    /// A cluster of the same version for one test alone, which may do to it what it likes.
    #[must_use]
    pub fn of_its_own(name: &str, brokers: usize) -> Option<Self> {
        let version = Self::given()?.read("version");
        let name = format!("ottla-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let folder = path.display().to_string();
        let brokers = brokers.to_string();
        script(&["up", &folder, "--brokers", &brokers, "--version", &version]);
        Some(Self {
            folder: Arc::new(Folder { path, ours: true }),
        })
    }

    /// Its bootstrap servers.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.read("bootstrap")
    }

    fn read(&self, file: &str) -> String {
        let path = self.folder.path.join(file);
        let text = std::fs::read_to_string(&path);
        let text = text.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim().to_owned()
    }

    /// Kills a broker as a crash would.
    pub fn kill9(&self, broker: i32) {
        self.run("kill9", broker);
    }

    /// Starts a broker again, with the data it had.
    pub fn start(&self, broker: i32) {
        self.run("start", broker);
    }

    fn run(&self, command: &str, broker: i32) {
        let folder = self.folder.path.display().to_string();
        script(&[command, &folder, &broker.to_string()]);
    }

    /// Runs one of Kafka's own tools and returns what it printed. `input` is its standard input.
    #[must_use]
    pub fn tool(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let folder = self.folder.path.display().to_string();
        let mut command = Command::new(script_path());
        command.args(["tool", &folder]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the script starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, input).expect("the tool reads its input");
        drop(stdin);
        let Output { status, stdout, .. } = child.wait_with_output().expect("the tool ends");
        assert!(status.success(), "{args:?} ended with {status}");
        stdout
    }
}

fn script_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/kafka")
}

fn script(args: &[&str]) {
    let status = Command::new(script_path())
        .args(args)
        .stdout(Stdio::null())
        .status()
        .expect("the script starts");
    assert!(status.success(), "kafka {args:?} ended with {status}");
}
