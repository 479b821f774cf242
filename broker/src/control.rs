//! The control hook: a test sees each request before it is handled, and decides what becomes of it.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use ottla_protocol::{
    ErrorCode,
    messages::{ApiKey, Message},
};

/// A request that came in and was not handled yet.
pub struct Intercepted<'a> {
    /// The broker it was sent to.
    pub broker: i32,
    /// What is asked.
    pub api_key: ApiKey,
    /// The version it is asked in.
    pub version: i16,
    /// The number that goes back with the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<&'a str>,
    pub(crate) message: &'a (dyn Any + Send),
    pub(crate) debug: &'a dyn fmt::Debug,
}

impl<'a> Intercepted<'a> {
    /// The message, when it is an `R`, such as a
    /// [`ProduceRequest`](ottla_protocol::messages::ProduceRequest).
    #[must_use]
    pub fn message<R: 'static>(&self) -> Option<&'a R> {
        self.message.downcast_ref()
    }
}

impl fmt::Debug for Intercepted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intercepted")
            .field("broker", &self.broker)
            .field("api_key", &self.api_key)
            .field("version", &self.version)
            .field("correlation_id", &self.correlation_id)
            .field("client_id", &self.client_id)
            .field("message", &self.debug)
            .finish()
    }
}

/// What becomes of a request.
#[derive(Debug, Default)]
pub enum Action {
    /// It is handled as if nobody had looked.
    #[default]
    Pass,
    /// It is handled after this time. What came after it on the connection waits, too.
    Delay(Duration),
    /// It is neither handled nor answered, and since answers come in order, nothing after it on the
    /// connection is. The connection stays open.
    Drop,
    /// The connection is closed without handling it.
    CutBefore,
    /// It is handled, and the connection closed instead of answering.
    CutAfter,
    /// It is handled twice, as if its frame had come again at once; the second answer is written
    /// unless the copy is refused.
    Duplicate,
    /// It is handled, and its answer shown to this before it is written, which may change it.
    Inspect(Inspection),
    /// It is not handled, and answered with this error code wherever the response has one; a fetch
    /// has it in its partitions, unless the code is about the fetch session. A produce request that
    /// wants no answer closes the connection.
    Fail(ErrorCode),
    /// It is not handled, and answered with this.
    Replace(Replacement),
}

/// What looks at an answer.
pub struct Inspection(Box<Look>);

type Look = dyn FnOnce(&mut dyn Any) + Send;

impl Inspection {
    pub(crate) fn show(self, response: &mut dyn Any) {
        (self.0)(response);
    }
}

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inspection(..)")
    }
}

/// An answer that a test made.
pub enum Replacement {
    /// The response to the request. One of another API closes the connection.
    Response(Box<dyn Any + Send>),
    /// What follows the size prefix, correlation id and all, right or wrong.
    Frame(Bytes),
}

impl Action {
    /// Shows the answer to `look` when it is an `R`, such as a
    /// [`ProduceResponse`](ottla_protocol::messages::ProduceResponse). The hook has the request.
    pub fn inspect<R: 'static>(look: impl FnOnce(&R) + Send + 'static) -> Self {
        Self::alter(|response: &mut R| look(response))
    }

    /// Lets the request be handled, and `change` alter its answer when that is an `R`: a
    /// `throttle_time_ms`, partitions that are left out, an error for what was done.
    pub fn alter<R: 'static>(change: impl FnOnce(&mut R) + Send + 'static) -> Self {
        Self::Inspect(Inspection(Box::new(|response| {
            if let Some(response) = response.downcast_mut() {
                change(response);
            }
        })))
    }

    /// Answers with this response, such as a
    /// [`ProduceResponse`](ottla_protocol::messages::ProduceResponse).
    pub fn replace(response: impl Message + 'static) -> Self {
        Self::Replace(Replacement::Response(Box::new(response)))
    }

    /// Answers with these bytes after the size prefix.
    pub fn replace_frame(bytes: impl Into<Bytes>) -> Self {
        Self::Replace(Replacement::Frame(bytes.into()))
    }
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(_) => f.write_str("Response(..)"),
            Self::Frame(bytes) => f.debug_tuple("Frame").field(bytes).finish(),
        }
    }
}

/// A hook that was put in. It stays when this is dropped; [`remove`](Self::remove) takes it out.
#[derive(Debug)]
pub struct Control {
    id: u64,
    hooks: Weak<Mutex<List>>,
}

impl Control {
    /// Takes the hook out again. Requests that it sees at this moment still go its way.
    pub fn remove(self) {
        if let Some(hooks) = self.hooks.upgrade() {
            lock(&hooks).hooks.retain(|(id, _)| *id != self.id);
        }
    }
}

type Hook = Arc<dyn Fn(&Intercepted<'_>) -> Action + Send + Sync>;

/// The hooks of a cluster, in the order in which they came.
#[derive(Default)]
pub(crate) struct Hooks(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    added: u64,
    hooks: Vec<(u64, Hook)>,
}

impl Hooks {
    pub(crate) fn add(&self, hook: Hook) -> Control {
        let mut list = lock(&self.0);
        list.added += 1;
        let id = list.added;
        list.hooks.push((id, hook));
        Control {
            id,
            hooks: Arc::downgrade(&self.0),
        }
    }

    /// What the first hook wants that does not let the request pass. Hooks run unlocked, so that
    /// they may do with the cluster what they like.
    pub(crate) fn decide(&self, request: &Intercepted<'_>) -> Action {
        let hooks: Vec<_> = lock(&self.0)
            .hooks
            .iter()
            .map(|(_, hook)| hook.clone())
            .collect();
        let mut actions = hooks.iter().map(|hook| hook(request));
        actions
            .find(|action| !matches!(action, Action::Pass))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hooks").field(&lock(&self.0)).finish()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.hooks.len())
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
