//! One connection, and what happens to each request on it.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use kcl_core::memory::MemoryKinesis;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Body};
use super::counts::Counter;
use super::event_body::EventBody;
use super::fault::{WireCall, WireFault};
use super::operations;
use super::request::Arguments;

/// The most streams of one HTTP/2 connection: more than any test opens on one, so that only flow control limits them.
const STREAMS_MAX: u32 = 4_096;

/// What all connections of a front share.
pub(super) struct Shared {
    pub(super) kinesis: Arc<MemoryKinesis>,
    pub(super) counter: Counter,
    pub(super) decide: Mutex<Arc<Decide>>,
}

type Decide = dyn Fn(WireCall<'_>) -> WireFault + Send + Sync;

/// How a request ends the connection that it came by.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    /// At once, with all that it carries.
    pub(super) drop: CancellationToken,
    /// To new requests only.
    pub(super) go_away: CancellationToken,
}

/// Serves one connection until the client or a fault ends it.
pub(super) async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let ending = Ending::default();
    let service = service_fn(|request| {
        let (shared, ending) = (Arc::clone(&shared), ending.clone());
        async move { Ok::<_, Infallible>(answer(&shared, &ending, request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let mut leaving = false;
    loop {
        tokio::select! {
            biased;
            () = ending.drop.cancelled() => return,
            () = ending.go_away.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            // An error is the client's concern, or was asked for.
            _ = connection.as_mut() => return,
        }
    }
}

/// The answer to one request, or none, as the front was told.
async fn answer(shared: &Shared, ending: &Ending, request: Request<Incoming>) -> Response<Body> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.split('.').nth(1)).unwrap_or_default().to_owned();
    let version = request.version();
    let Ok(body) = request.into_body().collect().await else {
        return answer::refused(400, "SerializationException", "the request broke off");
    };
    let Ok(arguments) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return answer::refused(400, "SerializationException", "the request is not JSON");
    };
    let nth = shared.counter.call(&operation, version);
    let fault = shared.decide(WireCall { operation: &operation, arguments: &arguments, nth });
    match fault {
        WireFault::Refuse(status, code) => {
            return answer::refused(status, code, "a fault that was asked for");
        }
        WireFault::Hang => return pending().await,
        WireFault::DropConnection => {
            ending.drop.cancel();
            return pending().await;
        }
        WireFault::None | WireFault::LateStream(_) | WireFault::AtEvent(..) => {}
    }
    let arguments = Arguments(&arguments);
    if operation == "SubscribeToShard" {
        return match operations::subscribe(&*shared.kinesis, &arguments).await {
            Ok(subscription) => {
                let open = shared.counter.stream();
                answer::stream(EventBody::new(subscription, fault, ending.clone(), open))
            }
            Err(refusal) => refusal.answer(),
        };
    }
    match operations::carry_out(&shared.kinesis, &operation, &arguments).await {
        Ok(body) => answer::json(200, body),
        Err(refusal) => refusal.answer(),
    }
}

impl Shared {
    fn decide(&self, call: WireCall<'_>) -> WireFault {
        let decide = Arc::clone(&self.decide.lock().unwrap_or_else(PoisonError::into_inner));
        decide(call)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("counter", &self.counter).finish_non_exhaustive()
    }
}
