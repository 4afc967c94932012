//! Processes on one table.

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::worker_process::{WorkerProcess, ask_to_stop, member};
use crate::backend::WAIT_MAX;
use crate::fleet::Fleet;

/// Two seconds: a test waits for it, and a busy machine must still renew in time.
const SHORT_FAILOVER: [&str; 2] = ["--failover-time-ms", "2000"];

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_shards_and_a_killed_one_leaves_its_own_to_the_other() {
    let fleet = Fleet::new(4).await;
    let a = WorkerProcess::start(&fleet, "a", &SHORT_FAILOVER);
    let b = WorkerProcess::start(&fleet, "b", &SHORT_FAILOVER);
    fleet.until_shares(&[("a", 2), ("b", 2)]).await;
    fleet.put(200).await;
    a.kill().await;
    fleet.put(100).await;
    fleet.drain().await;
    fleet.until_shares(&[("b", 4)]).await;
    fleet.assert_good();
    let ended = b.terminate().await;
    assert!(ended.status.success(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_asked_to_stop_gives_everything_back_and_nothing_is_repeated() {
    let fleet = Fleet::new(2).await;
    for restart in 0..2 {
        fleet.put(50).await;
        let outstanding = fleet.oracle.outstanding();
        let process = WorkerProcess::start(&fleet, "a", &[]);
        fleet.until_outstanding("it has begun", outstanding - 1).await;
        fleet.put(50).await;
        let ended = process.terminate().await;
        assert_eq!(ended.status.code(), Some(0), "restart {restart}: {ended:?}");
        let rows = fleet.rows().await;
        assert!(rows.iter().all(|row| row.owner.is_none()), "restart {restart}: {rows:?}");
    }
    let process = WorkerProcess::start(&fleet, "a", &[]);
    fleet.drain().await;
    process.terminate().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_under_a_worker_id_is_refused_and_the_first_goes_on() {
    let fleet = Fleet::new(1).await;
    let first = WorkerProcess::start(&fleet, "twin", &SHORT_FAILOVER);
    fleet.until_shares(&[("twin", 1)]).await;
    let second = WorkerProcess::start(&fleet, "twin", &SHORT_FAILOVER).ended().await;
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.log.contains("worker id 'twin' is in use"), "{second:?}");
    fleet.put(50).await;
    fleet.drain().await;
    let first = first.terminate().await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert_eq!(fleet.assert_good(), 0);
}

/// Status 0 would say that everything printed is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_output_nobody_reads_says_that_it_was_forced_to_stop() {
    let fleet = Fleet::new(1).await;
    // More, as lines, than a pipe holds.
    fleet.put(1_000).await;
    let mut child = member(&fleet, "a", &["--shutdown-grace-ms", "100"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // It has begun to print, and will wait for the rest to be read.
    timeout(WAIT_MAX, stdout.read_u8()).await.unwrap().unwrap();
    ask_to_stop(&child).await;
    let ended = timeout(WAIT_MAX, child.wait_with_output()).await.unwrap().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{log}");
    assert!(log.contains("did not finish within the grace period"), "{log}");
}
