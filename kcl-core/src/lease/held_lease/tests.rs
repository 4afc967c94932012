use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex as StdMutex;
use std::task::Poll;

use async_trait::async_trait;

use super::*;
use crate::lease::Consistency;
use crate::memory::MemoryLeaseStore;
use crate::model::StreamId;

const FAILOVER_TIME: Duration = Duration::from_secs(10);

/// What happens to the next update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Answer,
    LoseAnswer,
    /// Is applied, and answers never.
    Hang,
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
        let outcome = self.table.update(seen, change).await;
        let next = self.next.lock().unwrap().pop().unwrap_or(Next::Answer);
        match next {
            Next::Answer => outcome,
            Next::LoseAnswer => Err(Error::new(ErrorKind::Transient, "lost")),
            Next::Hang => std::future::pending().await,
        }
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
    HeldLease::take(store, seen, &WorkerId::new("me").unwrap(), FAILOVER_TIME).await
}

async fn held(store: &Arc<Store>, seen: &Lease) -> Arc<HeldLease> {
    match take(store, seen).await.unwrap() {
        Taken::Held(lease) => lease,
        Taken::Lost(row) => panic!("lost to {row:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_whose_answer_was_lost_is_recognised_and_counts_from_its_first_attempt() {
    let (store, row) = new_row().await;
    store.will(&[Next::Hang]);
    let before = Instant::now();
    let lease = held(&store, &row).await;
    assert!(before.elapsed() > Duration::from_secs(3), "the first attempt hung");
    assert_eq!(lease.deadline(), before + FAILOVER_TIME);
    assert_eq!(lease.acquired().counter, 1, "taken once");
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
    assert!(lease.met_namesake() && lease.lost().is_cancelled());
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
    assert!(!lease.lost().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_lost_one_failover_time_after_the_start_of_its_last_write() {
    let (store, row) = new_row().await;
    let lease = held(&store, &row).await;
    sleep_until(Instant::now() + Duration::from_secs(3)).await;
    let renewed_at = Instant::now();
    lease.renew().await.unwrap();
    store.will(&[Next::Hang, Next::Hang, Next::Hang, Next::Hang]);
    let hung = async { while lease.renew().await.is_err() {} };
    tokio::select! {
        biased;
        () = lease.expire() => {}
        () = hung => panic!("a hung write does not succeed"),
    }
    assert_eq!(Instant::now(), renewed_at + FAILOVER_TIME);
    assert_eq!(lease.renew().await.unwrap_err().kind(), ErrorKind::LeaseLost);
}
