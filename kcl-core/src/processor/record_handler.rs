use std::fmt;

use async_trait::async_trait;

use super::calls::caught;
use super::{Checkpointer, FailedAt, ProcessorError, RecordBatch, RecordProcessor};
use crate::model::{Record, ShardKey};

/// The easy form of a processor: an async closure that is called for each record, in order, one after another.
///
/// ```
/// use kcl_core::model::Record;
/// use kcl_core::processor::for_each_record;
///
/// let handler = for_each_record(|record: Record| async move {
///     println!("{}: {} bytes", record.partition_key, record.data.len());
///     Ok(())
/// });
/// # let _ = handler;
/// ```
///
/// When the closure fails or panics, the batch is tried again from the record that failed, as the
/// [failure policy](super::FailurePolicy) says. Positions are committed after each batch, whatever [`Checkpointing`](crate::Checkpointing) says.
pub fn for_each_record<F, Fut>(
    handle: F,
) -> impl Fn(&ShardKey) -> RecordHandler<F> + Clone + Send + Sync + 'static
where
    F: Fn(Record) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ProcessorError>> + Send + 'static,
{
    move |_shard| RecordHandler { handle: handle.clone() }
}

/// The processor that [`for_each_record`] makes.
pub struct RecordHandler<F> {
    handle: F,
}

#[async_trait]
impl<F, Fut> RecordProcessor for RecordHandler<F>
where
    F: Fn(Record) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ProcessorError>> + Send + 'static,
{
    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        for record in &batch.records {
            let call = async { (self.handle)(record.clone()).await };
            caught(call).await.map_err(|error| FailedAt::new(&record.position, error))?;
        }
        // A failure is reported by the checkpointer; the next commit includes this one.
        let _reported = checkpointer.checkpoint().await;
        Ok(())
    }
}

impl<F> fmt::Debug for RecordHandler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordHandler").finish_non_exhaustive()
    }
}
