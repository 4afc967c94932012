use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::Checkpointing;
use kcl_core::model::{Record, RecordPosition, ShardKey};
use kcl_core::processor::{
    Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart, StartOver,
};
use metrics::counter;
use tokio::time::timeout;
use tracing::warn;

use super::ExecSettings;
use super::messages::{Action, CheckpointRequest, bare, process_records};
use super::progress::{Progress, exception_name};
use super::session::{Said, Session};

/// How long a child that has lost its lease may take for what it had in hand and for its farewell: half of what the
/// framework allows by default.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(15);

/// The Java exception of a checkpoint after the lease is lost.
const LEASE_IS_LOST: &str = "ShutdownException";

/// Processes a shard in a child process.
///
/// Whatever goes wrong with a child ends it and fails the call, so that the failure policy decides when, and how often, a
/// fresh one is tried. That one begins where the last checkpoint is, and is first given what the others had taken and not
/// committed. Nothing here commits what no child has asked to commit; the framework may commit what a call has returned `Ok`
/// for, and then nothing of that has to be given again.
pub(super) struct ExecProcessor {
    settings: Arc<ExecSettings>,
    shard: ShardKey,
    progress: Progress,
    session: Option<Session>,
    /// The child has been given all that the ones before had taken.
    is_caught_up: bool,
}

/// Who can commit what a child asks to.
enum Committer<'a> {
    Checkpointer(&'a Checkpointer),
    /// The framework, which commits the end of the shard and nothing before it. `asked` is the last position that the child
    /// has asked to commit meanwhile.
    ShardEnd {
        asked: Option<RecordPosition>,
    },
    /// Nobody any more.
    Nobody,
}

impl ExecProcessor {
    pub(super) fn new(settings: Arc<ExecSettings>, start: &ShardStart) -> Self {
        let (progress, shard) = (progress(&settings, start), start.shard.clone());
        Self { settings, shard, progress, session: None, is_caught_up: false }
    }

    /// The outcome of a call. A child that failed is of no more use.
    async fn settled(&mut self, outcome: Result<(), ProcessorError>) -> Result<(), ProcessorError> {
        if outcome.is_err() {
            counter!("kcl_exec_child_failures_total").increment(1);
            if let Some(session) = self.session.take() {
                session.kill().await;
            }
        }
        outcome
    }

    /// Makes sure that there is a child, and that it has what the one before had.
    async fn have_child(&mut self, committer: &mut Committer<'_>) -> Result<(), ProcessorError> {
        match self.session.take() {
            // It is in the middle of a call that was dropped.
            Some(session) if session.asked().is_some() || !self.is_caught_up => session.kill().await,
            Some(session) => {
                self.session = Some(session);
                return Ok(());
            }
            None => {}
        }
        let taken = self.progress.begin_again().map_err(|position| {
            StartOver::new(format!(
                "a child failed with more than {} bytes of records that it had taken and not committed, up to {position}; \
                 they are read again, so let the processor checkpoint more often",
                self.settings.redelivery_bytes_max
            ))
        })?;
        self.is_caught_up = false;
        self.session = Some(Session::start(&self.settings, &self.shard, self.progress.committed()).await?);
        for taken in taken {
            self.give(&taken.records, taken.millis_behind_latest, committer).await?;
        }
        self.is_caught_up = true;
        Ok(())
    }

    async fn give(
        &mut self,
        records: &[Record],
        millis_behind_latest: u64,
        committer: &mut Committer<'_>,
    ) -> Result<(), ProcessorError> {
        let line = process_records(records, millis_behind_latest);
        self.exchange(Action::ProcessRecords, records, line, committer).await
    }

    /// Asks the child to do something for which its line has no records.
    async fn exchange_bare(
        &mut self,
        action: Action,
        committer: &mut Committer<'_>,
    ) -> Result<(), ProcessorError> {
        self.exchange(action, &[], bare(action), committer).await
    }

    /// Asks the child to do something, and commits for it until it has.
    async fn exchange(
        &mut self,
        action: Action,
        records: &[Record],
        line: Vec<u8>,
        committer: &mut Committer<'_>,
    ) -> Result<(), ProcessorError> {
        self.attend_early(committer).await?;
        let Some(session) = &mut self.session else { return Err("there is no child".into()) };
        self.progress.give(records);
        session.ask(action, line).await?;
        self.attend(committer).await
    }

    /// What the child has asked to commit since it was done is about what it had by then.
    async fn attend_early(&mut self, committer: &mut Committer<'_>) -> Result<(), ProcessorError> {
        while let Some(session) = &mut self.session {
            let Said::Commit(request) = session.early().await? else { break };
            self.answer(&request, committer).await?;
        }
        Ok(())
    }

