use std::sync::Arc;

use kcl_core::Result;
use kcl_core::processor::{Processor, ProcessorFactory, ShardStart};

use super::ExecSettings;
use super::processor::ExecProcessor;

/// Makes a processor that runs a child for each shard. With [`Manual`](kcl_core::Checkpointing::Manual) checkpointing what is
/// committed is the children's to say, as with the Java daemon; else also every batch that a child has taken.
#[derive(Debug, Clone)]
pub struct ExecFactory {
    settings: Arc<ExecSettings>,
}

impl ExecFactory {
    /// Fails with [`Refused`](kcl_core::ErrorKind::Refused) if the settings make no sense.
    pub fn new(settings: ExecSettings) -> Result<Self> {
        settings.validate()?;
        Ok(Self { settings: Arc::new(settings) })
    }
}

impl ProcessorFactory for ExecFactory {
    fn create(&self, start: &ShardStart) -> Processor {
        ExecProcessor::new(Arc::clone(&self.settings), start).into()
    }
}
