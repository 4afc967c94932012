use std::fmt;
use std::sync::Arc;

use super::fall_back::FallBackSource;
use super::fan_out::{FanOutSource, Registration};
use super::fetch_budget::FetchBudget;
use super::fetcher::Fetcher;
use super::polling::PollingSource;
use super::read_position::ReadPosition;
use super::unpacker::Unpacker;
use super::{FanOutSettings, Kinesis, PollingSettings, RecordSource, StartPosition};
use crate::aggregation::{MalformedAggregates, OutsideRange};
use crate::error::Result;
use crate::event::Events;
use crate::model::{HashKeyRange, ShardKey};
use crate::settings::WorkerSettings;

/// How the records of a stream are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Retrieval {
    /// By asking for them, which costs nothing beyond the shards, and shares 2 MB a second and shard with everybody else
    /// who asks. The default.
    #[default]
    Polling,
    /// By enhanced fan-out: pushed by the service, with 2 MB a second and shard for this application alone, for a price.
    FanOut(FanOutSettings),
}

/// Reads all shards of a worker.
pub(crate) struct Retriever {
    kinesis: Arc<dyn Kinesis>,
    polling: PollingSettings,
    registration: Option<Arc<Registration>>,
    budget: Arc<FetchBudget>,
    outside_range: OutsideRange,
    malformed_aggregates: MalformedAggregates,
    events: Events,
}

impl Retriever {
    pub(crate) fn new(kinesis: Arc<dyn Kinesis>, settings: &WorkerSettings, events: Events) -> Self {
        let registration = match &settings.retrieval {
            Retrieval::Polling => None,
            Retrieval::FanOut(fan_out) => Some(Arc::new(Registration::new(
                Arc::clone(&kinesis),
                settings.stream.clone(),
                fan_out.clone(),
                events.clone(),
                settings.random_seed,
            ))),
        };
        Self {
            kinesis,
            polling: settings.polling,
            registration,
            budget: FetchBudget::new(settings.fetch_bytes_max),
            outside_range: settings.outside_range,
            malformed_aggregates: settings.malformed_aggregates,
            events,
        }
    }

    /// Fails if shards could not be read as the settings say, nor in the way that they fall back to.
    pub(crate) async fn prepare(&self) -> Result<()> {
        match &self.registration {
            Some(registration) if registration.settings().fall_back_to_polling_after.is_none() => {
                registration.arn().await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Takes back what `prepare` registered, if the settings say so.
    pub(crate) async fn end(&self) -> Result<()> {
        match &self.registration {
            Some(registration) => registration.end().await,
            None => Ok(()),
        }
    }

    /// Begins to read a shard, ahead of whoever processes it. `range` is that of its hash keys, as far as it is known; `seed`
    /// starts the jitter of its retries.
    pub(crate) fn fetch(
        &self,
        shard: &ShardKey,
        start: StartPosition,
        range: Option<HashKeyRange>,
        seed: u64,
    ) -> Fetcher {
        let source = self.source(shard, ReadPosition::new(start.clone()), seed);
        let unpacker = Unpacker {
            shard: shard.clone(),
            range: range.unwrap_or(HashKeyRange::FULL),
            outside: self.outside_range,
            malformed: self.malformed_aggregates,
            holds_user_records: self.kinesis.holds_user_records(),
            events: self.events.clone(),
        };
        Fetcher::start(source, self.budget.join(), start, unpacker)
    }

    fn source(&self, shard: &ShardKey, position: ReadPosition, seed: u64) -> Box<dyn RecordSource> {
        let (kinesis, events) = (Arc::clone(&self.kinesis), self.events.clone());
        let (settings, of_polling) = (self.polling, shard.clone());
        let new_polling = move |position| {
            let (kinesis, events) = (Arc::clone(&kinesis), events.clone());
            PollingSource::new(kinesis, of_polling.clone(), position, settings, events, seed)
        };
        let Some(registration) = &self.registration else { return Box::new(new_polling(position)) };
        let fan_out = FanOutSource::new(
            Arc::clone(&self.kinesis),
            shard.clone(),
            position,
            Arc::clone(registration),
            self.events.clone(),
            seed,
        );
        match registration.settings().fall_back_to_polling_after {
            None => Box::new(fan_out),
            Some(_) => {
                Box::new(FallBackSource::new(fan_out, new_polling, shard.clone(), self.events.clone(), seed))
            }
        }
    }
}

impl fmt::Debug for Retriever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retriever").field("registration", &self.registration).finish_non_exhaustive()
    }
}
