use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex as StdMutex;
use std::task::Poll;

use async_trait::async_trait;

use super::*;
use crate::lease::{Consistency, HandOverRequest, RequestForm};
use crate::memory::MemoryLeaseStore;
use crate::model::{RecordPosition, StreamId};
use crate::planted::Planted;

mod preparing;

const FAILOVER_TIME: Duration = Duration::from_secs(10);

/// What happens to the next update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Answer,
    LoseAnswer,
    /// Is applied, and answers never.
    Hang,
    /// Never arrives.
    Drop,
}

#[derive(Debug)]
struct Store {
    table: MemoryLeaseStore,
    next: StdMutex<Vec<Next>>,
}

impl Store {
    fn will(&self, next: &[Next]) {
        *self.next.lock().unwrap() = next.iter().rev().copied().collect();
    }
}

#[async_trait]
impl LeaseStore for Store {
    async fn prepare(&self) -> Result<()> {
        self.table.prepare().await
    }

    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        self.table.list(consistency).await
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        self.table.get(shard).await
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        self.table.create(lease).await
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        let next = self.next.lock().unwrap().pop().unwrap_or(Next::Answer);
        if next == Next::Drop {
            return Err(Error::new(ErrorKind::Transient, "dropped"));
        }
        let outcome = self.table.update(seen, change).await;
        match next {
            Next::Answer => outcome,
            Next::Drop | Next::LoseAnswer => Err(Error::new(ErrorKind::Transient, "lost")),
            Next::Hang => std::future::pending().await,
        }
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        self.table.request(seen, by).await
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        self.table.pin(seen, to).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        self.table.delete(seen).await
    }
}

async fn new_row() -> (Arc<Store>, Lease) {
    let store = Arc::new(Store { table: MemoryLeaseStore::new(), next: StdMutex::default() });
    store.prepare().await.unwrap();
    let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-0"));
    let row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
    store.create(&row).await.unwrap();
    (store, row)
}

async fn take(store: &Arc<Store>, seen: &Lease) -> Result<Taken> {
    let store: Arc<dyn LeaseStore> = Arc::<Store>::clone(store);
    HeldLease::take(store, seen, &WorkerId::new("me").unwrap(), FAILOVER_TIME, Planted::default()).await
}

