//! A processor of your own, without AWS: `cargo run -p kcl-examples --bin hello_memory`.
//!
//! A stream and a lease table in memory take the place of Kinesis and DynamoDB. Everything between them and your
//! processor is what runs in production.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::WorkerSettings;
use kcl_core::memory::{MemoryKinesis, MemoryLeaseStore};
use kcl_core::model::{ShardKey, StreamId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart};
use kcl_core::worker::{Ports, Worker, unique_worker_id};
use tokio::sync::mpsc;

const GREETINGS: [(&str, &str); 5] = [
    ("de", "Guten Tag"),
    ("en", "Good day"),
    ("es", "Buenos días"),
    ("fr", "Bonjour"),
    ("de", "Auf Wiedersehen"),
];

/// Prints the records of one shard. A worker makes one for each shard that it takes.
struct Printer {
    /// Told of each record, so that `main` knows when to stop.
    printed: mpsc::Sender<()>,
}

#[async_trait]
impl RecordProcessor for Printer {
    /// Called once, before the first batch.
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        println!("{}: starts at {}", start.shard.shard_id, start.checkpoint);
        Ok(())
    }

    /// Called for batch after batch. `Ok` means that the whole batch is done, and the worker commits it; after an
    /// `Err` or a panic the same batch comes again.
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            let text = String::from_utf8_lossy(&record.data);
            println!("{}: {} says '{text}'", batch.shard.shard_id, record.partition_key);
            self.printed.send(()).await?;
        }
        Ok(())
    }

    /// Called when the worker stops: the last chance to finish what was begun.
    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        println!("a shard is given back");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stream of two shards. Records of one partition key go to one shard, and stay in order.
    let stream = StreamId::named("greetings")?;
    let kinesis = Arc::new(MemoryKinesis::default());
    kinesis.create_stream(&stream, 2)?;
    for (language, greeting) in GREETINGS {
        kinesis.put_record(&stream, language, None, greeting.into())?;
    }

    // A worker needs a stream, a table for its leases, and something that makes a processor for each shard.
    let (printed, mut prints) = mpsc::channel(1);
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::new()) };
    let settings = WorkerSettings::new(stream, unique_worker_id("hello")?);
    let worker = Worker::new(settings, ports, move |_: &ShardKey| Printer { printed: printed.clone() });

    // It runs until this future is ready. A service would wait for Ctrl-C here.
    let all_printed = async {
        for _ in GREETINGS {
            prints.recv().await;
        }
    };
    worker.run(all_printed).await?;
    println!("all {} greetings were printed", GREETINGS.len());
    Ok(())
}
