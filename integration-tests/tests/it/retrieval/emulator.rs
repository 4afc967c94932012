//! Fan-out against an emulator that is not ours.

use super::wire_fleet::by_fan_out;
use crate::backend::Backend;
use crate::fleet::Fleet;

/// `ferrokinesis` departs from the service: it ends subscriptions to a closed shard without saying that it has ended, and
/// names no children. The worker looks by polling after some failures, which takes it half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_through_a_split_although_the_emulator_does_not_tell_of_its_end() {
    let backend = Backend::in_process().await;
    let stream = backend.create_stream(1).await;
    let mut fleet = Fleet::on(backend, stream);
    fleet.put(40).await;
    fleet.start(by_fan_out(fleet.settings("a")));
    fleet.drain().await;
    let parent = fleet.shard_ids().await.remove(0);
    fleet.split(&parent).await;
    fleet.put(40).await;
    fleet.drain().await;
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ShardEnded"), 1);
}
