use std::sync::Arc;
use std::time::Duration;

use kcl_core::lease::Lease;
use kcl_core::model::{StreamId, WorkerId};
use kcl_core::{PlantedFault, Result, WorkerSettings};

use super::class::Class;
use super::fact::{Service, What};
use super::fleet::Fleet;
use super::health;
use super::invariants::{self, Rules, Violation};
use super::journal::Journal;
use super::measures::Measures;
use super::operation::Operation;
use super::process::Process;
use super::producer::Producer;
use super::profile::Profile;
use super::settings::{self, LEASE_SCAN_INTERVAL};
use super::witness_table::WitnessTable;
use super::world::World;

/// The longest step of the world. What processes do within one is in no order, so it bounds how exactly time is kept.
const STEP_MAX: Duration = Duration::from_millis(100);

/// The shortest step.
const STEP_MIN: Duration = Duration::from_millis(20);

/// The longest that a fleet without trouble takes to heal: calls that hang are given up after 30 s, and a take or a sync
/// that failed again and again is made again after a minute at most.
const HEAL_TIME_MAX: Duration = Duration::from_mins(4);

/// How many failover times a healed fleet is watched for moves that it should not make.
const REST_FAILOVER_TIMES: u32 = 3;

/// The longest after a move that some worker acts on what it saw before: a row that is a second old, in a scan of a moment
/// ago.
const SIGHT_MAX: Duration = Duration::from_secs(2);

/// The rhythm in which the health of the fleet is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The most records that one operation puts.
const PUT_MAX: usize = 12;

/// The most leases that one operation pins to a worker, or unpins: twice a fair share of what a run begins with.
const PIN_MAX: usize = 8;

/// Of so many pins one is to a worker that is not there.
const ABSENT_SHARE: usize = 8;

/// The part of the failover time after which an owner that cannot write has stopped (L3).
const DEADLINE_SHARE: f64 = 0.9;

/// One run, as it was asked for.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What happens in it.
    pub class: Class,
    /// Decides everything that is left open.
    pub seed: u64,
    /// The most workers at a time.
    pub workers: usize,
    /// How many shards the stream begins with.
    pub shards: usize,
    /// How long the trouble lasts.
    pub duration: Duration,
    /// A mistake in the protocol that all workers make.
    pub planted: Option<PlantedFault>,
    /// Whether the trace is kept.
    pub is_traced: bool,
}

impl Scenario {
    /// A run of the class's own size.
    pub fn new(class: Class, seed: u64) -> Self {
        let (workers, shards) = class.size();
        Self { class, seed, workers, shards, duration: class.duration(), planted: None, is_traced: false }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The first invariant that was broken.
    pub violation: Option<Violation>,
    /// Its numbers.
    pub measures: Measures,
    /// The failover time that was drawn.
    pub failover_time: Duration,
    /// The shortest time between two scans of the table.
    pub lease_scan_interval: Duration,
    /// Everything that happened, if it was asked for.
    pub trace: String,
}

/// Runs a scenario to its end, or to the first violation.
///
/// Fails only if the simulator itself cannot go on.
pub fn simulate(scenario: &Scenario) -> Result<Outcome> {
    let mut simulation = Simulation::new(scenario)?;
    simulation.run()?;
    let mut journal = simulation.world.journal();
    let violation = journal.violation().cloned();
    let trace = journal.take_trace();
    let measures = journal.measures().clone();
    let (failover_time, lease_scan_interval) = (simulation.rules.failover_time, LEASE_SCAN_INTERVAL);
    Ok(Outcome { violation, measures, failover_time, lease_scan_interval, trace })
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    profile: Profile,
    rules: Rules,
    world: Arc<World>,
    table: Arc<WitnessTable>,
    producer: Producer,
    fleet: Fleet,
    rng: fastrand::Rng,
}

impl<'a> Simulation<'a> {
    fn new(scenario: &'a Scenario) -> Result<Self> {
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let mut profile = scenario.class.profile();
        let stream = StreamId::named("orders")?;
        let settings = settings::draw(scenario.class, &mut profile, stream.clone(), &mut rng)?;
        let settings = WorkerSettings { planted: scenario.planted, ..settings };
        let failover_time = settings.failover_time;
        let rules = Rules {
            failover_time,
            deadline_share: DEADLINE_SHARE,
            hand_over_timeout: profile.hand_over_timeout,
            skew: profile.skew,
            step_max: STEP_MAX,
            excuses_steals: profile.excuses_steals,
            handling: profile.handling,
            checkpointing: settings.checkpointing,
            failure_policy: settings.failure_policy.clone(),
            poison: profile.weather.poison,
        };
        let journal = Journal::new(invariants::all(&rules), Measures::default(), scenario.is_traced);
        let world = Arc::new(World::new(journal));
        world.tell(What::RunBegan { failover_time });
        let producer = Producer::new(Arc::clone(&world), stream, scenario.shards)?;
        let table = Arc::new(WitnessTable::new(Arc::clone(&world), scenario.planted));
        let kinesis = Arc::clone(producer.kinesis());
        let fleet = Fleet::new(
            Arc::clone(&world),
            Arc::clone(&table),
            kinesis,
            profile.clone(),
            settings,
            rng.fork(),
        );
        Ok(Self { scenario, profile, rules, world, table, producer, fleet, rng })
    }

