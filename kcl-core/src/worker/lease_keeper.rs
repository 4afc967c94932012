//! Keeps one lease alive for as long as its consumer runs. Never waits for the data path.

use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::ErrorKind;
use crate::event::{Event, Events};
use crate::lease::HeldLease;

/// A lease is renewed this many times per failover time, so that two renewals in a row may fail.
const RENEWALS_PER_FAILOVER_TIME: u32 = 3;

/// Renewals come up to this share earlier, so that leases taken together are not renewed together.
const JITTER_SHARE: f64 = 0.25;

/// A renewal that failed is made again after this share of the renewal interval.
const RETRY_SHARE: u32 = 8;

/// Renews `lease` whenever its last write is a renewal interval old, and marks it as lost once its time has run out.
/// Returns when it is lost.
pub(super) async fn keep(lease: &HeldLease, failover_time: Duration, events: &Events, seed: u64) {
    select! {
        biased;
        () = lease.lost().cancelled() => {}
        () = lease.expire() => {}
        () = renew(lease, failover_time, events, seed) => {}
    }
}

async fn renew(lease: &HeldLease, failover_time: Duration, events: &Events, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let interval = failover_time / RENEWALS_PER_FAILOVER_TIME;
    loop {
        // A checkpoint is a renewal: wait until the last write, whatever it was, is an interval old.
        let shortened = interval.mul_f64(1.0 - JITTER_SHARE * rng.f64());
        let due = lease.deadline() + shortened - failover_time;
        if Instant::now() < due {
            sleep_until(due).await;
            continue;
        }
        let Err(error) = lease.renew().await else { continue };
        if error.kind() == ErrorKind::LeaseLost {
            return;
        }
        events.emit(&Event::RenewalFailed { shard: lease.shard(), error: &error });
        sleep(interval / RETRY_SHARE).await;
    }
}
