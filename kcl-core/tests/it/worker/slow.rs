//! A processor that takes its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::model::{ShardKey, WorkerId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::DeliveryOracle;
use kcl_core::worker::Ports;
use tokio::time::sleep;

use super::fleet::Fleet;

/// Takes its time for each batch, and tells the oracle when it is done with it.
pub(super) struct Slow {
    pub(super) oracle: Arc<DeliveryOracle>,
    pub(super) batch_time: Duration,
}

#[async_trait]
impl RecordProcessor for Slow {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        sleep(self.batch_time).await;
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

pub(super) fn start_slow(fleet: &mut Fleet, name: &str, batch_time: Duration) {
    let ports = fleet.ports();
    start_slow_with(fleet, name, ports, batch_time);
}

pub(super) fn start_slow_with(fleet: &mut Fleet, name: &str, ports: Ports, batch_time: Duration) {
    let oracle = Arc::clone(&fleet.oracle);
    let processors = move |_: &ShardKey| Slow { oracle: Arc::clone(&oracle), batch_time };
    fleet.start_with(name, fleet.settings(name), ports, processors);
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}
