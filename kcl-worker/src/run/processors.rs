use std::io::stdout;
use std::sync::Arc;

use kcl_core::processor::{Processor, ProcessorFactory, ShardStart};
use tokio_util::sync::CancellationToken;

use super::Processors;
use super::json_lines::{JsonLines, Output};
use crate::Failure;
use crate::config::{Config, ProcessorKind};

/// The processors of this run.
pub(super) struct Chosen {
    pub(super) factory: Factory,
    /// Where records are printed, if they are.
    pub(super) output: Option<Arc<Output>>,
}

/// One factory, of whichever kind.
pub(super) struct Factory(Box<dyn ProcessorFactory>);

impl ProcessorFactory for Factory {
    fn create(&self, start: &ShardStart) -> Processor {
        self.0.create(start)
    }
}

impl Chosen {
    /// What the program brought, or else what the configuration says.
    pub(super) fn new(
        config: &Config,
        processors: Processors,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        match (processors, config.processor) {
            (Processors::Own(factory), _) => Ok(Self { factory: Factory(factory), output: None }),
            (Processors::Configured, ProcessorKind::Print) => {
                let output = Arc::new(Output::new(stdout(), stop.clone()));
                let factory = Factory(Box::new(JsonLines::factory(Arc::clone(&output))));
                Ok(Self { factory, output: Some(output) })
            }
            (Processors::Configured, ProcessorKind::Exec) => {
                Err(Failure::usage("processor is 'exec', which this program does not have; use print"))
            }
        }
    }
}
