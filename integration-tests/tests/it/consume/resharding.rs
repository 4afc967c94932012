//! Splits and merges under workers that consume.

use kcl_core::lease::Lease;
use kcl_core::model::ShardId;

use crate::fleet::Fleet;

/// Each shard takes many reads, so a child that did not wait for its parents would be ahead of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_and_a_merge_while_consuming_keep_every_key_in_order() {
    let mut fleet = Fleet::new(2).await;
    fleet.start(fleet.small_reads("a"));
    fleet.start(fleet.small_reads("b"));
    fleet.put(150).await;
    let shards = fleet.shard_ids().await;
    let [lower, upper] = &shards[..] else { panic!("{shards:?}") };
    let children = fleet.split(lower).await;
    fleet.put(100).await;
    let merged = fleet.backend.merge(&fleet.stream, &children[1], upper).await.shard_id;
    fleet.put(100).await;
    fleet.drain().await;
    fleet.until_rows("the parents are finished", |rows| count_finished(rows) == 3).await;
    fleet.assert_good();

    let rows = fleet.rows().await;
    let parents = |shard_id: &ShardId| {
        let row = rows.iter().find(|row| row.shard.shard_id == *shard_id).unwrap();
        (row.is_finished(), row.parents.clone())
    };
    assert_eq!(parents(lower), (true, vec![]));
    assert_eq!(parents(upper), (true, vec![]));
    assert_eq!(parents(&children[0]), (false, vec![lower.clone()]));
    assert_eq!(parents(&children[1]), (true, vec![lower.clone()]));
    assert_eq!(parents(&merged), (false, vec![upper.clone(), children[1].clone()]));
}

fn count_finished(rows: &[Lease]) -> usize {
    rows.iter().filter(|row| row.is_finished()).count()
}

/// Parents and children wait for the worker together, so only the rows can keep the order.
#[tokio::test(flavor = "multi_thread")]
async fn a_reshard_before_the_first_worker_is_read_parents_first() {
    let mut fleet = Fleet::new(1).await;
    fleet.put(60).await;
    let parent = fleet.shard_ids().await.remove(0);
    let children = fleet.split(&parent).await;
    fleet.put(60).await;
    fleet.split(&children[0]).await;
    fleet.put(60).await;
    fleet.start(fleet.small_reads("a"));
    fleet.start(fleet.small_reads("b"));
    fleet.drain().await;
    fleet.until_rows("the parents are finished", |rows| count_finished(rows) == 2).await;
    fleet.assert_good();
}
