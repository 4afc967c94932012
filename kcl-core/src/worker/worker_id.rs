use uuid::Uuid;

use crate::error::Result;
use crate::model::WorkerId;

/// A worker id that no other process has: `prefix`, which should say where the worker runs, and a random part.
///
/// Fails never in practice; the signature is that of [`WorkerId::new`].
#[expect(clippy::disallowed_methods, reason = "the one place that draws an id; a test passes its own")]
pub fn unique_worker_id(prefix: &str) -> Result<WorkerId> {
    WorkerId::new(format!("{prefix}-{}", Uuid::new_v4()))
}
