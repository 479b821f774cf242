//! Which partition a record goes to.

use std::{fmt::Debug, str::FromStr};

use super::record::Record;

/// Chooses the partition of records that do not name one.
///
/// ```
/// use ottla::{Choice, Partitioner, Record};
///
/// /// The first byte of the key is the shard.
/// #[derive(Debug)]
/// struct ByShard;
///
/// impl Partitioner for ByShard {
///     fn choose(&self, record: &Record<'_>, partitions: usize) -> Choice {
///         match record.key_bytes() {
///             Some([shard, ..]) => Choice::Partition(*shard as usize % partitions),
///             _ => Choice::Sticky,
///         }
///     }
/// }
/// ```
pub trait Partitioner: Debug + Send + Sync + 'static {
    /// The partition for a record of a topic with so many partitions, at least one; more once the
    /// topic is seen to have grown. Called for records that name no partition, on the task that sends
    /// them. A number that is not below `partitions` is an error of
    /// [`send`](super::Producer::send).
    fn choose(&self, record: &Record<'_>, partitions: usize) -> Choice;
}

/// What a [`Partitioner`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Partition(usize),
    /// Any; the same one until a batch is full, then another at random, and rather one whose broker
    /// keeps up (KIP-794). One without a leader is left out.
    Sticky,
    /// The one after the last that has a leader.
    InTurn,
}

/// The partitioners of the Java client and of librdkafka, under librdkafka's names (`partitioner`).
///
/// | | a key | an empty key | no key |
/// |---|---|---|---|
/// | `murmur2_random` | murmur2, as Java | murmur2 | sticky |
/// | `murmur2` | murmur2 | murmur2 | as an empty key |
/// | `consistent_random` | CRC-32 | sticky | sticky |
/// | `consistent` | CRC-32 | CRC-32 | as an empty key |
/// | `fnv1a_random` | FNV-1a, as Sarama | FNV-1a | sticky |
/// | `fnv1a` | FNV-1a | FNV-1a | as an empty key |
/// | `random` | sticky | sticky | sticky |
/// | `round_robin` | in turn | in turn | in turn |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the table says what each does")]
pub enum Partitioning {
    /// What the Java client does, and the default here.
    #[default]
    Murmur2Random,
    Murmur2,
    /// What librdkafka does if nothing is said.
    ConsistentRandom,
    Consistent,
    Fnv1aRandom,
    Fnv1a,
    /// `partitioner.ignore.keys=true` in Java.
    Random,
    /// `RoundRobinPartitioner` in Java.
    RoundRobin,
}

impl Partitioning {
    const NAMES: [(&'static str, Self); 8] = [
        ("murmur2_random", Self::Murmur2Random),
        ("murmur2", Self::Murmur2),
        ("consistent_random", Self::ConsistentRandom),
        ("consistent", Self::Consistent),
        ("fnv1a_random", Self::Fnv1aRandom),
        ("fnv1a", Self::Fnv1a),
        ("random", Self::Random),
        ("round_robin", Self::RoundRobin),
    ];
}

impl FromStr for Partitioning {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let found = Self::NAMES.iter().find(|(n, _)| *n == name);
        found.map(|(_, partitioning)| *partitioning).ok_or(())
    }
}

impl Partitioner for Partitioning {
    #[inline]
    fn choose(&self, record: &Record<'_>, partitions: usize) -> Choice {
        let hashed = |hash: u32| Choice::Partition(hash as usize % partitions.max(1));
        let murmur2 = |key| hashed(murmur2(key) & 0x7fff_ffff);
        let crc32 = |key| hashed(crc32fast::hash(key));
        let fnv1a = |key| hashed(fnv1a(key));
        match (self, record.key_bytes()) {
            (Self::Murmur2Random | Self::Murmur2, Some(key)) => murmur2(key),
            (Self::Murmur2, None) => murmur2(b""),
            (Self::ConsistentRandom, Some(key)) if !key.is_empty() => crc32(key),
            (Self::Consistent, key) => crc32(key.unwrap_or_default()),
            (Self::Fnv1aRandom, Some(key)) => fnv1a(key),
            (Self::Fnv1a, key) => fnv1a(key.unwrap_or_default()),
            (Self::RoundRobin, _) => Choice::InTurn,
            (
                Self::Random | Self::Murmur2Random | Self::ConsistentRandom | Self::Fnv1aRandom,
                _,
            ) => Choice::Sticky,
        }
    }
}

/// MurmurHash2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let k = u32::from_le_bytes(*word).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ (k ^ k >> 24).wrapping_mul(M);
    }
    for (i, byte) in rest.iter().enumerate() {
        h ^= u32::from(*byte) << (8 * i);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h = (h ^ h >> 13).wrapping_mul(M);
    h ^ h >> 15
}

/// FNV-1a, made positive as Sarama and librdkafka make it.
fn fnv1a(data: &[u8]) -> u32 {
    let step = |h: u32, byte: &u8| (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    (data.iter().fold(0x811c_9dc5, step) as i32).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of the Java client's own test of its hash.
    #[test]
    fn keys_hash_as_in_java() {
        let cases: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in cases {
            let name = String::from_utf8_lossy(key);
            assert_eq!(murmur2(key) as i32, hash, "{name}");
        }
    }

    /// Where librdkafka 2.16 put these keys, and a record without one, in a topic of 17 partitions;
    /// `None` where it drew lots.
    #[test]
    fn keys_go_where_librdkafka_puts_them() {
        let keys: [&[u8]; 7] = [
            b"",
            b"a",
            b"21",
            b"foobar",
            b"this is a longer key than the others",
            b"\xff\0\x80",
            b"kafka",
        ];
        for (name, empty, rest, none) in [
            ("consistent", Some(0), [9, 10, 6, 15, 7, 11], Some(0)),
            ("consistent_random", None, [9, 10, 6, 15, 7, 11], None),
            ("murmur2", Some(11), [0, 13, 9, 6, 6, 14], Some(11)),
            ("murmur2_random", Some(11), [0, 13, 9, 6, 6, 14], None),
            ("fnv1a", Some(0), [16, 14, 15, 7, 4, 9], Some(0)),
            ("fnv1a_random", Some(0), [16, 14, 15, 7, 4, 9], None),
        ] {
            let partitioning: Partitioning = name.parse().expect("it is one");
            let choose = |record: Record<'_>| match partitioning.choose(&record, 17) {
                Choice::Partition(n) => Some(n),
                _ => None,
            };
            let keyed = keys.map(|key| choose(Record::to("t").key(key)));
            let [first, others @ ..] = keyed;
            assert_eq!(first, empty, "{name}");
            assert_eq!(others, rest.map(Some), "{name}");
            assert_eq!(choose(Record::to("t")), none, "{name}");
        }
    }
}
