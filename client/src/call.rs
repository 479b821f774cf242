//! The one loop that tries a request, waits and tries again, until it is answered or the time is up.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ottla_core::{
    backoff::Attempts,
    routing::{CoordinatorType, Route, Verdict},
};
use ottla_protocol::{
    ErrorCode,
    messages::{FindCoordinatorRequest, FindCoordinatorResponse},
    wire::{Request, Struct as _},
};
use tokio::time::Instant;

use crate::{
    client::Client,
    error::{Error, ErrorKind, Result},
    metadata::TopologyRequest,
    net::dialer::Use,
};

/// The last version of FindCoordinator that asks for one key.
const ONE_KEY: i16 = 3;

/// A request, where it goes, and how.
pub(crate) struct Call<R> {
    pub(crate) request: Arc<R>,
    pub(crate) route: Route,
    pub(crate) purpose: Use,
    /// No newer version than this.
    pub(crate) cap: i16,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// Whether it may be applied twice, so that it is tried again when its outcome is unknown (rule 6).
    pub(crate) repeatable: bool,
}

/// What became of one attempt.
pub(crate) enum Attempt<T> {
    Done(Result<T>),
    /// Another one may do better. Without one in time, this is the result.
    Again(Result<T>),
}

impl Client {
    /// A call of this client's settings.
    pub(crate) fn call_to<R: Request>(&self, route: Route, request: R) -> Call<R> {
        Call {
            request: Arc::new(request),
            route,
            purpose: Use::of(R::KEY),
            cap: i16::MAX,
            timeout: self.request_timeout(),
            repeatable: false,
        }
    }

    /// Tries until there is an answer that needs no other attempt.
    pub(crate) async fn call<R: Request + Sync>(&self, call: Call<R>) -> Result<R::Response> {
        let doing = format!("{} to {}", R::NAME, whom(&call.route));
        let deadline = self.deadline();
        self.repeat(&doing, deadline, || self.attempt(&call, deadline))
            .await
    }

    /// Makes one attempt, for a machine that has pauses of its own.
    pub(crate) async fn call_once<R: Request + Sync>(&self, call: Call<R>) -> Result<R::Response> {
        match self.attempt(&call, self.deadline()).await {
            Attempt::Done(result) | Attempt::Again(result) => result,
        }
    }