    fn run(&mut self) -> Result<()> {
        for _ in 0..self.rng.usize(1..=self.scenario.workers) {
            self.fleet.start()?;
        }
        if self.scenario.class == Class::Latest {
            self.reach_the_tip()?;
        }
        self.trouble()?;
        self.heal()?;
        self.rest();
        if !self.has_failed() {
            self.world.journal().close();
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        self.world.journal().violation().is_some()
    }

    /// Time passes for everybody.
    fn step(&mut self) {
        let (shortest, longest) = (STEP_MIN.as_millis(), STEP_MAX.as_millis());
        let millis = self.rng.u128(shortest..=longest);
        let step = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
        self.world.advance(step);
        self.fleet.drive(step);
    }

    /// A fleet that starts at the tip must have reached it before anything is promised: every shard is owned, and has a
    /// record committed.
    fn reach_the_tip(&mut self) -> Result<()> {
        self.step_until("every shard is owned", |simulation| {
            let rows = simulation.table.rows();
            rows.len() == simulation.scenario.shards && rows.iter().all(|row| row.owner.is_some())
        });
        // The first read comes a moment after the take.
        self.step_for(Duration::from_secs(2));
        self.producer.put_into_each()?;
        self.step_until("every shard has a checkpoint", |simulation| {
            simulation.table.rows().iter().all(|row| row.checkpoint.has_begun())
        });
        Ok(())
    }

    fn trouble(&mut self) -> Result<()> {
        let end = self.world.now() + self.scenario.duration;
        let mut next_operation = self.world.now();
        while self.world.now() < end && !self.has_failed() {
            if self.world.now() >= next_operation {
                let operation = Operation::draw(self.profile.operations, &mut self.rng);
                self.operate(operation)?;
                next_operation += self.profile.operation_interval.mul_f64(2.0 * self.rng.f64());
            }
            self.step();
        }
        Ok(())
    }

    fn operate(&mut self, operation: Operation) -> Result<()> {
        let may_leave = self.fleet.running() > self.profile.workers_min;
        let until = self.world.now() + self.rules.failover_time.mul_f64(0.1 + 2.4 * self.rng.f64());
        match operation {
            Operation::Put => {
                for _ in 0..self.rng.usize(1..=PUT_MAX) {
                    self.producer.put(self.profile.aggregate_percent, &mut self.rng)?;
                }
            }
            Operation::Split if self.producer.open_shards().len() < 2 * self.scenario.shards => {
                self.producer.split(&mut self.rng)?;
            }
            Operation::Merge => self.producer.merge(&mut self.rng)?,
            // A record that retention takes before it is delivered is lost by right.
            Operation::Trim if self.outstanding() == 0 => self.producer.trim()?,
            Operation::Start if self.fleet.running() < self.scenario.workers => self.fleet.start()?,
            Operation::Stop if may_leave => self.with_one(Process::stop),
            Operation::Crash if may_leave => self.fleet.crash(),
            Operation::Freeze => self.with_one(|process| process.freeze(until)),
            Operation::CutTable => self.with_one(|process| process.cut(Service::Table, until)),
            Operation::CutStream => self.with_one(|process| process.cut(Service::Stream, until)),
            Operation::RemoveRow => self.remove_row()?,
            Operation::Pin => self.pin()?,
            Operation::Unpin => self.unpin()?,
            _ => {}
        }
        Ok(())
    }

    /// Not the row of a closed shard that is not finished: its children could not know of it until it is made again.
    fn remove_row(&mut self) -> Result<()> {
        let open = self.producer.open_shards();
        let is_open = |row: &Lease| open.iter().any(|shard| shard.shard_id == row.shard.shard_id);
        let mut rows = self.table.rows();
        rows.retain(|row| row.is_finished() || is_open(row));
        self.rng.choice(rows).map_or(Ok(()), |row| self.table.remove_row(&row))
    }

    /// Without a look at who has them: an operator may want anything.
    fn pin(&mut self) -> Result<()> {
        let workers = self.fleet.workers().into_keys();
        let to = if self.rng.usize(..ABSENT_SHARE) == 0 {
            WorkerId::new("absent")?
        } else if let Some(worker) = self.rng.choice(workers.collect::<Vec<_>>()) {
            worker
        } else {
            return Ok(());
        };
        let mut rows = self.table.rows();
        rows.retain(|row| !row.is_finished());
        self.pin_some(rows, Some(&to))
    }

    fn unpin(&mut self) -> Result<()> {
        let mut rows = self.table.rows();
        rows.retain(|row| row.pinned_to.is_some());
        self.pin_some(rows, None)
    }

    fn pin_some(&mut self, mut rows: Vec<Lease>, to: Option<&WorkerId>) -> Result<()> {
        let count = self.rng.usize(1..=PIN_MAX);
        self.rng.shuffle(&mut rows);
        rows.iter().take(count).try_for_each(|row| self.table.pin(row, to).map(drop))
    }

    fn with_one(&mut self, act: impl FnOnce(&mut Process)) {
        if let Some(process) = self.fleet.pick() {
            act(process);
        }
    }

    fn outstanding(&self) -> usize {
        self.world.journal().accounts().outstanding().map(|(_, count)| count).sum()
    }

    /// No more trouble, and at least one worker: everything must come to its end.
    fn heal(&mut self) -> Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        self.world.tell(What::TroubleOver);
        self.fleet.relieve();
        if self.fleet.running() == 0 {
            self.fleet.start()?;
        }
        // A row names its owner for so long although it may have lost the lease.
        self.step_for(self.rules.failover_time * 2);
        self.step_until("the fleet has healed", |simulation| {
            simulation.is_at_rest() && simulation.complaint().is_none()
        });
        if !self.has_failed() {
            self.world.tell(What::Healed);
        }
        Ok(())
    }

