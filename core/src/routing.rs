//! Where a request goes, and what its answer means for another attempt. Said once, for all requests.

use std::sync::Arc;

use ottla_protocol::{ErrorCode, messages::ApiKey};

/// Which broker a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Any broker; each attempt goes to the next one.
    Any,
    /// The controller, or the broker that speaks for it.
    Controller,
    /// The broker with this id.
    Broker(i32),
    /// The coordinator of this key.
    Coordinator(CoordinatorType, Arc<str>),
}

/// What a coordinator coordinates: the `key_type` of FindCoordinator (KIP-98, KIP-932).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CoordinatorType {
    /// A consumer group; the key is its id.
    Group,
    /// A transactional producer; the key is its `transactional.id`.
    Transaction,
    /// A share group's partition; the key is `group:topic-id:partition`.
    Share,
}

impl CoordinatorType {
    /// The number that stands for it in a request.
    #[must_use]
    pub const fn key_type(self) -> i8 {
        match self {
            Self::Group => 0,
            Self::Transaction => 1,
            Self::Share => 2,
        }
    }
}

/// The requests that change nothing on a broker. They may be repeated, and none of them is possibly
/// applied when its answer is lost.
const READS: &[ApiKey] = &[
    ApiKey::ApiVersions,
    ApiKey::ConsumerGroupDescribe,
    ApiKey::DescribeAcls,
    ApiKey::DescribeClientQuotas,
    ApiKey::DescribeCluster,
    ApiKey::DescribeConfigs,
    ApiKey::DescribeDelegationToken,
    ApiKey::DescribeGroups,
    ApiKey::DescribeLogDirs,
    ApiKey::DescribeProducers,
    ApiKey::DescribeShareGroupOffsets,
    ApiKey::DescribeTopicPartitions,
    ApiKey::DescribeTransactions,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::Fetch,
    ApiKey::FindCoordinator,
    ApiKey::ListConfigResources,
    ApiKey::ListGroups,
    ApiKey::ListOffsets,
    ApiKey::ListPartitionReassignments,
    ApiKey::ListTransactions,
    ApiKey::Metadata,
    ApiKey::OffsetFetch,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::ShareGroupDescribe,
    ApiKey::StreamsGroupDescribe,
];

/// Whether requests with this API key change nothing on a broker.
#[must_use]
pub fn only_reads(api_key: i16) -> bool {
    READS.iter().any(|read| *read as i16 == api_key)
}

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is for the caller, whatever it says.
    Done,
    /// Ask the same broker again after a pause: it is about to be able to answer.
    Again,
    /// Ask another broker after a pause. A coordinator is looked up again.
    Elsewhere,
    /// Ask again after metadata was refreshed: the cluster has changed.
    AfterMetadata,
}

impl Route {
    /// What an answer with this error code means for a request on this route.
    #[must_use]
    pub fn judge(&self, code: ErrorCode) -> Verdict {
        match code {
            ErrorCode::NOT_CONTROLLER => match self {
                Self::Controller | Self::Any => Verdict::AfterMetadata,
                _ => Verdict::Done,
            },
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => match self {
                Self::Any => Verdict::Elsewhere,
                _ => Verdict::Again,
            },
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => match self {
                // The caller chose this broker: it is not for us to ask another one.
                Self::Broker(_) => Verdict::Done,
                _ => Verdict::Elsewhere,
            },
            _ => Verdict::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_that_loads_is_asked_again_and_one_that_moved_is_looked_up() {
        let group = Route::Coordinator(CoordinatorType::Group, "g".into());
        let judge = |code| group.judge(code);
        assert_eq!(judge(ErrorCode::NONE), Verdict::Done);
        assert_eq!(
            judge(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Verdict::Again
        );
        assert_eq!(judge(ErrorCode::NOT_COORDINATOR), Verdict::Elsewhere);
        assert_eq!(
            judge(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            Verdict::Elsewhere
        );
        assert_eq!(judge(ErrorCode::GROUP_AUTHORIZATION_FAILED), Verdict::Done);
    }

    #[test]
    fn any_broker_means_another_one_when_the_first_cannot_answer_yet() {
        let loads = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
        assert_eq!(Route::Any.judge(loads), Verdict::Elsewhere);
        assert_eq!(Route::Broker(1).judge(loads), Verdict::Again);
        assert_eq!(
            Route::Broker(1).judge(ErrorCode::NOT_COORDINATOR),
            Verdict::Done
        );
    }

    #[test]
    fn each_kind_of_coordinator_has_kafkas_number() {
        let kinds = [
            CoordinatorType::Group,
            CoordinatorType::Transaction,
            CoordinatorType::Share,
        ];
        assert_eq!(kinds.map(CoordinatorType::key_type), [0, 1, 2]);
    }

    #[test]
    fn another_controller_is_found_in_fresh_metadata() {
        let code = ErrorCode::NOT_CONTROLLER;
        assert_eq!(Route::Controller.judge(code), Verdict::AfterMetadata);
        assert_eq!(Route::Broker(1).judge(code), Verdict::Done);
    }
}
