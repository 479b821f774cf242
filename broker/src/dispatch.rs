//! The table of served APIs, and the way of a request through it: read, shown to the hooks,
//! handled, answered.

use std::{any::Any, future::Future, ops::RangeInclusive, pin::Pin, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use ottla_protocol::{
    ErrorCode,
    frame::{self, RequestHeader},
    messages::*,
    records::Decompressor,
    wire::{Outcome as Codes, Reader, Request, Wire},
};
use tokio::{sync::Notify, time::sleep};

use crate::{
    control::{Action, Intercepted, Replacement},
    state::Shared,
};

/// What a handler knows besides the request.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    /// The broker that was asked.
    pub(crate) broker: i32,
    pub(crate) version: i16,
    /// Wakes this connection when something happens that it waits for.
    pub(crate) wake: &'a Arc<Notify>,
    pub(crate) decompressor: &'a mut Decompressor,
}

impl Call<'_> {
    /// The same call, for a request that is handled once more.
    fn again(&mut self) -> Call<'_> {
        Call {
            decompressor: self.decompressor,
            ..*self
        }
    }
}

/// What a handler makes of a request.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// It is answered.
    Response(T),
    /// The client wants no answer.
    Nothing,
    /// The connection is closed; says why.
    Close(&'static str),
}

/// A request that is served.
pub(crate) trait Handle: Request + Clone {
    /// Does what is asked.
    fn handle(self, call: Call<'_>) -> impl Future<Output = Answer<Self::Response>> + Send;

    /// The answer with this error wherever it has one.
    fn refuse(&self, code: ErrorCode, version: i16) -> Answer<Self::Response>;
}

/// What becomes of the connection after a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These segments are written.
    Write(Vec<Bytes>),
    /// Nothing is written.
    Nothing,
    /// Nothing is written any more.
    Hang,
    /// It is closed; says why.
    Close(String),
}

/// One served API.
pub(crate) struct Served {
    pub(crate) key: ApiKey,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) flexible: i16,
    pub(crate) run: for<'a> fn(RequestHeader, Reader<'a>, Call<'a>) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The newest version of InitProducerId that Kafka offers: it calls the next one unstable (KIP-939).
const INIT_PRODUCER_ID: i16 = 5;

/// What is served, in every version that the protocol crate speaks and Kafka offers.
pub(crate) static SERVED: &[Served] = &[
    served::<ProduceRequest>(ApiKey::Produce),
    served::<FetchRequest>(ApiKey::Fetch),
    served::<ListOffsetsRequest>(ApiKey::ListOffsets),
    served::<MetadataRequest>(ApiKey::Metadata),
    served::<OffsetCommitRequest>(ApiKey::OffsetCommit),
    served::<OffsetFetchRequest>(ApiKey::OffsetFetch),
    served::<FindCoordinatorRequest>(ApiKey::FindCoordinator),
    served::<ApiVersionsRequest>(ApiKey::ApiVersions),
    served::<CreateTopicsRequest>(ApiKey::CreateTopics),
    served::<DeleteTopicsRequest>(ApiKey::DeleteTopics),
    served_up_to::<InitProducerIdRequest>(ApiKey::InitProducerId, INIT_PRODUCER_ID),
    served::<OffsetForLeaderEpochRequest>(ApiKey::OffsetForLeaderEpoch),
];

const fn served_up_to<R: Handle>(key: ApiKey, newest: i16) -> Served {
    let served = served::<R>(key);
    Served {
        versions: *R::VERSIONS.start()..=newest,
        ..served
    }
}

const fn served<R: Handle>(key: ApiKey) -> Served {
    Served {
        key,
        versions: R::VERSIONS,
        flexible: R::FLEXIBLE,
        run: |header, body, call| Box::pin(run::<R>(header, body, call)),
    }
}

impl Served {
    /// The API with this key, if it is served.
    pub(crate) fn find(key: i16) -> Option<&'static Self> {
        SERVED.iter().find(|s| s.key as i16 == key)
    }
}

async fn run<R: Handle>(
    header: RequestHeader,
    mut body: Reader<'_>,
    mut call: Call<'_>,
) -> Outcome {
    let request = match R::decode(&mut body) {
        Ok(request) => request,
        Err(e) => return Outcome::Close(format!("{} {}: {e}", R::NAME, header.version)),
    };
    let version = header.version;
    let action = call
        .shared
        .hooks
        .decide(&intercepted(&header, &request, call.broker));
    let answer = match action {
        Action::Pass => request.handle(call).await,
        Action::Delay(time) => {
            sleep(time).await;
            request.handle(call).await
        }
        Action::Duplicate => {
            let first = request.clone().handle(call.again()).await;
            let second = request.handle(call).await;
            // The copy may be refused for what happened in between, such as too few replicas. Of what it
            // has written, no broker says that.
            match &second {
                Answer::Response(answer) if is_good(answer) => second,
                _ => first,
            }
        }
        Action::Inspect(inspection) => {
            let mut answer = request.handle(call).await;
            if let Answer::Response(response) = &mut answer {
                inspection.show(response);
            }
            answer
        }
        Action::Drop => return Outcome::Hang,
        Action::CutBefore => return Outcome::Close("a hook cut it".to_owned()),
        Action::CutAfter => {
            request.handle(call).await;
            return Outcome::Close("a hook cut it".to_owned());
        }
        Action::Fail(code) => request.refuse(code, version),
        Action::Replace(Replacement::Frame(bytes)) => return Outcome::Write(sized(bytes)),
        Action::Replace(Replacement::Response(response)) => replace::<R>(response),
    };
    encode::<R>(answer, &header)
}

fn is_good(answer: &impl Wire) -> bool {
    matches!(
        answer.outcome(),
        Codes::Nothing | Codes::All(ErrorCode::NONE)
    )
}

fn intercepted<'a, R: Request>(
    header: &'a RequestHeader,
    request: &'a R,
    broker: i32,
) -> Intercepted<'a> {
    let api = Served::find(header.api_key).expect("a request is run by the API that is served");
    Intercepted {
        broker,
        api_key: api.key,
        version: header.version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.as_deref(),
        message: request,
        debug: request,
    }
}

fn replace<R: Request>(response: Box<dyn Any + Send>) -> Answer<R::Response> {
    match response.downcast() {
        Ok(response) => Answer::Response(*response),
        Err(_) => Answer::Close("a hook answered with the response of another API"),
    }
}

fn sized(bytes: Bytes) -> Vec<Bytes> {
    let mut size = BytesMut::with_capacity(4);
    size.put_u32(bytes.len() as u32);
    vec![size.freeze(), bytes]
}

fn encode<R: Request>(answer: Answer<R::Response>, header: &RequestHeader) -> Outcome {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Nothing => return Outcome::Nothing,
        Answer::Close(why) => return Outcome::Close(format!("{}: {why}", R::NAME)),
    };
    match frame::response::<R>(&response, header.version, header.correlation_id) {
        Ok(frame) => Outcome::Write(frame.into_segments().collect()),
        Err(e) => Outcome::Close(format!("the response cannot be written: {e}")),
    }
}
