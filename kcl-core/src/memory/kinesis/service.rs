use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::MemoryKinesisSettings;
use super::clock::Clock;
use super::errors::{not_found, refused};
use super::memory_stream::MemoryStream;
use crate::error::Result;
use crate::model::{StreamArn, StreamId, Timestamp};

/// All streams, behind one lock, and the clock that they share. Open subscriptions share it with the Kinesis.
pub(super) struct Service {
    settings: Arc<MemoryKinesisSettings>,
    clock: Clock,
    streams: Mutex<Streams>,
}

type Streams = BTreeMap<StreamId, MemoryStream>;

impl Service {
    pub(super) fn new(settings: MemoryKinesisSettings, clock: Clock) -> Self {
        Self { settings: Arc::new(settings), clock, streams: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &MemoryKinesisSettings {
        &self.settings
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Refused if there is a stream of this full name.
    pub(super) fn create_stream(&self, id: &StreamId, shard_count: u32) -> Result<()> {
        let mut streams = self.lock();
        let created =
            MemoryStream::new(id.clone(), shard_count, Arc::clone(&self.settings), self.clock.now())?;
        if streams.values().any(|stream| stream.arn() == created.arn()) {
            return Err(refused(format!("stream '{id}' exists already")));
        }
        streams.insert(id.clone(), created);
        Ok(())
    }

    /// Runs one call on a stream, after time has taken what it must.
    pub(super) fn with_stream<T>(
        &self,
        id: &StreamId,
        call: impl FnOnce(&mut MemoryStream, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let mut streams = self.lock();
        let stream = streams.get_mut(id).ok_or_else(|| not_found(format!("there is no stream '{id}'")))?;
        self.call(stream, call)
    }

    /// Like [`with_stream`](Self::with_stream), for a stream's full name.
    pub(super) fn with_stream_of_arn<T>(
        &self,
        arn: &StreamArn,
        call: impl FnOnce(&mut MemoryStream, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let mut streams = self.lock();
        let stream = streams.values_mut().find(|stream| stream.arn() == arn);
        self.call(stream.ok_or_else(|| not_found(format!("there is no stream {arn}")))?, call)
    }

    fn call<T>(
        &self,
        stream: &mut MemoryStream,
        call: impl FnOnce(&mut MemoryStream, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let now = self.clock.now();
        stream.pass_time(now);
        call(stream, now)
    }

    /// Calls check before they change anything, so a poisoned lock guards whole streams still.
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
