use std::sync::Arc;
use std::time::Duration;

use kcl_core::model::{ShardKey, WorkerId};
use kcl_core::processor::{Processor, WhenExhausted};
use kcl_core::worker::{Ports, ShutdownReport, Worker};
use kcl_core::{Event, Result, WorkerSettings};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep_until};

use super::destination::Destination;
use super::fact::{Service, What};
use super::handling::Handling;
use super::lane_handler::lanes;
use super::link::Link;
use super::names::{ProcessNo, ShardNo};
use super::recorder::Recorder;

/// The finest time of a runtime's clock.
const TICK: Duration = Duration::from_millis(1);

/// One worker as if it were an operating system's process: with a runtime and a clock of its own, which goes on only
/// while it is driven. Dropping it is a crash.
#[derive(Debug)]
pub(super) struct Process {
    link: Arc<Link>,
    runtime: Runtime,
    /// How fast its clock goes.
    rate: f64,
    /// Where its clock is to be now.
    clock: Instant,
    task: JoinHandle<Result<ShutdownReport>>,
    shutdown: Option<oneshot::Sender<()>>,
    /// Until when it does nothing.
    frozen_until: Option<Duration>,
    /// Until when it reaches these services not.
    cut_until: Vec<(Service, Duration)>,
}

impl Process {
    /// Starts a worker whose clock goes at `rate` of the world's.
    pub(super) fn start(
        settings: WorkerSettings,
        ports: Ports,
        link: Arc<Link>,
        handling: Handling,
        rate: f64,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        link.tell(What::Started { process: link.process(), worker: link.worker(), rate });
        let (processors, reporter) = (Arc::clone(&link), Arc::clone(&link));
        let sends = settings.failure_policy.when_exhausted == WhenExhausted::SendToDestination;
        let make = move |shard: &ShardKey| processor(handling, &processors, shard);
        let mut worker = Worker::new(settings, ports, make)
            .with_event_sink(move |_: &WorkerId, event: &Event<'_>| reporter.report(event));
        if sends {
            worker = worker.with_on_failure_destination(Destination::new(Arc::clone(&link)));
        }
        let (shutdown, stopped) = oneshot::channel();
        let task = runtime.spawn(worker.run(async {
            let _dropped_or_sent = stopped.await;
        }));
        let clock = {
            let _in_its_time = runtime.enter();
            Instant::now()
        };
        let shutdown = Some(shutdown);
        Ok(Self { link, runtime, rate, clock, task, shutdown, frozen_until: None, cut_until: Vec::new() })
    }

    /// Its number.
    pub(super) fn no(&self) -> ProcessNo {
        self.link.process()
    }

    /// Its name in the lease table.
    pub(super) fn worker(&self) -> &WorkerId {
        self.link.worker()
    }

    /// True while nobody has asked it to stop.
    pub(super) fn is_running(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Lets it live through a step of `step`, which ends at `now`.
    pub(super) fn drive(&mut self, step: Duration, now: Duration) {
        self.restore(now);
        self.clock += step.mul_f64(self.rate);
        let clock = self.clock;
        match self.frozen_until {
            Some(until) if now < until => {}
            Some(_) => self.thaw(),
            None => self.runtime.block_on(async { sleep_until(clock).await }),
        }
    }

    /// Its clock jumps to where it should be, less what is needed for it to run at all; what was due meanwhile is late.
    fn thaw(&mut self) {
        self.frozen_until = None;
        self.link.tell(What::Thawed { process: self.no() });
        let clock = self.clock;
        self.runtime.block_on(async {
            advance(clock.saturating_duration_since(Instant::now()).saturating_sub(TICK)).await;
            sleep_until(clock).await;
        });
    }

    fn restore(&mut self, now: Duration) {
        let (link, process) = (&self.link, self.link.process());
        for (service, _) in self.cut_until.extract_if(.., |(_, until)| *until <= now) {
            link.set_cut(service, false);
            link.tell(What::Restored { process, service });
        }
    }

    /// Asks it to stop.
    pub(super) fn stop(&mut self) {
        if self.shutdown.take().is_some_and(|shutdown| shutdown.send(()).is_ok()) {
            self.link.tell(What::StopAsked { process: self.no() });
        }
    }

    /// Holds it until then.
    pub(super) fn freeze(&mut self, until: Duration) {
        if self.frozen_until.is_none() {
            self.link.tell(What::Frozen { process: self.no() });
        }
        self.frozen_until = self.frozen_until.max(Some(until));
    }

    /// Cuts it off from a service until then.
    pub(super) fn cut(&mut self, service: Service, until: Duration) {
        if !self.link.is_cut(service) {
            self.link.set_cut(service, true);
            self.link.tell(What::Cut { process: self.no(), service });
            self.cut_until.push((service, until));
        }
    }

    /// Ends every trouble of its own.
    pub(super) fn relieve(&mut self, now: Duration) {
        self.cut_until.iter_mut().for_each(|(_, until)| *until = now);
        self.frozen_until = self.frozen_until.map(|_| now);
    }

    /// Ends it in the middle of whatever it does.
    pub(super) fn crash(self) {
        self.link.tell(What::Crashed { process: self.no() });
        self.link.die();
    }

    /// True once it has ended, of which it then tells.
    pub(super) fn has_ended(&mut self) -> bool {
        if !self.task.is_finished() {
            return false;
        }
        let process = self.no();
        let outcome = self.runtime.block_on(&mut self.task);
        match outcome {
            Ok(Ok(_)) if self.shutdown.is_none() => self.link.tell(What::Stopped { process }),
            Ok(Ok(_)) => self.link.tell(What::GaveUp { process, error: "without an error" }),
            Ok(Err(error)) => self.link.tell(What::GaveUp { process, error: &error.to_string() }),
            Err(panic) => self.link.tell(What::GaveUp { process, error: &panic.to_string() }),
        }
        true
    }
}

fn processor(handling: Handling, link: &Arc<Link>, shard: &ShardKey) -> Processor {
    let (link, no) = (Arc::clone(link), ShardNo::of(&shard.shard_id));
    match handling.lanes(no) {
        Some((concurrency, window)) => lanes(link, shard, concurrency, window),
        None => Recorder::new(link, shard, handling.prepares(no)).into(),
    }
}
