use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::Version;

/// What a front has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WireCounts {
    /// Connections that were opened.
    pub connections: usize,
    /// Connections that are open.
    pub open_connections: usize,
    /// Event streams that are open.
    pub open_streams: usize,
    /// Requests over HTTP/2.
    pub http_2_calls: usize,
    /// Bytes of event streams that connections had room for.
    pub streamed_bytes: usize,
    /// Requests for each operation.
    pub calls: BTreeMap<String, usize>,
}

impl WireCounts {
    /// Requests for this operation.
    pub fn calls(&self, operation: &str) -> usize {
        self.calls.get(operation).copied().unwrap_or(0)
    }
}

/// Counts that all connections share.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter(Arc<Mutex<WireCounts>>);

/// Something that is open until this is dropped.
pub(super) struct Open {
    counter: Counter,
    close: fn(&mut WireCounts),
}

impl Counter {
    pub(super) fn so_far(&self) -> WireCounts {
        self.lock().clone()
    }

    /// Counts a request. Returns how many of its operation came before.
    pub(super) fn call(&self, operation: &str, version: Version) -> usize {
        let mut counts = self.lock();
        counts.http_2_calls += usize::from(version == Version::HTTP_2);
        let calls = counts.calls.entry(operation.to_owned()).or_default();
        *calls += 1;
        *calls - 1
    }

    pub(super) fn streamed(&self, bytes: usize) {
        self.lock().streamed_bytes += bytes;
    }

    pub(super) fn connection(&self) -> Open {
        let mut counts = self.lock();
        counts.connections += 1;
        counts.open_connections += 1;
        Open { counter: self.clone(), close: |counts| counts.open_connections -= 1 }
    }

    pub(super) fn stream(&self) -> Open {
        self.lock().open_streams += 1;
        Open { counter: self.clone(), close: |counts| counts.open_streams -= 1 }
    }

    fn lock(&self) -> MutexGuard<'_, WireCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The counts that it is part of.
    pub(super) fn counter(&self) -> &Counter {
        &self.counter
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.close)(&mut self.counter.lock());
    }
}
