//! What becomes of a fresh child that is being given what a dead one had taken, when something comes between; and of a shard
//! whose child dies with more in its hands than is kept.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::child_log::file;
use super::death::is_alive;
use super::scene::Scene;

/// A child has taken one record and died with the next; a fresh one is in the middle of the first.
struct Interrupted {
    scene: Scene,
    fresh: u32,
    go: PathBuf,
}

impl Interrupted {
    async fn new(adjust: impl FnOnce(&mut Scene)) -> Self {
        let turns = file("turns");
        let wait = format!("data:one=wait-at:2:{}", turns.display());
        let die = format!("data:two=exit-once:{}", file("died").display());
        let mut scene = Scene::new(&[&wait, &die, "data:three=checkpoint"]);
        adjust(&mut scene);
        scene.rehearsal.put("key", "one").unwrap();
        scene.until("one is taken", |log| log.count("processRecords") == 1).await;
        scene.rehearsal.put("key", "two").unwrap();
        scene.until("another child has one in hand", |log| log.count("processRecords") == 3).await;
        let [_, fresh] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
        Self { scene, fresh, go: PathBuf::from(format!("{}.go", turns.display())) }
    }

    fn go_on(&self) {
        fs::write(&self.go, "").unwrap();
    }

    /// Whoever comes next begins at the checkpoint, which is that of nobody.
    async fn check(mut self) {
        self.scene.rehearsal.put("key", "three").unwrap();
        self.scene.committed().await;
        assert_eq!(self.scene.log.data(self.fresh), ["one"]);
        let last = *self.scene.log.pids().last().unwrap();
        assert_eq!(self.scene.log.data(last), ["one", "two", "three"]);
        self.scene.stop().await;
    }
}

#[tokio::test]
async fn a_lease_that_is_lost_meanwhile_is_told_to_the_child_once_it_is_done() {
    let mut it = Interrupted::new(|scene| {
        scene.rehearsal.settings().failover_time = Duration::from_secs(1);
    })
    .await;
    it.scene.rehearsal.lose_leases().await.unwrap();
    it.scene.until_event("LeaseLost").await;
    it.go_on();
    it.scene.until("it is told", |log| log.count("leaseLost") == 1).await;
    let fresh = it.fresh;
    it.scene.until("it has ended", |_| !is_alive(&fresh.to_string())).await;
    let entries = it.scene.log.entries();
    let of_fresh = entries.iter().filter(|entry| entry.pid == fresh);
    let actions: Vec<&str> = of_fresh.filter_map(|entry| entry.message["action"].as_str()).collect();
    assert_eq!(actions, ["initialize", "processRecords", "leaseLost"]);
    it.check().await;
}

#[tokio::test]
async fn a_shutdown_whose_grace_is_over_ends_the_child() {
    let mut it = Interrupted::new(|scene| {
        scene.rehearsal.settings().shutdown_grace = Duration::from_millis(300);
    })
    .await;
    it.scene.stop().await;
    assert!(it.scene.has_event("ShutdownForced"), "{:?}", it.scene.rehearsal.events());
    let fresh = it.fresh;
    it.scene.until_gone(fresh).await;
    it.go_on();
    it.check().await;
}

#[tokio::test]
async fn a_deadline_ends_the_child_and_gives_up_the_shard() {
    let mut it = Interrupted::new(|scene| {
        scene.rehearsal.settings().call_deadlines.process_records = Some(Duration::from_secs(1));
    })
    .await;
    it.scene.until_event("ShardFailed").await;
    let fresh = it.fresh;
    it.scene.until_gone(fresh).await;
    it.scene.stop().await;
    it.scene.rehearsal.settings().call_deadlines.process_records = None;
    it.go_on();
    it.check().await;
}

#[tokio::test]
async fn a_child_that_dies_in_it_is_followed_by_one_that_is_given_the_same() {
    let die = format!("data:two=exit-once:{}", file("died").display());
    let die_again = format!("data:one=exit-at:2:{}", file("turns").display());
    let mut scene = Scene::new(&[&die, &die_again, "data:three=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("one is taken", |log| log.count("processRecords") == 1).await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.until("two is taken", |log| log.count("processRecords") == 5).await;
    scene.rehearsal.put("key", "three").unwrap();
    scene.committed().await;
    let [first, second, third] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
    assert_eq!(scene.log.data(first), ["one", "two"]);
    assert_eq!(scene.log.data(second), ["one"]);
    assert_eq!(scene.log.data(third), ["one", "two", "three"]);
    scene.stop().await;
}

#[tokio::test]
async fn a_shard_whose_child_fails_with_more_than_is_kept_is_given_up_and_read_again() {
    let die = format!("data:two=exit-once:{}", file("died").display());
    let mut scene =
        Scene::with(&[&die, "data:three=checkpoint"], |settings| settings.redelivery_bytes_max = 5);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("one is taken", |log| log.count("processRecords") == 1).await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.until_event("ShardFailed").await;
    for part in ["more than 5 bytes of records", "let the processor checkpoint more often", "LeaseReleased"] {
        scene.until_event(part).await;
    }
    assert_eq!(scene.log.pids().len(), 1, "nobody is given a part of it");
    // Another worker need not wait until this one tries it again.
    scene.stop().await;
    scene.rehearsal.put("key", "three").unwrap();
    scene.committed().await;
    let [dead, fresh] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
    assert_eq!(scene.log.data(dead), ["one", "two"]);
    assert_eq!(scene.log.data(fresh), ["one", "two", "three"]);
    scene.stop().await;
}