    /// Makes attempts, with pauses that grow, until one is done or the next would come too late.
    pub(crate) async fn repeat<T, F>(
        &self,
        doing: &str,
        deadline: Instant,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Attempt<T>>,
    {
        let mut attempts = Attempts::new(self.seeds().next());
        loop {
            let last = match attempt().await {
                Attempt::Done(result) => return result,
                Attempt::Again(last) => last,
            };
            let pause = attempts.delay(&self.retry_backoff());
            if Instant::now() + pause >= deadline {
                // The broker's last answer says more than that the time is up.
                return last.map_err(|error| self.overdue(doing, &error));
            }
            if let Err(error) = &last {
                tracing::debug!(doing, %error, ?pause, "trying again");
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<R: Request + Sync>(
        &self,
        call: &Call<R>,
        deadline: Instant,
    ) -> Attempt<R::Response> {
        let broker = match self.resolve(&call.route, deadline).await {
            Ok(broker) => broker,
            Err(error) if error.is_retriable() => {
                self.metadata().hint(TopologyRequest::Stale);
                return Attempt::Again(Err(error));
            }
            Err(error) => return Attempt::Done(Err(error)),
        };
        let timeout = call.timeout.min(self.time_for_one(deadline));
        let (request, purpose) = (call.request.clone(), call.purpose);
        match self.ask(broker, request, purpose, call.cap, timeout).await {
            Ok(answer) => {
                let verdict = call.route.judge(answer.common_error());
                self.follow(verdict, &call.route);
                match verdict {
                    Verdict::Done => Attempt::Done(Ok(answer)),
                    _ => Attempt::Again(Ok(answer)),
                }
            }
            Err(error) => {
                let safe = call.repeatable || !error.possibly_written();
                if !error.is_retriable() || !safe {
                    return Attempt::Done(Err(error));
                }
                self.forget_coordinator(&call.route);
                if error.doubts_address() {
                    self.metadata().hint(TopologyRequest::Stale);
                }
                Attempt::Again(Err(error))
            }
        }
    }

    fn follow(&self, verdict: Verdict, route: &Route) {
        match verdict {
            Verdict::Done | Verdict::Again => {}
            Verdict::Elsewhere => self.forget_coordinator(route),
            Verdict::AfterMetadata => self.metadata().hint(TopologyRequest::Stale),
        }
    }

    fn forget_coordinator(&self, route: &Route) {
        if let Route::Coordinator(kind, key) = route {
            self.coordinators().remove(*kind, key);
        }
    }

    /// The broker that a route leads to now.
    async fn resolve(&self, route: &Route, deadline: Instant) -> Result<i32> {
        let topology = self.topology();
        let known = |id: &i32| topology.brokers.contains_key(id);
        let found = match route {
            Route::Any => {
                let mut ids: Vec<_> = topology.brokers.keys().copied().collect();
                ids.sort_unstable();
                // Not the same one first each time: it may be the one that cannot answer.
                let turn = self.turn().fetch_add(1, Ordering::Relaxed);
                ids.get(turn % ids.len().max(1)).copied()
            }
            Route::Controller => Some(topology.controller_id).filter(known),
            Route::Broker(id) => Some(*id).filter(known),
            Route::Coordinator(kind, key) => {
                let id = Box::pin(self.coordinator(*kind, key, deadline)).await?;
                Some(id).filter(|id| self.topology().brokers.contains_key(id))
            }
        };
        found.ok_or_else(|| {
            let doing = format!("looking for {}", whom(route));
            Error::new(ErrorKind::NoSuchBroker, doing)
        })
    }

    /// The coordinator of a key: the one that is remembered, or the one that a broker names.
    async fn coordinator(
        &self,
        kind: CoordinatorType,
        key: &Arc<str>,
        deadline: Instant,
    ) -> Result<i32> {
        if let Some(broker) = self.coordinators().get(kind, key) {
            return Ok(broker);
        }
        let request = FindCoordinatorRequest {
            key_type: kind.key_type(),
            coordinator_keys: vec![key.clone()],
            ..FindCoordinatorRequest::default()
        };
        let answer = match self.find_coordinator(request, i16::MAX, deadline).await {
            // A broker that speaks no version with several keys.
            Err(error) if matches!(error.kind(), ErrorKind::Encode(_)) => {
                let request = FindCoordinatorRequest {
                    key: key.clone(),
                    key_type: kind.key_type(),
                    ..FindCoordinatorRequest::default()
                };
                self.find_coordinator(request, ONE_KEY, deadline).await?
            }
            answer => answer?,
        };
        let (code, broker) = named(&answer);
        if !code.is_ok() {
            let doing = format!("looking for the coordinator of {key}");
            return Err(Error::answered(code, doing));
        }
        tracing::debug!(%key, ?kind, broker, "found the coordinator");
        self.coordinators().insert(kind, key.clone(), broker);
        Ok(broker)
    }

    async fn find_coordinator(
        &self,
        request: FindCoordinatorRequest,
        cap: i16,
        deadline: Instant,
    ) -> Result<FindCoordinatorResponse> {
        let broker = Box::pin(self.resolve(&Route::Any, deadline)).await?;
        let timeout = self.time_for_one(deadline);
        self.ask(broker, Arc::new(request), Use::Coordinator, cap, timeout)
            .await
    }
}

/// The coordinator that an answer names, in either of its forms.
fn named(answer: &FindCoordinatorResponse) -> (ErrorCode, i32) {
    match answer.coordinators.first() {
        Some(found) => (found.error_code, found.node_id),
        None => (answer.error_code, answer.node_id),
    }
}

/// The broker of a route, in an error.
fn whom(route: &Route) -> String {
    match route {
        Route::Any => "any broker".to_owned(),
        Route::Controller => "the controller".to_owned(),
        Route::Broker(id) => format!("broker {id}"),
        Route::Coordinator(CoordinatorType::Group, key) => {
            format!("the coordinator of group {key}")
        }
        Route::Coordinator(_, key) => format!("the coordinator of {key}"),
    }
}
