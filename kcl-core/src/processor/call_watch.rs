use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::CallDeadlines;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Events};
use crate::model::ShardKey;

/// The longest time between two looks at the call under way. Deadlines shorter than this are looked at as often as they
/// are long.
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Knows which calls of a processor are under way, and reports the oldest if it does not return.
///
/// A processor may block its thread, so the report is made by another task. Nothing here wakes that task: it would be
/// queued on the very thread that is about to be blocked.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallWatch {
    current: Arc<Mutex<Current>>,
}

/// The calls under way, numbered in the order in which they began.
#[derive(Debug, Default)]
struct Current {
    calls: BTreeMap<u64, Call>,
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    name: &'static str,
    started_at: Instant,
    reports: u32,
}

/// A call that has not returned by its deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overrun {
    pub(crate) call: &'static str,
    pub(crate) elapsed: Duration,
}

impl From<Overrun> for Error {
    fn from(Overrun { call, elapsed }: Overrun) -> Self {
        let message = format!("{call} did not return within its deadline; it has run for {elapsed:?}");
        Self::new(ErrorKind::Transient, message)
    }
}

impl CallWatch {
    /// The call's outcome. It is under way until this future is ready or dropped.
    pub(crate) async fn during<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        let _under_way = UnderWay { watch: self, number: self.lock().begin(name) };
        call.await
    }

    /// Reports calls that do not return, until one is past its deadline.
    pub(crate) async fn watch(
        &self,
        shard: &ShardKey,
        events: &Events,
        deadlines: &CallDeadlines,
    ) -> Overrun {
        let interval = deadlines.shortest().min(LOOK_INTERVAL_MAX);
        loop {
            sleep(interval).await;
            let (overdue, overrun) = self.look(deadlines);
            if let Some(Call { name, started_at, .. }) = overdue {
                let elapsed = started_at.elapsed();
                events.emit(&Event::ProcessorBusy { shard, call: name, elapsed });
            }
            if let Some(Overrun { call, elapsed }) = overrun {
                events.emit(&Event::ProcessorOverran { shard, call, elapsed });
                return Overrun { call, elapsed };
            }
        }
    }

    /// The oldest call under way, if it is time to report it, and if it is past its deadline.
    fn look(&self, deadlines: &CallDeadlines) -> (Option<Call>, Option<Overrun>) {
        let mut current = self.lock();
        let Some(mut call) = current.calls.first_entry() else { return (None, None) };
        let call = call.get_mut();
        let elapsed = call.started_at.elapsed();
        let is_due = elapsed >= deadlines.report_after * (call.reports + 1);
        call.reports += u32::from(is_due);
        let is_past = deadlines.of(call.name).is_some_and(|deadline| elapsed >= deadline);
        (is_due.then_some(*call), is_past.then_some(Overrun { call: call.name, elapsed }))
    }

    /// A panic elsewhere cannot leave it half written.
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn begin(&mut self, name: &'static str) -> u64 {
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, Call { name, started_at: Instant::now(), reports: 0 });
        number
    }
}

struct UnderWay<'a> {
    watch: &'a CallWatch,
    number: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.watch.lock().calls.remove(&self.number);
    }
}
