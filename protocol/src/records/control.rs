//! Control records: what brokers write into a log for its readers, such as the ends of transactions.

use super::{Batch, Record, RecordError, RecordErrorKind, header::take};

/// What a control record is about (`ControlRecordType` in Kafka).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlRecordType {
    /// A transaction was aborted.
    Abort,
    /// A transaction was committed.
    Commit,
    /// The quorum has a new leader (KIP-595), as all that follow in logs of the quorum only.
    LeaderChange,
    /// A snapshot begins (KIP-630).
    SnapshotHeader,
    /// A snapshot ends.
    SnapshotFooter,
    /// The protocol of the quorum has another version (KIP-853).
    KraftVersion,
    /// The quorum has other voters.
    KraftVoters,
    /// Something younger than this crate.
    Unknown(i16),
}

impl ControlRecordType {
    const fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KraftVersion,
            6 => Self::KraftVoters,
            id => Self::Unknown(id),
        }
    }
}

/// The record of a control batch, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRecord<'a> {
    /// The version of its key. Later ones than 0 may know more, and begin the same.
    pub version: i16,
    /// What it is about.
    pub control_type: ControlRecordType,
    /// What it says about it, in a format of its own.
    pub value: Option<&'a [u8]>,
}

impl<'a> ControlRecord<'a> {
    /// Reads a record of a control batch; `None` when its key is not that of one.
    #[must_use]
    pub fn parse(record: &Record<'a>) -> Option<Self> {
        let mut key = record.key?;
        let version = i16::from_be_bytes(take(&mut key)?);
        let id = i16::from_be_bytes(take(&mut key)?);
        (version >= 0).then_some(Self {
            version,
            control_type: ControlRecordType::from_id(id),
            value: record.value,
        })
    }
}

/// What the end of a transaction says: the value of a [`ControlRecord`] that aborts or commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// The version of the value. Later ones than 0 may know more, and begin the same.
    pub version: i16,
    /// The epoch of the transaction coordinator that decided.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// Reads the value of a control record; `None` when it is not that of a marker.
    #[must_use]
    pub fn parse(control: &ControlRecord<'_>) -> Option<Self> {
        use ControlRecordType::{Abort, Commit};
        let mut value = control.value?;
        let version = i16::from_be_bytes(take(&mut value)?);
        let coordinator_epoch = i32::from_be_bytes(take(&mut value)?);
        let is_end = matches!(control.control_type, Abort | Commit);
        (is_end && version >= 0).then_some(Self {
            version,
            coordinator_epoch,
        })
    }
}

impl Batch {
    /// What a control batch says; `None` for data, and where compaction left no record.
    ///
    /// # Errors
    /// When the record is damaged or none of control.
    pub fn control_record(&self) -> Result<Option<ControlRecord<'_>>, RecordError> {
        if !self.header.is_control() {
            return Ok(None);
        }
        let Some(record) = self.records().next().transpose()? else {
            return Ok(None);
        };
        let no_type = RecordErrorKind::BadRecord("no control type in its key");
        let control = ControlRecord::parse(&record);
        control.ok_or_else(|| self.header.error(no_type)).map(Some)
    }
}
