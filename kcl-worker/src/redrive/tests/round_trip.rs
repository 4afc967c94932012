use kcl_core::aggregation::{Aggregator, NewUserRecord};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::processor::{JsonLinesFile, ShardStart, for_each_record, for_each_shard};
use kcl_core::worker::{Ports, Worker};
use tokio::time::sleep;

use super::*;

const SHARDS: usize = 3;

/// A third of all records: of single ones, and of those within aggregates.
fn is_bad(record: &Record) -> bool {
    record.data.ends_with(b"0") || record.data.ends_with(b"4") || record.data.ends_with(b"9")
}

/// Single records and aggregates in turn, in all shards.
fn put_all(kinesis: &MemoryKinesis) {
    for number in 0..60_u32 {
        let key = format!("key {}", number % 7);
        if number % 2 == 0 {
            kinesis.put_record(&stream(), &key, None, Bytes::from(format!("single {number}"))).unwrap();
            continue;
        }
        let mut aggregator = Aggregator::default();
        for part in 0..12_u32 {
            let data = format!("{number} {part}");
            let explicit_hash_key = (part % 3 == 0).then_some(u128::from(part));
            let (partition_key, data) = (key.as_str(), data.as_bytes());
            let record = NewUserRecord { partition_key, explicit_hash_key, data, ..NewUserRecord::default() };
            aggregator.add(&record).unwrap();
        }
        kinesis.put_record(&stream(), &key, None, aggregator.encode()).unwrap();
    }
}

/// A worker that gives up what is bad, and what it gave up.
async fn letters_of_a_worker(directory: &Path) -> BTreeMap<ShardId, Vec<Record>> {
    let kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings::default()));
    kinesis.create_stream(&stream(), SHARDS).unwrap();
    put_all(&kinesis);
    let bad = Delivered::default();
    let note = bad.clone();
    let processors = for_each_shard(move |start: &ShardStart| {
        let (note, shard) = (note.clone(), start.shard.clone());
        for_each_record(move |record: Record| {
            let is_bad = is_bad(&record);
            let seen = note.0.lock().unwrap().get(&shard.shard_id).is_some_and(|seen| seen.contains(&record));
            if is_bad && !seen {
                note.note(&shard, &record);
            }
            async move { if is_bad { Err("bad".into()) } else { Ok(()) } }
        })
    });
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::new()) };
    let worker = Worker::new(settings(WhenExhausted::SendToDestination), ports, processors)
        .with_on_failure_destination(JsonLinesFile::new(directory));
    worker.run(sleep(Duration::from_secs(600))).await.unwrap();
    bad.records()
}

fn recording(delivered: &Delivered, lanes: usize) -> impl ProcessorFactory {
    let delivered = delivered.clone();
    for_each_shard(move |start: &ShardStart| {
        let (delivered, shard) = (delivered.clone(), start.shard.clone());
        let handler = for_each_record(move |record: Record| {
            delivered.note(&shard, &record);
            async { Ok(()) }
        });
        if lanes > 1 { handler.concurrency(lanes) } else { handler }
    })
}

fn only_file(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[tokio::test(start_paused = true)]
async fn exactly_what_was_given_up_comes_again_as_it_was_and_in_order() {
    let place = Place::new("round-trip");
    let expected = letters_of_a_worker(&place.path("letters")).await;
    let file = only_file(&place.path("letters"));
    let count: usize = expected.values().map(Vec::len).sum();
    assert!(expected.len() == SHARDS && count > 100, "{count}");
    let is_within = |record: &Record| record.position.sub_sequence_number > 0;
    assert!(expected.values().flatten().any(is_within));
    for lanes in [1, 8] {
        let delivered = Delivered::default();
        let outcome = redrive(&file, recording(&delivered, lanes)).await;
        assert!(outcome.is_complete() && outcome.trouble.is_none(), "{outcome:?}");
        let mut records = delivered.records();
        if lanes > 1 {
            // Between keys there is no order.
            for records in records.values_mut() {
                records.sort_by(|a, b| a.position.cmp(&b.position));
            }
        }
        assert_eq!(records, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn copies_are_delivered_once() {
    let place = Place::new("copies");
    letters_of_a_worker(&place.path("letters")).await;
    let text = fs::read_to_string(only_file(&place.path("letters"))).unwrap();
    let twice = place.path("twice");
    // The second time in the opposite order.
    let again: Vec<&str> = text.lines().rev().collect();
    fs::write(&twice, format!("{text}\n{}\n", again.join("\n"))).unwrap();
    let letters = read(&twice).await;
    assert_eq!(letters.copies, letters.len());
    let delivered = Delivered::default();
    let outcome = redrive(&twice, recording(&delivered, 1)).await;
    assert!(outcome.is_complete());
    assert_eq!(delivered.records().values().map(Vec::len).sum::<usize>(), letters.len());
}

#[tokio::test(start_paused = true)]
async fn parents_come_before_their_children_and_owners_have_the_token_of_the_letters() {
    let place = Place::new("parents");
    let child = |name: &str, parent: &str, number| {
        let parents = vec![ShardId::new(parent), ShardId::new("shardId-gone")];
        FailedBatch { parents, ..batch(name, vec![record(number, 0)]) }
    };
    // Names in an order that is not that of the family; and two that follow each other.
    let batches = [
        child("a", "b", 30),
        child("b", "c", 20),
        batch("c", vec![record(10, 0), record(11, 0)]),
        child("x", "y", 7),
        child("y", "x", 8),
    ];
    let order: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
    let note = Arc::clone(&order);
    let processors = for_each_shard(move |start: &ShardStart| {
        let (note, name) = (Arc::clone(&note), start.shard.shard_id.to_string());
        let token = start.fencing_token;
        for_each_record(move |_: Record| {
            note.lock().unwrap().push((name.clone(), token));
            async { Ok(()) }
        })
    });
    assert!(redrive(&place.file("f", &batches), processors).await.is_complete());
    let order = order.lock().unwrap().clone();
    let family: Vec<&str> = order.iter().map(|(name, _)| name.as_str()).filter(|name| *name < "x").collect();
    assert_eq!((family, order.len()), (vec!["c", "c", "b", "a"], 6));
    assert!(order.iter().all(|(_, token)| *token == 41), "{order:?}");
}

/// More user records of one Kinesis record than a read returns.
#[tokio::test(start_paused = true)]
async fn a_page_may_end_inside_of_an_aggregate() {
    let place = Place::new("pages");
    let records: Vec<Record> = (0..12_000).map(|sub| record(5, sub * 2)).collect();
    let delivered = Delivered::default();
    let file = place.file("f", &[batch("a", records.clone())]);
    assert!(redrive(&file, recording(&delivered, 1)).await.is_complete());
    assert_eq!(delivered.records()[&ShardId::new("a")], records);
}
