use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::aws::{KinesisDestination, SqsDestination, kinesis_client, sqs_client};
use kcl_core::processor::{FailedBatch, JsonLinesFile, OnFailureDestination, Sent, SpillToFile};

use super::clients::Clients;
use crate::config::{Config, FailureDestination};

/// One destination, of whichever kind.
#[derive(Debug)]
pub(super) struct Destination(Box<dyn OnFailureDestination>);

#[async_trait]
impl OnFailureDestination for Destination {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        self.0.send(batch).await
    }
}

/// The one that the configuration names.
pub(super) fn of(config: &Config, clients: &Clients) -> Option<Destination> {
    let destination: Box<dyn OnFailureDestination> = match config.on_failure_destination.as_ref()? {
        FailureDestination::Directory(path) => Box::new(JsonLinesFile::new(path)),
        FailureDestination::Queue(url) => Box::new(SqsDestination::new(sqs_client(&clients.sdk), url)),
        FailureDestination::Stream(stream, arn) => {
            let mut destination = KinesisDestination::new(kinesis_client(&clients.kinesis), stream.clone());
            if let Some(arn) = arn {
                destination = destination.with_stream_arn(arn.clone());
            }
            Box::new(destination)
        }
    };
    let destination = Destination(destination);
    Some(match &config.on_failure_spill_directory {
        Some(path) => Destination(Box::new(SpillToFile::new(destination, JsonLinesFile::new(path)))),
        None => destination,
    })
}
