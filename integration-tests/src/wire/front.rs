use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use kcl_core::memory::MemoryKinesis;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::certificate::{Certificate, HOST};
use super::connection::{self, Shared};
use super::counts::{Counter, WireCounts};
use super::fault::{WireCall, WireFault};

/// How clients reach a [`WireFront`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain TCP: HTTP/1.1, or HTTP/2 for a client that begins with it.
    Plain,
    /// TLS with a certificate of its own: HTTP/2 for a client that can, as with the service.
    Tls,
}

/// An in-memory Kinesis on a port of this machine. Stops, with all connections, when it is dropped.
#[derive(Debug)]
pub struct WireFront {
    url: String,
    pem: Option<String>,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl WireFront {
    /// Serves `kinesis` until this is dropped.
    pub async fn start(kinesis: Arc<MemoryKinesis>, transport: Transport) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let port = listener.local_addr()?.port();
        let (url, certificate) = match transport {
            Transport::Plain => (format!("http://127.0.0.1:{port}"), None),
            Transport::Tls => (format!("https://{HOST}:{port}"), Some(Certificate::new())),
        };
        let shared = Arc::new(Shared {
            kinesis,
            counter: Counter::default(),
            decide: Mutex::new(Arc::new(|_: WireCall<'_>| WireFault::None)),
        });
        let pem = certificate.as_ref().map(|certificate| certificate.pem.clone());
        let mut server = JoinSet::new();
        server.spawn(accept(listener, certificate, Arc::clone(&shared)));
        Ok(Self { url, pem, shared, _server: server })
    }

    /// Where clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a client must trust to use it; `None` without TLS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.pem.as_deref()
    }

    /// The Kinesis behind it.
    pub fn kinesis(&self) -> &Arc<MemoryKinesis> {
        &self.shared.kinesis
    }

    /// From now on `decide` says what happens to each request. At first nothing does.
    pub fn inject(&self, decide: impl Fn(WireCall<'_>) -> WireFault + Send + Sync + 'static) {
        *self.shared.decide.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(decide);
    }

    /// What it has seen so far.
    pub fn counts(&self) -> WireCounts {
        self.shared.counter.so_far()
    }
}

async fn accept(listener: TcpListener, certificate: Option<Certificate>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        // Small frames must not wait for each other.
        if socket.set_nodelay(true).is_err() {
            continue;
        }
        let shared = Arc::clone(&shared);
        let acceptor = certificate.as_ref().map(|certificate| certificate.acceptor.clone());
        connections.spawn(async move {
            let _open = shared.counter.connection();
            match acceptor {
                None => connection::serve(socket, shared).await,
                // A client that does not trust us has gone away.
                Some(acceptor) => {
                    if let Ok(socket) = acceptor.accept(socket).await {
                        connection::serve(socket, shared).await;
                    }
                }
            }
        });
        // Those that have ended leave nothing behind.
        while connections.try_join_next().is_some() {}
    }
}
