//! What is out to a broker: how many answers are outstanding, and whether the batches in flight still
//! form one chain from the head on.

use std::time::Instant;

use ottla_protocol::records::ProducerStamp;

/// The batches of a partition that are in flight at one broker.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The broker they were sent to.
    pub(super) broker: Option<i32>,
    /// How many answers are outstanding, also to batches that have left the queue since.
    pub(super) outstanding: usize,
    /// Whether that broker has acknowledged a batch of this producer (rule 26).
    pub(super) acknowledged: bool,
}

impl Window {
    /// How many batches may be in flight: one until the broker has acknowledged one (rule 26).
    const fn size(&self, max_in_flight: usize) -> usize {
        if self.acknowledged { max_in_flight } else { 1 }
    }

    pub(super) const fn is_full(&self, max_in_flight: usize) -> bool {
        self.outstanding >= self.size(max_in_flight)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.outstanding == 0
    }

    /// Whether nothing is outstanding at another broker (rule 27).
    pub(super) fn allows(&self, broker: i32) -> bool {
        self.outstanding == 0 || self.broker == Some(broker)
    }

    /// A batch goes out to a broker. One that is new to the partition has acknowledged nothing yet.
    pub(super) fn send(&mut self, broker: i32) {
        if self.broker != Some(broker) {
            self.broker = Some(broker);
            self.acknowledged = false;
        }
        self.outstanding += 1;
    }

    pub(super) fn acknowledge(&mut self, broker: i32) {
        self.acknowledged |= self.broker == Some(broker);
    }

    /// The log that the broker acknowledged batches of is gone, so its answers prove nothing more.
    pub(super) fn forget_broker(&mut self) {
        self.broker = None;
        self.acknowledged = false;
    }
}

/// How the batches in flight hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chain {
    /// So many batches, from the head on, were sent. Each answer is to the head (rule 22).
    Intact { sent: usize },
    /// The head must be sent again once nothing is outstanding; answers until then mean nothing for
    /// the batches behind it (rules 22, 24).
    Broken,
    /// The head was taken out to be split. It was created then, and sent under this stamp.
    Splitting {
        created: Instant,
        stamp: ProducerStamp,
    },
    /// This broker does not recognise the head, which may be in its log nevertheless: after a restart
    /// it remembers only the last batch of a producer. So the last batch that may be written is
    /// repeated first. If the broker has it, it has every batch before it.
    Tracing { probe: u64, broker: i32 },
}

impl Chain {
    pub(super) const NEW: Self = Self::Intact { sent: 0 };

    /// A batch left the queue in front.
    pub(super) fn pop_head(&mut self) {
        if let Self::Intact { sent } = self {
            *sent = sent.saturating_sub(1);
        }
    }

    /// Nothing is held any more; `outstanding` answers are still to come.
    pub(super) const fn cleared(outstanding: usize) -> Self {
        if outstanding > 0 {
            Self::Broken
        } else {
            Self::NEW
        }
    }
}
