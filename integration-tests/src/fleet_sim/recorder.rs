use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, FailedAt, PreparedCheckpoint, ProcessorError, RecordBatch, RecordProcessor, ShardStart,
};
use tokio::time::sleep;

use super::fact::What;
use super::link::Link;
use super::names::{RecordNo, ShardNo};

/// The simulated user's processor: takes its time, fails now and then, and tells the world what it has finished with.
#[derive(Debug)]
pub(super) struct Recorder {
    link: Arc<Link>,
    shard: ShardNo,
    prepares: bool,
}

impl Recorder {
    /// For one shard of the process at the end of `link`.
    pub(super) fn new(link: Arc<Link>, shard: &ShardKey, prepares: bool) -> Self {
        Self { link, shard: ShardNo::of(&shard.shard_id), prepares }
    }

    /// The state names the last record of the batch, and the process that prepared it.
    async fn prepare(
        &self,
        records: &[Record],
        checkpointer: &Checkpointer,
    ) -> Result<Option<PreparedCheckpoint>, ProcessorError> {
        let Some(last) = records.last().filter(|_| self.prepares) else { return Ok(None) };
        let (process, shard) = (self.link.process(), self.shard);
        let state = Bytes::from(format!("{} by {process}", number_of(last)));
        match checkpointer.prepare(&last.position, state.clone()).await {
            Ok(prepared) => {
                self.link.tell(What::Prepared { process, shard, state: &state });
                Ok(Some(prepared))
            }
            Err(error) => {
                self.fail(records);
                Err(error.into())
            }
        }
    }

    fn first_poison(&self, records: &[Record]) -> Option<usize> {
        records.iter().position(|record| self.link.is_poison(number_of(record)))
    }

    /// Some processors say which record failed, and some do not.
    fn fail_at(&self, records: &[Record], index: usize) -> Result<(), ProcessorError> {
        if self.link.process().0.is_multiple_of(2) {
            self.fail(records);
            return Err("one of the records is poison".into());
        }
        self.deliver(&records[..index]);
        self.fail(&records[index..]);
        Err(FailedAt::new(&records[index].position, "poison").into())
    }

    fn fail(&self, records: &[Record]) {
        let records: Vec<RecordNo> = records.iter().map(number_of).collect();
        let (process, shard) = (self.link.process(), self.shard);
        self.link.tell(What::Failed { process, shard, records: &records });
    }

    fn deliver(&self, records: &[Record]) {
        let (process, shard) = (self.link.process(), self.shard);
        for record in records {
            self.link.tell(What::Delivered { process, shard, record: number_of(record) });
        }
    }
}

#[async_trait]
impl RecordProcessor for Recorder {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        let (process, shard) = (self.link.process(), self.shard);
        self.link.tell(What::Began { process, shard, start: Some(start) });
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        let prepared = self.prepare(&batch.records, checkpointer).await?;
        if self.link.processor_hangs() {
            pending::<()>().await;
        }
        if self.link.processor_fails() {
            self.fail(&batch.records);
            if self.link.processor_panics() {
                // A panic that nobody prints.
                resume_unwind(Box::new("the processor was made to panic"));
            }
            return Err("the processor was made to fail".into());
        }
        if let Some(index) = self.first_poison(&batch.records) {
            return self.fail_at(&batch.records, index);
        }
        // In two parts, so that a batch can be dropped in its middle.
        let time = self.link.processing_time() / 2;
        let (first, second) = batch.records.split_at(batch.records.len() / 2);
        sleep(time).await;
        self.deliver(first);
        sleep(time).await;
        self.deliver(second);
        if let Some(prepared) = prepared
            && self.link.commits_at_once()
        {
            // What the table does not take is committed with a later batch, or with the last words.
            let _reported = prepared.commit().await;
        }
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        if self.prepares {
            checkpointer.checkpoint().await?;
        }
        self.link.tell(What::Goodbye { process: self.link.process(), shard: self.shard });
        Ok(())
    }
}

/// A record carries its number as its content.
pub(super) fn number_of(record: &Record) -> RecordNo {
    let bytes = <[u8; 8]>::try_from(record.data.as_ref()).unwrap_or([u8::MAX; 8]);
    RecordNo(u64::from_be_bytes(bytes))
}
