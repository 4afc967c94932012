//! A service that gives the same answer to every request and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::backend::listen;

/// Stops when it is dropped.
pub(crate) struct Canned {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Canned {
    /// Answers with this status, such as `400 Bad Request`, and this body.
    pub(crate) async fn answering(status: &str, body: &str) -> Self {
        Self::sending(status, body.len(), body).await
    }

    /// Promises a body of `length` bytes, sends this one and hangs up.
    pub(crate) async fn sending(status: &str, length: usize, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nx-amzn-requestid: R-1\r\nconnection: close\r\n");
        let answer = format!("{head}content-length: {length}\r\n\r\n{body}");
        let (listener, url) = listen().await;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        server.spawn({
            let requests = Arc::clone(&requests);
            async move {
                while let Ok((mut socket, _)) = listener.accept().await {
                    let request = read_body(&mut socket).await;
                    requests.lock().unwrap().push(request);
                    // A client that has gone away is not this server's concern.
                    let _ = socket.write_all(answer.as_bytes()).await;
                }
            }
        });
        Self { url, requests, _server: server }
    }

    /// The bodies of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// The body of one request, or what there is of it.
async fn read_body(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while socket.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return body.to_owned();
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
