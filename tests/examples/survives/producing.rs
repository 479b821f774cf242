//! Sends the records, and notes what became of each.

use std::{
    collections::VecDeque,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use ottla::{Client, Delivery, Error, Producer, Record};

use crate::Outcome;

/// Record `n` has key `n % KEYS`, and is this key's record number `n / KEYS`.
pub(crate) const KEYS: u64 = 10_000;
/// Bytes of a value: the number, a filler, and a checksum over key, number and filler.
const VALUE: usize = 100;
/// Deliveries that are waited for at a time: more than the producer's memory holds records, so that it
/// is the memory that makes the sender wait.
const WINDOW: usize = 400_000;
/// Failures that are told one by one.
const TOLD: u64 = 10;

/// What became of a record, as the producer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It failed, and may be written all the same.
    Unknown = 0,
    Acknowledged = 1,
    /// It failed, and is certainly not written.
    Refused = 2,
}

impl Fate {
    pub(crate) const ALL: [Self; 3] = [Self::Acknowledged, Self::Refused, Self::Unknown];
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acknowledged => "acknowledged",
            Self::Refused => "failed, and not written",
            Self::Unknown => "failed, and possibly written",
        })
    }
}

/// The fate of each record, by its number.
#[derive(Debug)]
pub(crate) struct Fates {
    bytes: Vec<u8>,
    failed: u64,
}

impl Fates {
    fn note(&mut self, n: u64, outcome: Result<(), Error>) {
        let fate = match outcome {
            Ok(()) => Fate::Acknowledged,
            Err(error) => {
                self.failed += 1;
                if self.failed <= TOLD {
                    println!("record {n}: {error}");
                }
                match error.possibly_written() {
                    true => Fate::Unknown,
                    false => Fate::Refused,
                }
            }
        };
        self.bytes[n as usize] = fate as u8;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.bytes.iter().filter(|b| **b == fate as u8).count()
    }
}

/// Sends with the default settings: idempotent, `acks=all`, by Java's partitioner. `settled` is how many
/// records have their fate, for others to look at.
pub(crate) async fn produce(
    client: &Client,
    topic: &str,
    records: u64,
    settled: &AtomicU64,
) -> Outcome<Fates> {
    let producer = Producer::builder(client).build()?;
    let mut fates = Fates {
        bytes: vec![Fate::Unknown as u8; usize::try_from(records)?],
        failed: 0,
    };
    let mut waiting: VecDeque<(u64, Delivery)> = VecDeque::with_capacity(WINDOW + 1);
    let mut value = [0; VALUE];
    for n in 0..records {
        let key = write(n, &mut value);
        match producer
            .send(Record::to(topic).key(&key).value(&value))
            .await
        {
            Ok(delivery) => waiting.push_back((n, delivery)),
            Err(error) => fates.note(n, Err(error)),
        }
        if waiting.len() > WINDOW
            && let Some((n, delivery)) = waiting.pop_front()
        {
            fates.note(n, delivery.await.map(drop));
            settled.store(n + 1, Ordering::Relaxed);
        }
    }
    producer.flush().await?;
    for (n, delivery) in waiting {
        fates.note(n, delivery.await.map(drop));
    }
    Ok(fates)
}

/// Writes the value of record `n`, and returns its key.
fn write(n: u64, value: &mut [u8; VALUE]) -> [u8; 4] {
    let key = ((n % KEYS) as u32).to_be_bytes();
    let (number, filler) = value.split_at_mut(8);
    let (filler, checksum) = filler.split_at_mut(VALUE - 8 - 4);
    number.copy_from_slice(&(n / KEYS).to_be_bytes());
    filler.fill(n as u8);
    let mut crc = crc32fast::Hasher::new();
    for part in [&key, &*number, &*filler] {
        crc.update(part);
    }
    checksum.copy_from_slice(&crc.finalize().to_be_bytes());
    key
}
