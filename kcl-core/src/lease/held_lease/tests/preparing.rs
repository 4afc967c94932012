//! Checkpoints in two steps, and what lost answers make of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn at(number: u64) -> Checkpoint {
    let sequence_number = number.to_string().parse().unwrap();
    Checkpoint::At(RecordPosition { sequence_number, sub_sequence_number: 0 })
}

fn pending(number: u64, state: u8) -> PendingCheckpoint {
    PendingCheckpoint { checkpoint: at(number), application_state: Bytes::from(vec![state]) }
}

#[tokio::test(start_paused = true)]
async fn a_preparation_whose_answer_was_lost_is_recognised() {
    for next in [Next::LoseAnswer, Next::Hang] {
        let (store, row) = new_row().await;
        let lease = held(&store, &row).await;
        store.will(&[next]);
        assert!(lease.prepare(pending(7, 1)).await.unwrap_err().is_retryable());
        lease.prepare(pending(7, 1)).await.unwrap();
        let row = row_of(&store, &lease).await;
        assert_eq!((row.counter, row.pending), (2, Some(pending(7, 1))), "written once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_on_top_of_a_preparation_in_doubt_removes_it() {
    for next in [Next::LoseAnswer, Next::Hang, Next::Drop] {
        let (store, row) = new_row().await;
        let lease = held(&store, &row).await;
        store.will(&[next]);
        assert!(lease.prepare(pending(7, 1)).await.unwrap_err().is_retryable());
        lease.checkpoint(at(7), Vec::new()).await.unwrap();
        let row = row_of(&store, &lease).await;
        assert_eq!((row.checkpoint, row.pending), (at(7), None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_prepared_goes_with_the_lease_unless_the_position_does() {
    for (checkpoint, stays) in [(None, true), (Some(at(5)), false), (Some(Checkpoint::TrimHorizon), true)] {
        let (store, lease) = requested().await;
        lease.prepare(pending(7, 1)).await.unwrap();
        lease.leave(checkpoint.as_ref()).await.unwrap();
        let row = row_of(&store, &lease).await;
        assert_eq!(row.owner, Some(rival()));
        assert_eq!(row.pending, stays.then(|| pending(7, 1)));
    }
}

#[derive(Debug, Clone, Copy)]
enum Write {
    Renew,
    Checkpoint(u64),
    Prepare(u64, u8),
}

/// What the row is to hold, and what its owner knows of it.
#[derive(Debug, Default)]
struct Expected {
    committed: u64,
    pending: Option<(u64, u8)>,
    /// An answer was lost, and the owner still takes the row to be committed up to here.
    stale: Option<u64>,
}

impl Expected {
    fn write(&mut self, write: Write, next: Next) {
        let is_due = match write {
            Write::Renew => true,
            Write::Checkpoint(number) | Write::Prepare(number, _) => {
                number > self.stale.unwrap_or(self.committed)
            }
        };
        match next {
            _ if !is_due => {}
            Next::Answer => {
                self.apply(write);
                self.stale = None;
            }
            // The service takes nothing of an owner that does not know the row.
            Next::LoseAnswer if self.stale.is_none() => {
                self.stale = Some(self.committed);
                self.apply(write);
            }
            Next::LoseAnswer | Next::Drop | Next::Hang => {}
        }
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Checkpoint(number) if number > self.committed => {
                (self.committed, self.pending) = (number, None);
            }
            Write::Prepare(number, state) if number > self.committed => self.pending = Some((number, state)),
            _ => {}
        }
    }
}

fn writes() -> impl Strategy<Value = Vec<(Write, Next)>> {
    let write = prop_oneof![
        Just(Write::Renew),
        (1..20_u64).prop_map(Write::Checkpoint),
        (1..20_u64, 0..3_u8).prop_map(|(number, state)| Write::Prepare(number, state)),
    ];
    let next = prop_oneof![3 => Just(Next::Answer), 1 => Just(Next::LoseAnswer), 1 => Just(Next::Drop)];
    proptest::collection::vec((write, next), 0..30)
}

proptest! {
    #[test]
    fn whatever_is_lost_the_row_holds_what_was_written_and_never_moves_back(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (store, row) = new_row().await;
            let lease = held(&store, &row).await;
            let mut expected = Expected::default();
            for (write, next) in writes {
                store.will(&[next]);
                let written = match write {
                    Write::Renew => lease.renew().await,
                    Write::Checkpoint(number) => lease.checkpoint(at(number), Vec::new()).await,
                    Write::Prepare(number, state) => lease.prepare(pending(number, state)).await,
                };
                prop_assert!(!lease.ended().is_cancelled(), "{:?} {:?}: {:?}", write, next, written);
                expected.write(write, next);
                let row = row_of(&store, &lease).await;
                let committed = Some(expected.committed).filter(|number| *number > 0);
                prop_assert_eq!(row.checkpoint, committed.map_or(Checkpoint::TrimHorizon, at));
                prop_assert_eq!(row.pending, expected.pending.map(|(number, state)| pending(number, state)));
            }
            Ok(())
        })?;
    }
}
