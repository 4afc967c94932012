use std::sync::Arc;
use std::time::Duration;

use kcl_core::model::{ShardKey, WorkerId};
use kcl_core::stream::PollingSettings;
use kcl_core::worker::Worker;
use kcl_core::{Event, Result, WorkerSettings};
use tokio::select;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::processor::{DemoProcessor, Trap};
use super::stage::{LOOK_INTERVAL, Stage};
use crate::Failure;

/// What a crash costs here; the library's default is 10 s, which is long to watch.
const FAILOVER_TIME: Duration = Duration::from_secs(2);

/// Short, so that the first record comes soon after a lease is free. In memory a scan costs nothing.
const LEASE_SCAN_INTERVAL: Duration = Duration::from_millis(200);

/// The shortest that the library allows.
const IDLE_TIME_BETWEEN_READS: Duration = Duration::from_millis(200);

/// The demo's processors never take long.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How long the workers may take to share the shards: many scans. Then it begins all the same.
const SHARING_TIME_MAX: Duration = Duration::from_secs(2);

/// How long a worker may live that is to die with a batch in its hands: some reads. Then it dies without.
const TRAP_TIME_MAX: Duration = Duration::from_secs(1);

/// The workers, as those see them who stop or kill them.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Member {
    id: WorkerId,
    trap: Trap,
    killed: CancellationToken,
}

/// The workers' tasks, as their owner sees them.
#[derive(Debug)]
pub(super) struct Workers(JoinSet<Ended>);

#[derive(Debug)]
enum Ended {
    Killed,
    Returned(WorkerId, Result<()>),
}

impl Fleet {
    /// Starts `count` workers.
    pub(super) fn start(stage: &Stage, count: u32) -> Result<(Self, Workers), Failure> {
        let mut workers = JoinSet::new();
        let stopping = CancellationToken::new();
        let mut members = Vec::new();
        for number in 1..=count {
            let member = Member {
                id: WorkerId::new(format!("worker-{number}")).map_err(Failure::runtime)?,
                trap: Trap::default(),
                killed: CancellationToken::new(),
            };
            let running = worker(stage, &member).run(stopping.clone().cancelled_owned());
            let (id, killed) = (member.id.clone(), member.killed.clone());
            workers.spawn(async move {
                select! {
                    biased;
                    // The other branch's future is dropped: all that a worker gets to know of its death.
                    () = killed.cancelled() => Ended::Killed,
                    outcome = running => Ended::Returned(id, outcome.map(drop)),
                }
            });
            members.push(member);
        }
        Ok((Self { members, stopping }, Workers(workers)))
    }

    /// Returns once the workers have shared the shards, or in vain after some time.
    pub(super) async fn shared(&self, stage: &Stage) -> Result<(), Failure> {
        let shards = stage.shards()?.len();
        let sharing = async {
            while !stage.board.is_shared_by(self.members.iter().map(|member| &member.id), shards) {
                sleep(LOOK_INTERVAL).await;
            }
        };
        let _in_vain = timeout(SHARING_TIME_MAX, sharing).await;
        Ok(())
    }

    /// Kills the worker that holds most shards, with an uncommitted batch in its hands if one comes in time.
    pub(super) async fn kill_one(&self, stage: &Stage) {
        let victim = loop {
            if let Some(member) = self.busiest(stage) {
                break member;
            }
            sleep(LOOK_INTERVAL).await;
        };
        victim.trap.set();
        let caught = timeout(TRAP_TIME_MAX, victim.trap.sprung()).await.is_ok();
        victim.killed.cancel();
        stage.board.worker_killed(&victim.id, caught);
    }

    /// Asks all workers to give back their shards and return.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    fn busiest(&self, stage: &Stage) -> Option<&Member> {
        let held = |member: &&Member| stage.board.shards_held_by(&member.id);
        self.members.iter().max_by_key(held).filter(|member| held(member) > 0)
    }
}

impl Workers {
    /// Returns when a worker ended that should not have.
    pub(super) async fn failure(&mut self) -> Failure {
        loop {
            match self.0.join_next().await {
                Some(Ok(Ended::Killed)) => {}
                Some(ended) => return failure(ended),
                None => return Failure::runtime("no worker is left"),
            }
        }
    }

    /// Returns when all have ended, however.
    pub(super) async fn stopped(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

fn failure(ended: Result<Ended, JoinError>) -> Failure {
    match ended {
        Ok(Ended::Returned(id, Err(error))) => Failure::runtime(format!("{id} failed: {error}")),
        Ok(Ended::Returned(id, Ok(()))) => Failure::runtime(format!("{id} stopped by itself")),
        Ok(Ended::Killed) => Failure::runtime("a worker was killed"),
        Err(error) => Failure::runtime(format!("a worker broke down: {error}")),
    }
}

fn worker(stage: &Stage, member: &Member) -> Worker {
    let settings = WorkerSettings {
        failover_time: FAILOVER_TIME,
        lease_scan_interval: LEASE_SCAN_INTERVAL,
        polling: PollingSettings {
            idle_time_between_reads: IDLE_TIME_BETWEEN_READS,
            ..PollingSettings::default()
        },
        shutdown_grace: SHUTDOWN_GRACE,
        ..WorkerSettings::new(stage.stream.clone(), member.id.clone())
    };
    let (oracle, trap) = (Arc::clone(&stage.oracle), member.trap.clone());
    let processors = move |_: &ShardKey| DemoProcessor { oracle: Arc::clone(&oracle), trap: trap.clone() };
    let board = Arc::clone(&stage.board);
    Worker::new(settings, stage.ports(), processors)
        .with_event_sink(move |worker: &WorkerId, event: &Event<'_>| board.record(worker, event))
}
