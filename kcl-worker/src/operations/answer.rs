use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use metrics::{gauge, with_local_recorder};

use super::server::Shared;
use super::status::status;

const TEXT: &str = "text/plain; charset=utf-8";

/// That of Prometheus' text format.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer to a request. Whatever it is, nothing is changed.
pub(super) fn answer(shared: &Shared, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/livez" => probe(shared.is_live()),
        "/readyz" => probe(shared.is_ready()),
        "/status" => {
            let status = status(&shared.worker, &shared.board_now(), shared.now());
            response(StatusCode::OK, "application/json", status.to_string())
        }
        "/metrics" => response(StatusCode::OK, METRICS_TEXT, metrics(shared)),
        _ => text(StatusCode::NOT_FOUND, "try /livez, /readyz, /status or /metrics\n".to_owned()),
    }
}

/// What is true at this moment and no event of it: the age of the last scan, which counts from the start until there was one,
/// and the leases held, which a scan tells of too late while the table cannot be read.
fn metrics(shared: &Shared) -> String {
    let board = shared.board_now();
    let scanned_at = board.last_scan.map_or(Duration::ZERO, |scan| scan.at);
    let age = shared.now().saturating_sub(scanned_at);
    let held = u32::try_from(board.held().len()).unwrap_or(u32::MAX);
    with_local_recorder(&*shared.metrics, || {
        gauge!("kcl_table_scan_age_seconds").set(age.as_secs_f64());
        gauge!("kcl_leases_held").set(f64::from(held));
    });
    shared.metrics.render()
}

fn probe(outcome: Result<(), String>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    response(status, TEXT, body)
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
