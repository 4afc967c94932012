//! Commands beside running workers, in memory and in virtual time: what the workers deliver, and what the table holds.

mod pins;
mod stopped;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord};
use kcl_core::lease::{Consistency, Lease};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Record, Shard, ShardId, StreamId, WorkerId};
use kcl_core::processor::for_each_record;
use kcl_core::stream::list_all_shards;
use kcl_core::worker::{Ports, Worker};
use kcl_core::{Result, WorkerSettings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::release::release;
use super::rewind::rewind;
use super::target::Target;
use crate::Failure;
use crate::cli::{ActArgs, ReleaseArgs, RewindArgs, TargetArgs};

const SHARDS: usize = 4;

const ACT: ActArgs = ActArgs { apply: true, hand_over_timeout_ms: 60_000, take: false };

type Delivered = Arc<Mutex<Vec<String>>>;

/// A stream, its lease table, and what workers have delivered.
struct Scene {
    kinesis: Arc<MemoryKinesis>,
    target: Target,
    delivered: Delivered,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<kcl_core::worker::ShutdownReport>>,
}

impl Scene {
    fn new() -> Self {
        let stream = StreamId::named("orders").unwrap();
        let kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings::default()));
        kinesis.create_stream(&stream, SHARDS).unwrap();
        let leases = Arc::new(MemoryLeaseStore::default());
        let ports = Ports { kinesis: Arc::<MemoryKinesis>::clone(&kinesis), leases };
        Self {
            kinesis,
            target: Target { stream, table: "orders".to_owned(), ports, stop: CancellationToken::new() },
            delivered: Delivered::default(),
        }
    }

    fn start(&self, name: &str) -> Running {
        let settings = WorkerSettings {
            shard_sync_interval: Duration::from_secs(5),
            ..WorkerSettings::new(self.target.stream.clone(), WorkerId::new(name).unwrap())
        };
        let delivered = Arc::clone(&self.delivered);
        let note = for_each_record(move |record: Record| {
            delivered.lock().unwrap().push(String::from_utf8_lossy(&record.data).into_owned());
            async { Ok(()) }
        });
        let (stop, stopped) = oneshot::channel();
        let worker = Worker::new(settings, self.target.ports.clone(), note);
        let task = tokio::spawn(worker.run(async {
            let _sent = stopped.await;
        }));
        Running { stop, task }
    }

    /// One record into each open shard, each with a name of its own.
    async fn put(&self, name: &str) {
        for shard in self.shards().await.iter().filter(|shard| shard.is_open()) {
            let text = format!("{name} {}", shard.shard_id);
            let hash_key = Some(shard.hash_key_range.start);
            self.kinesis.put_record(&self.target.stream, "key", hash_key, Bytes::from(text)).unwrap();
        }
    }

    async fn shards(&self) -> Vec<Shard> {
        list_all_shards(&*self.kinesis, &self.target.stream).await.unwrap()
    }

    async fn rows(&self) -> Vec<Lease> {
        self.target.ports.leases.list(Consistency::Strong).await.unwrap()
    }

    /// What was delivered since the last time, and how often each.
    fn take_delivered(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for text in self.delivered.lock().unwrap().drain(..) {
            *counts.entry(text).or_default() += 1;
        }
        counts
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

fn all_to(to: &str) -> RewindArgs {
    RewindArgs { shard: None, all: true, to: to.to_owned(), target: TargetArgs::default(), act: ACT }
}

fn release_of(shard: &str, act: ActArgs) -> ReleaseArgs {
    ReleaseArgs { shard: shard.to_owned(), target: TargetArgs::default(), act }
}

fn each_once(names: &[&str], shards: &[Shard]) -> BTreeMap<String, usize> {
    let texts =
        names.iter().flat_map(|name| shards.iter().map(move |shard| format!("{name} {}", shard.shard_id)));
    texts.map(|text| (text, 1)).collect()
}

async fn secs(secs: u64) {
    sleep(Duration::from_secs(secs)).await;
}

#[tokio::test(start_paused = true)]
async fn a_released_shard_moves_without_a_duplicate() {
    let scene = Scene::new();
    let (ada, bob) = (scene.start("ada"), scene.start("bob"));
    secs(20).await;
    for round in 0..20 {
        scene.put(&format!("{round}")).await;
        if round == 10 {
            let counter = scene.rows().await[0].counter;
            let shard = scene.rows().await[0].shard.shard_id.clone();
            release(&scene.target, &release_of(shard.as_str(), ACT)).await.unwrap();
            assert!(scene.rows().await[0].counter > counter);
        }
        secs(1).await;
    }
    secs(5).await;
    assert!(scene.rows().await.iter().all(|row| row.owner.is_some()));
    let names: Vec<String> = (0..20).map(|round| round.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(scene.take_delivered(), each_once(&names, &scene.shards().await));
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_without_apply() {
    let scene = Scene::new();
    let ada = scene.start("ada");
    secs(20).await;
    scene.put("one").await;
    secs(5).await;
    ada.stop().await;
    let rows = scene.rows().await;
    let act = ActArgs { apply: false, ..ACT };
    release(&scene.target, &release_of(rows[0].shard.shard_id.as_str(), act)).await.unwrap();
    rewind(&scene.target, &RewindArgs { act, ..all_to("trim-horizon") }).await.unwrap();
    assert_eq!(scene.rows().await, rows);
}

#[tokio::test(start_paused = true)]
async fn everything_comes_again_and_parents_come_before_their_children() {
    let scene = Scene::new();
    let (ada, bob) = (scene.start("ada"), scene.start("bob"));
    secs(20).await;
    scene.put("before").await;
    let parents = scene.shards().await;
    let parent = &parents[1];
    let middle = parent.hash_key_range.start / 2 + parent.hash_key_range.end / 2;
    scene.kinesis.split_shard(&scene.target.stream, &parent.shard_id, middle).unwrap();
    scene.put("after").await;
    secs(30).await;
    let shards = scene.shards().await;
    let open: Vec<Shard> = shards.into_iter().filter(Shard::is_open).collect();
    let mut expected = each_once(&["before"], &parents);
    expected.extend(each_once(&["after"], &open));
    assert_eq!(scene.take_delivered(), expected);

    rewind(&scene.target, &all_to("trim-horizon")).await.unwrap();
    secs(60).await;
    let order = scene.delivered.lock().unwrap().clone();
    assert_eq!(scene.take_delivered(), expected);
    let place =
        |name: &str, shard: &ShardId| order.iter().position(|text| *text == format!("{name} {shard}"));
    for child in open.iter().filter(|shard| shard.parent.as_ref() == Some(&parent.shard_id)) {
        assert!(place("before", &parent.shard_id) < place("after", &child.shard_id));
    }

    // A Java worker deletes what is finished while the stream still lists it.
    let key = scene.target.shard(parent.shard_id.as_str());
    let leases = &scene.target.ports.leases;
    let finished = leases.get(&key).await.unwrap().unwrap();
    assert!(finished.is_finished() && leases.delete(&finished).await.unwrap());
    rewind(&scene.target, &all_to("trim-horizon")).await.unwrap();
    let made = leases.get(&key).await.unwrap().unwrap();
    assert_eq!((made.hash_key_range, made.parents), (Some(parent.hash_key_range), Vec::new()));
    secs(60).await;
    assert_eq!(scene.take_delivered(), expected);
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_arrived_since_a_time_comes_again_and_nothing_else() {
    let scene = Scene::new();
    let ada = scene.start("ada");
    secs(20).await;
    scene.put("early").await;
    secs(2_000).await;
    let time = scene.kinesis.now();
    scene.put("late").await;
    secs(10).await;
    scene.take_delivered();
    let time = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap();
    rewind(&scene.target, &all_to(&time.to_string())).await.unwrap();
    secs(30).await;
    assert_eq!(scene.take_delivered(), each_once(&["late"], &scene.shards().await));
    ada.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_tip_what_waits_is_left_out_and_what_comes_is_not() {
    let scene = Scene::new();
    let ada = scene.start("ada");
    secs(20).await;
    scene.put("done").await;
    secs(5).await;
    ada.stop().await;
    scene.take_delivered();
    scene.put("left out").await;
    rewind(&scene.target, &all_to("latest")).await.unwrap();
    // Before any worker is there to see it.
    secs(1).await;
    scene.put("wanted").await;
    let bob = scene.start("bob");
    secs(30).await;
    assert_eq!(scene.take_delivered(), each_once(&["wanted"], &scene.shards().await));
    bob.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_shard_is_put_after_a_record() {
    let scene = Scene::new();
    let ada = scene.start("ada");
    secs(20).await;
    let shard = scene.shards().await.remove(0);
    let mut sequence_numbers = Vec::new();
    for text in ["one", "two", "three"] {
        let hash_key = Some(shard.hash_key_range.start);
        let put = scene.kinesis.put_record(&scene.target.stream, "key", hash_key, text.into()).unwrap();
        sequence_numbers.push(put.sequence_number.to_string());
    }
    secs(5).await;
    scene.take_delivered();
    let one =
        RewindArgs { shard: Some(shard.shard_id.to_string()), all: false, ..all_to(&sequence_numbers[0]) };
    rewind(&scene.target, &one).await.unwrap();
    secs(30).await;
    assert_eq!(scene.take_delivered(), BTreeMap::from([("two".to_owned(), 1), ("three".to_owned(), 1)]));
    let elsewhere = RewindArgs { to: "7".to_owned(), ..one };
    let refused = rewind(&scene.target, &elsewhere).await.unwrap_err();
    assert!(refused.to_string().contains("7 is not of this shard"), "{refused}");
    ada.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_user_record_of_an_aggregate_is_where_it_ends() {
    let scene = Scene::new();
    let ada = scene.start("ada");
    secs(20).await;
    let mut aggregator = Aggregator::default();
    for data in [b"one", b"two"] {
        let record = NewUserRecord { partition_key: "key", data, ..NewUserRecord::default() };
        assert_eq!(aggregator.add(&record).unwrap(), Addition::Added {});
    }
    let aggregate = aggregator.encode();
    let put = scene.kinesis.put_record(&scene.target.stream, "key", None, aggregate).unwrap();
    secs(5).await;
    assert_eq!(scene.take_delivered().len(), 2);
    rewind(&scene.target, &all_to("latest")).await.unwrap();
    secs(30).await;
    assert_eq!(scene.take_delivered(), BTreeMap::new());
    let first = format!("{}/0", put.sequence_number);
    let one = RewindArgs { shard: Some(put.shard_id.to_string()), all: false, ..all_to(&first) };
    rewind(&scene.target, &one).await.unwrap();
    secs(30).await;
    assert_eq!(scene.take_delivered(), BTreeMap::from([("two".to_owned(), 1)]));
    ada.stop().await;
}

/// A worker of the Java KCL renews, and answers no request.
#[tokio::test(start_paused = true)]
async fn a_worker_that_hands_nothing_over_keeps_its_lease_unless_it_is_to_be_taken() {
    let scene = Scene::new();
    scene.target.ports.leases.prepare().await.unwrap();
    let shard = scene.target.shard("shardId-000000000000");
    let java = Lease {
        owner: Some(WorkerId::new("java").unwrap()),
        ..Lease::unowned(shard, kcl_core::model::Checkpoint::TrimHorizon, Vec::new())
    };
    scene.target.ports.leases.create(&java).await.unwrap();
    let refused = release(&scene.target, &release_of("shardId-000000000000", ACT)).await.unwrap_err();
    assert!(refused.to_string().contains("--take"), "{refused}");
    assert_eq!(scene.rows().await, [java]);
    let act = ActArgs { take: true, ..ACT };
    release(&scene.target, &release_of("shardId-000000000000", act)).await.unwrap();
    assert_eq!(scene.rows().await[0].owner, None);
}

/// Whoever is not there to take the lease must not be handed it later.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_is_taken_back() {
    let scene = Scene::new();
    scene.target.ports.leases.prepare().await.unwrap();
    let shard = scene.target.shard("shardId-000000000000");
    let gone = WorkerId::new("gone").unwrap();
    let row = Lease::unowned(shard, kcl_core::model::Checkpoint::TrimHorizon, Vec::new());
    let row = row.after(&kcl_core::lease::LeaseChange::Take { by: gone });
    scene.target.ports.leases.create(&row).await.unwrap();
    let refused = release(&scene.target, &release_of("shardId-000000000000", ACT)).await.unwrap_err();
    assert!(refused.to_string().contains("did not let go within 60000 ms"), "{refused}");
    assert_eq!(scene.rows().await, [row]);
}
