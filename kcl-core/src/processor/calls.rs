use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::call_watch::CallWatch;
use super::{FailedAt, ProcessorError, StartOver};
use crate::aggregation::Malformation;
use crate::event::Events;
use crate::model::{RecordPosition, ShardKey};

/// Makes calls that cannot bring down the worker, nor hang without a word.
pub(crate) struct Calls {
    shard: ShardKey,
    events: Events,
    watch: CallWatch,
}

/// An error or a panic of a processor.
#[derive(Debug)]
pub(crate) struct CallFailure {
    pub(crate) text: String,
    /// The first record that failed, if the processor has said which.
    pub(crate) position: Option<RecordPosition>,
    /// The processor has said that a fresh one has to [start over](StartOver).
    pub(crate) starts_over: bool,
}

impl Calls {
    pub(crate) fn new(shard: ShardKey, events: Events) -> Self {
        Self { shard, events, watch: CallWatch::default() }
    }

    pub(crate) fn shard(&self) -> &ShardKey {
        &self.shard
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Knows which call is under way.
    pub(crate) fn watch(&self) -> &CallWatch {
        &self.watch
    }

    /// The call's outcome.
    pub(crate) async fn make(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<(), ProcessorError>> + Send,
    ) -> Result<(), CallFailure> {
        let outcome = self.watch.during(name, caught(call)).await;
        outcome.map_err(|error| CallFailure {
            position: error.downcast_ref().map(FailedAt::position).cloned(),
            starts_over: error.is::<StartOver>(),
            text: error.to_string(),
        })
    }
}

impl CallFailure {
    pub(crate) fn new(text: String) -> Self {
        Self { text, position: None, starts_over: false }
    }

    /// Of a record that is not delivered.
    pub(crate) fn malformed(malformation: &Malformation) -> Self {
        Self::new(format!("the record begins as an aggregate and cannot be taken apart: {malformation}"))
    }
}

/// The call's outcome, with a panic as an error.
pub(crate) async fn caught(
    call: impl Future<Output = Result<(), ProcessorError>> + Send,
) -> Result<(), ProcessorError> {
    panic_as_text(call).await.unwrap_or_else(|panic| Err(panic.into()))
}

/// What the call returns, or what is to be said of its panic.
pub(crate) async fn panic_as_text<T>(call: impl Future<Output = T> + Send) -> Result<T, String> {
    let outcome = AssertUnwindSafe(call).catch_unwind().await;
    outcome.map_err(|panic| format!("panicked: {}", panic_text(&*panic)))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}
