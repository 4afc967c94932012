//! What the user writes, and what stands between it and the stream.
//!
//! A [`RecordProcessor`] handles one shard, batch after batch; [`for_each_record`] makes one from an async closure, and
//! [`for_each_shard`] makes each from what is known of its shard. A call that fails or panics is made again with the same
//! records, until the [`FailurePolicy`] says otherwise; nothing here skips a record that the user has not chosen to skip by
//! name. Nothing here decides who owns a shard.

mod call_deadlines;
mod call_watch;
mod calls;
mod checkpoint_out_of_range;
mod checkpointer;
mod delivery;
mod failure;
mod for_each_shard;
mod halt;
mod lanes;
mod positions;
mod prepared_checkpoint;
mod processor_factory;
mod record_handler;
mod record_processor;
mod shard_delivery;

pub use call_deadlines::CallDeadlines;
pub(crate) use call_watch::{CallWatch, Overrun};
pub use checkpoint_out_of_range::CheckpointOutOfRange;
pub use checkpointer::Checkpointer;
pub(crate) use delivery::{BatchInHand, Delivery};
pub(crate) use failure::LastResort;
#[cfg(feature = "sqs")]
pub(crate) use failure::md5_uuid;
pub use failure::{
    FailedAt, FailedBatch, FailureCondition, FailurePolicy, JSON_LINES_FILE_BYTES_MAX, JsonLinesFile,
    OnFailureDestination, Sent, SpillToFile, StartOver, WhenExhausted,
};
pub use for_each_shard::for_each_shard;
pub(crate) use halt::Halt;
pub use prepared_checkpoint::PreparedCheckpoint;
pub use processor_factory::{Lanes, OneByOne, Processor, ProcessorFactory};
pub use record_handler::{RecordHandler, for_each_record};
pub use record_processor::{ProcessorError, RecordBatch, RecordProcessor, ShardStart};
pub(crate) use shard_delivery::ShardDelivery;
