//! What an operator sees of a running worker over HTTP: `/livez`, `/readyz`, `/status` and `/metrics`.
//!
//! The worker's events feed a [`StatusBoard`] and, through the `metrics` facade, [`Metrics`]; the answers are functions
//! of these and of the time. The server has a thread and a runtime of its own, so that it answers also where processors
//! block every thread of the worker's. Nothing here changes what the worker does, and no request writes anything.

mod answer;
mod board;
mod health;
mod held_shard;
mod http;
mod http_address;
mod metrics;
mod series;
mod server;
mod shard_status;
mod status;

pub use board::StatusBoard;
pub use health::Health;
pub use http_address::http_address;
pub use metrics::Metrics;
pub use server::{Operations, OperationsSettings, WorkerFacts};
pub use shard_status::{ShardState, ShardStatus};
