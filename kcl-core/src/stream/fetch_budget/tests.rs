use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use super::*;

const KIB: usize = 1024;

/// A budget of 10 MiB for all, and 10 KiB for each.
const BUDGET: usize = 20 * 1024 * KIB;

/// All the room that a shard gets without waiting, in steps of `wanted`.
fn hoard(shard: &ShardBudget, wanted: usize) -> Vec<Room> {
    std::iter::from_fn(|| shard.reserve(wanted, None).now_or_never())
        .map(|mut room| {
            room.shrink(wanted);
            room
        })
        .collect()
}

fn bytes(rooms: &[Room]) -> usize {
    rooms.iter().map(Room::bytes).sum()
}

#[test]
fn shards_whose_processors_stopped_hold_part_of_the_budget_and_leave_others_a_share() {
    let budget = FetchBudget::new(BUDGET);
    let shards: Vec<ShardBudget> = (0..5).map(|_| budget.join()).collect();
    let held: Vec<_> = shards.iter().map(|shard| hoard(shard, 512 * KIB)).collect();
    let held: Vec<usize> = held.iter().map(|rooms| bytes(rooms) / KIB).collect();
    assert_eq!(held, [5_130, 2_570, 1_546, 522, 522]);
}

#[test]
fn a_shard_without_common_room_has_its_floor() {
    let budget = FetchBudget::new(BUDGET);
    let shards = [budget.join(), budget.join()];
    let mut room = shards[0].reserve(KIB, None).now_or_never().unwrap();
    room.try_grow(BUDGET);
    assert_eq!(bytes(&hoard(&shards[1], 5 * KIB)), 10 * KIB);
}

#[test]
fn no_shard_holds_more_batches_than_it_may() {
    let budget = FetchBudget::new(BUDGET);
    let shard = budget.join();
    assert_eq!(hoard(&shard, 1).len(), BATCHES_AHEAD_MAX);
}

#[test]
fn a_batch_that_left_the_queue_makes_place_for_another_and_keeps_its_bytes() {
    let budget = FetchBudget::new(BUDGET);
    let shard = budget.join();
    let mut rooms = hoard(&shard, 1);
    rooms[0].leave_queue();
    rooms.extend(hoard(&shard, 1));
    assert_eq!(rooms.len(), BATCHES_AHEAD_MAX + 1);
    assert_eq!(rooms[0].bytes(), 1);
}

#[test]
fn a_batch_larger_than_expected_takes_what_is_left_and_no_more() {
    let budget = FetchBudget::new(BUDGET);
    let shard = budget.join();
    let mut room = shard.reserve(5 * KIB, None).now_or_never().unwrap();
    room.shrink(5 * KIB);
    room.try_grow(BUDGET);
    assert_eq!(room.bytes(), BUDGET / 2 + 10 * KIB);
    assert!(shard.reserve(KIB, None).now_or_never().is_none());
    room.shrink(40 * KIB);
    assert_eq!(room.bytes(), 40 * KIB);
    assert!(shard.reserve(BUDGET / 4, None).now_or_never().is_some());
}

#[test]
fn a_page_is_generous_only_while_the_common_half_is_nearly_unused() {
    let budget = FetchBudget::new(BUDGET);
    let shard = budget.join();
    let generous = Some(BUDGET / 8);
    let first = shard.reserve(KIB, generous).now_or_never().unwrap();
    let second = shard.reserve(KIB, generous).now_or_never().unwrap();
    let third = shard.reserve(KIB, generous).now_or_never().unwrap();
    let sizes = [&first, &second, &third].map(Room::bytes);
    assert_eq!(sizes, [BUDGET / 8, BUDGET / 8, 10 * KIB]);
}

#[test]
fn more_shards_have_smaller_floors() {
    let budget = FetchBudget::new(BUDGET);
    let shards: Vec<ShardBudget> = (0..4 * FLOORS_MIN).map(|_| budget.join()).collect();
    assert_eq!(shards[0].floor.free(), 2_560);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_by_room_of_its_own_and_by_common_room() {
    let budget = FetchBudget::new(BUDGET);
    let (one, other) = (budget.join(), budget.join());
    let mut of_one = one.reserve(KIB, None).now_or_never().unwrap();
    of_one.try_grow(BUDGET);
    let mut of_other = hoard(&other, 6 * KIB);
    assert!(other.reserve(6 * KIB, None).now_or_never().is_none(), "{}", bytes(&of_other));
    let waiting = tokio::spawn(async move { (other.reserve(6 * KIB, None).await.bytes(), other) });
    tokio::task::yield_now().await;
    of_other.clear();
    let got = timeout(Duration::from_secs(1), waiting).await;
    let (got, other) = got.unwrap().unwrap();
    assert_eq!(got, 10 * KIB, "its floor");
    let _floor = hoard(&other, 10 * KIB);
    let waiting = tokio::spawn(async move { other.reserve(100 * KIB, None).await.bytes() });
    tokio::task::yield_now().await;
    of_one.shrink(KIB);
    let got = timeout(Duration::from_secs(1), waiting).await;
    assert_eq!(got.unwrap().unwrap(), 100 * KIB, "of the common half");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_holds_as_much_as_is_left_waits_for_its_own() {
    let budget = FetchBudget::new(BUDGET);
    let (one, other) = (budget.join(), budget.join());
    let mut of_one = hoard(&one, 1_024 * KIB);
    assert_eq!(bytes(&of_one), BUDGET / 4 + 10 * KIB);
    let of_other = other.reserve(2_048 * KIB, None).now_or_never().unwrap();
    let waiting = tokio::spawn(async move { one.reserve(1_024 * KIB, None).await.bytes() });
    tokio::task::yield_now().await;
    drop(of_other);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    of_one.truncate(4);
    let got = timeout(Duration::from_secs(1), waiting).await;
    assert_eq!(got.unwrap().unwrap(), 1_024 * KIB);
}

#[test]
fn everything_comes_back() {
    let budget = FetchBudget::new(BUDGET);
    for wanted in [KIB, 3 * KIB + 17, 77 * KIB, 2 * BUDGET] {
        let shards = [budget.join(), budget.join()];
        for shard in &shards {
            let mut rooms = hoard(shard, wanted);
            for room in &mut rooms {
                room.try_grow(2 * wanted);
                room.shrink(wanted / 2);
            }
        }
        assert_eq!(shards.each_ref().map(|shard| shard.floor.free()), [10 * KIB; 2]);
        assert_eq!(budget.common.available_permits() * UNIT_BYTES, budget.common_bytes);
        assert!(shards.iter().all(|shard| shard.floor.has_no_common()));
    }
    assert_eq!(budget.shards.load(Ordering::Relaxed), 0);
}
