use std::time::Duration;

use super::board::{Stage, StatusBoard};

/// A scan is given up after 30 seconds, or after half a failover time if that is longer, and the next may be as long away as
/// the failover time: a worker that is well has completed one in two failover times and a minute, and this is twice that.
const SCAN_AGE_FAILOVER_TIMES: u32 = 4;

/// See [`SCAN_AGE_FAILOVER_TIMES`].
const SCAN_AGE_MIN: Duration = Duration::from_secs(120);

/// A new lease table takes a minute or more to make, and the first scan comes after that.
const PREPARATION_MAX: Duration = Duration::from_secs(300);

/// The worker's runtime is asked each second whether it answers. Longer than a busy machine needs.
const PULSE_AGE_MAX: Duration = Duration::from_secs(15);

/// What the probes are answered from, beside the board. Times are those of the board.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    /// The worker's failover time.
    pub failover_time: Duration,
    /// When the worker's runtime last ran a task of ours.
    pub pulse_at: Duration,
}

impl Health {
    /// Whether the worker makes progress; if not, why. A shard that is blocked does not count: a restart would not help it.
    ///
    /// # Errors
    /// The reason, for a person.
    pub fn is_live(&self, board: &StatusBoard, now: Duration) -> Result<(), String> {
        let silence = now.saturating_sub(self.pulse_at);
        if silence > PULSE_AGE_MAX {
            let silence = silence.as_secs();
            return Err(format!(
                "the worker's runtime has not answered for {silence} s: do processors block its threads?"
            ));
        }
        // A shutdown is bounded by itself, and is not to be cut short.
        if board.stage >= Stage::Stopping {
            return Ok(());
        }
        match &board.last_scan {
            Some(scan) => {
                let (age, max) = (now.saturating_sub(scan.at), self.scan_age_max());
                let reason = || late("no scan of the lease table was completed", age, max, board);
                if age > max { Err(reason()) } else { Ok(()) }
            }
            None if now > PREPARATION_MAX + self.scan_age_max() => Err(late(
                "the lease table was never scanned",
                now,
                PREPARATION_MAX + self.scan_age_max(),
                board,
            )),
            None => Ok(()),
        }
    }

    /// Whether the worker takes part: it has seen the lease table, and holds leases or may; if not, why.
    ///
    /// # Errors
    /// The reason, for a person.
    pub fn is_ready(&self, board: &StatusBoard, now: Duration) -> Result<(), String> {
        match board.stage {
            Stage::Preparing => Err(with_last_error("the worker is getting ready", board)),
            Stage::Stopping => Err("the worker is stopping".to_owned()),
            Stage::Stopped => Err("the worker has stopped".to_owned()),
            Stage::Running if board.last_scan.is_none() => {
                Err(with_last_error("the lease table has not been scanned yet", board))
            }
            Stage::Running => self.is_live(board, now),
        }
    }

    fn scan_age_max(&self) -> Duration {
        (self.failover_time * SCAN_AGE_FAILOVER_TIMES).max(SCAN_AGE_MIN)
    }
}

fn late(what: &str, age: Duration, max: Duration, board: &StatusBoard) -> String {
    let (age, max) = (age.as_secs(), max.as_secs());
    with_last_error(&format!("{what} for {age} s, and at most {max} s are usual"), board)
}

fn with_last_error(reason: &str, board: &StatusBoard) -> String {
    let error = board.last_error.as_ref().map(|(error, _)| format!("; the last error: {error}"));
    reason.to_owned() + &error.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId};
    use kcl_core::{BlockReason, Event};

    use super::*;

    const HEALTH: Health = Health { failover_time: Duration::from_secs(10), pulse_at: Duration::ZERO };

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn scanned(board: &mut StatusBoard, now: Duration) {
        let interval = at(1);
        let event = Event::TableScanned { leases: 1, held: 0, free: 1, workers: 1, elapsed: at(0), interval };
        board.observe(&event, now);
    }

    fn alive(now: Duration) -> Health {
        Health { pulse_at: now, ..HEALTH }
    }

    #[test]
    fn a_worker_is_live_as_long_as_it_scans() {
        let mut board = StatusBoard::default();
        assert_eq!(alive(at(420)).is_live(&board, at(420)), Ok(()));
        assert!(alive(at(421)).is_live(&board, at(421)).unwrap_err().contains("never scanned"));
        board.observe(&Event::WorkerStarted, at(421));
        scanned(&mut board, at(430));
        assert_eq!(alive(at(550)).is_live(&board, at(550)), Ok(()));
        let reason = alive(at(551)).is_live(&board, at(551)).unwrap_err();
        assert!(reason.contains("for 121 s"), "{reason}");
        assert!(alive(at(551)).is_ready(&board, at(551)).is_err());
        let slow = Health { failover_time: at(60), ..alive(at(551)) };
        assert_eq!(slow.is_live(&board, at(551)), Ok(()));
    }

    #[test]
    fn a_runtime_that_does_not_answer_is_not_live() {
        let mut board = StatusBoard::default();
        scanned(&mut board, at(16));
        assert_eq!(HEALTH.is_live(&board, at(15)), Ok(()));
        assert!(HEALTH.is_live(&board, at(16)).unwrap_err().contains("runtime"));
    }

    #[test]
    fn a_blocked_shard_is_no_reason_for_a_restart() {
        let mut board = StatusBoard::default();
        let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-1"));
        board.observe(&Event::WorkerStarted, at(1));
        scanned(&mut board, at(1));
        let checkpoint = &Checkpoint::TrimHorizon;
        board.observe(&Event::LeaseTaken { shard: &shard, from: None, checkpoint }, at(1));
        let reason = BlockReason::Destination;
        board.observe(&Event::ShardBlocked { shard: &shard, position: None, reason, error: "x" }, at(1));
        assert_eq!(alive(at(100)).is_live(&board, at(100)), Ok(()));
        assert_eq!(alive(at(100)).is_ready(&board, at(100)), Ok(()));
    }

    #[test]
    fn a_worker_is_ready_from_its_first_scan_until_it_stops() {
        let mut board = StatusBoard::default();
        let is_ready = |board: &StatusBoard| alive(at(2)).is_ready(board, at(2)).is_ok();
        assert!(!is_ready(&board));
        board.observe(&Event::WorkerStarted, at(1));
        assert!(!is_ready(&board));
        scanned(&mut board, at(1));
        assert!(is_ready(&board));
        for event in [Event::WorkerStopping, Event::WorkerStopped] {
            board.observe(&event, at(2));
            assert!(!is_ready(&board));
            assert_eq!(alive(at(2_000)).is_live(&board, at(2_000)), Ok(()));
        }
    }
}
