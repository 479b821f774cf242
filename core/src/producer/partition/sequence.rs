//! The sequence numbers of one partition.

use ottla_protocol::records::ProducerStamp;

/// Which sequence number comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// The next batch begins at zero, under the producer's id and epoch of then (rule 32).
    Unstarted,
    /// Batches are numbered under this id and epoch; the next one gets this sequence number.
    At { id: (i64, i16), next: i32 },
    /// A batch was given up while its outcome was unknown, or its log is gone. Batches that have a
    /// stamp are resent until their outcome is known; new ones wait for a new epoch (rule 37).
    Unresolved(ProducerStamp),
}

impl Sequence {
    pub(super) const fn is_unresolved(&self) -> bool {
        matches!(self, Self::Unresolved(_))
    }

    /// Whether a batch without a stamp would begin a new sequence under this identity.
    pub(super) fn starts_anew(&self, identity: (i64, i16)) -> bool {
        !matches!(self, Self::At { id, .. } if *id == identity)
    }

    /// The stamp of a batch of `count` records that has none yet.
    pub(super) fn stamp(&mut self, identity: (i64, i16), count: u32) -> ProducerStamp {
        let sequence = match self {
            Self::At { id, next } if *id == identity => *next,
            _ => 0,
        };
        *self = Self::At {
            id: identity,
            next: advance(sequence, count),
        };
        let (id, epoch) = identity;
        ProducerStamp {
            id,
            epoch,
            sequence: if id < 0 { -1 } else { sequence },
            transactional: false,
        }
    }

    /// Whether the sequence still goes on from this stamp's id and epoch.
    pub(super) fn continues(&self, stamp: ProducerStamp) -> bool {
        stamp.id >= 0 && matches!(self, Self::At { id, .. } if *id == (stamp.id, stamp.epoch))
    }

    /// The sequence must not go on in another log (rule 17).
    pub(super) fn leave_log(&mut self) {
        if let Self::At {
            id: (id @ 0.., epoch),
            next,
        } = *self
        {
            *self = Self::Unresolved(ProducerStamp {
                id,
                epoch,
                sequence: next,
                transactional: false,
            });
        }
    }
}

/// Sequence numbers count records and wrap to zero (rule 20).
pub(in super::super) fn advance(sequence: i32, records: u32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_goes_on_from_stamps_of_its_own_id_and_epoch_only() {
        let mut sequence = Sequence::Unstarted;
        let stamp = sequence.stamp((7, 1), 3);
        assert_eq!((stamp.sequence, sequence.stamp((7, 1), 2).sequence), (0, 3));
        assert!(sequence.continues(stamp));
        for (id, epoch) in [(7, 0), (8, 1), (-1, 1)] {
            let other = ProducerStamp { id, epoch, ..stamp };
            assert!(!sequence.continues(other), "{other:?}");
        }
        sequence.leave_log();
        assert!(!sequence.continues(stamp), "it must not go on");
        let none = Sequence::Unstarted.stamp((-1, -1), 3);
        assert_eq!(none.sequence, -1);
        let mut without = Sequence::Unstarted;
        without.stamp((-1, -1), 1);
        assert!(!without.continues(none), "there is no producer id");
    }
}
