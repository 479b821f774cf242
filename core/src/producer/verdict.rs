//! What a broker's answer means for a batch.

use ottla_protocol::ErrorCode;

use super::Answer;
use crate::failure::Failure;

/// What an answer means for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Done {
        base_offset: i64,
        log_append_time: i64,
    },
    /// Send it again. `unknown`: the broker may have written it already.
    Retry { error: Failure, unknown: bool },
    /// The broker does not know this producer, or expects another sequence number.
    Unrecognised(ErrorCode),
    /// For good. `unknown`: the broker may have written it nevertheless.
    Refuse { error: Failure, unknown: bool },
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
            // An earlier attempt wrote it, so long ago that the broker forgot its offset (rule 36).
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Self::Done {
                base_offset: -1,
                log_append_time: -1,
            },
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::INVALID_PRODUCER_EPOCH => Self::Unrecognised(error),
            // A batch that arrives damaged was damaged here: a retry would only repeat it (rule 39).
            ErrorCode::CORRUPT_MESSAGE => Self::refuse(error),
            // The leader has it and its followers may have: it must run to a definite answer.
            ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
                Self::retry(error, true)
            }
            ErrorCode::CONCURRENT_TRANSACTIONS => Self::retry(error, false),
            // A leader that steps down while it waits for its followers sends the same error as one
            // that never had the batch, but with the batch's offset.
            error if error.is_retriable() => {
                Self::retry(error, base_offset >= 0 && !is_found_before_append(error))
            }
            // The failure of another kind may have happened after the append.
            error => {
                let unknown = base_offset >= 0 || error == ErrorCode::UNKNOWN_SERVER_ERROR;
                Self::Refuse {
                    error: Failure::Broker(error),
                    unknown: unknown && !is_found_before_append(error),
                }
            }
        }
    }

    const fn retry(error: ErrorCode, unknown: bool) -> Self {
        let error = Failure::Broker(error);
        Self::Retry { error, unknown }
    }

    pub(super) const fn refuse(error: ErrorCode) -> Self {
        Self::Refuse {
            error: Failure::Broker(error),
            unknown: false,
        }
    }

    /// Whether another broker may lead the partition by now.
    pub(super) const fn doubts_leader(&self) -> bool {
        let Self::Retry { error, .. } = self else {
            return false;
        };
        match error {
            Failure::Broker(code) => {
                !is_hosts(*code) && !matches!(*code, ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            // A connection that ends is made again. Only when that fails, so that nothing of a request
            // was written, has the broker perhaps moved.
            Failure::Lost { possibly_written } => !*possibly_written,
            Failure::Unsendable(_) => true,
        }
    }
}

/// Brokers find these errors before they append, so the batch is not in the log. Some servers leave
/// `base_offset` at 0 in such an answer; it means nothing there.
const fn is_found_before_append(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::INVALID_RECORD
            | ErrorCode::INVALID_TIMESTAMP
            | ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::INVALID_TOPIC_EXCEPTION
            | ErrorCode::INVALID_REQUIRED_ACKS
            | ErrorCode::INVALID_REQUEST
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
    )
}

/// Only a broker that hosts the partition answers with these errors.
pub(super) const fn is_hosts(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
    )
}

/// A smaller batch may fit.
pub(super) const fn is_too_large(error: &Failure) -> bool {
    matches!(
        error,
        Failure::Broker(ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE)
    )
}

/// The broker does not know the topic.
pub(super) const fn is_unknown(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID
    )
}
