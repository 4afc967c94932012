use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::shard_consumer::Context;
use crate::error::Result;
use crate::lease::{Consistency, Lease};
use crate::retry::within;

/// A scan that takes longer is given up; the next interval brings another.
pub(super) const SCAN_TIMEOUT: Duration = Duration::from_secs(30);

/// Scans the lease table in the rhythm of the settings, one scan at a time.
pub(super) struct TableScan {
    context: Context,
    running: Option<BoxFuture<'static, Result<Vec<Lease>>>>,
    next_at: Instant,
}

impl TableScan {
    /// The first scan is due at once.
    pub(super) fn new(context: Context) -> Self {
        Self { context, running: None, next_at: Instant::now() }
    }

    /// Asks for a scan at once.
    pub(super) fn bring_forward(&mut self) {
        self.next_at = Instant::now();
    }

    /// Waits for the next scan, and returns the rows of this worker's stream. Dropping the future loses nothing: the
    /// next call goes on with the scan.
    pub(super) async fn next(&mut self) -> Result<Vec<Lease>> {
        let running = if let Some(running) = &mut self.running {
            running
        } else {
            sleep_until(self.next_at).await;
            self.next_at = Instant::now() + self.context.settings.lease_scan_interval;
            self.running.insert(scan(self.context.clone()).boxed())
        };
        let scanned = running.await;
        self.running = None;
        scanned
    }
}

async fn scan(context: Context) -> Result<Vec<Lease>> {
    let list = context.ports.leases.list(Consistency::Eventual);
    let mut rows = within(SCAN_TIMEOUT, "scanning the lease table", list).await?;
    rows.retain(|row| row.shard.stream == context.settings.stream);
    Ok(rows)
}
