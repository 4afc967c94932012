//! One worker id in two processes, with latencies, stale scans and late writes.

use std::sync::Arc;
use std::time::Duration;

use kcl_core::WorkerSettings;
use kcl_core::lease::LeaseChange;
use kcl_core::worker::Ports;
use tokio::time::sleep;

use super::fleet::{Fleet, secs, shard_id};
use super::laggy::LaggyStore;

#[tokio::test(start_paused = true)]
async fn two_of_one_id_that_start_together_are_found() {
    let mut fleet = Fleet::new(4);
    fleet.put(100);
    for name in ["first", "second"] {
        let laggy = LaggyStore::new(Arc::clone(&fleet.leases), Duration::from_millis(20), Duration::ZERO);
        let ports = Ports { leases: Arc::new(laggy), ..fleet.ports() };
        fleet.start_with(name, fleet.settings("a"), ports, fleet.recorder());
    }
    sleep(secs(120)).await;
    fleet.split(&shard_id(0));
    fleet.put(100);
    sleep(secs(120)).await;
    assert!(fleet.ended() >= 1, "after four minutes: {:?}", fleet.shares().await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_comes_back_under_its_id_though_a_scan_is_stale() {
    let mut fleet = Fleet::new(2);
    let laggy =
        Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), Duration::ZERO, Duration::from_millis(1_100)));
    let ports = Ports { leases: laggy, ..fleet.ports() };
    fleet.start_with("a", fleet.settings("a"), ports.clone(), fleet.recorder());
    for _ in 0..50 {
        fleet.put(5);
        sleep(Duration::from_millis(200)).await;
    }
    fleet.crash("a").await;
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(30)).await;
    assert_eq!(fleet.ended(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_of_a_crashed_predecessor_is_no_twin() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    sleep(secs(10)).await;
    fleet.crash("a").await;
    let row = fleet.row(&shard_id(0)).await;
    fleet.start("a");
    sleep(Duration::from_millis(100)).await;
    // The predecessor's last renewal was on its way when it crashed.
    fleet.leases.update(&row, &LeaseChange::Renew).await.unwrap();
    sleep(secs(60)).await;
    assert_eq!(fleet.ended(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_is_no_twin_though_looks_are_rare() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    sleep(secs(10)).await;
    fleet.crash("a").await;
    let row = fleet.row(&shard_id(0)).await;
    let settings = WorkerSettings { lease_scan_interval: secs(15), ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(Duration::from_millis(100)).await;
    fleet.leases.update(&row, &LeaseChange::Renew).await.unwrap();
    sleep(secs(60)).await;
    assert_eq!(fleet.ended(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_a_short_failover_time_comes_back_under_its_id() {
    let mut fleet = Fleet::new(1);
    let laggy =
        Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), Duration::ZERO, Duration::from_millis(1_100)));
    let ports = Ports { leases: laggy, ..fleet.ports() };
    let settings = WorkerSettings { failover_time: secs(1), ..fleet.settings("a") };
    fleet.start_with("a", settings.clone(), ports.clone(), fleet.recorder());
    for _ in 0..50 {
        fleet.put(5);
        sleep(Duration::from_millis(200)).await;
    }
    fleet.crash("a").await;
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(30)).await;
    assert_eq!(fleet.ended(), 0);
}
