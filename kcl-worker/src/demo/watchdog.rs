use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::stage::Stage;

/// A demo that makes no progress for so long hangs: many times what a crash costs.
const STALL_TIME_MAX: Duration = Duration::from_mins(1);

const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Returns when the demo hangs. Waiting for input is not hanging.
pub(super) async fn watch(stage: &Stage) {
    let mut last = (None, Instant::now());
    loop {
        let (progress, since) = last;
        let seen = Some((stage.oracle.outstanding(), stage.board.progress()));
        if stage.is_idle() || seen != progress {
            last = (seen, Instant::now());
        } else if since.elapsed() >= STALL_TIME_MAX {
            return;
        }
        sleep(WATCH_INTERVAL).await;
    }
}
