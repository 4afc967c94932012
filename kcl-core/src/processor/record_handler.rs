use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::calls::caught;
use super::lanes::LaneLimits;
use super::{
    Checkpointer, FailedAt, Lanes, OneByOne, Processor, ProcessorError, ProcessorFactory, RecordBatch,
    RecordProcessor, ShardStart,
};
use crate::model::{Record, RecordPosition};

/// As many records as one read of the service returns.
const WINDOW_RECORDS: usize = 10_000;

/// As many bytes as one read of the service returns.
const WINDOW_BYTES: usize = 10 * 1024 * 1024;

/// The easy form of a processor: an async closure that is called for each record.
///
/// ```
/// use kcl_core::model::Record;
/// use kcl_core::processor::for_each_record;
///
/// let handler = for_each_record(|record: Record| async move {
///     println!("{}: {} bytes", record.partition_key, record.data.len());
///     Ok(())
/// })
/// .concurrency(64);
/// # let _ = handler;
/// ```
///
/// Records of one shard are handled in order, one after another, unless the [concurrency](RecordHandler::concurrency)
/// says otherwise. What is known of the shard, such as the fencing token, it gets by
/// [`for_each_shard`](super::for_each_shard). A call that fails or panics is made again for the same record, as the
/// [failure policy](super::FailurePolicy) says. Positions are committed by the framework, as
/// [`Checkpointing`](crate::Checkpointing) says; `Manual` is as good as `AfterEachBatch`.
pub fn for_each_record<F, Fut>(handle: F) -> RecordHandler<F>
where
    F: Fn(Record) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ProcessorError>> + Send + 'static,
{
    let limits = LaneLimits { concurrency: 1, records_max: WINDOW_RECORDS, bytes_max: WINDOW_BYTES };
    RecordHandler { handle, limits }
}

/// What [`for_each_record`] makes.
#[derive(Clone)]
pub struct RecordHandler<F> {
    handle: F,
    limits: LaneLimits,
}

impl<F> RecordHandler<F> {
    /// Up to `calls` calls at a time for each shard, each in a task of its own. Default 1.
    ///
    /// With more than one, records are in order only with those of the same partition key: the *user record's*, where it
    /// came out of an aggregate. A record that fails holds up only those of its key, until the [window](Self::window) is
    /// full. What is committed is the highest position up to which every record is handled, once a second or as
    /// [`Every`](crate::Checkpointing::Every) says, so a crash repeats what was handled above it; a planned move repeats nothing, unless a record fails meanwhile or the grace
    /// period of a shutdown is too short. 0 counts as 1.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.limits.concurrency = calls.max(1);
        self
    }

    /// With a [concurrency](Self::concurrency) above 1, the most records, and bytes of their keys and data, that may be above
    /// the position up to which everything is handled: so many may be handled past one that fails, and so many a crash
    /// may repeat. One record is taken however large it is. Default 10,000 records and 10 MiB, as much as one
    /// read of the service returns. The worker's `fetch_bytes_max` counts them, too.
    pub fn window(mut self, records_max: usize, bytes_max: usize) -> Self {
        (self.limits.records_max, self.limits.bytes_max) = (records_max, bytes_max);
        self
    }
}

impl<F, Fut> ProcessorFactory for RecordHandler<F>
where
    F: Fn(Record) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ProcessorError>> + Send + 'static,
{
    fn create(&self, _: &ShardStart) -> Processor {
        self.clone().into()
    }
}

impl<F, Fut> From<RecordHandler<F>> for Processor
where
    F: Fn(Record) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ProcessorError>> + Send + 'static,
{
    fn from(RecordHandler { handle, limits }: RecordHandler<F>) -> Self {
        if limits.concurrency == 1 {
            return Self::OneByOne(OneByOne(Box::new(EachInOrder { handle })));
        }
        Self::Lanes(Lanes { handler: Arc::new(move |record| Box::pin(handle(record))), limits })
    }
}

/// Handles all records of a shard in order.
struct EachInOrder<F> {
    handle: F,
}

#[async_trait]
impl<F, Fut> RecordProcessor for EachInOrder<F>
where
    F: Fn(Record) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ProcessorError>> + Send + 'static,
{
    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        let mut handled = Handled { checkpointer, last: None };
        for record in &batch.records {
            let call = async { (self.handle)(record.clone()).await };
            caught(call).await.map_err(|error| FailedAt::new(&record.position, error))?;
            handled.last = Some(&record.position);
        }
        Ok(())
    }
}

/// What is handled of a batch is processed, also where the call is dropped at its deadline: a batch that takes longer than
/// that would never be done.
struct Handled<'a> {
    checkpointer: &'a Checkpointer,
    last: Option<&'a RecordPosition>,
}

impl Drop for Handled<'_> {
    fn drop(&mut self) {
        if let Some(last) = self.last {
            self.checkpointer.pass(last);
        }
    }
}

impl<F> fmt::Debug for RecordHandler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordHandler").field("limits", &self.limits).finish_non_exhaustive()
    }
}
