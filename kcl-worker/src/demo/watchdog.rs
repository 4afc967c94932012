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

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::super::generator::Generator;
    use super::*;

    /// A stage with a record that nobody will ever process.
    fn neglected_stage() -> Stage {
        let stage = Stage::set(1, false).unwrap();
        let line = Generator::new(1).next().unwrap();
        stage.put(line).unwrap();
        stage
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_nobody_processes_is_a_stall() {
        let stage = neglected_stage();
        assert!(timeout(2 * STALL_TIME_MAX, watch(&stage)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_input_is_a_stall_only_while_records_wait() {
        let stage = Stage::set(1, false).unwrap();
        stage.set_awaits_input(true);
        assert!(timeout(10 * STALL_TIME_MAX, watch(&stage)).await.is_err());
        let stage = neglected_stage();
        stage.set_awaits_input(true);
        assert!(timeout(2 * STALL_TIME_MAX, watch(&stage)).await.is_ok());
    }
}
