use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::event::{Event, Events};
use crate::model::ShardKey;

/// A call that does not return is reported this often: soon enough for an operator, rare enough for a log.
const BUSY_REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// How often the call under way is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Knows which call of a processor is under way, and reports one that does not return.
///
/// A processor may block its thread, so the report is made by another task. Nothing here wakes that task: it would be
/// queued on the very thread that is about to be blocked.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallWatch {
    current: Arc<Mutex<Option<Call>>>,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    name: &'static str,
    started_at: Instant,
    reports: u32,
}

impl CallWatch {
    /// The call's outcome. It is under way until this future is ready or dropped.
    pub(crate) async fn during<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        *self.lock() = Some(Call { name, started_at: Instant::now(), reports: 0 });
        let _ended = Ended(self);
        call.await
    }

    /// Reports calls that do not return, for ever.
    pub(crate) async fn report(self, shard: ShardKey, events: Events) {
        loop {
            sleep(LOOK_INTERVAL).await;
            if let Some(Call { name, started_at, .. }) = self.overdue() {
                let elapsed = started_at.elapsed();
                events.emit(&Event::ProcessorBusy { shard: &shard, call: name, elapsed });
            }
        }
    }

    /// The call under way, if it is time to report it.
    fn overdue(&self) -> Option<Call> {
        let mut current = self.lock();
        let call = current.as_mut()?;
        let is_due = call.started_at.elapsed() >= BUSY_REPORT_INTERVAL * (call.reports + 1);
        call.reports += u32::from(is_due);
        is_due.then_some(*call)
    }

    /// A panic elsewhere cannot leave it half written.
    fn lock(&self) -> MutexGuard<'_, Option<Call>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ended<'a>(&'a CallWatch);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
