//! Watches over one shard while its consumer is busy. Never waits for the data path.

use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::lease_keeper::LeaseKeeper;
use super::leave::leave;
use crate::processor::{CallWatch, Overrun};
use crate::settings::WorkerSettings;

/// A consumer that is told to drop a call does so at once, unless the call blocks its thread. Then the lease is given back
/// without it.
pub(super) const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// Keeps the lease, and watches the calls of the processor.
pub(super) struct Attendant {
    pub(super) keeper: LeaseKeeper,
    pub(super) watch: CallWatch,
    pub(super) settings: Arc<WorkerSettings>,
}

impl Attendant {
    /// Returns when the lease is lost or given away. A shard whose call is past its deadline is given back, also where the
    /// call blocks the consumer's thread; `past_deadline` tells the consumer.
    pub(super) async fn attend(self, past_deadline: oneshot::Sender<Overrun>) {
        let Self { keeper, watch, settings } = &self;
        let LeaseKeeper { lease, events, seed, .. } = keeper;
        let overrun = select! {
            biased;
            () = keeper.keep() => return,
            overrun = watch.watch(lease.shard(), events, &settings.call_deadlines) => overrun,
        };
        let _gone = past_deadline.send(overrun);
        sleep(BLOCKED_AFTER).await;
        let _reported = Box::pin(leave(lease, None, events, *seed)).await;
    }
}
