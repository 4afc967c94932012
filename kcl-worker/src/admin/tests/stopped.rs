//! A command that is stopped leaves nothing behind that its workers would wait for.

use kcl_core::lease::{Conditional, LeaseChange};
use kcl_core::model::Checkpoint;

use super::*;

const SHARD: &str = "shardId-000000000000";

/// A row whose owner is there, and has not answered yet.
async fn owned(scene: &Scene) -> Lease {
    let leases = &scene.target.ports.leases;
    leases.prepare().await.unwrap();
    let row = Lease::unowned(scene.target.shard(SHARD), Checkpoint::TrimHorizon, Vec::new());
    let row = row.after(&LeaseChange::Take { by: WorkerId::new("ada").unwrap() });
    leases.create(&row).await.unwrap();
    row
}

/// What a release ends with that is stopped as soon as `meanwhile` is done.
async fn stopped_release(scene: &Scene, meanwhile: impl Future<Output = ()>) -> Failure {
    let args = release_of(SHARD, ACT);
    let stopping = async {
        meanwhile.await;
        scene.target.stop.cancel();
    };
    let (released, ()) = futures_util::join!(release(&scene.target, &args), stopping);
    released.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn its_request_is_taken_back() {
    let scene = Scene::new();
    let row = owned(&scene).await;
    let failure = stopped_release(&scene, async {
        secs(5).await;
        assert!(scene.rows().await[0].requested_by().is_some());
    })
    .await;
    assert_eq!(failure.status(), 130, "{failure}");
    assert_eq!(scene.rows().await, [row]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_has_come_meanwhile_is_given_back() {
    let scene = Scene::new();
    owned(&scene).await;
    let failure = stopped_release(&scene, async {
        sleep(Duration::from_millis(100)).await;
        let asked = scene.rows().await.remove(0);
        let to = asked.requested_by().unwrap().clone();
        let hand_over = LeaseChange::HandOver { to, checkpoint: None };
        let given = scene.target.ports.leases.update(&asked, &hand_over).await.unwrap();
        assert!(matches!(given, Conditional::Applied(_)));
    })
    .await;
    assert_eq!(failure.status(), 130, "{failure}");
    let row = scene.rows().await.remove(0);
    assert_eq!((row.owner, row.request), (None, None));
}
