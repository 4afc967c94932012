use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::aws::{KinesisDestination, SqsDestination, kinesis_client, sqs_client};
use kcl_core::processor::{FailedBatch, JsonLinesFile, OnFailureDestination, Sent, SpillToFile};

use super::check_environment;
use super::clients::Clients;
use crate::Failure;
use crate::config::{Config, FailureDestination};

/// One destination, of whichever kind.
#[derive(Debug)]
pub(crate) struct Destination(Box<dyn OnFailureDestination>);

#[async_trait]
impl OnFailureDestination for Destination {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        self.0.send(batch).await
    }
}

impl Destination {
    pub(crate) fn new(destination: impl OnFailureDestination) -> Self {
        Self(Box::new(destination))
    }

    /// The one that the configuration names.
    pub(super) fn of(config: &Config, clients: &Clients) -> Option<Self> {
        let destination = match config.on_failure_destination.as_ref()? {
            FailureDestination::Directory(path) => Self::new(JsonLinesFile::new(path)),
            FailureDestination::Queue(url) => Self::new(SqsDestination::new(sqs_client(&clients.sdk), url)),
            FailureDestination::Stream(stream, arn) => {
                let client = kinesis_client(&clients.kinesis);
                let mut destination = KinesisDestination::new(client, stream.clone());
                if let Some(arn) = arn {
                    destination = destination.with_stream_arn(arn.clone());
                }
                Self::new(destination)
            }
        };
        Some(match &config.on_failure_spill_directory {
            Some(path) => Self::new(SpillToFile::new(destination, JsonLinesFile::new(path))),
            None => destination,
        })
    }

    /// The same, for whoever needs clients for nothing else: files need none.
    pub(crate) async fn load(config: &Config) -> Result<Option<Self>, Failure> {
        if let Some(FailureDestination::Directory(path)) = &config.on_failure_destination {
            return Ok(Some(Self::new(JsonLinesFile::new(path))));
        }
        check_environment()?;
        Ok(Self::of(config, &Clients::load(config).await))
    }
}
