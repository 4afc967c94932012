use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::answer::answer;
use super::server::Shared;

/// A few probes and scrapers at a time. Where there are more, the oldest connection is closed: one that is honest has had its
/// answer by then, and a probe does not wait for those that are slow on purpose.
const CONNECTIONS_MAX: usize = 64;

/// A client that takes longer to send a request is slow on purpose, or gone.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection is for one request, whose answer is a few MB at most.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// More than any browser sends; hyper's least is half of it.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// More than any browser sends.
const HEADERS_MAX: usize = 64;

/// Without a free file descriptor, no connection can be accepted for a while.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Answers requests, one per connection, until the future is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = VecDeque::with_capacity(CONNECTIONS_MAX);
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        conversations.retain(|conversation: &AbortOnDropHandle<_>| !conversation.is_finished());
        if conversations.len() == CONNECTIONS_MAX {
            conversations.pop_front();
        }
        let conversation = timeout(CONNECTION_TIME_MAX, converse(connection, Arc::clone(&shared)));
        conversations.push_back(AbortOnDropHandle::new(tokio::spawn(conversation)));
    }
}

/// A client that breaks off, or sends what is no request, is not worth a word in the log.
async fn converse(connection: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let answer = answer(&shared, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        // Who has sent a request and says that there will be no other still waits for the answer.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(connection), service);
    let _broken_off = connection.await;
}
