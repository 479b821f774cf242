//! The peers, and how each is started.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ottla_versus::{Job, Outcome, Work};

const KAFKA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/kafka");
const KAFKA_VERSION: &str = "4.3.1";

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) produces: Work,
    pub(crate) consumes: bool,
    /// Whether it can be told to send at a steady rate.
    pub(crate) steady: bool,
    program: Program,
}

#[derive(Debug)]
enum Program {
    /// Built by `run`, into the folder that the driver lies in.
    Beside(&'static str),
    /// Kafka's own ProducerPerformance.
    Java,
}

use Program::{Beside, Java};
use Work::{Produce, ProduceFutures};

/// Ours first; [`BASELINE`] is what the others' CPU is held against.
pub(crate) const PEERS: [Peer; 7] = [
    Peer {
        name: "ottla",
        produces: Produce,
        consumes: true,
        steady: true,
        program: Beside("ottla"),
    },
    Peer {
        name: "rdkafka",
        produces: Produce,
        consumes: true,
        steady: true,
        program: Beside("rdkafka"),
    },
    Peer {
        name: "rdkafka-futures",
        produces: ProduceFutures,
        consumes: false,
        steady: false,
        program: Beside("rdkafka"),
    },
    Peer {
        name: "krafka",
        produces: Produce,
        consumes: false,
        steady: false,
        program: Beside("krafka"),
    },
    Peer {
        name: "kacrab",
        produces: Produce,
        consumes: true,
        steady: false,
        program: Beside("kacrab"),
    },
    Peer {
        name: "franz-go",
        produces: Produce,
        consumes: true,
        steady: false,
        program: Beside("franz-go"),
    },
    Peer {
        name: "java",
        produces: Produce,
        consumes: false,
        steady: false,
        program: Java,
    },
];

pub(crate) const BASELINE: &str = "rdkafka";

impl Peer {
    pub(crate) fn named(name: &str) -> Outcome<&'static Self> {
        let found = PEERS.iter().find(|peer| peer.name == name);
        found.ok_or_else(|| {
            let names = PEERS.each_ref().map(|peer| peer.name).join(", ");
            format!("there is no peer '{name}'; there are {names}").into()
        })
    }
}

/// What the peers are made of, as far as this machine has it.
pub(crate) struct Tools {
    folder: PathBuf,
    /// Kafka's jars. `None` without Java, or when they could not be fetched.
    class_path: Option<String>,
}

impl Tools {
    pub(crate) fn find() -> Outcome<Self> {
        let driver = std::env::current_exe()?;
        let folder = driver.parent().ok_or("the driver lies in no folder")?;
        Ok(Self {
            folder: folder.into(),
            class_path: class_path(),
        })
    }

    /// Those that can run here; says which cannot.
    pub(crate) fn available(&self, wanted: &[&'static Peer]) -> Vec<&'static Peer> {
        let (found, missing): (Vec<&Peer>, Vec<&Peer>) =
            wanted.iter().partition(|peer| match peer.program {
                Beside(name) => self.folder.join(name).exists(),
                Java => self.class_path.is_some(),
            });
        for peer in missing {
            println!("SKIPPED {}: its toolchain is missing", peer.name);
        }
        found
    }

    pub(crate) fn command(&self, peer: &Peer, job: &Job) -> Command {
        match peer.program {
            Beside(name) => {
                let mut command = Command::new(self.folder.join(name));
                command.args(job.to_args());
                command
            }
            Java => producer_performance(job, self.class_path.as_deref().unwrap_or_default()),
        }
    }
}

/// With the flags that `kafka tool producer-perf` gives it.
fn producer_performance(job: &Job, class_path: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-XX:+UseSerialGC", "-Xmx512m", "-cp", class_path])
        .arg(format!(
            "-Dlog4j2.configurationFile={KAFKA}/log4j2.properties"
        ))
        .arg("org.apache.kafka.tools.ProducerPerformance")
        .args(["--bootstrap-server", &job.bootstrap, "--topic", &job.topic])
        .args([
            "--num-records",
            &job.records.to_string(),
            "--throughput",
            "-1",
        ])
        .args(["--payload-file", &job.payloads, "--command-property"])
        .args(
            job.settings
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
    command
}

fn class_path() -> Option<String> {
    let java = Command::new("java")
        .arg("-version")
        .stderr(Stdio::null())
        .status();
    if !java.is_ok_and(|status| status.success()) {
        return None;
    }
    let script = Path::new(KAFKA).join("kafka");
    let output = Command::new(script)
        .args(["jars", KAFKA_VERSION])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
