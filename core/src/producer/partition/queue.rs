//! One batch of a partition's queue.

use ottla_protocol::records::ProducerStamp;

use crate::producer::Batch;

#[derive(Debug)]
pub(super) struct Queued<B> {
    pub(super) id: u64,
    pub(super) batch: Batch<B>,
    /// The stamp it is sent under, from its first sending on (rule 21).
    pub(super) stamp: Option<ProducerStamp>,
    /// Its answer is outstanding.
    pub(super) in_flight: bool,
    /// A broker may have written it, as far as the answers before tell.
    pub(super) possibly_written: bool,
    /// A broker did not recognise it although it may be written. It was repeated once since.
    pub(super) repeated: bool,
}

impl<B> Queued<B> {
    pub(super) const fn new(id: u64, batch: Batch<B>, stamp: Option<ProducerStamp>) -> Self {
        Self {
            id,
            batch,
            stamp,
            in_flight: false,
            possibly_written: false,
            repeated: false,
        }
    }

    /// Whether a broker may have written it.
    pub(super) const fn may_be_written(&self) -> bool {
        self.possibly_written || self.in_flight
    }

    /// Whether it may yet turn up in the log under the stamp that it has.
    pub(super) const fn is_open(&self) -> bool {
        self.stamp.is_some() && self.may_be_written()
    }
}
