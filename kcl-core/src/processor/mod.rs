//! What the user writes, and what stands between it and the stream.
//!
//! A [`RecordProcessor`] handles one shard, batch after batch; [`for_each_record`] makes one from an async closure. A
//! call that fails or panics is made again with the same batch: nothing here ever skips a record. Nothing here decides
//! who owns a shard.

mod call_watch;
mod checkpointer;
mod delivery;
mod failure;
mod record_handler;
mod record_processor;

pub use checkpointer::Checkpointer;
pub(crate) use delivery::{Delivered, Delivery};
#[cfg(feature = "sqs")]
pub(crate) use failure::md5_uuid;
pub use failure::{
    FailedBatch, FailureCondition, JSON_LINES_FILE_BYTES_MAX, JsonLinesFile, OnFailureDestination, Sent,
    SpillToFile,
};
pub use record_handler::{RecordHandler, for_each_record};
pub use record_processor::{ProcessorError, ProcessorFactory, RecordBatch, RecordProcessor, ShardStart};