    async fn attend(&mut self, committer: &mut Committer<'_>) -> Result<(), ProcessorError> {
        while let Some(session) = &mut self.session {
            let Said::Commit(request) = session.next().await? else { break };
            self.answer(&request, committer).await?;
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        request: &CheckpointRequest,
        committer: &mut Committer<'_>,
    ) -> Result<(), ProcessorError> {
        let refused = commit(&mut self.progress, request, committer).await.err();
        match &mut self.session {
            Some(session) => session.answer(refused).await,
            None => Ok(()),
        }
    }

    async fn process(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        let committer = &mut Committer::Checkpointer(checkpointer);
        self.have_child(committer).await?;
        let due = &batch.records[self.progress.count_committed(&batch.records)..];
        if !due.is_empty() {
            self.give(due, batch.millis_behind_latest, committer).await?;
        }
        self.progress.take(batch);
        Ok(())
    }

    /// A child that holds records back has to write them down now, and says so by a checkpoint.
    async fn end_shard(&mut self) -> Result<(), ProcessorError> {
        let committer = &mut Committer::ShardEnd { asked: None };
        self.have_child(committer).await?;
        self.exchange_bare(Action::ShardEnded, committer).await?;
        let is_confirmed = matches!(
            committer,
            Committer::ShardEnd { asked: Some(position) } if self.progress.is_last_given(position)
        );
        if self.progress.is_behind() && !is_confirmed {
            return Err(format!(
                "the child did not checkpoint when the shard ended, though it has taken records after {}",
                self.progress.committed()
            )
            .into());
        }
        Ok(())
    }

    /// Lets the child finish what it has in hand, and tells it that the shard is somebody else's.
    async fn say_farewell(&mut self) -> Result<(), ProcessorError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        // Also to a checkpoint between two calls; nothing is sent where nothing is owed.
        session.answer(Some(LEASE_IS_LOST)).await?;
        if session.asked().is_some() {
            self.attend(&mut Committer::Nobody).await?;
        }
        self.exchange_bare(Action::LeaseLost, &mut Committer::Nobody).await
    }

    async fn end_child(&mut self) {
        if let Some(session) = self.session.take() {
            session.end(self.settings.exit_grace).await;
        }
    }
}

/// How far the shard is before its first child.
fn progress(settings: &ExecSettings, start: &ShardStart) -> Progress {
    let progress = Progress::new(start.checkpoint.clone(), settings.redelivery_bytes_max);
    match start.checkpointing {
        Checkpointing::Manual => progress,
        Checkpointing::AfterEachBatch | Checkpointing::Every(_) => progress.committed_by_the_framework(),
    }
}

/// Commits what a child asks to, or says why not by the name of a Java exception.
async fn commit(
    progress: &mut Progress,
    request: &CheckpointRequest,
    committer: &mut Committer<'_>,
) -> Result<(), &'static str> {
    if let Committer::Nobody = committer {
        return Err(LEASE_IS_LOST);
    }
    let Some(position) = progress.resolve(request)? else { return Ok(()) };
    match committer {
        Committer::Checkpointer(checkpointer) => {
            checkpointer.checkpoint_at(&position).await.map_err(|error| exception_name(&error))?;
            progress.commit(&position);
        }
        Committer::ShardEnd { asked } => *asked = asked.take().max(Some(position)),
        Committer::Nobody => {}
    }
    Ok(())
}

#[async_trait]
impl RecordProcessor for ExecProcessor {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        self.progress = progress(&self.settings, start);
        let outcome = self.have_child(&mut Committer::Nobody).await;
        self.settled(outcome).await
    }

    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        let outcome = self.process(batch, checkpointer).await;
        self.settled(outcome).await
    }

    async fn lease_lost(&mut self) {
        match timeout(FAREWELL_TIMEOUT, self.say_farewell()).await {
            Ok(Ok(())) => self.end_child().await,
            Ok(Err(error)) => {
                warn!(shard = %self.shard, %error, "the child could not be told that the lease is lost");
                let _logged = self.settled(Err(error)).await;
            }
            Err(_) => {
                warn!(shard = %self.shard, timeout = ?FAREWELL_TIMEOUT, "the child did not finish after the loss of the lease; it is ended");
                self.end_child().await;
            }
        }
    }

    async fn shard_ended(&mut self) -> Result<(), ProcessorError> {
        let outcome = self.end_shard().await;
        self.settled(outcome).await?;
        self.end_child().await;
        Ok(())
    }

    /// As the Java daemon does, tells the child afterwards that the lease is lost, for many clean up only then.
    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        match &self.session {
            None => return Ok(()),
            Some(session) if session.asked().is_none() => {
                let committer = &mut Committer::Checkpointer(checkpointer);
                let outcome = self.exchange_bare(Action::ShutdownRequested, committer).await;
                self.settled(outcome).await?;
            }
            // A call was dropped: there is no more time.
            Some(_) => {}
        }
        self.lease_lost().await;
        Ok(())
    }
}

impl fmt::Debug for ExecProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecProcessor").field("shard", &self.shard).finish_non_exhaustive()
    }
}
