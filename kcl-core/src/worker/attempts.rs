use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::model::ShardKey;
use crate::retry::{Retry, RetryDelays};

/// A lease that another write changes is tried this often between two scans: a busy owner's row moves all the time, and
/// each lost race shows it anew.
const LOST_RACES_MAX: u32 = 3;

/// Which leases should not be tried again for now.
pub(super) struct Attempts {
    delays: RetryDelays,
    /// Races lost since the last scan.
    lost_races: BTreeMap<ShardKey, u32>,
    failed: BTreeMap<ShardKey, Failure>,
    rng: fastrand::Rng,
}

struct Failure {
    until: Instant,
    retry: Retry,
}

impl Attempts {
    /// What fails for another reason than a lost race is left alone for `delays`.
    pub(super) fn new(delays: RetryDelays, rng: fastrand::Rng) -> Self {
        Self { delays, lost_races: BTreeMap::new(), failed: BTreeMap::new(), rng }
    }

    pub(super) fn is_barred(&self, shard: &ShardKey) -> bool {
        self.lost_races.get(shard).is_some_and(|races| *races >= LOST_RACES_MAX)
            || self.failed.get(shard).is_some_and(|failure| Instant::now() < failure.until)
    }

    /// A new scan: races lost before it say nothing any more.
    pub(super) fn forget_races(&mut self) {
        self.lost_races.clear();
    }

    pub(super) fn succeed(&mut self, shard: &ShardKey) {
        self.failed.remove(shard);
    }

    pub(super) fn lose(&mut self, shard: &ShardKey) {
        self.failed.remove(shard);
        *self.lost_races.entry(shard.clone()).or_default() += 1;
    }

    pub(super) fn fail(&mut self, shard: &ShardKey) {
        let now = Instant::now();
        let retry = Retry::new(self.delays, self.rng.u64(..));
        let failure = self.failed.entry(shard.clone()).or_insert(Failure { until: now, retry });
        failure.until = now + failure.retry.next_delay();
    }
}
