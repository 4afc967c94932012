use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::faulty_kinesis::Decide;
use super::{Fault, KinesisCall};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ShardKey;
use crate::stream::{Subscription, SubscriptionEvent};

/// A subscription whose events fail as a function decides, once for each event.
///
/// Whatever it has got of an event is kept here until the event is delivered, so a wait that is dropped loses nothing.
pub(super) struct FaultySubscription {
    inner: Box<dyn Subscription>,
    shard: ShardKey,
    decide: Arc<Decide>,
    /// What happens to the next event; `None` until it is asked for.
    fault: Option<Fault>,
    /// An event on its way, which arrives at this time.
    delayed: Option<(Instant, Outcome)>,
    /// An event that comes again.
    repeated: Option<SubscriptionEvent>,
    is_cut: bool,
}

type Outcome = Result<Option<SubscriptionEvent>>;

impl FaultySubscription {
    pub(super) fn new(inner: Box<dyn Subscription>, shard: ShardKey, decide: Arc<Decide>) -> Self {
        Self { inner, shard, decide, fault: None, delayed: None, repeated: None, is_cut: false }
    }

    /// What becomes of the next event under this fault.
    async fn strike(&mut self, fault: Fault) -> Outcome {
        match fault {
            Fault::Delay(duration) => {
                if self.delayed.is_none() {
                    let outcome = self.inner.next_event().await;
                    self.delayed = Some((Instant::now() + duration, outcome));
                }
                if let Some((arrives_at, _)) = &self.delayed {
                    sleep_until(*arrives_at).await;
                }
                self.delayed.take().map_or(Ok(None), |(_, outcome)| outcome)
            }
            Fault::Repeat => {
                let outcome = self.inner.next_event().await;
                self.repeated = outcome.as_ref().ok().cloned().flatten();
                outcome
            }
            Fault::Cut => {
                self.is_cut = true;
                Err(Error::new(ErrorKind::Transient, "the subscription was made to break off"))
            }
            other => other.strike(self.inner.next_event()).await,
        }
    }
}

#[async_trait]
impl Subscription for FaultySubscription {
    async fn next_event(&mut self) -> Outcome {
        if self.is_cut {
            return Ok(None);
        }
        if let Some(repeated) = self.repeated.take() {
            return Ok(Some(repeated));
        }
        let fault = *self.fault.get_or_insert_with(|| (self.decide)(KinesisCall::NextEvent(&self.shard)));
        let outcome = self.strike(fault).await;
        self.fault = None;
        outcome
    }
}

impl fmt::Debug for FaultySubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultySubscription").field("inner", &self.inner).finish_non_exhaustive()
    }
}