async fn held(store: &Arc<Store>, seen: &Lease) -> Arc<HeldLease> {
    match take(store, seen).await.unwrap() {
        Taken::Held(lease) => lease,
        Taken::Lost(row) => panic!("lost to {row:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_whose_answer_was_lost_is_made_again_on_top_of_itself() {
    let (store, row) = new_row().await;
    store.will(&[Next::Hang]);
    let before = Instant::now();
    let lease = held(&store, &row).await;
    assert!(before.elapsed() > Duration::from_secs(1), "the first attempt hung");
    assert!(lease.written_at() > before, "its time counts from the attempt that was answered");
    assert_eq!(lease.acquired().counter, 2);
}

#[tokio::test(start_paused = true)]
async fn a_twin_that_took_the_row_first_is_not_taken_for_ourselves() {
    let (store, row) = new_row().await;
    let _first = held(&store, &row).await;
    assert!(matches!(take(&store, &row).await.unwrap(), Taken::Lost(Some(_))));
}

#[tokio::test(start_paused = true)]
async fn a_twin_that_writes_the_row_is_met_by_name() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.table.update(lease.acquired(), &LeaseChange::Renew).await.unwrap();
    assert_eq!(lease.renew().await.unwrap_err().kind(), ErrorKind::LeaseLost);
    assert!(lease.loss() == Some(&LeaseLoss::Namesake) && lease.ended().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_commit_on_top_of_a_renewal_in_doubt_is_made() {
    for next in [[Next::LoseAnswer], [Next::Hang]] {
        let (store, row) = new_row().await;
        let lease = held(&store, &row).await;
        store.will(&next);
        assert!(lease.renew().await.unwrap_err().is_retryable());
        lease.checkpoint(Checkpoint::Latest, Vec::new()).await.unwrap();
        let row = store.get(lease.shard()).await.unwrap().unwrap();
        assert_eq!((row.counter, row.checkpoint), (3, Checkpoint::Latest));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_has_come_further_by_a_write_in_doubt_does_not_move_back() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.will(&[Next::LoseAnswer]);
    assert!(lease.checkpoint(Checkpoint::ShardEnd, Vec::new()).await.is_err());
    lease.checkpoint(Checkpoint::Latest, Vec::new()).await.unwrap();
    assert_eq!(store.get(lease.shard()).await.unwrap().unwrap().checkpoint, Checkpoint::ShardEnd);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_future_is_dropped_leaves_its_doubt_behind() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.will(&[Next::Hang]);
    {
        let mut renewal = pin!(lease.renew());
        poll_fn(|context| {
            assert!(renewal.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    lease.renew().await.unwrap();
    assert!(!lease.ended().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_lost_nine_tenths_of_a_failover_time_after_the_start_of_its_last_write() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    sleep_until(Instant::now() + Duration::from_secs(3)).await;
    let renewed_at = Instant::now();
    lease.renew().await.unwrap();
    store.will(&[Next::Hang; 12]);
    let hung = async { while lease.renew().await.is_err() {} };
    tokio::select! {
        biased;
        () = lease.expire() => {}
        () = hung => panic!("a hung write does not succeed"),
    }
    assert_eq!(Instant::now(), renewed_at + Duration::from_secs(9));
    assert_eq!(lease.renew().await.unwrap_err().kind(), ErrorKind::LeaseLost);
}

async fn row_of(store: &Arc<Store>, lease: &HeldLease) -> Lease {
    store.get(lease.shard()).await.unwrap().unwrap()
}

fn rival() -> WorkerId {
    WorkerId::new("rival").unwrap()
}

fn position() -> Checkpoint {
    let sequence_number = "7".parse().unwrap();
    Checkpoint::At(RecordPosition { sequence_number, sub_sequence_number: 0 })
}

/// A lease that the rival has asked for, and its owner knows.
async fn requested() -> (Arc<Store>, Arc<HeldLease>) {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.request(lease.acquired(), Some(&rival())).await.unwrap();
    lease.observe(&row_of(&store, &lease).await);
    lease.requested().await;
    (store, lease)
}

#[tokio::test(start_paused = true)]
async fn an_owner_learns_of_a_request_from_the_answer_to_its_own_write() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.request(lease.acquired(), Some(&rival())).await.unwrap();
    lease.renew().await.unwrap();
    lease.requested().await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_commits_and_moves_the_lease_in_one_write() {
    let (store, lease) = requested().await;
    assert_eq!(lease.leave(Some(&position())).await.unwrap(), Some(rival()));
    let row = row_of(&store, &lease).await;
    assert_eq!((row.counter, row.owner, row.checkpoint), (2, Some(rival()), position()));
    assert_eq!(row.request.unwrap().by, rival(), "who has not taken it up");
    assert!(lease.ended().is_cancelled() && lease.loss().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_whose_answer_was_lost_is_recognised_whoever_has_the_lease_by_then() {
    for next in [Next::LoseAnswer, Next::Hang] {
        for is_taken_up in [false, true] {
            let (store, lease) = requested().await;
            store.will(&[next]);
            assert!(lease.leave(Some(&position())).await.unwrap_err().is_retryable());
            if is_taken_up {
                let row = row_of(&store, &lease).await;
                store.table.update(&row, &LeaseChange::Take { by: rival() }).await.unwrap();
            }
            assert_eq!(lease.leave(Some(&position())).await.unwrap(), Some(rival()));
            assert!(lease.loss().is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_never_arrived_and_was_overtaken_by_a_thief_is_a_loss() {
    let (store, lease) = requested().await;
    store.will(&[Next::Drop]);
    assert!(lease.leave(Some(&position())).await.unwrap_err().is_retryable());
    let row = row_of(&store, &lease).await;
    let thief = WorkerId::new("thief").unwrap();
    store.table.update(&row, &LeaseChange::Take { by: thief.clone() }).await.unwrap();
    lease.leave(Some(&position())).await.unwrap();
    assert_eq!(lease.loss(), Some(&LeaseLoss::TakenBy(thief)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_withdrawn_leaves_the_lease_to_anybody() {
    let (store, lease) = requested().await;
    store.request(&row_of(&store, &lease).await, None).await.unwrap();
    assert_eq!(lease.leave(Some(&position())).await.unwrap(), None);
    let row = row_of(&store, &lease).await;
    assert_eq!((row.owner, row.checkpoint), (None, position()));
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_stand_in_the_way_of_a_write_in_doubt() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.will(&[Next::LoseAnswer]);
    assert!(lease.checkpoint(position(), Vec::new()).await.is_err());
    store.request(&row_of(&store, &lease).await, Some(&rival())).await.unwrap();
    lease.checkpoint(position(), Vec::new()).await.unwrap();
    let row = row_of(&store, &lease).await;
    assert_eq!(row.counter, 2, "committed once");
    lease.requested().await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_does_not_stand_in_the_way_of_a_write_in_doubt() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    store.will(&[Next::LoseAnswer]);
    assert!(lease.renew().await.is_err());
    store.pin(&row_of(&store, &lease).await, Some(&rival())).await.unwrap();
    lease.renew().await.unwrap();
    assert_eq!(row_of(&store, &lease).await.counter, 2, "renewed once");
    assert_eq!(lease.leave(Some(&position())).await.unwrap(), None, "nobody has asked for it");
    assert_eq!(row_of(&store, &lease).await.pinned_to, Some(rival()));
}

/// `DynamoDBLeaseRefresher.initiateGracefulLeaseHandoff`: the next owner is there already, and the counter has not moved.
async fn asked_by_java(store: &Arc<Store>, lease: &HeldLease) {
    let row = row_of(store, lease).await;
    let request = HandOverRequest { by: rival(), form: RequestForm::CheckpointOwner };
    store.table.delete(&row).await.unwrap();
    store.create(&Lease { request: Some(request), ..row }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_java_moves_is_kept_alive_committed_and_handed_over() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    asked_by_java(&store, &lease).await;
    lease.renew().await.unwrap();
    lease.requested().await;
    lease.checkpoint(Checkpoint::Latest, Vec::new()).await.unwrap();
    assert_eq!(lease.leave(Some(&position())).await.unwrap(), Some(rival()));
    let row = row_of(&store, &lease).await;
    assert_eq!((row.owner, row.request, row.checkpoint), (Some(rival()), None, position()));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_time_has_run_out_is_dead_before_anybody_has_noticed() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    assert!(lease.is_alive());
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(!lease.is_alive());
    assert_eq!(lease.loss(), Some(&LeaseLoss::Expired));
}
