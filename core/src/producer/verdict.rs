//! What a broker's answer means for a batch.

use ottla_protocol::ErrorCode;

use super::Answer;

/// What an answer means for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done {
        base_offset: i64,
        log_append_time: i64,
    },
    /// Send it again. `unknown` when it may have been written already.
    Retry { error: ErrorCode, unknown: bool },
    /// The broker lost track of this producer, or of its sequence: go on under a new epoch.
    NewEpoch,
    /// For good. `unknown` when it may have been written all the same.
    Refuse { error: ErrorCode, unknown: bool },
}

impl Verdict {
    pub(super) fn of(answer: Answer) -> Self {
        let Answer {
            error,
            base_offset,
            log_append_time,
            ..
        } = answer;
        match error {
            ErrorCode::NONE => Self::Done {
                base_offset,
                log_append_time,
            },
            // Written by an earlier attempt, long enough ago that its offset is forgotten (rule 36).
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Self::Done {
                base_offset: -1,
                log_append_time: -1,
            },
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::INVALID_PRODUCER_EPOCH => Self::NewEpoch,
            // A batch that arrives damaged was damaged here: a retry would only repeat it (rule 39).
            ErrorCode::CORRUPT_MESSAGE => Self::refuse(error),
            // The leader has it and its followers may have: it must run to a definite answer.
            ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
                Self::Retry {
                    error,
                    unknown: true,
                }
            }
            ErrorCode::CONCURRENT_TRANSACTIONS => Self::Retry {
                error,
                unknown: false,
            },
            // A leader that steps down while it waits for its followers says the same as one that
            // never had the batch, but for the offset.
            error if error.is_retriable() => Self::Retry {
                error,
                unknown: base_offset >= 0,
            },
            // Whatever went wrong there may have gone wrong behind the append.
            error => Self::Refuse {
                error,
                unknown: base_offset >= 0 || error == ErrorCode::UNKNOWN_SERVER_ERROR,
            },
        }
    }

    pub(super) const fn refuse(error: ErrorCode) -> Self {
        Self::Refuse {
            error,
            unknown: false,
        }
    }

    pub(super) fn leader_is_wrong(self) -> bool {
        let Self::Retry { error, .. } = self else {
            return false;
        };
        !matches!(
            error,
            ErrorCode::NOT_ENOUGH_REPLICAS
                | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
                | ErrorCode::REQUEST_TIMED_OUT
                | ErrorCode::THROTTLING_QUOTA_EXCEEDED
                | ErrorCode::CONCURRENT_TRANSACTIONS
        )
    }
}

/// Only a broker that hosts the partition says this.
pub(super) fn is_hosts(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
    )
}

/// A smaller batch may do.
pub(super) fn is_too_large(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE
    )
}

/// The topic is not there, as far as anybody can tell.
pub(super) fn is_unknown(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID
    )
}
