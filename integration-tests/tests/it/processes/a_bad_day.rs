//! A fleet of processes on a bad day: restarted one after another, killed, frozen for longer than the failover time, and
//! resharded meanwhile. An oracle that reads what they printed accounts for every record.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use super::worker_process::WorkerProcess;
use crate::fleet::Fleet;

const WORKERS: [&str; 4] = ["ada", "bob", "cyd", "dot"];

/// Two seconds: a test waits for it, and a busy machine must still renew in time.
const OPTIONS: [&str; 4] = ["--failover-time-ms", "2000", "--shard-sync-interval-ms", "500"];

/// Longer than the failover time, so that others take over from a process that believes to be alive.
const FREEZE: Duration = Duration::from_secs(3);

const RECORDS_PER_STEP: usize = 60;

struct Processes {
    running: BTreeMap<&'static str, WorkerProcess>,
}

impl Processes {
    fn start(&mut self, fleet: &Fleet, name: &'static str) {
        self.running.insert(name, WorkerProcess::start(fleet, name, &OPTIONS));
    }

    /// SIGTERM, and a new process of the same name, as a deployment does it.
    async fn restart(&mut self, fleet: &Fleet, name: &'static str) {
        let ended = self.running.remove(name).unwrap().terminate().await;
        assert!(ended.status.success(), "{name}: {ended:?}");
        self.start(fleet, name);
    }

    /// SIGKILL, and a new process of the same name, as an orchestrator does it.
    async fn kill(&mut self, fleet: &Fleet, name: &'static str) {
        self.running.remove(name).unwrap().kill().await;
        self.start(fleet, name);
    }

    async fn freeze(&self, fleet: &Fleet, name: &'static str) {
        let process = &self.running[name];
        process.freeze().await;
        fleet.put(RECORDS_PER_STEP).await;
        sleep(FREEZE).await;
        process.thaw().await;
    }
}

async fn split_one(fleet: &Fleet, rng: &mut Rng) {
    let open = fleet.open_shard_ids().await;
    fleet.split(&open[rng.usize(..open.len())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_accounted_for_on_a_bad_day() {
    let fleet = Fleet::new(4).await;
    let mut processes = Processes { running: BTreeMap::new() };
    let mut rng = Rng::with_seed(20);
    for name in WORKERS {
        processes.start(&fleet, name);
    }
    fleet.until_shares(&WORKERS.map(|name| (name, 1))).await;
    for round in 0..2 {
        for name in WORKERS {
            fleet.put(RECORDS_PER_STEP).await;
            processes.restart(&fleet, name).await;
        }
        split_one(&fleet, &mut rng).await;
        fleet.put(RECORDS_PER_STEP).await;
        processes.kill(&fleet, WORKERS[rng.usize(..WORKERS.len())]).await;
        fleet.put(RECORDS_PER_STEP).await;
        processes.freeze(&fleet, WORKERS[rng.usize(..WORKERS.len())]).await;
        fleet.put(RECORDS_PER_STEP).await;
        eprintln!("round {round} is over, {} records are outstanding", fleet.oracle.outstanding());
    }
    fleet.drain().await;
    for (name, process) in processes.running {
        let ended = process.terminate().await;
        assert!(ended.status.success(), "{name}: {ended:?}");
    }
    let duplicates = fleet.assert_good();
    // A crash may repeat a batch of each shard of that worker, and so may a freeze.
    assert!(duplicates <= 4 * 2 * RECORDS_PER_STEP, "{duplicates} duplicates");
}
