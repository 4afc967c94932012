//! How to test a processor, without AWS and without waiting: `cargo test -p kcl-examples --test rehearse_a_processor`.
//!
//! The processor adds up amounts by customer. It stores how far it has added them together with the sums, so that a
//! record which comes again after a crash is not added twice. The tests show that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::Checkpointing;
use kcl_core::model::{Record, RecordPosition, ShardId, ShardKey};
use kcl_core::processor::{
    Checkpointer, FailedAt, FailurePolicy, ProcessorError, RecordBatch, RecordProcessor, WhenExhausted,
};
use kcl_core::testing::Rehearsal;

/// What a database would hold.
#[derive(Debug, Default)]
struct Sums {
    by_customer: BTreeMap<String, u64>,
    /// The last record added, by shard.
    added: BTreeMap<ShardId, RecordPosition>,
}

/// Adds the amounts of one shard.
struct AddAmounts {
    sums: Arc<Mutex<Sums>>,
}

impl AddAmounts {
    /// The sum and the position in one transaction.
    fn add(&self, shard: &ShardKey, record: &Record) -> Result<(), ProcessorError> {
        let amount: u64 = std::str::from_utf8(&record.data)?.parse()?;
        let mut sums = self.sums.lock().map_err(|error| error.to_string())?;
        let added = sums.added.get(&shard.shard_id);
        if added.is_none_or(|added| *added < record.position) {
            sums.added.insert(shard.shard_id.clone(), record.position.clone());
            *sums.by_customer.entry(record.partition_key.to_string()).or_default() += amount;
        }
        Ok(())
    }
}

#[async_trait]
impl RecordProcessor for AddAmounts {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            // Says which record failed: those before it are done, and the failure policy is about this one alone.
            self.add(&batch.shard, record).map_err(|error| FailedAt::new(&record.position, error))?;
        }
        Ok(())
    }
}

fn rehearse() -> kcl_core::Result<(Rehearsal, Arc<Mutex<Sums>>)> {
    let sums = Arc::new(Mutex::new(Sums::default()));
    let of_processors = Arc::clone(&sums);
    let factory = move |_: &ShardKey| AddAmounts { sums: Arc::clone(&of_processors) };
    Ok((Rehearsal::new(factory)?, sums))
}

#[tokio::test(start_paused = true)]
async fn a_crash_adds_nothing_twice() {
    let (mut rehearsal, sums) = rehearse().unwrap();
    // A crash within ten minutes repeats what came before it.
    rehearsal.settings().checkpointing = Checkpointing::Every(Duration::from_secs(600));
    rehearsal.put("ann", "3").unwrap();
    rehearsal.pass(Duration::from_secs(60)).await.unwrap();
    rehearsal.crash().await;
    rehearsal.put("ann", "4").unwrap();
    rehearsal.until_committed().await.unwrap();
    assert_eq!(sums.lock().unwrap().by_customer["ann"], 7);
}

#[tokio::test(start_paused = true)]
async fn an_amount_that_is_no_number_is_skipped_alone() {
    let (mut rehearsal, sums) = rehearse().unwrap();
    rehearsal.settings().failure_policy =
        FailurePolicy { when_exhausted: WhenExhausted::Skip, ..FailurePolicy::default() };
    for amount in ["3", "a lot", "4"] {
        rehearsal.put("bob", amount).unwrap();
    }
    rehearsal.until_committed().await.unwrap();
    assert_eq!(sums.lock().unwrap().by_customer["bob"], 7);
}
