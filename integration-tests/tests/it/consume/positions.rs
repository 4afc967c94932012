//! Where a worker starts and goes on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kcl_core::WorkerSettings;
use kcl_core::model::{InitialPosition, ShardId, ShardKey, Timestamp};
use kcl_core::stream::{GET_RECORDS_MAX, IteratorPosition};
use kcl_core::testing::{Fault, FaultyKinesis, KinesisCall};
use kcl_core::worker::Ports;

use crate::backend::until;
use crate::fleet::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_after_the_checkpoint_and_repeats_nothing() {
    let mut fleet = Fleet::new(2).await;
    fleet.put(150).await;
    for restart in 0..3 {
        let outstanding = fleet.oracle.outstanding();
        fleet.start(fleet.small_reads("a"));
        fleet.until_outstanding("a has delivered something", outstanding.saturating_sub(1)).await;
        fleet.stop("a").await;
        let rows = fleet.rows().await;
        assert!(rows.iter().all(|row| row.owner.is_none()), "not released, restart {restart}: {rows:?}");
        fleet.put(10).await;
    }
    fleet.start(fleet.settings("a"));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_delivers_what_is_put_from_then_on() {
    let mut fleet = Fleet::new(2).await;
    fleet.put(50).await;
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    let read = Arc::new(Mutex::new(BTreeSet::new()));
    let (ports, recorder) = (watched(fleet.ports(), &read), fleet.recorder(&settings));
    fleet.start_with(settings, ports, recorder);
    // Whoever reads has an iterator, and what is put from then on lies behind it.
    until("both shards are read", || async { read.lock().unwrap().len() == 2 }).await;
    fleet.put(50).await;
    fleet.until_outstanding("the new half is delivered", 50).await;
    fleet.stop("a").await;
    assert_eq!(fleet.oracle.outstanding(), 50);
    assert_eq!(fleet.oracle.verdict().duplicates, 0);
}

/// The same ports, which note the shards that `GetRecords` is called for.
fn watched(ports: Ports, read: &Arc<Mutex<BTreeSet<ShardId>>>) -> Ports {
    let read = Arc::clone(read);
    let kinesis = FaultyKinesis::new(ports.kinesis, move |call| {
        if let KinesisCall::GetRecords(iterator) = call {
            read.lock().unwrap().insert(iterator.shard.shard_id.clone());
        }
        Fault::None
    });
    Ports { kinesis: Arc::new(kinesis), ..ports }
}

/// The time is one that the service itself gave to a record. The emulator in this process, and LocalStack, cut arrival
/// times to whole seconds: there it takes up to a second until a record has another than those before it.
#[tokio::test(flavor = "multi_thread")]
async fn at_timestamp_delivers_what_arrived_from_that_time_on() {
    let mut fleet = Fleet::new(1).await;
    fleet.put(20).await;
    until("a record has another arrival time than the first", || async {
        fleet.put(1).await;
        let arrivals = arrivals(&fleet).await;
        arrivals.first() < arrivals.last()
    })
    .await;
    let arrivals = arrivals(&fleet).await;
    let from = *arrivals.last().unwrap();
    let before = arrivals.iter().filter(|arrival| **arrival < from).count();
    fleet.put(20).await;

    let initial_position = InitialPosition::AtTimestamp(from);
    fleet.start(WorkerSettings { initial_position, ..fleet.settings("a") });
    fleet.until_outstanding("the newer records are delivered", before).await;
    fleet.stop("a").await;
    assert_eq!(fleet.oracle.outstanding(), before);
    assert_eq!(fleet.oracle.verdict().duplicates, 0);
}

/// When the records of the only shard arrived, in their order.
async fn arrivals(fleet: &Fleet) -> Vec<Timestamp> {
    let kinesis = fleet.backend.kinesis();
    let shard = ShardKey::new(fleet.stream.clone(), fleet.shard_ids().await.remove(0));
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap();
    let output = kinesis.get_records(&iterator, GET_RECORDS_MAX).await.unwrap();
    output.records.iter().map(|record| record.approximate_arrival).collect()
}
