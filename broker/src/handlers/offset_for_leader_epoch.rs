//! OffsetForLeaderEpoch: where an epoch ends, for a consumer that finds out whether its log was
//! truncated (KIP-320).

use ottla_protocol::{
    ErrorCode,
    messages::{
        EpochEndOffsetResult, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        OffsetForLeaderPartition, OffsetForLeaderTopicResult,
    },
};
use uuid::Uuid;

use crate::dispatch::{Answer, Call, Handle};

impl Handle for OffsetForLeaderEpochRequest {
    async fn handle(self, call: Call<'_>) -> Answer<OffsetForLeaderEpochResponse> {
        Answer::Response(self.each(|topic, p| end_of_epoch(topic, p, &call)))
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<OffsetForLeaderEpochResponse> {
        Answer::Response(self.each(|_, _| Err(code)))
    }
}

/// The epoch that was found and where it ends.
type Found = Result<(i32, i64), ErrorCode>;

trait Each {
    /// The response with what is found for each partition.
    fn each(
        &self,
        find: impl Fn(&str, &OffsetForLeaderPartition) -> Found,
    ) -> OffsetForLeaderEpochResponse;
}

impl Each for OffsetForLeaderEpochRequest {
    fn each(
        &self,
        find: impl Fn(&str, &OffsetForLeaderPartition) -> Found,
    ) -> OffsetForLeaderEpochResponse {
        let result = |topic: &str, p: &OffsetForLeaderPartition| {
            let (error_code, (leader_epoch, end_offset)) = match find(topic, p) {
                Ok(found) => (ErrorCode::NONE, found),
                Err(code) => (code, (-1, -1)),
            };
            EpochEndOffsetResult {
                error_code,
                partition: p.partition,
                leader_epoch,
                end_offset,
            }
        };
        let topics = self.topics.iter().map(|t| OffsetForLeaderTopicResult {
            topic: t.topic.clone(),
            partitions: t.partitions.iter().map(|p| result(&t.topic, p)).collect(),
        });
        OffsetForLeaderEpochResponse {
            topics: topics.collect(),
            ..OffsetForLeaderEpochResponse::default()
        }
    }
}

fn end_of_epoch(topic: &str, asked: &OffsetForLeaderPartition, call: &Call<'_>) -> Found {
    let state = call.shared.retained_state();
    let topic = state.topics.asked(topic, Uuid::nil());
    let partition = topic.ok().and_then(|t| t.partition(asked.partition));
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    partition.check_leader(call.broker, asked.current_leader_epoch)?;
    let current = partition.leader_epoch;
    Ok(match asked.leader_epoch {
        epoch if epoch == current => (epoch, partition.log.end()),
        // An epoch that is none, or has not begun, has no end.
        epoch if epoch < 0 || epoch > current => (-1, -1),
        epoch => {
            let end = partition.log.end_of_epoch(epoch);
            (end.epoch, end.end_offset)
        }
    })
}
