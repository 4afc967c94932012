//! The easy form of a processor, an async closure per record: `cargo run -p kcl-examples --bin count_words`.
//!
//! Counts the words of some lines, which come from a stream in memory: no AWS is needed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use kcl_core::WorkerSettings;
use kcl_core::memory::{MemoryKinesis, MemoryLeaseStore};
use kcl_core::model::{Record, StreamId};
use kcl_core::processor::for_each_record;
use kcl_core::worker::{Ports, Worker, unique_worker_id};
use tokio::sync::mpsc;

const LINES: [&str; 4] = [
    "the river runs to the sea",
    "the sea feeds the cloud",
    "the cloud feeds the river",
    "and nothing is lost on the way",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Each line gets a partition key of its own, which spreads them over the shards.
    let stream = StreamId::named("lines")?;
    let kinesis = Arc::new(MemoryKinesis::default());
    kinesis.create_stream(&stream, 4)?;
    for (number, line) in (1..).zip(LINES) {
        kinesis.put_record(&stream, &format!("line {number}"), None, line.into())?;
    }

    // The closure is called for each record: in order within a shard, and for several shards at a time. It is called
    // again with the same record after an `Err`, and may be after a crash. So a service would count in a database, and
    // store the record's position with the count, to know what it has counted.
    let counts: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let (counted, mut lines_counted) = mpsc::channel(1);
    let shared_counts = Arc::clone(&counts);
    let count_words = for_each_record(move |record: Record| {
        let (counts, counted) = (Arc::clone(&shared_counts), counted.clone());
        async move {
            let line = std::str::from_utf8(&record.data)?;
            for word in line.split_whitespace() {
                *counts.lock().map_err(|error| error.to_string())?.entry(word.to_owned()).or_default() += 1;
            }
            counted.send(()).await?;
            Ok(())
        }
    });

    // The worker runs until every line is counted. A service would wait for Ctrl-C here.
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::new()) };
    let settings = WorkerSettings::new(stream, unique_worker_id("count-words")?);
    let all_counted = async {
        for _ in LINES {
            lines_counted.recv().await;
        }
    };
    Worker::new(settings, ports, count_words).run(all_counted).await?;

    for (word, count) in &*counts.lock().map_err(|error| error.to_string())? {
        println!("{count:3} {word}");
    }
    Ok(())
}
