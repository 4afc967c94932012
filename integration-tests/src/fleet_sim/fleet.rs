use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kcl_core::memory::MemoryKinesis;
use kcl_core::model::WorkerId;
use kcl_core::testing::{FaultyKinesis, FaultyLeaseStore, KinesisCall, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{Error, ErrorKind, Result, WorkerSettings};

use super::fact::Service;
use super::link::Link;
use super::names::{ProcessNo, ShardNo};
use super::process::Process;
use super::profile::Profile;
use super::stream_port::StreamPort;
use super::table_port::{LateUpdates, TablePort};
use super::witness_table::WitnessTable;
use super::world::World;

/// The processes of a run, and how new ones come into it.
#[derive(Debug)]
pub(super) struct Fleet {
    world: Arc<World>,
    table: Arc<WitnessTable>,
    kinesis: Arc<MemoryKinesis>,
    profile: Profile,
    /// What all workers have in common.
    settings: WorkerSettings,
    late: Arc<LateUpdates>,
    has_faults: Arc<AtomicBool>,
    processes: Vec<Process>,
    next_no: u32,
    /// Ids of workers that crashed.
    former_ids: Vec<WorkerId>,
    rng: fastrand::Rng,
}

impl Fleet {
    /// No process yet.
    pub(super) fn new(
        world: Arc<World>,
        table: Arc<WitnessTable>,
        kinesis: Arc<MemoryKinesis>,
        profile: Profile,
        settings: WorkerSettings,
        rng: fastrand::Rng,
    ) -> Self {
        Self {
            world,
            table,
            kinesis,
            profile,
            settings,
            late: Arc::default(),
            has_faults: Arc::new(AtomicBool::new(true)),
            processes: Vec::new(),
            next_no: 0,
            former_ids: Vec::new(),
            rng,
        }
    }

    /// Starts a worker.
    pub(super) fn start(&mut self) -> Result<()> {
        let process = ProcessNo(self.next_no);
        self.next_no += 1;
        let worker = self.worker_id(process)?;
        let rate = 1.0 + self.profile.skew * (2.0 * self.rng.f64() - 1.0);
        let link = Arc::new(Link::new(
            Arc::clone(&self.world),
            process,
            worker.clone(),
            self.profile.weather,
            Arc::clone(&self.has_faults),
            self.rng.fork(),
        ));
        let settings =
            WorkerSettings { worker_id: worker, random_seed: self.rng.u64(..), ..self.settings.clone() };
        let started = Process::start(settings, self.ports(&link), link, self.profile.handling, rate);
        let cannot = |error| Error::new(ErrorKind::Refused, "cannot make a runtime").with_source(error);
        self.processes.push(started.map_err(cannot)?);
        Ok(())
    }

    fn worker_id(&mut self, process: ProcessNo) -> Result<WorkerId> {
        let comes_back = self.profile.reuses_ids && !self.former_ids.is_empty() && self.rng.bool();
        if comes_back {
            return Ok(self.former_ids.swap_remove(self.rng.usize(..self.former_ids.len())));
        }
        WorkerId::new(format!("w{}", process.0))
    }

    fn ports(&self, link: &Arc<Link>) -> Ports {
        let port = TablePort::new(Arc::clone(&self.table), Arc::clone(link), Arc::clone(&self.late));
        let faults = Arc::clone(link);
        let leases =
            FaultyLeaseStore::new(Arc::new(port), move |call| faults.fault(Service::Table, shard_of(&call)));
        let port = StreamPort::new(Arc::clone(&self.kinesis), Arc::clone(link));
        let faults = Arc::clone(link);
        let kinesis =
            FaultyKinesis::new(Arc::new(port), move |_: KinesisCall<'_>| faults.fault(Service::Stream, None));
        Ports { kinesis: Arc::new(kinesis), leases: Arc::new(leases) }
    }

    /// Lets every process live through a step, in an order drawn anew, and removes those that have ended.
    pub(super) fn drive(&mut self, step: Duration) {
        let now = self.world.now();
        self.late.arrive(&self.table, now);
        let mut order: Vec<usize> = (0..self.processes.len()).collect();
        self.rng.shuffle(&mut order);
        for index in order {
            self.processes[index].drive(step, now);
        }
        self.processes.retain_mut(|process| !process.has_ended());
    }

    /// How many processes there are that nobody has asked to stop.
    pub(super) fn running(&self) -> usize {
        self.processes.iter().filter(|process| process.is_running()).count()
    }

    /// The ids of these.
    pub(super) fn workers(&self) -> BTreeMap<WorkerId, usize> {
        let running = self.processes.iter().filter(|process| process.is_running());
        running.map(|process| (process.worker().clone(), 0)).collect()
    }

    /// True if a process is on its way out.
    pub(super) fn is_stopping(&self) -> bool {
        self.processes.iter().any(|process| !process.is_running())
    }

    /// One of the running processes.
    pub(super) fn pick(&mut self) -> Option<&mut Process> {
        let running: Vec<usize> =
            (0..self.processes.len()).filter(|index| self.processes[*index].is_running()).collect();
        let picked = self.rng.choice(running)?;
        self.processes.get_mut(picked)
    }

    /// One of the processes is gone, perhaps one that is stopping.
    pub(super) fn crash(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let process = self.processes.swap_remove(self.rng.usize(..self.processes.len()));
        self.former_ids.push(process.worker().clone());
        process.crash();
    }

    /// Nothing fails any more: partitions and freezes end, calls go through.
    pub(super) fn relieve(&mut self) {
        self.has_faults.store(false, Ordering::Relaxed);
        let now = self.world.now();
        self.processes.iter_mut().for_each(|process| process.relieve(now));
    }
}

fn shard_of(call: &LeaseCall<'_>) -> Option<ShardNo> {
    match call {
        LeaseCall::Prepare | LeaseCall::List(_) => None,
        LeaseCall::Get(shard) => Some(ShardNo::of(&shard.shard_id)),
        LeaseCall::Create(lease)
        | LeaseCall::Update(lease, _)
        | LeaseCall::Request(lease, _)
        | LeaseCall::Pin(lease, _)
        | LeaseCall::Delete(lease) => Some(ShardNo::of(&lease.shard.shard_id)),
    }
}
