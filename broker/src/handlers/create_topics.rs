//! CreateTopics: makes each topic, or says why not. Every broker answers for the controller.

use std::collections::HashMap;

use ottla_protocol::{
    ErrorCode,
    messages::{
        CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
        CreateTopicsResponse,
    },
};

use crate::{
    creation::{MAX_PARTITIONS, Plan},
    dispatch::{Answer, Call, Handle},
    state::State,
    topic_config::{Source, TopicConfig},
};

impl Handle for CreateTopicsRequest {
    async fn handle(self, call: Call<'_>) -> Answer<CreateTopicsResponse> {
        let mut state = call.shared.state();
        let partitions = self
            .topics
            .iter()
            .map(|t| i64::from(t.num_partitions.max(1)));
        if partitions.sum::<i64>() > MAX_PARTITIONS.into() {
            return self.refuse(ErrorCode::POLICY_VIOLATION, call.version);
        }
        let settings = &call.shared.settings;
        let mut times = HashMap::new();
        for topic in &self.topics {
            *times.entry(&topic.name).or_insert(0) += 1;
        }
        let mut create = |asked: &CreatableTopic| {
            if times[&asked.name] > 1 {
                let message = "the request has this topic more than once";
                return refused(asked, ErrorCode::INVALID_REQUEST, message);
            }
            match Plan::new(asked, &state, settings) {
                Err((code, message)) => refused(asked, code, &message),
                Ok(plan) => carry_out(plan, asked, self.validate_only, &mut state),
            }
        };
        let topics = self.topics.iter().map(&mut create).collect();
        Answer::Response(CreateTopicsResponse {
            topics,
            ..CreateTopicsResponse::default()
        })
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<CreateTopicsResponse> {
        let topic = |t: &CreatableTopic| refused(t, code, code.message());
        let topics = self.topics.iter().map(topic).collect();
        Answer::Response(CreateTopicsResponse {
            topics,
            ..CreateTopicsResponse::default()
        })
    }
}

fn carry_out(
    plan: Plan,
    asked: &CreatableTopic,
    validate_only: bool,
    state: &mut State,
) -> CreatableTopicResult {
    let mut result = CreatableTopicResult {
        name: asked.name.clone(),
        num_partitions: plan.replicas.len() as i32,
        replication_factor: plan.replicas.first().map_or(-1, |r| r.len() as i16),
        configs: Some(configs(&plan.config)),
        ..CreatableTopicResult::default()
    };
    if !validate_only {
        plan.carry_out(state);
        let made = state.topics.named(&asked.name);
        result.topic_id = made.map(|t| t.id).unwrap_or_default();
    }
    result
}

fn configs(config: &TopicConfig) -> Vec<CreatableTopicConfigs> {
    let of = |(name, value, source): &(&str, String, Source)| CreatableTopicConfigs {
        name: (*name).into(),
        value: Some(value.as_str().into()),
        config_source: *source as i8,
        ..CreatableTopicConfigs::default()
    };
    config.values().iter().map(of).collect()
}

fn refused(asked: &CreatableTopic, code: ErrorCode, message: &str) -> CreatableTopicResult {
    CreatableTopicResult {
        name: asked.name.clone(),
        error_code: code,
        error_message: Some(message.into()),
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}
