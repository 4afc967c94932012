use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::shard_consumer::Context;
use crate::error::Result;
use crate::lease::{Consistency, Lease};
use crate::retry::within;
use crate::settings::WorkerSettings;

/// No scan takes longer, unless half a failover time is: a hundred thousand rows take some ten seconds.
pub(super) const SCAN_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// A scan is given up after this share of the failover time, since nothing is seen to expire meanwhile. One that needed
/// longer than half of that gives its followers twice its time, and one that was given up, twice the limit.
const SCAN_TIMEOUT_DIVISOR: u32 = 2;

/// A row of the lease table takes about this much: key, owner, position, hash keys and their names.
const ROW_BYTES: usize = 512;

/// What an eventually consistent read of a page costs (DynamoDB developer guide, read units).
const BYTES_PER_HALF_UNIT: usize = 4096;

/// Scans the lease table in the rhythm of the settings, one scan at a time.
pub(super) struct TableScan {
    context: Context,
    running: Option<BoxFuture<'static, Result<Vec<Lease>>>>,
    interval: Duration,
    limit: Duration,
    started_at: Instant,
    took: Duration,
    next_at: Instant,
}

impl TableScan {
    /// The first scan is due at once.
    pub(super) fn new(context: Context) -> Self {
        let interval = context.settings.lease_scan_interval;
        let limit = context.settings.failover_time / SCAN_TIMEOUT_DIVISOR;
        let now = Instant::now();
        Self { context, running: None, interval, limit, started_at: now, took: Duration::ZERO, next_at: now }
    }

    /// The time between two scans, as the table's size is.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// How long the last scan took.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// Asks for a scan at this time, if none is due before.
    pub(super) fn bring_forward_to(&mut self, time: Instant) {
        self.next_at = self.next_at.min(time);
    }

    /// Waits for the next scan, and returns the rows of this worker's stream. Dropping the future loses nothing: the
    /// next call goes on with the scan.
    pub(super) async fn next(&mut self) -> Result<Vec<Lease>> {
        let running = if let Some(running) = &mut self.running {
            running
        } else {
            sleep_until(self.next_at).await;
            self.started_at = Instant::now();
            self.next_at = self.started_at + self.interval;
            self.running.insert(scan(self.context.clone(), self.limit).boxed())
        };
        let scanned = running.await;
        self.running = None;
        self.took = self.started_at.elapsed();
        if let Ok(rows) = &scanned {
            self.interval = scan_interval(rows.len(), &self.context.settings);
        }
        let limit_min = self.context.settings.failover_time / SCAN_TIMEOUT_DIVISOR;
        self.limit = (self.took * 2).min(SCAN_TIMEOUT_MAX).max(limit_min);
        scanned
    }
}

/// The time between two scans of a table of so many rows, within the read budget of the settings.
fn scan_interval(rows: usize, settings: &WorkerSettings) -> Duration {
    let half_units = (rows * ROW_BYTES).div_ceil(BYTES_PER_HALF_UNIT).max(1);
    let half_units = u32::try_from(half_units).unwrap_or(u32::MAX);
    let half_units_per_second = settings.lease_read_units_per_second.saturating_mul(2);
    let within_budget = Duration::from_secs(1) / half_units_per_second * half_units;
    within_budget.min(settings.failover_time).max(settings.lease_scan_interval)
}

async fn scan(context: Context, limit: Duration) -> Result<Vec<Lease>> {
    let list = context.ports.leases.list(Consistency::Eventual);
    let mut rows = within(limit, "scanning the lease table", list).await?;
    rows.retain(|row| row.shard.stream == context.settings.stream);
    Ok(rows)
}
