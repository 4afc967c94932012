//! What a lease costs in writes of its row, beside the Java KCL.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl_core::lease::LeaseChange;
use kcl_core::testing::{Fault, LeaseCall};
use tokio::time::sleep;

use super::fleet::{Fleet, faulty_leases, secs};

const HOUR: Duration = Duration::from_hours(1);

/// A third of the failover time less 25 ms (`DynamoDBLeaseCoordinator`).
fn java_renewals_per_hour(failover_time: Duration) -> f64 {
    HOUR.as_secs_f64() / (failover_time.as_secs_f64() / 3.0 - 0.025)
}

/// Writes of a worker, since they were last forgotten.
#[derive(Default)]
struct Writes {
    checkpoints: AtomicU32,
    others: Mutex<Vec<String>>,
}

impl Writes {
    fn count(&self, call: LeaseCall<'_>) {
        match call {
            LeaseCall::Update(_, LeaseChange::Checkpoint { .. }) => {
                self.checkpoints.fetch_add(1, Ordering::Relaxed);
            }
            LeaseCall::Update(..)
            | LeaseCall::Request(..)
            | LeaseCall::Pin(..)
            | LeaseCall::Create(_)
            | LeaseCall::Delete(_) => {
                self.others.lock().unwrap().push(format!("{call:?}"));
            }
            LeaseCall::Prepare | LeaseCall::List(_) | LeaseCall::Get(_) => {}
        }
    }

    fn forget(&self) {
        self.checkpoints.store(0, Ordering::Relaxed);
        self.others.lock().unwrap().clear();
    }
}

/// Starts a worker whose writes are counted, and lets it take everything.
async fn start_counted(fleet: &mut Fleet) -> Arc<Writes> {
    let writes = Arc::new(Writes::default());
    let counted = Arc::clone(&writes);
    let ports = faulty_leases(fleet, move |call| {
        counted.count(call);
        Fault::None
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(60)).await;
    writes.forget();
    writes
}

#[tokio::test(start_paused = true)]
async fn an_idle_lease_costs_at_most_two_thirds_of_the_java_kcls_writes() {
    let mut fleet = Fleet::new(10);
    let writes = start_counted(&mut fleet).await;
    sleep(HOUR).await;
    let for_each_lease = f64::from(u32::try_from(writes.others.lock().unwrap().len()).unwrap()) / 10.0;
    let java = java_renewals_per_hour(fleet.settings("a").failover_time);
    assert!(for_each_lease <= java * 2.0 / 3.0, "{for_each_lease} writes, {java} of Java's");
    assert!(for_each_lease > java / 3.0, "{for_each_lease} writes do not keep a lease for an hour");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_checkpoints_often_is_not_renewed_besides() {
    for interval in [secs(1), secs(5)] {
        let mut fleet = Fleet::new(1);
        let writes = start_counted(&mut fleet).await;
        // Whatever was due while nothing was put.
        put_each(&mut fleet, interval, 2).await;
        writes.forget();
        put_each(&mut fleet, interval, 700).await;
        assert_eq!(writes.checkpoints.load(Ordering::Relaxed), 700);
        let others = writes.others.lock().unwrap();
        assert!(others.is_empty(), "a record each {interval:?}: {others:#?}");
    }
}

async fn put_each(fleet: &mut Fleet, interval: Duration, records: usize) {
    for _ in 0..records {
        fleet.put(1);
        sleep(interval).await;
    }
}
