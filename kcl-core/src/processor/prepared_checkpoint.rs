use super::Checkpointer;
use crate::error::Result;
use crate::model::RecordPosition;

/// A checkpoint that is prepared, and waits to be committed: see [`Checkpointer::prepare`].
///
/// To drop it leaves what was prepared in the row.
#[derive(Debug)]
#[must_use = "what is prepared is not committed"]
pub struct PreparedCheckpoint {
    checkpointer: Checkpointer,
    position: RecordPosition,
}

impl PreparedCheckpoint {
    pub(super) fn new(checkpointer: Checkpointer, position: RecordPosition) -> Self {
        Self { checkpointer, position }
    }

    /// What [`commit`](Self::commit) commits.
    pub fn position(&self) -> &RecordPosition {
        &self.position
    }

    /// Commits the position that was prepared, and removes what was prepared from the row: the same as
    /// [`Checkpointer::checkpoint_at`] of that position, with its errors. After one it may be called again.
    pub async fn commit(&self) -> Result<()> {
        self.checkpointer.checkpoint_at(&self.position).await
    }
}
