use std::collections::BTreeSet;

use kcl_core::model::{Checkpoint, RecordPosition, StreamId, WorkerId};
use kcl_core::processor::FailureCondition;
use kcl_core::{BlockReason, Error, ErrorKind};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn shard(number: usize) -> ShardKey {
    ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(format!("shardId-{number}")))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What may happen to a shard, or (from 28 on) to the worker.
const KINDS: usize = 31;
const SCANNED: usize = KINDS - 1;

/// Gives the board an event of this kind. Returns whether the shard is held afterwards, if that is the event's to say.
fn happen(board: &mut StatusBoard, kind: usize, number: usize, now: Duration) -> Option<bool> {
    let shard = &shard(number);
    let error = &Error::new(ErrorKind::Transient, "out of order");
    let position = &RecordPosition { sequence_number: "49".parse().unwrap(), sub_sequence_number: 0 };
    let (checkpoint, other) = (&Checkpoint::At(position.clone()), &WorkerId::new("other").unwrap());
    let (delay, elapsed, failed_attempts, call) = (secs(20), secs(60), 3, "process_records");
    let (event, holds) = match kind {
        0 | 1 => (Event::LeaseTaken { shard, from: None, checkpoint }, Some(true)),
        2 => (Event::LeaseReleased { shard }, Some(false)),
        3 => (Event::LeaseHandedOver { shard, to: other }, Some(false)),
        4 => (Event::ReleaseFailed { shard, error }, Some(false)),
        5 => (Event::ShardEnded { shard, children: &[] }, Some(false)),
        6 => (Event::ShardFailed { shard, error, delay }, Some(false)),
        7 => (Event::WaitingForParents { shard, unfinished: &[] }, None),
        8 => (Event::LeaseUnclaimed { shard }, None),
        9 => (Event::StandstillOver { shard }, None),
        10 => (Event::ShardStarted { shard }, None),
        11 => (Event::ShardStopping { shard }, None),
        12 => (Event::BatchRead { shard, records: 1, in_flight_bytes: 7 }, None),
        13 => (Event::ShardIdle { shard, millis_behind_latest: 0 }, None),
        14 => (Event::ReadFailed { shard, error, failed_attempts, delay }, None),
        15 => (Event::ReadRecovered { shard }, None),
        16 => {
            let (last, millis_behind_latest) = (position, 5);
            (Event::BatchProcessed { shard, records: 1, bytes: 1, last, elapsed, millis_behind_latest }, None)
        }
        17 => {
            let delay = Some(delay);
            (Event::ProcessorFailed { shard, call, error: "no", failed_attempts, delay }, None)
        }
        18 => {
            let reason = BlockReason::Destination;
            (Event::ShardBlocked { shard, position: Some(position), reason, error: "no" }, None)
        }
        19 => (Event::ShardUnblocked { shard, blocked_for: elapsed }, None),
        20 => (Event::ProcessorBusy { shard, call, elapsed }, None),
        21 => (Event::FellBackToPolling { shard, error }, None),
        22 => (Event::PositionTrimmed { shard, position }, None),
        23 => (Event::CheckpointFailed { shard, error }, None),
        24 => (Event::Checkpointed { shard, checkpoint }, None),
        25 => (Event::ShardEndedTooEarly { shard }, None),
        26 => {
            let (condition, error) = (FailureCondition::RetryAttemptsExhausted, Some("no"));
            (Event::RecordsSkipped { shard, from: position, to: position, count: 1, condition, error }, None)
        }
        27 => (Event::SubscriptionInUse { shard, failed_attempts, delay }, None),
        28 => (Event::WorkerStarted, None),
        29 => (Event::CoordinationFailed { error }, None),
        _ => {
            let interval = secs(1);
            (Event::TableScanned { leases: 4, held: 1, free: 1, workers: 2, elapsed, interval }, None)
        }
    };
    board.observe(&event, now);
    holds
}

fn is_of_holder(state: ShardState) -> bool {
    use ShardState::{Blocked, Running, Starting, Stopping};
    matches!(state, Starting | Running | Blocked | Stopping)
}

proptest! {
    /// Whatever happens, and in whatever order: the board holds what was taken last and not given away, with a state that
    /// only a holder has, and forgets what is over.
    #[test]
    fn a_board_is_consistent_after_any_events(steps in vec((0..KINDS, 0..4_usize, 0..15_u64), 0..200)) {
        let (mut board, mut held, mut now) = (StatusBoard::default(), BTreeSet::new(), Duration::ZERO);
        for (kind, number, pause) in steps {
            now += secs(pause);
            match happen(&mut board, kind, number, now) {
                Some(true) => { held.insert(shard(number)); }
                Some(false) => { held.remove(&shard(number)); }
                None => {}
            }
            prop_assert!(board.held().keys().eq(held.iter()));
            for status in board.held().values() {
                prop_assert!(is_of_holder(status.state) && status.rests_until.is_none());
                let blocked = status.state == ShardState::Blocked;
                prop_assert!(!blocked || status.stall_reason().is_some() && status.last_error.is_some());
                prop_assert!(status.since <= now);
            }
            for (shard, status) in board.free() {
                prop_assert!(!held.contains(shard) && !is_of_holder(status.state));
                prop_assert!(status.stall_reason().is_some());
                prop_assert_eq!(status.state == ShardState::Resting, status.rests_until.is_some());
            }
        }
        for number in 0..4 {
            happen(&mut board, 2, number, now);
            happen(&mut board, 9, number, now);
        }
        happen(&mut board, SCANNED, 0, now + secs(20));
        prop_assert!(board.held().is_empty() && board.free().is_empty());
    }
}

