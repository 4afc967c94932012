//! A consumer framework for Amazon Kinesis Data Streams.
//!
//! A fleet of identical workers shares the shards of a stream through one lease table. Each worker runs the user's
//! processor, one for each shard it holds, delivers records in order, and commits checkpoints into the shard's row.
//!
//! ```text
//!   Kinesis ──list shards──▶ lineage ──rows to create──▶ lease table ◀──take, renew, release──┐
//!      │                                                     │    ▲                           │
//!      │                                                scan │    │ checkpoint                │
//!      │                                                     ▼    │                           │
//!      │                                  assignment ──▶ Coordinator ──lease held──▶ ShardConsumer
//!      └──────────────records──────────────────────────────────────────────────────▶ │  RecordProcessor
//! ```
//!
//! What a user may rely on is in `docs/semantics.md`, the map of the code in `docs/architecture.md`, and the protocol
//! of the lease table on [`lease`].
//!
//! # A complete program
//!
//! In memory, so it needs no AWS. For a real stream only the [`Ports`](worker::Ports) differ: see `aws::ports`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use kcl_core::WorkerSettings;
//! use kcl_core::memory::{MemoryKinesis, MemoryLeaseStore};
//! use kcl_core::model::{Record, StreamId};
//! use kcl_core::processor::for_each_record;
//! use kcl_core::worker::{Ports, Worker, unique_worker_id};
//! use tokio::sync::mpsc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kcl_core::Result<()> {
//! let stream = StreamId::named("greetings")?;
//! let kinesis = Arc::new(MemoryKinesis::default());
//! kinesis.create_stream(&stream, 2)?;
//! kinesis.put_record(&stream, "world", None, "hello".into())?;
//!
//! let (seen, mut first) = mpsc::channel(1);
//! let processor = for_each_record(move |record: Record| {
//!     let seen = seen.clone();
//!     async move { Ok(seen.send(record.data).await?) }
//! });
//! let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::new()) };
//! let settings = WorkerSettings::new(stream, unique_worker_id("example")?);
//! Worker::new(settings, ports, processor)
//!     .run(async { assert_eq!(first.recv().await.as_deref(), Some(b"hello".as_slice())) })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! * `aws` (default): the adapters to Amazon Kinesis and DynamoDB. Without it there is no SDK in the tree.
//! * `sqs`: an SQS queue as the on-failure destination. Brings `aws`.
//! * `testing`: conformance suites for the ports, wrappers that inject faults, an oracle that judges deliveries.

pub mod aggregation;
#[cfg(feature = "aws")]
pub mod aws;
mod error;
mod event;
pub mod lease;
pub mod memory;
pub mod model;
mod planted;
pub mod processor;
mod retry;
mod settings;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
pub use event::{BlockReason, Event, EventSink, describe_metrics};
#[cfg(feature = "planted-faults")]
pub use planted::PlantedFault;
pub use retry::RetryDelays;
pub use settings::{Checkpointing, WorkerSettings};
