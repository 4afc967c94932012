//! A whole fleet that is replaced by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kcl_core::lease::LeaseChange;
use kcl_core::testing::{Fault, LeaseCall};
use tokio::time::sleep;

use super::fleet::{Fleet, faulty_leases, secs};

/// Each new worker waits for the same leases to expire; by then each knows of the others.
#[tokio::test(start_paused = true)]
async fn a_fleet_that_replaces_one_that_crashed_as_a_whole_shares_what_it_left() {
    let mut fleet = Fleet::new(200);
    for number in 0..5 {
        fleet.start(&format!("old-{number}"));
    }
    sleep(secs(60)).await;
    for number in 0..5 {
        fleet.crash(&format!("old-{number}")).await;
    }
    let handed_over = fleet.count_events("LeaseHandedOver");
    let takes = Arc::new(AtomicUsize::new(0));
    for number in 0..10 {
        let takes = Arc::clone(&takes);
        let ports = faulty_leases(&fleet, move |call| match call {
            LeaseCall::Update(_, LeaseChange::Take { .. }) => {
                takes.fetch_add(1, Ordering::Relaxed);
                Fault::Delay(Duration::from_millis(10))
            }
            _ => Fault::None,
        });
        let name = format!("new-{number}");
        fleet.start_with(&name, fleet.settings(&name), ports, fleet.recorder());
    }
    sleep(secs(40)).await;
    let shares = fleet.shares().await;
    assert!(shares.len() == 10 && shares.values().all(|share| *share == 20), "{shares:?}");
    let moved = fleet.count_events("LeaseHandedOver") - handed_over;
    let takes = takes.load(Ordering::Relaxed);
    assert!(takes <= 2 * 200 && moved <= 40, "{takes} takes of 200 leases, {moved} moved afterwards");
}
