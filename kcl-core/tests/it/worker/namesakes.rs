//! Two processes under one worker id.

use std::time::Duration;

use kcl_core::ErrorKind;
use tokio::time::sleep;

use super::fleet::Fleet;

/// The second of the name ends with an error that says so; the first goes on and loses nothing.
#[tokio::test(start_paused = true)]
async fn a_second_worker_of_the_same_id_is_refused() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.put(10);
    fleet.drain().await;
    let settings = fleet.settings("a");
    fleet.start_with("twin", settings, fleet.ports(), fleet.recorder());
    let error = fleet.outcome("twin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("worker id 'a' is in use"), "{error}");
    fleet.put(10);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("LeaseLost"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_may_come_back_under_its_old_id_after_a_crash() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.put(10);
    fleet.drain().await;
    fleet.crash("a").await;
    fleet.put(10);
    fleet.start("a");
    fleet.drain().await;
    fleet.assert_good();
}

/// Two that start together on free leases: at most one of them goes on.
#[tokio::test(start_paused = true)]
async fn of_two_that_start_together_under_one_id_at_most_one_goes_on() {
    let mut fleet = Fleet::new(4);
    fleet.put(100);
    for name in ["first", "second"] {
        let settings = fleet.settings("a");
        fleet.start_with(name, settings, fleet.ports(), fleet.recorder());
    }
    sleep(Duration::from_secs(60)).await;
    fleet.until("one has ended", || fleet.ended() >= 1).await;
    assert!(fleet.oracle.verdict().missing.count == 0 || fleet.ended() == 2);
}
