use std::io::stdout;
use std::sync::Arc;

use kcl_core::processor::{Processor, ProcessorFactory, ShardStart};
use tokio_util::sync::CancellationToken;

use super::Processors;
use super::json_lines::{JsonLines, Output};
use crate::Failure;
use crate::config::{Config, ExecConfig, ProcessorKind};
#[cfg(unix)]
use crate::multilang::{ExecFactory, ExecSettings, SwallowedExceptions};

/// The processors of this run.
pub(crate) struct Chosen {
    pub(crate) factory: Factory,
    /// Where records are printed, if they are.
    pub(crate) output: Option<Arc<Output>>,
}

/// One factory, of whichever kind.
pub(crate) struct Factory(Box<dyn ProcessorFactory>);

impl ProcessorFactory for Factory {
    fn create(&self, start: &ShardStart) -> Processor {
        self.0.create(start)
    }
}

impl Chosen {
    /// What the program brought, or else what the configuration says.
    pub(crate) fn new(
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
                Ok(Self { factory: exec_factory(&config.exec)?, output: None })
            }
        }
    }
}

/// Children, whichever the configuration names.
#[cfg(unix)]
fn exec_factory(config: &ExecConfig) -> Result<Factory, Failure> {
    let swallowed_exceptions =
        if config.swallowed_exceptions_fail { SwallowedExceptions::Fail } else { SwallowedExceptions::Count };
    let settings = ExecSettings {
        environment: config.environment.clone(),
        message_timeout: config.timeout,
        exit_grace: config.exit_grace,
        line_bytes_max: config.line_bytes_max,
        redelivery_bytes_max: config.redelivery_bytes_max,
        swallowed_exceptions,
        ..ExecSettings::new(config.command.clone())
    };
    Ok(Factory(Box::new(ExecFactory::new(settings).map_err(Failure::usage)?)))
}

/// A child ends with its worker only where process groups are known.
#[cfg(not(unix))]
fn exec_factory(_: &ExecConfig) -> Result<Factory, Failure> {
    Err(Failure::usage("processor is 'exec', which needs a Unix system; use print"))
}
