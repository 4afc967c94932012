use std::time::Duration;

/// The longest text of an error that is kept: the rest is in the log.
const ERROR_BYTES_MAX: usize = 1_000;

/// What a shard of this worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    /// It is taken, and its processor gets ready.
    Starting,
    /// It is read and processed, or would be if there were anything new.
    Running,
    /// Nothing of it is processed until something else changes.
    Blocked,
    /// Its processor says its last words, before it is given away or at its end.
    Stopping,
    /// This worker could not read or process it, has given it back, and leaves it alone for a while.
    Resting,
    /// Nobody owns it: its parents are not processed to their end.
    WaitingForParents,
    /// Nobody owns it, and nobody takes it.
    Unclaimed,
}

impl ShardState {
    /// As it is written in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Stopping => "stopping",
            Self::Resting => "resting",
            Self::WaitingForParents => "waiting-for-parents",
            Self::Unclaimed => "unclaimed",
        }
    }
}

/// What the board knows of one shard. Times are those of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardStatus {
    /// What it is doing.
    pub state: ShardState,
    /// Since when.
    pub since: Duration,
    /// How far it is processed.
    pub processed: Option<String>,
    /// How far it is committed.
    pub checkpoint: Option<String>,
    /// How far behind the newest record it is, in milliseconds, and when that was so.
    pub lag: Option<(u64, Duration)>,
    /// What is read and not processed, as of the last read.
    pub in_flight_bytes: usize,
    /// When a batch was processed last.
    pub processed_at: Option<Duration>,
    /// The last error, and when it was.
    pub last_error: Option<(String, Duration)>,
    /// Why nothing is processed; `None` if something is, or there is nothing to process.
    stall: Option<String>,
    /// Why nothing is read.
    pub(super) reading_stall: Option<String>,
    /// Why it does not come to its end.
    pub(super) commit_stall: Option<String>,
    /// Until when it rests.
    pub(super) rests_until: Option<Duration>,
    /// How it stands still, too, beside resting.
    pub(super) afterwards: Option<Box<Self>>,
}

impl ShardStatus {
    pub(super) fn new(state: ShardState, now: Duration) -> Self {
        Self {
            state,
            since: now,
            processed: None,
            checkpoint: None,
            lag: None,
            in_flight_bytes: 0,
            processed_at: None,
            last_error: None,
            stall: None,
            reading_stall: None,
            commit_stall: None,
            rests_until: None,
            afterwards: None,
        }
    }

    /// Ends its rest if it is time. False if nothing keeps it still any more.
    pub(super) fn stands_still(&mut self, now: Duration) -> bool {
        if self.rests_until.is_none_or(|until| now < until) {
            return true;
        }
        let afterwards = self.afterwards.take();
        afterwards.is_some_and(|afterwards| {
            *self = *afterwards;
            true
        })
    }

    pub(super) fn enter(&mut self, state: ShardState, now: Duration) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    pub(super) fn fail(&mut self, error: &str, now: Duration) {
        self.last_error = Some((shortened(error), now));
    }

    pub(super) fn stalled(state: ShardState, reason: &str, now: Duration) -> Self {
        Self { stall: Some(shortened(reason)), ..Self::new(state, now) }
    }

    /// Why nothing goes on; `None` if something does.
    pub fn stall_reason(&self) -> Option<&str> {
        let stalls = [&self.stall, &self.reading_stall, &self.commit_stall];
        stalls.into_iter().find_map(Option::as_deref)
    }

    /// Nothing is processed because of this. What blocks a shard says more than what happens meanwhile.
    pub(super) fn stall(&mut self, reason: &str) {
        if self.state != ShardState::Blocked {
            self.stall = Some(shortened(reason));
        }
    }

    /// Something is processed. A record may be in the way all the same, while others get past it.
    pub(super) fn go_on(&mut self) {
        if self.state != ShardState::Blocked {
            self.stall = None;
        }
    }
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(ERROR_BYTES_MAX);
    if end < text.len() { format!("{}...", &text[..end]) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let mut status = ShardStatus::new(ShardState::Running, Duration::ZERO);
        status.fail(&format!("x{}", "é".repeat(ERROR_BYTES_MAX)), Duration::ZERO);
        let (text, _) = status.last_error.unwrap();
        assert!(text.len() <= ERROR_BYTES_MAX + 3 && text.ends_with("é..."));
    }
}
