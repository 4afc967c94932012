//! Who takes what: limits, stale scans, shards that some workers cannot read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Record, ShardKey, StreamId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor, for_each_record};
use kcl_core::testing::{Fault, FaultyLeaseStore, KinesisCall, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{Fleet, faulty_kinesis, secs};
use super::laggy::LaggyStore;

#[tokio::test(start_paused = true)]
async fn a_full_worker_does_not_keep_another_from_taking_the_rest() {
    let mut fleet = Fleet::new(10);
    fleet.put(200);
    let settings = WorkerSettings { max_leases_for_worker: 2, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(secs(10)).await;
    fleet.start("b");
    sleep(secs(120)).await;
    assert_eq!(fleet.shares().await.values().sum::<usize>(), 10, "{:?}", fleet.shares().await);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_nobody_takes_is_reported() {
    let mut fleet = Fleet::new(2);
    let settings = WorkerSettings { max_leases_for_worker: 1, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(secs(10)).await;
    let from = fleet.events.lock().unwrap().len();
    sleep(secs(3600)).await;
    assert!(fleet.events.lock().unwrap().len() > from, "an hour without a word: {:#?}", fleet.rows().await);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_one_worker_cannot_read_is_read_by_the_other() {
    let mut fleet = Fleet::new(4);
    let broken: Arc<Mutex<Option<ShardKey>>> = Arc::default();
    let is_broken = Arc::clone(&broken);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetRecords(iterator) if Some(&iterator.shard) == is_broken.lock().unwrap().as_ref() => {
            Fault::Fail(ErrorKind::Refused)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    fleet.start("b");
    sleep(secs(30)).await;
    let row = fleet.rows().await.into_iter().find(|row| row.owner.as_ref().unwrap().as_str() == "a").unwrap();
    *broken.lock().unwrap() = Some(row.shard);
    fleet.put(100);
    sleep(secs(120)).await;
    assert_eq!(
        fleet.oracle.outstanding(),
        0,
        "taken {} failed {}",
        fleet.count_events("LeaseTaken"),
        fleet.count_events("ShardFailed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_can_read_nothing_does_not_disturb_one_that_can() {
    let mut fleet = Fleet::new(2);
    fleet.start("b");
    sleep(secs(10)).await;
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetShardIterator(..) => Fault::Fail(ErrorKind::Refused),
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    let before = fleet.count_events("b: LeaseLost");
    sleep(secs(100)).await;
    let lost = fleet.count_events("b: LeaseLost") - before;
    assert!(lost <= 11, "b lost {lost} leases in 100 s to a worker that can read nothing");
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_under_stale_scans() {
    let mut fleet = Fleet::new(6);
    let laggy =
        Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), Duration::ZERO, Duration::from_millis(1_100)));
    let ports = Ports { leases: laggy, ..fleet.ports() };
    fleet.start_with("x", fleet.settings("x"), ports.clone(), fleet.recorder());
    sleep(secs(10)).await;
    fleet.stop("x").await;
    sleep(secs(10)).await;
    let settings = WorkerSettings { max_leases_for_worker: 2, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(30)).await;
    assert_eq!(fleet.shares().await["a"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_moves_each_lease_at_most_once_under_stale_scans() {
    let mut fleet = Fleet::new(12);
    let laggy =
        Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), Duration::ZERO, Duration::from_millis(1_100)));
    let ports = Ports { leases: laggy, ..fleet.ports() };
    fleet.start_with("a", fleet.settings("a"), ports.clone(), fleet.recorder());
    sleep(secs(30)).await;
    let taken = fleet.count_events("LeaseTaken");
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(120)).await;
    let moves = fleet.count_events("LeaseTaken") - taken;
    assert_eq!(moves, 6, "{:?}", fleet.shares().await);
}

type AtWork = Arc<Mutex<BTreeMap<ShardKey, usize>>>;

/// Takes 1.5 s for a batch; knows how many calls for one shard were under way at once, dropped ones not counted.
struct OneAtATime {
    at_work: AtWork,
    most: Arc<AtomicUsize>,
}

struct Guard(AtWork, ShardKey);

impl Drop for Guard {
    fn drop(&mut self) {
        *self.0.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl RecordProcessor for OneAtATime {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        let now = {
            let mut at_work = self.at_work.lock().unwrap();
            let now = at_work.entry(batch.shard.clone()).or_default();
            *now += 1;
            *now
        };
        let _guard = Guard(Arc::clone(&self.at_work), batch.shard.clone());
        self.most.fetch_max(now, Ordering::Relaxed);
        sleep(Duration::from_millis(1_500)).await;
        Ok(())
    }
}

fn one_at_a_time(
    at_work: &AtWork,
    most: &Arc<AtomicUsize>,
) -> impl Fn(&ShardKey) -> OneAtATime + Send + Sync + use<> {
    let (at_work, most) = (Arc::clone(at_work), Arc::clone(most));
    move |_| OneAtATime { at_work: Arc::clone(&at_work), most: Arc::clone(&most) }
}

// A stale scan and one lost answer: the worker takes the lease that it holds, and consumes the shard twice.
#[tokio::test(start_paused = true)]
async fn a_worker_never_takes_a_lease_that_it_holds() {
    let mut fleet = Fleet::new(2);
    let laggy =
        Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), Duration::ZERO, Duration::from_millis(1_100)));
    let laggy_ports = Ports { leases: Arc::<LaggyStore>::clone(&laggy), ..fleet.ports() };
    fleet.start_with("a", fleet.settings("a"), laggy_ports, fleet.recorder());
    sleep(Duration::from_millis(20_500)).await;
    // The second `Take` of b meets its own first one, and that answer is lost.
    let takes = AtomicUsize::new(0);
    let faulty = FaultyLeaseStore::new(laggy, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Take { .. }) if takes.fetch_add(1, Ordering::Relaxed) == 1 => {
            Fault::LoseAnswer
        }
        _ => Fault::None,
    });
    let (at_work, most) = (AtWork::default(), Arc::new(AtomicUsize::new(0)));
    let factory = one_at_a_time(&at_work, &most);
    fleet.start_with("b", fleet.settings("b"), Ports { leases: Arc::new(faulty), ..fleet.ports() }, factory);
    for _ in 0..20 {
        fleet.put(10);
        sleep(Duration::from_millis(500)).await;
    }
    let leases_taken = fleet.count_events("b: LeaseTaken");
    let ended = fleet.ended();
    let why = if ended > 0 { format!("{:?}", fleet.outcome("b").await) } else { String::new() };
    assert!(
        leases_taken == 1 && ended == 0,
        "b took its one lease {leases_taken} times, {} processors of a shard at once, {why}",
        most.load(Ordering::Relaxed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_leaves_the_leases_of_another_stream_alone() {
    let mut fleet = Fleet::new(1);
    let other = StreamId::named("other").unwrap();
    fleet.kinesis.create_stream(&other, 6).unwrap();
    let streams: Arc<Mutex<BTreeSet<ShardKey>>> = Arc::default();
    let (log, mut settings) = (Arc::clone(&streams), fleet.settings("b"));
    settings.stream = other.clone();
    fleet.start_with("b", settings, fleet.ports(), fleet.recorder());
    sleep(secs(5)).await;
    let factory = move |shard: &ShardKey| {
        log.lock().unwrap().insert(shard.clone());
        for_each_record(|_: Record| async { Ok(()) })
    };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(secs(30)).await;
    let consumed = streams.lock().unwrap().clone();
    assert!(
        consumed.iter().all(|shard| shard.stream == fleet.stream),
        "a, of stream orders, consumes {consumed:?}"
    );
}
