use std::future::pending;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::event::{Event, Events};
use crate::model::ShardKey;

/// A call that does not return is reported this often: soon enough for an operator, rare enough for a log.
const BUSY_REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// Knows which call of a processor is under way, and reports one that does not return.
///
/// The report is made by a task other than the one that makes the call: a processor may block its thread.
#[derive(Debug)]
pub(crate) struct CallWatch {
    current: watch::Sender<Option<Call>>,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    name: &'static str,
    started_at: Instant,
}

impl CallWatch {
    pub(crate) fn new() -> Self {
        Self { current: watch::Sender::new(None) }
    }

    /// The call's outcome. It is under way until this future is ready or dropped.
    pub(crate) async fn during<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        self.current.send_replace(Some(Call { name, started_at: Instant::now() }));
        let _ended = Ended(&self.current);
        call.await
    }

    /// Reports calls that do not return, for ever.
    pub(crate) fn report(&self, shard: ShardKey, events: Events) -> impl Future<Output = ()> + use<> {
        let mut current = self.current.subscribe();
        async move {
            let mut reports = 1;
            loop {
                let call = *current.borrow_and_update();
                let is_due = async {
                    match call {
                        Some(call) => sleep_until(call.started_at + BUSY_REPORT_INTERVAL * reports).await,
                        None => pending().await,
                    }
                };
                select! {
                    biased;
                    changed = current.changed() => {
                        // Nobody makes calls any more.
                        if changed.is_err() {
                            return pending().await;
                        }
                        reports = 1;
                    }
                    () = is_due => {
                        if let Some(Call { name, started_at }) = call {
                            let elapsed = started_at.elapsed();
                            events.emit(&Event::ProcessorBusy { shard: &shard, call: name, elapsed });
                        }
                        reports += 1;
                    }
                }
            }
        }
    }
}

struct Ended<'a>(&'a watch::Sender<Option<Call>>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
