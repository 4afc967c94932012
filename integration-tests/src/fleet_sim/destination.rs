use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::processor::{FailedBatch, OnFailureDestination, Sent};
use kcl_core::testing::Fault;
use kcl_core::{Error, Result};
use tokio::time::sleep;

use super::fact::What;
use super::link::Link;
use super::names::ShardNo;
use super::recorder::number_of;

/// The simulated user's on-failure destination: it fails and hangs, and tells the world what it has taken.
#[derive(Debug)]
pub(super) struct Destination {
    link: Arc<Link>,
}

impl Destination {
    /// For the process at the end of `link`.
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

#[async_trait]
impl OnFailureDestination for Destination {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let (process, shard) = (self.link.process(), ShardNo::of(&batch.shard.shard_id));
        match self.link.destination_fault() {
            Fault::Hang => {
                self.link.tell(What::SendFailed { process, shard });
                pending().await
            }
            Fault::Delay(delay) => sleep(delay).await,
            Fault::Fail(kind) => {
                self.link.tell(What::SendFailed { process, shard });
                return Err(Error::new(kind, "the destination was made to fail"));
            }
            _ => {}
        }
        for record in &batch.records {
            let (record, condition) = (number_of(record), batch.condition);
            self.link.tell(What::SentAway { process, shard, record, condition });
        }
        Ok(Sent::Taken)
    }
}
