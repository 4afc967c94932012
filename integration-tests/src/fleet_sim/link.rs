use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kcl_core::model::WorkerId;
use kcl_core::testing::Fault;
use kcl_core::{ErrorKind, Event};

use super::fact::{Service, What};
use super::names::{ProcessNo, RecordNo, ShardNo};
use super::profile::Weather;
use super::world::World;

/// What lies between one process and the services: latency, faults, partitions. All that a process and its ports tell
/// the world goes through it, and ends with the process.
#[derive(Debug)]
pub(super) struct Link {
    world: Arc<World>,
    process: ProcessNo,
    worker: WorkerId,
    weather: Weather,
    /// The same for all processes: false once the trouble is over.
    has_faults: Arc<AtomicBool>,
    is_dead: AtomicBool,
    is_cut_from_table: AtomicBool,
    is_cut_from_stream: AtomicBool,
    rng: Mutex<fastrand::Rng>,
}

impl Link {
    /// A link on which nothing is cut. Everything at random on it follows from `rng`.
    pub(super) fn new(
        world: Arc<World>,
        process: ProcessNo,
        worker: WorkerId,
        weather: Weather,
        has_faults: Arc<AtomicBool>,
        rng: fastrand::Rng,
    ) -> Self {
        Self {
            world,
            process,
            worker,
            weather,
            has_faults,
            is_dead: AtomicBool::new(false),
            is_cut_from_table: AtomicBool::new(false),
            is_cut_from_stream: AtomicBool::new(false),
            rng: Mutex::new(rng),
        }
    }

    /// The process at this end.
    pub(super) fn process(&self) -> ProcessNo {
        self.process
    }

    /// Its name in the table.
    pub(super) fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// The time of the world.
    pub(super) fn now(&self) -> Duration {
        self.world.now()
    }

    /// Tells the world something, unless the process is gone.
    pub(super) fn tell(&self, what: What<'_>) {
        if !self.is_dead.load(Ordering::Relaxed) {
            self.world.tell(what);
        }
    }

    /// Tells the world what the worker reports, and before that what follows from it.
    pub(super) fn report(&self, event: &Event<'_>) {
        if let Event::RecordsSkipped { shard, from, to, condition, .. } = event {
            let (process, shard, condition) = (self.process, ShardNo::of(&shard.shard_id), *condition);
            for record in self.world.records(shard, from, to) {
                self.tell(What::Skipped { process, shard, record, condition });
            }
        }
        self.tell(What::Reported { process: self.process, event });
    }

    /// The process is gone: what its remains do is no fact.
    pub(super) fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    /// Cuts the process off from a service, or lets it through again.
    pub(super) fn set_cut(&self, service: Service, is_cut: bool) {
        self.cut(service).store(is_cut, Ordering::Relaxed);
    }

    /// True if no message passes between the process and the service.
    pub(super) fn is_cut(&self, service: Service) -> bool {
        self.cut(service).load(Ordering::Relaxed)
    }

    fn cut(&self, service: Service) -> &AtomicBool {
        match service {
            Service::Table => &self.is_cut_from_table,
            Service::Stream => &self.is_cut_from_stream,
        }
    }

    /// How long the next message takes, one way.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_millis(self.up_to(self.weather.latency_max_ms))
    }

    /// How much longer the next answer of the table takes.
    pub(super) fn answer_delay(&self) -> Duration {
        let max = if self.has_faults.load(Ordering::Relaxed) { self.weather.answer_delay_max_ms } else { 0 };
        Duration::from_millis(self.up_to(max))
    }

    /// How old the next eventual read of a row is. Most are fresh.
    pub(super) fn staleness(&self) -> Duration {
        let is_stale = self.rng().u8(..) < 64;
        if is_stale {
            Duration::from_millis(self.up_to(self.weather.staleness_max_ms))
        } else {
            Duration::ZERO
        }
    }

    /// How long the processor takes for the next batch.
    pub(super) fn processing_time(&self) -> Duration {
        let is_slow = self.strikes(self.weather.slow_batch_permille);
        Duration::from_millis(self.up_to(if is_slow { self.weather.slow_batch_max_ms } else { 20 }))
    }

    /// True if the processor fails on the next batch.
    pub(super) fn processor_fails(&self) -> bool {
        self.strikes(self.weather.processor_permille)
    }

    /// True if the processor fails by a panic.
    pub(super) fn processor_panics(&self) -> bool {
        self.up_to(3) == 0
    }

    /// True if the processor commits what it has prepared with the same batch.
    pub(super) fn commits_at_once(&self) -> bool {
        self.up_to(1) > 0
    }

    /// True if the processor does not return from the next batch.
    pub(super) fn processor_hangs(&self) -> bool {
        self.strikes(self.weather.hang_permille)
    }

    /// True if no processor takes this record, at least as long as the trouble lasts.
    pub(super) fn is_poison(&self, record: RecordNo) -> bool {
        let poison = self.weather.poison;
        (poison.is_lasting || self.has_faults.load(Ordering::Relaxed)) && poison.spoils(record)
    }

    /// What the on-failure destination makes of the next send.
    pub(super) fn destination_fault(&self) -> Fault {
        match self.strikes(self.weather.destination_permille).then(|| self.up_to(3)) {
            None => Fault::None,
            Some(0) => Fault::Hang,
            Some(1) => Fault::Delay(Duration::from_millis(self.up_to(5_000))),
            Some(_) => Fault::Fail(ErrorKind::Transient),
        }
    }

    /// How late the next update arrives after its sender has given up on it, if that happens to it.
    pub(super) fn late_arrival(&self) -> Option<Duration> {
        let is_late = self.strikes(self.weather.late_write_permille);
        is_late.then(|| Duration::from_millis(self.up_to(self.weather.late_write_max_ms)))
    }

    /// What happens to the next call of a service.
    pub(super) fn fault(&self, service: Service, shard: Option<ShardNo>) -> Fault {
        let permille = match service {
            Service::Table => self.weather.table_permille,
            Service::Stream => self.weather.stream_permille,
        };
        if !self.strikes(permille) {
            return Fault::None;
        }
        let (fault, name) = match self.up_to(4) {
            0 => (Fault::Fail(ErrorKind::Throttled), "throttled"),
            1 => (Fault::Fail(ErrorKind::Transient), "failed"),
            2 => (Fault::LoseAnswer, "answer lost"),
            3 => (Fault::Delay(Duration::from_millis(self.up_to(2_000))), "answer late"),
            _ => (Fault::Hang, "hangs"),
        };
        if service == Service::Table {
            self.tell(What::Struck { process: self.process, shard, fault: name });
        }
        fault
    }

    fn strikes(&self, permille: u32) -> bool {
        self.has_faults.load(Ordering::Relaxed) && permille > 0 && self.rng().u32(..1_000) < permille
    }

    fn up_to(&self, max: u64) -> u64 {
        self.rng().u64(..=max)
    }

    fn rng(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
