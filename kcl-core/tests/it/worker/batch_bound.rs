//! How many records a processor gets at once.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::WorkerSettings;
use kcl_core::lease::LeaseStore;
use kcl_core::model::{Checkpoint, Record, RecordPosition, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, ProcessorFactory, RecordBatch, for_each_record};
use kcl_core::testing::DeliveryOracle;
use tokio::time::sleep;

use super::fleet::{AsyncScript, Fleet, Scripted, secs};

/// A call of a processor: the records, and what was committed when it began.
struct Call {
    positions: Vec<RecordPosition>,
    committed: Checkpoint,
}

type Calls = Arc<Mutex<Vec<Call>>>;

/// Takes a second for each call, and fails the call of one number.
struct Watches {
    oracle: Arc<DeliveryOracle>,
    leases: Arc<dyn LeaseStore>,
    calls: Calls,
    fails: Option<usize>,
}

#[async_trait]
impl AsyncScript for Watches {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        let committed = self.leases.get(&batch.shard).await?.unwrap().checkpoint;
        let positions = batch.records.iter().map(|record| record.position.clone()).collect();
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { positions, committed });
            calls.len()
        };
        sleep(secs(1)).await;
        if self.fails == Some(number) {
            return Err("not this one".into());
        }
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

/// Starts a worker that gives its processor ten records at a time.
fn start(fleet: &mut Fleet, name: &str, fails: Option<usize>) -> Calls {
    let calls = Calls::default();
    let (oracle, leases, log) = (Arc::clone(&fleet.oracle), Arc::clone(&fleet.leases), Arc::clone(&calls));
    start_with(fleet, name, move |_: &ShardKey| Scripted {
        process: Watches {
            oracle: Arc::clone(&oracle),
            leases: Arc::clone(&leases),
            calls: Arc::clone(&log),
            fails,
        },
        calls: Arc::default(),
    });
    calls
}

fn start_with(fleet: &mut Fleet, name: &str, processors: impl ProcessorFactory) {
    let settings = WorkerSettings { records_per_batch_max: 10, ..fleet.settings(name) };
    fleet.start_with(name, settings, fleet.ports(), processors);
}

/// How many records came in each call.
fn sizes(calls: &Calls) -> Vec<usize> {
    calls.lock().unwrap().iter().map(|call| call.positions.len()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_page_of_more_than_the_bound_comes_in_parts_each_committed_before_the_next() {
    let mut fleet = Fleet::new(1);
    fleet.put(25);
    let calls = start(&mut fleet, "a", None);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(sizes(&calls), [10, 10, 5]);
    assert_eq!(fleet.count_events("BatchRead"), 1, "reads are no smaller for it");
    for pair in calls.lock().unwrap().windows(2) {
        let last = pair[0].positions.last().unwrap();
        assert_eq!(pair[1].committed, Checkpoint::At(last.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_comes_again_alone() {
    let mut fleet = Fleet::new(1);
    fleet.put(25);
    let calls = start(&mut fleet, "a", Some(2));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(sizes(&calls), [10, 10, 10, 5]);
    let calls = calls.lock().unwrap();
    assert_eq!(calls[1].positions, calls[2].positions);
    let last = calls[0].positions.last().unwrap();
    assert_eq!(calls[2].committed, Checkpoint::At(last.clone()), "what was taken before it stays committed");
}

#[tokio::test(start_paused = true)]
async fn a_stop_between_two_parts_repeats_none_and_a_crash_only_the_one_in_hand() {
    for (is_planned, left) in [(true, vec![5]), (false, vec![10, 5])] {
        let mut fleet = Fleet::new(1);
        fleet.put(25);
        let calls = start(&mut fleet, "a", None);
        fleet.until("the second part is in hand", || sizes(&calls).len() == 2).await;
        if is_planned {
            fleet.stop("a").await;
        } else {
            fleet.crash("a").await;
        }
        assert_eq!(sizes(&calls), [10, 10]);
        let calls = start(&mut fleet, "b", None);
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0);
        assert_eq!(sizes(&calls), left);
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_take_a_page_at_once_all_the_same() {
    let mut fleet = Fleet::new(1);
    fleet.put(25);
    start_with(&mut fleet, "a", for_each_record(|_: Record| async { Ok(()) }).concurrency(4));
    fleet.until("all are handled", || fleet.records_processed() == 25).await;
    assert_eq!(fleet.count_events("BatchProcessed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bound_that_cannot_be_had_is_refused() {
    let fleet = Fleet::new(1);
    for (records_per_batch_max, is_good) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let settings = WorkerSettings { records_per_batch_max, ..fleet.settings("a") };
        let said = settings.validate().map_err(|error| error.to_string());
        let refused = format!("records_per_batch_max is {records_per_batch_max}; it must be from 1 to 10000");
        assert!(
            if is_good { said.is_ok() } else { said.as_ref().is_err_and(|error| error.contains(&refused)) },
            "{said:?}"
        );
    }
}
