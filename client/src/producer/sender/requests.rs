//! To the brokers: produce requests, and the request for a producer id.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use ottla_core::{failure::Failure, producer::Request, routing::Route};
use ottla_protocol::{
    ErrorCode,
    messages::{InitProducerIdRequest, ProducePartition, ProduceRequest, ProduceTopic},
};
use tokio::time::Instant;

use super::{Event, Produced, Sender, topic_id};
use crate::{error::Error, net::dialer::Use, producer::settings::Acks, settings::as_millis};

/// The last version in which topics go by name (KIP-516).
const BY_NAME: i16 = 12;
/// So many attempts fit into `delivery.timeout.ms` at least, or one lost answer would use it up.
const ATTEMPTS: u32 = 3;

/// How long one produce request may take.
pub(super) fn attempt_timeout(request_timeout: Duration, delivery_timeout: Duration) -> Duration {
    request_timeout.min(delivery_timeout / ATTEMPTS)
}

impl Sender {
    pub(super) fn ask_for_producer_id(&mut self) {
        let client = self.client.clone();
        let timeout = self.attempt_timeout();
        self.events.spawn(async move {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                ..InitProducerIdRequest::default()
            };
            let mut call = client.call_to(Route::Any, request);
            call.purpose = Use::Coordinator;
            call.timeout = timeout;
            let doing = "asking for a producer id";
            Event::ProducerId(match client.call_once(call).await {
                Ok(r) if r.error_code.is_ok() => Ok((r.producer_id, r.producer_epoch)),
                Ok(r) => Err(Error::answered(r.error_code, doing)),
                Err(error) => Err(error),
            })
        });
    }

    pub(super) fn send(&mut self, request: &Request) {
        let mut topics: BTreeMap<Arc<str>, Vec<ProducePartition>> = BTreeMap::new();
        for sent in &request.batches {
            let Some((topic, partition)) = self.machine.partition(sent.slot) else {
                continue;
            };
            let topic = topic.clone();
            let held = self.machine.payload(*sent);
            let Some(records) = held.and_then(|held| held.bytes(sent.stamp)) else {
                tracing::error!(%topic, partition, "cannot stamp a batch again");
                let now = Instant::now().into_std();
                let error = Failure::Broker(ErrorCode::UNKNOWN_SERVER_ERROR);
                return self.machine.handle_unsendable(now, request.id, &error);
            };
            let partition = ProducePartition {
                index: partition,
                records: Some(records),
            };
            topics.entry(topic).or_default().push(partition);
        }
        let topic_data: Vec<_> = topics
            .into_iter()
            .map(|(name, partition_data)| ProduceTopic {
                topic_id: topic_id(&self.topology, &name),
                name,
                partition_data,
            })
            .collect();
        self.dispatch(request, topic_data);
    }

    fn dispatch(&mut self, request: &Request, topic_data: Vec<ProduceTopic>) {
        // By id only when every topic has one (rule 41).
        let by_name = topic_data.iter().any(|t| t.topic_id.is_nil());
        let cap = if by_name { BY_NAME } else { i16::MAX };
        let timeout = self.attempt_timeout();
        let acks = self.settings.acks;
        let message = Arc::new(ProduceRequest {
            transactional_id: None,
            acks: acks.wire(),
            timeout_ms: as_millis(timeout),
            topic_data,
        });
        let (id, broker) = (request.id, request.broker);
        let link = self.client.link(broker, Use::Produce);
        self.order.sent(broker, id);
        let sending = async move {
            let answer = async {
                let link = link?;
                if acks == Acks::None {
                    let written = link.send_unanswered(message, cap, timeout).await;
                    return written.map(|()| Produced::Written);
                }
                let answer = link.request(message, cap, timeout).await;
                answer.map(Produced::Answered)
            };
            Event::Produced(broker, id, answer.await)
        };
        self.spawn_in_order(sending);
    }

    /// How long one request may take.
    fn attempt_timeout(&self) -> Duration {
        attempt_timeout(
            self.client.request_timeout(),
            self.settings.delivery_timeout,
        )
    }

    /// Polls a request once, which puts it into its link's queue, and only then gives it a task of its
    /// own. Tasks begin in no order, and requests must leave in the order they were decided in.
    fn spawn_in_order(&mut self, sending: impl Future<Output = Event> + Send + 'static) {
        let mut sending = Box::pin(tokio::task::unconstrained(sending));
        let mut context = Context::from_waker(Waker::noop());
        match sending.as_mut().poll(&mut context) {
            Poll::Ready(event) => self.events.spawn(std::future::ready(event)),
            Poll::Pending => self.events.spawn(sending),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_never_takes_all_of_the_delivery_time() {
        let (request, s) = (Duration::from_secs(30), Duration::from_secs);
        assert_eq!(attempt_timeout(request, s(120)), s(30));
        assert_eq!(attempt_timeout(request, s(30)), s(10));
        assert_eq!(attempt_timeout(s(1), s(30)), s(1));
    }
}
