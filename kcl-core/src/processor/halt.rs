use crate::error::Error;

/// Why a call that is made until it succeeds is made no more.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The shard is about to be given away. The next owner begins after the last checkpoint.
    Leaving,
    /// The processor cannot go on, and a fresh one can, after the last checkpoint.
    StartOver(Error),
    /// The failure policy is to stop the worker.
    StopWorker(Error),
}
