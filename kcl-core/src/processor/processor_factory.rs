use std::fmt;

use super::lanes::{Handler, LaneLimits};
use super::{RecordProcessor, ShardStart};
use crate::model::ShardKey;
use crate::settings::Checkpointing;

/// Makes the processor of a shard.
///
/// Every function or closure from a shard to a [`RecordProcessor`] or a [`RecordHandler`](super::RecordHandler) is one,
/// and so is the handler itself. One that needs more than the shard's name is made by
/// [`for_each_shard`](super::for_each_shard).
pub trait ProcessorFactory: Send + Sync + 'static {
    /// A new processor for the shard that this worker has just taken.
    fn create(&self, start: &ShardStart) -> Processor;
}

impl<F, P> ProcessorFactory for F
where
    F: Fn(&ShardKey) -> P + Send + Sync + 'static,
    P: Into<Processor>,
{
    fn create(&self, start: &ShardStart) -> Processor {
        self(&start.shard).into()
    }
}

/// What handles the records of one shard.
pub enum Processor {
    /// Batches, one after another.
    Batches(Box<dyn RecordProcessor>),
    /// Records, one after another.
    OneByOne(OneByOne),
    /// Records, several at a time.
    Lanes(Lanes),
}

/// A [`RecordHandler`](super::RecordHandler) that is called for one record after another.
pub struct OneByOne(pub(super) Box<dyn RecordProcessor>);

/// A [`RecordHandler`](super::RecordHandler) that is called several times at once.
pub struct Lanes {
    pub(crate) handler: Handler,
    pub(crate) limits: LaneLimits,
}

impl Processor {
    /// When the framework commits by itself, given what the settings say. A handler of records cannot.
    pub(crate) fn checkpointing(&self, setting: Checkpointing) -> Checkpointing {
        match (self, setting) {
            (Self::OneByOne(_) | Self::Lanes(_), Checkpointing::Manual) => Checkpointing::AfterEachBatch,
            _ => setting,
        }
    }
}

impl<P: RecordProcessor> From<P> for Processor {
    fn from(processor: P) -> Self {
        Self::Batches(Box::new(processor))
    }
}

impl From<Box<dyn RecordProcessor>> for Processor {
    fn from(processor: Box<dyn RecordProcessor>) -> Self {
        Self::Batches(processor)
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batches(_) => f.debug_tuple("Batches").finish_non_exhaustive(),
            Self::OneByOne(handler) => f.debug_tuple("OneByOne").field(handler).finish(),
            Self::Lanes(lanes) => f.debug_tuple("Lanes").field(lanes).finish(),
        }
    }
}

impl fmt::Debug for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneByOne").finish_non_exhaustive()
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("limits", &self.limits).finish_non_exhaustive()
    }
}