/// The state of shard 0 after these events, and why it stands still.
fn after(kinds: &[usize]) -> (ShardState, Option<String>) {
    let mut board = StatusBoard::default();
    for kind in kinds {
        happen(&mut board, *kind, 0, secs(1));
    }
    let status = board.held().get(&shard(0)).or_else(|| board.free().get(&shard(0))).unwrap();
    (status.state, status.stall_reason().map(str::to_owned))
}

#[test]
fn a_shard_is_shown_with_what_it_does() {
    assert_eq!(after(&[0]), (ShardState::Starting, None));
    assert_eq!(after(&[0, 10]), (ShardState::Running, None));
    assert_eq!(after(&[0, 10, 11]), (ShardState::Stopping, None));
    assert_eq!(after(&[0, 10, 6]).0, ShardState::Resting);
    assert_eq!(after(&[7]).0, ShardState::WaitingForParents);
    assert_eq!(after(&[7, 8]).0, ShardState::Unclaimed);
    assert_eq!(after(&[7, 0]), (ShardState::Starting, None));
    let (state, reason) = after(&[25]);
    assert_eq!(state, ShardState::Unclaimed);
    assert!(reason.unwrap().contains("says that it has ended, but it is open"));
}

/// Each reason is reported once, so that one that is reported during a rest must outlive it.
#[test]
fn a_shard_that_nobody_takes_after_its_rest_is_shown_with_the_reason() {
    let state_after_rest = |kinds: &[usize]| {
        let mut board = StatusBoard::default();
        for kind in kinds {
            happen(&mut board, *kind, 0, secs(1));
        }
        happen(&mut board, SCANNED, 0, secs(20));
        assert_eq!(board.free()[&shard(0)].state, ShardState::Resting);
        happen(&mut board, SCANNED, 0, secs(21));
        board.free().get(&shard(0)).map(|status| status.state)
    };
    assert_eq!(state_after_rest(&[0, 6, 8]), Some(ShardState::Unclaimed));
    assert_eq!(state_after_rest(&[0, 6, 8, 9]), None);
    assert_eq!(state_after_rest(&[0, 6]), None);
}

#[test]
fn a_stall_has_its_reason_until_something_goes_on() {
    let reason = |kinds: &[usize]| after(kinds).1.unwrap_or_default();
    assert!(reason(&[0, 10, 14]).contains("cannot be read, 3 attempts"));
    assert_eq!(reason(&[0, 10, 14, 15]), "");
    assert!(reason(&[0, 10, 17]).contains("process_records fails, 3 attempts"));
    assert!(reason(&[0, 10, 17, 15]).contains("process_records fails"), "reading on helps no processor");
    assert_eq!(reason(&[0, 10, 17, 16]), "");
    assert!(reason(&[0, 10, 20]).contains("not returned for 60 s"));
    let blocked = after(&[0, 10, 18, 17, 16]);
    assert_eq!(blocked.0, ShardState::Blocked);
    assert!(blocked.1.unwrap().contains("destination fails at 49"));
    assert_eq!(after(&[0, 10, 18, 19]), (ShardState::Running, None));
    assert!(reason(&[0, 10, 27]).contains("somebody else is subscribed"));
    assert_eq!(reason(&[0, 10, 27, 21]), "", "it is polled");
    assert_eq!(reason(&[0, 10, 14, 21]), "", "it is polled");
    assert_eq!(reason(&[0, 10, 17, 26]), "", "it goes on behind what is given up");
    assert_eq!(reason(&[0, 10, 23]), "", "a later commit includes it");
    assert!(reason(&[0, 10, 11, 23]).contains("cannot be committed"));
    assert_eq!(reason(&[0, 10, 11, 23, 24]), "");
}

#[test]
fn records_that_retention_may_have_taken_are_an_error_of_their_shard() {
    let mut board = StatusBoard::default();
    happen(&mut board, 0, 0, secs(1));
    happen(&mut board, 22, 0, secs(2));
    let (error, at) = board.held()[&shard(0)].last_error.clone().unwrap();
    assert!(error.contains("retention has passed 49") && at == secs(2), "{error}");
}

#[test]
fn free_shards_are_shown_up_to_a_number() {
    let mut board = StatusBoard::default();
    for number in 0..2 * FREE_SHOWN_MAX {
        happen(&mut board, 8, number, secs(1));
    }
    assert_eq!(board.free().len(), FREE_SHOWN_MAX);
}
