//! Answers in the order of their requests. A connection brings them in order, but each wakes a task of
//! its own, and tasks end in no order; the machine takes an answer to a later batch for a sign that the
//! one before it is lost (rules 22, 23).

use std::collections::{HashMap, VecDeque};

use ottla_core::producer::RequestId;

/// What is on its way to each broker, oldest first, and the answers that came too early. Those wait no
/// longer than a request may take (`request.timeout.ms`): a broker that is suddenly elsewhere has a new
/// connection, and what is still out on the old one comes first.
#[derive(Debug)]
pub(super) struct Order<T>(HashMap<i32, VecDeque<(RequestId, Option<T>)>>);

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Order<T> {
    /// A request is on its way behind the others.
    pub(super) fn sent(&mut self, broker: i32, id: RequestId) {
        self.0.entry(broker).or_default().push_back((id, None));
    }

    /// Takes an answer. Returns those whose turn it is now, in order.
    pub(super) fn answered(
        &mut self,
        broker: i32,
        id: RequestId,
        answer: T,
    ) -> Vec<(RequestId, T)> {
        let waiting = self.0.entry(broker).or_default();
        let Some((_, place)) = waiting.iter_mut().find(|(of, _)| *of == id) else {
            return vec![(id, answer)];
        };
        *place = Some(answer);
        let ready = waiting.iter().take_while(|(_, a)| a.is_some()).count();
        let ready = waiting.drain(..ready);
        ready
            .filter_map(|(id, answer)| Some((id, answer?)))
            .collect()
    }
}