    /// Why the fleet is not healthy, if it is not.
    fn complaint(&self) -> Option<String> {
        if self.fleet.is_stopping() {
            return Some("a worker has not come to its stop".to_owned());
        }
        let (rows, shards) = (self.table.rows(), self.producer.shards());
        let journal = self.world.journal();
        let held_up = journal.accounts().held_up(|record| self.rules.is_in_the_way(record));
        health::complaint(&rows, &shards, self.fleet.workers(), journal.accounts(), &held_up)
    }

    /// True if everybody has seen how the shards are shared now.
    fn is_at_rest(&self) -> bool {
        let moved_at = self.world.journal().measures().moved_at();
        self.world.now().saturating_sub(moved_at) > SIGHT_MAX
    }

    fn rest(&mut self) {
        self.step_for(self.rules.failover_time * REST_FAILOVER_TIMES);
    }

    fn step_for(&mut self, duration: Duration) {
        let end = self.world.now() + duration;
        while self.world.now() < end && !self.has_failed() {
            self.step();
        }
    }

    fn step_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = self.world.now() + HEAL_TIME_MAX;
        while !self.has_failed() && !is_so(self) {
            if self.world.now() > end {
                let complaint = self.complaint().unwrap_or_default();
                let problem = format!("waited {HEAL_TIME_MAX:?} in vain until {what}: {complaint}");
                self.world.journal().object(Violation::new("liveness", problem));
            }
            self.step_for(LOOK_INTERVAL);
        }
    }
}
