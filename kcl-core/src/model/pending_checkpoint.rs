use bytes::Bytes;

use super::Checkpoint;

/// A checkpoint that was prepared and neither committed nor replaced: what a processor meant to commit when it died, or gave
/// its shard away.
///
/// It says nothing about what is processed. Only the checkpoint of the row does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCheckpoint {
    /// What was to be committed: the position of a record, unless a Java worker has prepared the end of the shard.
    pub checkpoint: Checkpoint,
    /// What the application gave with it, in a form of its own; empty if it gave nothing.
    pub application_state: Bytes,
}
