//! What is done to the brokers: one after the other is killed and comes back, and leaders move.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ottla::{
    Client,
    protocol::{
        ErrorCode,
        messages::{
            AlterPartitionReassignmentsRequest, ElectLeadersRequest, ElectLeadersTopicPartitions,
            ReassignablePartition, ReassignableTopic,
        },
    },
};
use ottla_tests::Kafka;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{Outcome, PARTITIONS};

const BROKERS: [i32; 3] = [1, 2, 3];
/// How long it stays as it is after a deed.
const PAUSE: Duration = Duration::from_secs(3);
/// The preferred replica is the first one that is in sync (KIP-460).
const PREFERRED: i8 = 0;

/// Disturbs the brokers under a topic.
pub(crate) struct Unrest {
    kafka: Kafka,
    client: Client,
    topic: String,
    /// Records that have their fate.
    settled: Arc<AtomicU64>,
    since: Instant,
    deeds: Deeds,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    kills: usize,
    restarts: usize,
    /// Leaders that a killed broker was.
    lost: usize,
    /// Leaders that moved although their broker lived.
    moved: usize,
}

impl Unrest {
    pub(crate) fn new(
        kafka: Kafka,
        client: Client,
        topic: String,
        settled: Arc<AtomicU64>,
    ) -> Self {
        Self {
            kafka,
            client,
            topic,
            settled,
            since: Instant::now(),
            deeds: Deeds::default(),
        }
    }

    /// Goes on until calm is wanted; then all brokers live and are in sync.
    pub(crate) async fn until(mut self, mut calm: watch::Receiver<bool>) -> Outcome<Deeds> {
        for turn in 0.. {
            if timeout(PAUSE, calm.wait_for(|calm| *calm)).await.is_ok() {
                break;
            }
            self.kill_and_restart(BROKERS[turn % BROKERS.len()]).await;
            for step in 0..2 {
                self.move_leaders(2 * turn + step).await?;
                sleep(PAUSE).await;
            }
        }
        Ok(self.deeds)
    }

    async fn kill_and_restart(&mut self, broker: i32) {
        let led = self.led_by(broker);
        tokio::task::block_in_place(|| self.kafka.kill9(broker));
        self.deeds.kills += 1;
        self.deeds.lost += led;
        self.tell(&format!(
            "killed broker {broker}, which led {led} partitions"
        ));
        sleep(PAUSE).await;
        // Returns when the broker is in every in-sync set again.
        tokio::task::block_in_place(|| self.kafka.start(broker));
        self.deeds.restarts += 1;
        self.tell(&format!("broker {broker} is back and in sync"));
    }

    fn led_by(&self, broker: i32) -> usize {
        let topology = self.client.topology();
        let topic = topology.topic(&self.topic);
        let partitions = topic.map_or(&[][..], |topic| &topic.partitions);
        partitions.iter().filter(|p| p.leader == broker).count()
    }

    /// Makes the next replica of each partition the preferred one, and has it elected.
    async fn move_leaders(&mut self, turn: usize) -> Outcome<()> {
        let reassign = AlterPartitionReassignmentsRequest {
            topics: vec![ReassignableTopic {
                name: self.topic.as_str().into(),
                partitions: (0..PARTITIONS).map(|n| replicas(n, turn)).collect(),
            }],
            ..AlterPartitionReassignmentsRequest::default()
        };
        let answer = self.client.request_controller(reassign).await?;
        let refused = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let refused = refused.filter(|p| !p.error_code.is_ok()).count();
        let elect = ElectLeadersRequest {
            election_type: PREFERRED,
            topic_partitions: Some(vec![ElectLeadersTopicPartitions {
                topic: self.topic.as_str().into(),
                partitions: (0..PARTITIONS).collect(),
            }]),
            ..ElectLeadersRequest::default()
        };
        let answer = self.client.request_controller(elect).await?;
        let results = answer.replica_election_results.iter();
        let results: Vec<_> = results.flat_map(|topic| &topic.partition_result).collect();
        let with = |code| results.iter().filter(|r| r.error_code == code).count();
        let moved = with(ErrorCode::NONE);
        let stayed = with(ErrorCode::ELECTION_NOT_NEEDED);
        self.deeds.moved += moved;
        self.tell(&format!(
            "moved {moved} leaders; {stayed} were there already, {} could not be, {refused} not told to",
            results.len() - moved - stayed,
        ));
        Ok(())
    }

    fn tell(&self, what: &str) {
        let (since, settled) = (self.since.elapsed(), self.settled.load(Ordering::Relaxed));
        println!(
            "{:7.1} s, {settled:>9} records: {what}",
            since.as_secs_f64()
        );
    }
}

/// The brokers in another order for each partition, and in each turn.
fn replicas(partition: i32, turn: usize) -> ReassignablePartition {
    let mut replicas = BROKERS.to_vec();
    replicas.rotate_left((partition as usize + turn) % BROKERS.len());
    ReassignablePartition {
        partition_index: partition,
        replicas: Some(replicas),
    }
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kills,
            restarts,
            lost,
            moved,
        } = self;
        write!(
            f,
            "{kills} kills, {restarts} restarts; {lost} leaders killed, {moved} moved alive"
        )
    }
}
