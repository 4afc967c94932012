//! Aggregates on their way through a worker: taken apart, resumed in the middle, and delivered as they came if they are none.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord, OutsideRange};
use kcl_core::model::{Checkpoint, RecordPosition, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch};
use kcl_core::{Checkpointing, WorkerSettings};

use kcl_core::stream::{FanOutConsumer, FanOutSettings, Retrieval};
use kcl_core::testing::DeliveryOracle;
use tokio::time::{Instant, sleep};

use super::fleet::{AsyncScript, Fleet, Scripted, secs, shard_id};

/// Puts an aggregate of one user record for each key. Returns where it lies.
pub(super) fn put_aggregate(fleet: &Fleet, keys: &[&str], data: &[u8]) -> RecordPosition {
    let mut aggregator = Aggregator::with_limits(1_000_000, u64::MAX).unwrap();
    for key in keys {
        let added = aggregator.add(&NewUserRecord { partition_key: key, data, ..NewUserRecord::default() });
        assert_eq!(added.unwrap(), Addition::Added);
    }
    let put = fleet.kinesis.put_record(&fleet.stream, keys[0], None, aggregator.encode()).unwrap();
    for (key, sub_sequence_number) in keys.iter().zip(0..) {
        let sequence_number = put.sequence_number.clone();
        let position = RecordPosition { sequence_number, sub_sequence_number };
        fleet.oracle.put_at(key, &put.shard_id, position);
    }
    RecordPosition { sequence_number: put.sequence_number, sub_sequence_number: 0 }
}

#[tokio::test(start_paused = true)]
async fn user_records_are_delivered_once_and_in_order_with_plain_records_between() {
    let fan_out = FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()));
    for retrieval in [Retrieval::Polling, Retrieval::FanOut(fan_out)] {
        let mut fleet = Fleet::new(2);
        for round in 0..12 {
            let name = ["a", "b"][round % 2];
            let settings = WorkerSettings { retrieval: retrieval.clone(), ..fleet.settings(name) };
            fleet.start_with(name, settings, fleet.ports(), fleet.recorder());
            for _ in 0..5 {
                put_aggregate(&fleet, &["x", "y", "x", "z", "x"], b"user record");
                fleet.put(7);
                sleep(secs(1)).await;
            }
            fleet.drain().await;
            fleet.stop(name).await;
        }
        assert_eq!(fleet.assert_good(), 0);
    }
}

/// Commits in the middle of the first batch, and never again.
struct CommitsTwoOfFive {
    oracle: Arc<DeliveryOracle>,
    has_committed: Arc<Mutex<bool>>,
}

#[async_trait]
impl AsyncScript for CommitsTwoOfFive {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            let has_committed = *self.has_committed.lock().unwrap();
            if has_committed || record.position.sub_sequence_number < 2 {
                self.oracle.deliver(&batch.shard, record);
            }
            if !has_committed && record.position.sub_sequence_number == 1 {
                checkpointer.checkpoint_at(&record.position).await?;
            }
        }
        *self.has_committed.lock().unwrap() = true;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_inside_an_aggregate_is_gone_on_from_by_the_next_owner() {
    let mut fleet = Fleet::new(1);
    let position = put_aggregate(&fleet, &["x", "y", "x", "z", "x"], b"user record");
    let (oracle, has_committed) = (Arc::clone(&fleet.oracle), Arc::default());
    let committed = Arc::clone(&has_committed);
    let factory = move |_: &ShardKey| Scripted {
        process: CommitsTwoOfFive { oracle: Arc::clone(&oracle), has_committed: Arc::clone(&committed) },
        calls: Arc::default(),
    };
    let settings =
        |fleet: &Fleet, name| WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings(name) };
    fleet.start_with("a", settings(&fleet, "a"), fleet.ports(), factory.clone());
    fleet.until("the first batch is taken", || *has_committed.lock().unwrap()).await;
    fleet.crash("a").await;
    let expected = RecordPosition { sub_sequence_number: 1, ..position };
    assert_eq!(fleet.row(&shard_id(0)).await.checkpoint, Checkpoint::At(expected));
    fleet.put(3);
    fleet.start_with("b", settings(&fleet, "b"), fleet.ports(), factory);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0, "neither what was committed nor what was not comes twice");
}

#[tokio::test(start_paused = true)]
async fn what_only_begins_as_an_aggregate_is_delivered_as_it_came_and_reported() {
    let mut fleet = Fleet::new(1);
    fleet.put(2);
    for _ in 0..3 {
        let data = Bytes::from_static(b"\xf3\x89\x9a\xc2 and then sixteen bytes that digest nothing");
        let put = fleet.kinesis.put_record(&fleet.stream, "broken", None, data).unwrap();
        fleet.oracle.put("broken", &put.shard_id, &put.sequence_number);
    }
    fleet.put(2);
    fleet.start("a");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("AggregateMalformed"), 1, "one for the page");
    assert_eq!(fleet.count_events("count: 3"), 1);
}

/// "y" falls into the lower of two shards, "z" into the upper.
#[tokio::test(start_paused = true)]
async fn user_records_outside_the_range_are_left_out_only_if_the_settings_say_so_and_counted() {
    for (outside_range, expected) in
        [(OutsideRange::Deliver, 4), (OutsideRange::Filter, 2), (OutsideRange::FilterWhole, 0)]
    {
        let mut fleet = Fleet::new(2);
        let position = put_aggregate(&fleet, &["y", "z", "y", "z"], b"user record");
        let settings = WorkerSettings { outside_range, ..fleet.settings("a") };
        fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
        sleep(secs(30)).await;
        assert_eq!(4 - fleet.oracle.outstanding(), expected, "{outside_range:?}");
        let left_out = 4 - expected;
        assert_eq!(fleet.count_events(&format!("count: {left_out}")), usize::from(left_out > 0));
        let rows = fleet.rows().await;
        let committed = rows.iter().find_map(|row| match &row.checkpoint {
            Checkpoint::At(committed) if committed.sequence_number == position.sequence_number => {
                Some(committed.sub_sequence_number)
            }
            _ => None,
        });
        let last = [Some(3), Some(2), None][left_out / 2];
        assert_eq!(committed, last, "{outside_range:?}: {rows:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_of_very_many_records_comes_in_several_batches() {
    let mut fleet = Fleet::new(1);
    let keys = vec!["x"; 25_000];
    put_aggregate(&fleet, &keys, b"");
    fleet.start("a");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("records: 10000,"), 2);
    assert_eq!(fleet.count_events("records: 5000,"), 1);
}

/// Takes five seconds for a batch.
struct Leisurely {
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl AsyncScript for Leisurely {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        sleep(secs(5)).await;
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_batch_in_hand_and_not_for_the_rest_of_its_aggregate() {
    let mut fleet = Fleet::new(1);
    put_aggregate(&fleet, &vec!["x"; 100_000], b"");
    let oracle = Arc::clone(&fleet.oracle);
    let factory = move |_: &ShardKey| Scripted {
        process: Leisurely { oracle: Arc::clone(&oracle) },
        calls: Arc::default(),
    };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    fleet.until("the first batch is processed", || fleet.count_events("BatchProcessed") == 1).await;
    let asked_at = Instant::now();
    fleet.stop("a").await;
    assert!(asked_at.elapsed() < secs(6), "{:?} for the batch in hand", asked_at.elapsed());
    fleet.start("b");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}
