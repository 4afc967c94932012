//! Splits and merges: parents to their end before children.

use std::time::Duration;

use kcl_core::model::{Checkpoint, ShardId, Timestamp};
use tokio::time::sleep;

use super::fleet::{Fleet, shard_id};

/// Fails if a shard was started before one of its parents had ended.
fn assert_parents_first(fleet: &Fleet) {
    let events = fleet.events.lock().unwrap();
    let position = |event: &str, shard: &ShardId| {
        events.iter().position(|(_, text)| text.contains(event) && text.contains(&format!("{shard}\"")))
    };
    for shard in fleet.kinesis.shards(&fleet.stream).unwrap() {
        for parent in shard.parents() {
            let (taken, ended) = (position("LeaseTaken", &shard.shard_id), position("ShardEnded", parent));
            assert!(ended.unwrap() < taken.unwrap(), "{} before {parent} had ended", shard.shard_id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn split_and_merge_lose_nothing_and_keep_the_order_of_every_key() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.start("b");
    fleet.put(300);
    sleep(Duration::from_secs(3)).await;
    let [left, right] = fleet.split(&shard_id(0));
    fleet.put(300);
    sleep(Duration::from_millis(100)).await;
    fleet.split(&left);
    fleet.put(300);
    let merged = fleet.kinesis.merge_shards(&fleet.stream, &right, &shard_id(1)).unwrap();
    fleet.put(300);
    fleet.drain().await;
    fleet.until("the parents have ended", || fleet.count_events("ShardEnded") == 4).await;
    fleet.assert_good();
    assert_parents_first(&fleet);
    for parent in [&shard_id(0), &left, &right, &shard_id(1)] {
        assert_eq!(fleet.row(parent).await.checkpoint, Checkpoint::ShardEnd);
    }
    assert_eq!(fleet.row(&shard_id(0)).await.children, [left, right.clone()]);
    assert_eq!(fleet.row(&right).await.children, [merged]);
}

#[tokio::test(start_paused = true)]
async fn a_reshard_of_a_reshard_while_the_fleet_is_down_is_read_from_the_beginning() {
    let mut fleet = Fleet::new(1);
    fleet.put(100);
    fleet.start("a");
    fleet.drain().await;
    fleet.stop("a").await;
    let [left, _] = fleet.split(&shard_id(0));
    fleet.put(100);
    fleet.split(&left);
    fleet.put(100);
    fleet.start("a");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_parents_first(&fleet);
}

#[tokio::test(start_paused = true)]
async fn children_wait_and_the_reason_can_be_read() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.split(&shard_id(0));
    fleet.put(10);
    let factory = kcl_core::processor::for_each_record(|_| async { Err("stuck".into()) });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(Duration::from_secs(200)).await;
    assert_eq!(fleet.count_events("LeaseTaken"), 1, "only the parent");
    assert_eq!(fleet.count_events("WaitingForParents"), 2, "one for each child, said once");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_left_the_retention_is_reported_and_does_not_block_its_children() {
    let mut fleet = Fleet::new(1);
    fleet.consume_ten().await;
    fleet.split(&shard_id(0));
    sleep(Duration::from_secs(3_600)).await;
    let horizon: Timestamp = fleet.kinesis.now();
    fleet.kinesis.trim(&fleet.stream, horizon).unwrap();
    fleet.put(10);
    fleet.start("a");
    fleet.drain().await;
    assert_eq!(fleet.count_events("ShardTrimmed"), 1);
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_finished_row_goes_once_its_shard_is_trimmed_and_its_children_have_begun() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    fleet.put(10);
    fleet.drain().await;
    fleet.split(&shard_id(0));
    fleet.put(40);
    fleet.drain().await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(fleet.rows().await.len(), 3, "still listed, so still needed");
    fleet.kinesis.trim(&fleet.stream, fleet.kinesis.now()).unwrap();
    fleet.until_rows("the parent's row is gone", |rows| rows.len() == 2).await;
    fleet.put(10);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}
