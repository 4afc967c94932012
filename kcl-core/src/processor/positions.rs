use super::CheckpointOutOfRange;
use crate::model::{Checkpoint, PendingCheckpoint, RecordPosition};

/// What a processor was given, has taken, and may commit. Pure.
#[derive(Debug)]
pub(super) struct Positions {
    /// The last record for which the processor returned `Ok`.
    processed: Option<RecordPosition>,
    /// The last record handed to the processor: the highest position that it may commit. Falls back to `processed`
    /// when it fails, so that nothing commits a batch that it did not take.
    delivered: Option<RecordPosition>,
    /// The highest position that was prepared, by whomever: it was delivered once, so it may be committed.
    prepared: Option<RecordPosition>,
    /// What the row holds.
    committed: Checkpoint,
}

impl Positions {
    /// Nothing delivered yet, of a shard that is processed up to `committed`, with `pending` prepared.
    pub(super) fn new(committed: Checkpoint, pending: Option<&PendingCheckpoint>) -> Self {
        let prepared = match pending.map(|pending| &pending.checkpoint) {
            Some(Checkpoint::At(position)) => Some(position.clone()),
            _ => None,
        };
        Self { processed: None, delivered: None, prepared, committed }
    }

    pub(super) fn begin(&mut self, last: &RecordPosition) {
        self.delivered = Some(last.clone());
    }

    pub(super) fn succeed(&mut self) {
        self.processed.clone_from(&self.delivered);
    }

    pub(super) fn fail(&mut self) {
        self.delivered.clone_from(&self.processed);
    }

    /// Takes note of a preparation.
    pub(super) fn prepare(&mut self, position: &RecordPosition) {
        self.prepared = self.prepared.take().max(Some(position.clone()));
    }

    pub(super) fn delivered(&self) -> Option<&RecordPosition> {
        self.delivered.as_ref()
    }

    pub(super) fn committed(&self) -> &Checkpoint {
        &self.committed
    }

    /// What is processed and not committed yet.
    pub(super) fn uncommitted(&self) -> Option<Checkpoint> {
        let processed = self.processed.clone().map(Checkpoint::At);
        processed.filter(|processed| *processed > self.committed)
    }

    /// Takes note of a commit; false if another has come as far meanwhile.
    pub(super) fn advance(&mut self, committed: &Checkpoint) -> bool {
        let is_ahead = *committed > self.committed;
        if is_ahead {
            self.committed.clone_from(committed);
        }
        is_ahead
    }

    /// The checkpoint that covers `position`, if it may be committed and is not yet.
    pub(super) fn due(&self, position: &RecordPosition) -> Result<Option<Checkpoint>, CheckpointOutOfRange> {
        let checkpoint = Checkpoint::At(position.clone());
        if checkpoint <= self.committed {
            return Ok(None);
        }
        let highest = self.delivered.as_ref().max(self.prepared.as_ref());
        if Some(position) <= highest {
            return Ok(Some(checkpoint));
        }
        let lowest = self.committed.clone();
        let highest = highest.cloned().map_or(Checkpoint::TrimHorizon, Checkpoint::At).max(lowest.clone());
        Err(CheckpointOutOfRange { position: position.clone(), lowest, highest })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    /// What happens to a shard, in record numbers.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Deliver(u64),
        Succeed,
        Fail,
        Prepare(u64),
        Commit(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1..5_u64).prop_map(Step::Deliver),
            Just(Step::Succeed),
            Just(Step::Fail),
            (1..40_u64).prop_map(Step::Prepare),
            (1..40_u64).prop_map(Step::Commit),
        ];
        proptest::collection::vec(step, 0..40)
    }

    fn at(number: u64) -> RecordPosition {
        RecordPosition { sequence_number: number.to_string().parse().unwrap(), sub_sequence_number: 0 }
    }

    /// The same in numbers, 0 for nothing: what is permitted is all up to the highest of them.
    #[derive(Default)]
    struct Expected {
        processed: u64,
        delivered: u64,
        prepared: u64,
        committed: u64,
    }

    impl Expected {
        fn highest(&self) -> u64 {
            self.delivered.max(self.prepared).max(self.committed)
        }

        fn judge(
            &self,
            number: u64,
            due: Result<Option<Checkpoint>, CheckpointOutOfRange>,
        ) -> Result<bool, TestCaseError> {
            match due {
                Ok(Some(due)) => {
                    prop_assert!(self.committed < number && number <= self.highest());
                    prop_assert_eq!(due, Checkpoint::At(at(number)));
                    return Ok(true);
                }
                Ok(None) => prop_assert!(number <= self.committed),
                Err(error) => {
                    prop_assert!(number > self.highest());
                    prop_assert_eq!(error.position, at(number));
                    prop_assert_eq!(error.lowest, checkpoint(self.committed));
                    prop_assert_eq!(error.highest, checkpoint(self.highest()));
                }
            }
            Ok(false)
        }
    }

    fn checkpoint(number: u64) -> Checkpoint {
        if number == 0 { Checkpoint::TrimHorizon } else { Checkpoint::At(at(number)) }
    }

    proptest! {
        #[test]
        fn what_is_permitted_was_delivered_and_a_refusal_names_the_range(steps in steps()) {
            let mut positions = Positions::new(Checkpoint::TrimHorizon, None);
            let mut expected = Expected::default();
            for step in steps {
                match step {
                    Step::Deliver(count) => {
                        expected.delivered = expected.processed + count;
                        positions.begin(&at(expected.delivered));
                    }
                    Step::Succeed => {
                        expected.processed = expected.delivered;
                        positions.succeed();
                    }
                    Step::Fail => {
                        expected.delivered = expected.processed;
                        positions.fail();
                    }
                    Step::Prepare(number) => {
                        if expected.judge(number, positions.due(&at(number)))? {
                            positions.prepare(&at(number));
                            expected.prepared = expected.prepared.max(number);
                        }
                    }
                    Step::Commit(number) => {
                        if expected.judge(number, positions.due(&at(number)))? {
                            prop_assert!(positions.advance(&checkpoint(number)), "a commit moves the row up");
                            expected.committed = number;
                        }
                    }
                }
                let uncommitted = Some(expected.processed).filter(|processed| *processed > expected.committed);
                prop_assert_eq!(positions.uncommitted(), uncommitted.map(checkpoint));
            }
        }
    }

    #[test]
    fn what_a_predecessor_prepared_may_be_committed_before_it_is_delivered_again() {
        let pending = PendingCheckpoint { checkpoint: checkpoint(7), application_state: Bytes::new() };
        let mut positions = Positions::new(checkpoint(3), Some(&pending));
        positions.begin(&at(4));
        assert_eq!(positions.due(&at(7)), Ok(Some(checkpoint(7))));
        assert!(positions.due(&at(8)).is_err());
    }
}
