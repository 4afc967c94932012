use std::time::Duration;

use kcl_core::model::{Checkpoint, ShardKey};
use kcl_core::processor::ProcessorError;
use metrics::counter;
use tokio::time::timeout;
use tracing::warn;

use super::child::{Child, ChildFailure};
use super::conversation::{Conversation, Heard};
use super::messages::{Action, CheckpointRequest, FromChild, initialize};
use super::{ExecSettings, SwallowedExceptions};

/// A child and the conversation with it.
#[derive(Debug)]
pub(super) struct Session {
    child: Child,
    conversation: Conversation,
    message_timeout: Option<Duration>,
    swallowed_exceptions: SwallowedExceptions,
    swallowed_signs: u64,
}

/// What a child wants before it goes on.
#[derive(Debug)]
pub(super) enum Said {
    /// Nothing: it has done what it was asked to.
    Done,
    /// To commit, and to be [answered](Session::answer).
    Commit(CheckpointRequest),
}

impl Session {
    /// A child that is ready for records after `checkpoint`.
    pub(super) async fn start(
        settings: &ExecSettings,
        shard: &ShardKey,
        checkpoint: &Checkpoint,
    ) -> Result<Self, ProcessorError> {
        let child = Child::start(settings, shard)?;
        let mut session = Self {
            child,
            conversation: Conversation::default(),
            message_timeout: settings.message_timeout,
            swallowed_exceptions: settings.swallowed_exceptions,
            swallowed_signs: 0,
        };
        match session.begin(initialize(&shard.shard_id, checkpoint)).await {
            Ok(()) => Ok(session),
            Err(error) => {
                session.kill().await;
                Err(error)
            }
        }
    }

    async fn begin(&mut self, line: Vec<u8>) -> Result<(), ProcessorError> {
        self.ask(Action::Initialize, line).await?;
        // Checkpoints are refused while a child begins, so this is its status.
        self.next().await?;
        Ok(())
    }

    /// What the child has still to do, because a call was dropped before it had.
    pub(super) fn asked(&self) -> Option<Action> {
        self.conversation.asked()
    }

    /// Asks the child to do something.
    pub(super) async fn ask(&mut self, action: Action, line: Vec<u8>) -> Result<(), ProcessorError> {
        self.conversation.ask(action);
        self.send(line).await
    }

    /// What the child wants next. Refuses by itself the checkpoints for which it is not the time.
    pub(super) async fn next(&mut self) -> Result<Said, ProcessorError> {
        loop {
            let receive = self.child.receive();
            let message = match self.message_timeout {
                Some(limit) => timeout(limit, receive).await.map_err(|_| ChildFailure::Silent(limit))?,
                None => receive.await,
            };
            if let Some(said) = self.hear(message?).await? {
                return Ok(said);
            }
        }
    }

    /// What the child has said since it was done with the last call; nothing, as a rule.
    pub(super) async fn early(&mut self) -> Result<Said, ProcessorError> {
        match self.child.received() {
            Some(message) => Ok(self.hear(message).await?.unwrap_or(Said::Done)),
            None => Ok(Said::Done),
        }
    }

    /// What follows from a message, unless that is all done here.
    async fn hear(&mut self, message: FromChild) -> Result<Option<Said>, ProcessorError> {
        match self.conversation.hear(message) {
            Heard::Commit(request) => Ok(Some(Said::Commit(request))),
            Heard::Wrong(problem) => Err(problem.into()),
            Heard::Refused(reply) => {
                self.send(reply).await?;
                Ok(None)
            }
            Heard::Done => {
                self.look_for_swallowed_exceptions().await?;
                Ok(Some(Said::Done))
            }
        }
    }

    /// Answers the checkpoint that the child waits for, if it waits for one.
    pub(super) async fn answer(&mut self, error: Option<&str>) -> Result<(), ProcessorError> {
        match self.conversation.answer(error) {
            Some(reply) => self.send(reply).await,
            None => Ok(()),
        }
    }

    /// Ends the child in good order.
    pub(super) async fn end(self, grace: Duration) {
        self.child.end(grace).await;
    }

    /// Ends the child at once.
    pub(super) async fn kill(self) {
        self.child.kill().await;
    }

    async fn send(&mut self, line: Vec<u8>) -> Result<(), ProcessorError> {
        let send = self.child.send(line);
        Ok(match self.message_timeout {
            Some(limit) => timeout(limit, send).await.map_err(|_| ChildFailure::Silent(limit))?,
            None => send.await,
        }?)
    }

    /// The libraries write a traceback before they say that all is done.
    async fn look_for_swallowed_exceptions(&mut self) -> Result<(), ProcessorError> {
        let signs = self.child.swallowed_signs().await;
        if std::mem::replace(&mut self.swallowed_signs, signs) == signs {
            return Ok(());
        }
        counter!("kcl_exec_swallowed_exceptions_total").increment(1);
        let pid = self.child.pid();
        let problem = "the child reported an exception on its standard error, and then that all is done";
        match self.swallowed_exceptions {
            SwallowedExceptions::Fail => Err(problem.into()),
            SwallowedExceptions::Count => {
                warn!(pid, "{problem}; the records count as processed");
                Ok(())
            }
        }
    }
}
