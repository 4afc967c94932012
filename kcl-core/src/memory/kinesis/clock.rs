use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::model::Timestamp;

/// How often a subscription looks at a clock that is not the runtime's, so that it needs no word from it to move on.
const OWN_CLOCK_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The service's time.
pub(super) struct Clock {
    started_at: Timestamp,
    elapsed: Box<Elapsed>,
    is_the_runtimes: bool,
}

/// How long ago the Kinesis was created.
type Elapsed = dyn Fn() -> Duration + Send + Sync;

impl Clock {
    /// The runtime's clock, which is `started_at` when this is called.
    pub(super) fn of_the_runtime(started_at: Timestamp) -> Self {
        let created_at = Instant::now();
        let elapsed = move || Instant::now().saturating_duration_since(created_at);
        Self { started_at, elapsed: Box::new(elapsed), is_the_runtimes: true }
    }

    /// A clock that shows `started_at` plus `elapsed`.
    pub(super) fn given(
        started_at: Timestamp,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { started_at, elapsed: Box::new(elapsed), is_the_runtimes: false }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.started_at.saturating_add((self.elapsed)())
    }

    /// Waits until `time`, or less if the runtime cannot know when that will be.
    pub(super) async fn wait_towards(&self, time: Timestamp) {
        let remaining = time.saturating_since(self.now());
        sleep(if self.is_the_runtimes { remaining } else { remaining.min(OWN_CLOCK_POLL_INTERVAL) }).await;
    }
}
