//! Keeps one lease alive for as long as its consumer runs. Never waits for the data path.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::error::ErrorKind;
use crate::event::{Event, Events};
use crate::lease::HeldLease;
use crate::planted::{Planted, PlantedFault};

/// A lease is renewed when its last write is this share of the failover time old: late, since each renewal costs a write;
/// early enough to be tried again before the owner must stop.
const RENEWAL_SHARE: f64 = 0.5;

/// Renewals come up to this share of the failover time later, so that leases taken together are not renewed together for
/// ever. Never earlier: a shard that commits in the rhythm of renewals needs none.
const JITTER_SHARE: f64 = 0.1;

/// A renewal that failed is made again after this share of the failover time.
const RETRY_DIVISOR: u32 = 32;

/// Keeps one lease alive, and listens for workers that ask for it.
pub(super) struct LeaseKeeper {
    pub(super) lease: Arc<HeldLease>,
    pub(super) failover_time: Duration,
    /// Cancelled when another worker asks for the lease.
    pub(super) leaving: CancellationToken,
    pub(super) events: Events,
    /// Starts the jitter of renewals.
    pub(super) seed: u64,
    pub(super) planted: Planted,
}

impl LeaseKeeper {
    /// Renews the lease whenever its last write is half a failover time old or a little more, and marks it as lost once its time has run
    /// out. Returns when it is lost or given away.
    pub(super) async fn keep(&self) {
        select! {
            biased;
            () = self.lease.ended().cancelled() => {}
            () = self.lease.expire() => {}
            () = self.renew() => {}
            () = self.listen() => {}
        }
    }

    async fn renew(&self) {
        let Self { lease, failover_time, .. } = self;
        let mut rng = fastrand::Rng::with_seed(self.seed);
        loop {
            let age = failover_time.mul_f64(RENEWAL_SHARE + JITTER_SHARE * rng.f64());
            // A checkpoint is a renewal: wait until the last write, whatever it was, is old enough.
            while Instant::now() < lease.written_at() + age {
                sleep_until(lease.written_at() + age).await;
            }
            // In a box, since it is idle most of the time.
            let Err(error) = Box::pin(lease.renew()).await else {
                self.events.emit(&Event::LeaseRenewed { shard: lease.shard() });
                continue;
            };
            if error.kind() == ErrorKind::LeaseLost {
                return;
            }
            self.events.emit(&Event::RenewalFailed { shard: lease.shard(), error: &error });
            sleep(*failover_time / RETRY_DIVISOR).await;
        }
    }

    async fn listen(&self) {
        if self.planted.has(PlantedFault::RequestsNotAnswered) {
            return pending().await;
        }
        self.lease.requested().await;
        if self.planted.has(PlantedFault::HandOverBeforeDrain) {
            let _given = Box::pin(self.lease.leave(None)).await;
        }
        self.leaving.cancel();
        pending::<()>().await;
    }
}
