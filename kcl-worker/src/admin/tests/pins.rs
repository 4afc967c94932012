use kcl_core::lease::Lease;
use kcl_core::model::{Checkpoint, WorkerId};

use super::super::pin::{pin, unpin};
use super::super::release::release;
use super::{ACT, Scene, each_once, release_of, secs};
use crate::cli::{PinArgs, TargetArgs, UnpinArgs};

fn pin_of(shard: &str, worker: &str, apply: bool) -> PinArgs {
    let (shard, worker) = (shard.to_owned(), WorkerId::new(worker).unwrap());
    PinArgs { shard, worker, target: TargetArgs::default(), apply }
}

fn unpin_of(shard: &str) -> UnpinArgs {
    UnpinArgs { shard: shard.to_owned(), target: TargetArgs::default(), apply: true }
}

#[tokio::test(start_paused = true)]
async fn what_is_pinned_stays_pinned_until_it_is_unpinned() {
    let scene = Scene::new();
    let (ada, bob) = (scene.start("ada"), scene.start("bob"));
    secs(20).await;
    let shards: Vec<String> = scene.rows().await.iter().map(|row| row.shard.shard_id.to_string()).collect();
    let of_bob = async || {
        let bob = WorkerId::new("bob").unwrap();
        scene.rows().await.iter().filter(|row| row.is_owned_by(&bob)).count()
    };
    assert_eq!(of_bob().await, 2);
    pin(&scene.target, &pin_of(&shards[0], "bob", false)).await.unwrap();
    assert!(scene.rows().await.iter().all(|row| row.pinned_to.is_none()), "not without --apply");
    for shard in &shards {
        scene.put(shard).await;
        pin(&scene.target, &pin_of(shard, "bob", true)).await.unwrap();
    }
    secs(10).await;
    assert_eq!(of_bob().await, 4);
    release(&scene.target, &release_of(&shards[0], ACT)).await.unwrap();
    secs(10).await;
    assert_eq!(of_bob().await, 4, "what is pinned comes back to its worker");
    for shard in &shards {
        unpin(&scene.target, &unpin_of(shard)).await.unwrap();
    }
    secs(10).await;
    assert_eq!(of_bob().await, 2);
    unpin(&scene.target, &unpin_of(&shards[0])).await.unwrap();
    let names: Vec<&str> = shards.iter().map(String::as_str).collect();
    assert_eq!(scene.take_delivered(), each_once(&names, &scene.shards().await));
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_finished_or_has_no_row_is_not_pinned() {
    let scene = Scene::new();
    scene.target.ports.leases.prepare().await.unwrap();
    let refused = pin(&scene.target, &pin_of("shardId-7", "bob", true)).await.unwrap_err();
    assert!(refused.to_string().contains("'shardId-7' has no row in 'orders'"), "{refused}");
    let shard = scene.target.shard("shardId-7");
    let finished = Lease::unowned(shard, Checkpoint::ShardEnd, Vec::new());
    scene.target.ports.leases.create(&finished).await.unwrap();
    let refused = pin(&scene.target, &pin_of("shardId-7", "bob", true)).await.unwrap_err();
    assert!(refused.to_string().contains("processed to its end"), "{refused}");
    assert_eq!(scene.rows().await, [finished]);
}
