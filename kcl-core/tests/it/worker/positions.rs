//! Where a worker starts and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kcl_core::WorkerSettings;
use kcl_core::model::{Checkpoint, InitialPosition};
use tokio::time::sleep;

use super::fleet::{Fleet, shard_id};

fn start_at(fleet: &mut Fleet, initial_position: InitialPosition) {
    let settings = WorkerSettings { initial_position, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
}

#[tokio::test(start_paused = true)]
async fn latest_delivers_what_is_put_from_then_on() {
    let mut fleet = Fleet::new(2);
    fleet.put(50);
    start_at(&mut fleet, InitialPosition::Latest);
    sleep(Duration::from_secs(3)).await;
    fleet.put(50);
    fleet.until("the new half is delivered", || fleet.oracle.outstanding() == 50).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fleet.oracle.outstanding(), 50);
    assert_eq!(fleet.oracle.verdict().duplicates, 0);
}

#[tokio::test(start_paused = true)]
async fn latest_reads_the_children_of_a_later_split_from_their_beginning() {
    let mut fleet = Fleet::new(1);
    start_at(&mut fleet, InitialPosition::Latest);
    sleep(Duration::from_secs(3)).await;
    fleet.split(&shard_id(0));
    fleet.put(100);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn at_timestamp_delivers_what_arrived_from_that_time_on_also_in_children() {
    let mut fleet = Fleet::new(2);
    fleet.put(50);
    sleep(Duration::from_secs(10)).await;
    fleet.split(&shard_id(0));
    fleet.put(50);
    sleep(Duration::from_secs(10)).await;
    let from = fleet.kinesis.now();
    fleet.put(50);
    start_at(&mut fleet, InitialPosition::AtTimestamp(from));
    fleet.until("the last third is delivered", || fleet.oracle.outstanding() == 100).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fleet.oracle.outstanding(), 100);
    assert_eq!(fleet.oracle.verdict().duplicates, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_after_the_checkpoint_whatever_the_initial_position() {
    let mut fleet = Fleet::new(1);
    fleet.consume_ten().await;
    assert!(matches!(fleet.row(&shard_id(0)).await.checkpoint, Checkpoint::At(_)));
    fleet.put(10);
    start_at(&mut fleet, InitialPosition::Latest);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_expired_is_replaced_and_nothing_is_skipped() {
    let mut fleet = Fleet::new(1);
    let oracle = Arc::clone(&fleet.oracle);
    // The first record takes longer than an iterator lives, while the reader has read as far ahead as it may.
    let factory = kcl_core::processor::for_each_record({
        let stream = fleet.stream.clone();
        let is_first = Arc::new(AtomicBool::new(true));
        move |record| {
            let (oracle, stream) = (Arc::clone(&oracle), stream.clone());
            let pause = if is_first.swap(false, Ordering::Relaxed) { 400 } else { 0 };
            async move {
                sleep(Duration::from_secs(pause)).await;
                oracle.deliver(&kcl_core::model::ShardKey::new(stream, shard_id(0)), &record);
                Ok(())
            }
        }
    });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    for _ in 0..100 {
        fleet.put(1);
        sleep(Duration::from_secs(2)).await;
    }
    fleet.drain().await;
    assert!(fleet.count_events("ReadFailed") >= 1, "the iterator did expire");
    assert_eq!(fleet.assert_good(), 0);
}
