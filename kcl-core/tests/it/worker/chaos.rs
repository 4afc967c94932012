//! A fleet to which everything happens at random, from a seed: whatever the order of events, nothing is lost, every key
//! stays in order, and once the trouble ends the fleet heals.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl_core::testing::{Fault, FaultyKinesis, FaultyLeaseStore, KinesisCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::Fleet;
use super::random::Random;

const SEEDS: u64 = 60;
const STEPS: usize = 60;
const WORKERS: [&str; 4] = ["a", "b", "c", "d"];

/// The share of calls that fail, in each way, while there is trouble.
const FAULT_PERCENT: u64 = 4;

struct Trouble {
    random: Mutex<Random>,
    on: Mutex<bool>,
}

impl Trouble {
    /// What happens to the next call; `expires` if it may find its iterator expired.
    fn strike(&self, expires: bool) -> Fault {
        if !*self.on.lock().unwrap() {
            return Fault::None;
        }
        match self.random.lock().unwrap().below(100) / FAULT_PERCENT {
            0 => Fault::Fail(ErrorKind::Throttled),
            1 => Fault::Fail(ErrorKind::Transient),
            2 => Fault::LoseAnswer,
            3 => Fault::Hang,
            4 if expires => Fault::Fail(ErrorKind::IteratorExpired),
            _ => Fault::None,
        }
    }
}

struct Chaos {
    fleet: Fleet,
    random: Random,
    trouble: Arc<Trouble>,
    running: Vec<&'static str>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shards = 1 + random.below(4);
        let trouble = Trouble { random: Mutex::new(Random::new(random.next())), on: Mutex::new(true) };
        Self {
            fleet: Fleet::new(usize::try_from(shards).unwrap()),
            random,
            trouble: Arc::new(trouble),
            running: Vec::new(),
        }
    }

    async fn step(&mut self) {
        let count = usize::try_from(self.random.below(30)).unwrap();
        match self.random.below(10) {
            0 | 1 => self.start(),
            2 => self.crash().await,
            3 => self.stop().await,
            4 => self.split(),
            5 => self.merge(),
            _ => self.fleet.put(count),
        }
        sleep(Duration::from_millis(self.random.below(4_000))).await;
    }

    fn start(&mut self) {
        let Some(name) = WORKERS.iter().find(|name| !self.running.contains(name)) else { return };
        self.running.push(name);
        let (table, stream) = (Arc::clone(&self.trouble), Arc::clone(&self.trouble));
        let ports = self.fleet.ports();
        let leases = Arc::new(FaultyLeaseStore::new(ports.leases, move |_| table.strike(false)));
        let kinesis = Arc::new(FaultyKinesis::new(ports.kinesis, move |call| {
            stream.strike(matches!(call, KinesisCall::GetRecords(_)))
        }));
        let settings = WorkerSettings { random_seed: self.random.next(), ..self.fleet.settings(name) };
        self.fleet.start_with(name, settings, Ports { kinesis, leases }, self.fleet.recorder());
    }

    async fn crash(&mut self) {
        if let Some(name) = self.pick_running() {
            self.fleet.crash(name).await;
        }
    }

    async fn stop(&mut self) {
        if let Some(name) = self.pick_running() {
            self.fleet.stop(name).await;
        }
    }

    fn pick_running(&mut self) -> Option<&'static str> {
        let index = self.random.below(u64::try_from(self.running.len()).unwrap().max(1));
        let index = usize::try_from(index).unwrap();
        (index < self.running.len()).then(|| self.running.remove(index))
    }

    fn split(&mut self) {
        let open = self.fleet.open_shards();
        let index = usize::try_from(self.random.below(open.len() as u64)).unwrap();
        if open.len() < 8 {
            self.fleet.split(&open[index].shard_id);
        }
    }

    fn merge(&mut self) {
        let mut open = self.fleet.open_shards();
        open.sort_by_key(|shard| shard.hash_key_range);
        if open.len() > 1 {
            let index = usize::try_from(self.random.below(open.len() as u64 - 1)).unwrap();
            let (left, right) = (&open[index].shard_id, &open[index + 1].shard_id);
            self.fleet.kinesis.merge_shards(&self.fleet.stream, left, right).unwrap();
        }
    }

    /// No more trouble, and at least one worker: everything must come to its end.
    async fn heal(&mut self) {
        *self.trouble.on.lock().unwrap() = false;
        self.start();
        self.fleet.drain().await;
        let open = self.fleet.open_shards().len();
        self.fleet
            .until_rows("every open shard is owned and every closed one finished", |rows| {
                rows.iter().filter(|row| row.owner.is_some() && !row.is_finished()).count() == open
                    && rows.iter().filter(|row| !row.is_finished()).count() == open
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_nothing_is_lost_and_the_fleet_heals() {
    for seed in 0..SEEDS {
        let mut chaos = Chaos::new(seed);
        for _ in 0..STEPS {
            chaos.step().await;
        }
        chaos.heal().await;
        let verdict = chaos.fleet.oracle.verdict();
        assert!(verdict.is_good(), "seed {seed}: {verdict}");
        assert_eq!(chaos.fleet.ended(), 0, "seed {seed}: no worker gives up");
    }
}
