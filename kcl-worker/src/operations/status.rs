use std::time::Duration;

use kcl_core::model::ShardKey;
use serde_json::{Value, json};

use super::board::{Stage, StatusBoard};
use super::server::WorkerFacts;
use super::shard_status::ShardStatus;

/// The board as JSON. Times are ages in milliseconds, so that no two clocks have to agree.
pub(super) fn status(worker: &WorkerFacts, board: &StatusBoard, now: Duration) -> Value {
    let held = board.held().iter().map(|(shard, status)| of_shard(shard, Some(worker), status, now));
    let free = board.free().iter().map(|(shard, status)| of_shard(shard, None, status, now));
    let shards: Vec<Value> = held.chain(free).collect();
    let scan = board.last_scan.as_ref();
    json!({
        "worker_id": worker.worker_id.as_str(),
        "stream": worker.stream,
        "application": worker.application,
        "version": env!("CARGO_PKG_VERSION"),
        "state": match board.stage {
            Stage::Preparing => "preparing",
            Stage::Running => "running",
            Stage::Stopping => "stopping",
            Stage::Stopped => "stopped",
        },
        "uptime_ms": millis(now),
        "leases_held": board.held().len(),
        "table_scan_age_ms": scan.map(|scan| age(scan.at, now)),
        "leases": scan.map(|scan| scan.leases),
        "leases_free": scan.map(|scan| scan.free),
        "workers": scan.map(|scan| scan.workers),
        "last_error": of_error(board.last_error.as_ref(), now),
        "shards": shards,
    })
}

fn of_shard(shard: &ShardKey, owner: Option<&WorkerFacts>, status: &ShardStatus, now: Duration) -> Value {
    json!({
        "shard_id": shard.shard_id.as_str(),
        "owner": owner.map(|worker| worker.worker_id.as_str()),
        "state": status.state.as_str(),
        "state_age_ms": age(status.since, now),
        "position": status.processed,
        "position_age_ms": status.processed_at.map(|at| age(at, now)),
        "checkpoint": status.checkpoint,
        "millis_behind_latest": status.lag.map(|(millis, _)| millis),
        "millis_behind_latest_age_ms": status.lag.map(|(_, at)| age(at, now)),
        "in_flight_bytes": status.in_flight_bytes,
        "last_error": of_error(status.last_error.as_ref(), now),
        "stall_reason": status.stall_reason(),
    })
}

fn of_error(error: Option<&(String, Duration)>, now: Duration) -> Option<Value> {
    error.map(|(message, at)| json!({ "message": message, "age_ms": age(*at, now) }))
}

fn age(at: Duration, now: Duration) -> u64 {
    millis(now.saturating_sub(at))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
