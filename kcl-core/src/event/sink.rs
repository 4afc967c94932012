use std::fmt;
use std::sync::Arc;

use super::Event;
use super::count::count;
use super::log::log;
use crate::model::WorkerId;

/// Receives a worker's events.
///
/// Called from the worker's tasks, in the order of the facts for any one shard: it must return quickly and must not
/// panic.
pub trait EventSink: Send + Sync + 'static {
    /// One event of `worker`.
    fn emit(&self, worker: &WorkerId, event: &Event<'_>);
}

impl<F: Fn(&WorkerId, &Event<'_>) + Send + Sync + 'static> EventSink for F {
    fn emit(&self, worker: &WorkerId, event: &Event<'_>) {
        self(worker, event);
    }
}

/// One worker's way to report: to the log, to the metrics, and to the user's sink if there is one.
#[derive(Clone)]
pub(crate) struct Events {
    worker: WorkerId,
    sink: Option<Arc<dyn EventSink>>,
}

impl Events {
    pub(crate) fn new(worker: WorkerId, sink: Option<Arc<dyn EventSink>>) -> Self {
        Self { worker, sink }
    }

    pub(crate) fn emit(&self, event: &Event<'_>) {
        log(&self.worker, event);
        count(event);
        if let Some(sink) = &self.sink {
            sink.emit(&self.worker, event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("worker", &self.worker).finish_non_exhaustive()
    }
}
