//! DeleteTopics: by name, or by id since version 6.

use std::collections::HashMap;

use ottla_protocol::{
    ErrorCode,
    messages::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
};

use crate::{
    dispatch::{Answer, Call, Handle},
    state::State,
};

/// The first version that knows `TOPIC_DELETION_DISABLED`.
const DISABLED_FROM: i16 = 3;

impl Handle for DeleteTopicsRequest {
    async fn handle(self, call: Call<'_>) -> Answer<DeleteTopicsResponse> {
        if !call.shared.settings.delete_topics {
            let known = call.version >= DISABLED_FROM;
            let code = if known {
                ErrorCode::TOPIC_DELETION_DISABLED
            } else {
                ErrorCode::INVALID_REQUEST
            };
            return self.refuse(code, call.version);
        }
        let mut state = call.shared.state();
        let asked = asked(&self);
        let mut times = HashMap::new();
        for topic in &asked {
            *times.entry((&topic.name, topic.topic_id)).or_insert(0) += 1;
        }
        let twice = |t: &DeleteTopicState| times[&(&t.name, t.topic_id)] > 1;
        let delete = |t: &DeleteTopicState| match twice(t) {
            true => refused(t, ErrorCode::INVALID_REQUEST),
            false => delete(t, &mut state),
        };
        let responses = asked.iter().map(delete).collect();
        Answer::Response(DeleteTopicsResponse {
            responses,
            ..DeleteTopicsResponse::default()
        })
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<DeleteTopicsResponse> {
        let responses = asked(self).iter().map(|t| refused(t, code)).collect();
        Answer::Response(DeleteTopicsResponse {
            responses,
            ..DeleteTopicsResponse::default()
        })
    }
}

/// The topics of a request, however its version spells them.
fn asked(request: &DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let by_name = request.topic_names.iter().map(|name| DeleteTopicState {
        name: Some(name.clone()),
        ..DeleteTopicState::default()
    });
    by_name.chain(request.topics.iter().cloned()).collect()
}

fn delete(asked: &DeleteTopicState, state: &mut State) -> DeletableTopicResult {
    if asked.name.is_some() != asked.topic_id.is_nil() {
        return refused(asked, ErrorCode::INVALID_REQUEST);
    }
    let name = asked.name.as_deref().unwrap_or_default();
    match state.topics.asked(name, asked.topic_id) {
        Err(code) => refused(asked, code),
        Ok(topic) => {
            let (name, topic_id) = (topic.name.clone(), topic.id);
            state.delete_topic(&name);
            let result = DeletableTopicResult::default();
            DeletableTopicResult {
                name: Some(name),
                topic_id,
                ..result
            }
        }
    }
}

fn refused(asked: &DeleteTopicState, code: ErrorCode) -> DeletableTopicResult {
    DeletableTopicResult {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        error_code: code,
        error_message: Some(code.message().into()),
    }
}
