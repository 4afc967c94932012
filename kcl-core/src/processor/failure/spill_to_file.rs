use async_trait::async_trait;

use super::{FailedBatch, JsonLinesFile, OnFailureDestination, Sent};
use crate::error::Result;

/// A destination with a file beside it, for single records that are too large for it.
///
/// Batches of several records that are too large are left to be halved, so that the file gets only what must go there.
/// Without it, such a record blocks its shard.
#[derive(Debug)]
pub struct SpillToFile {
    destination: Box<dyn OnFailureDestination>,
    file: JsonLinesFile,
}

impl SpillToFile {
    /// Sends to `destination` what it takes, and single records that it does not take to `file`.
    pub fn new(destination: impl OnFailureDestination, file: JsonLinesFile) -> Self {
        Self { destination: Box::new(destination), file }
    }
}

#[async_trait]
impl OnFailureDestination for SpillToFile {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        match self.destination.send(batch).await? {
            Sent::TooLarge { .. } if batch.records.len() == 1 => self.file.send(batch).await,
            sent => Ok(sent),
        }
    }
}
