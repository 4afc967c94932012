//! Each mistake that the protocol avoids is made on purpose, and must break the promise that it endangers.

use std::collections::BTreeSet;

use stateright::{Checker, Model};

use super::config::{Config, Faults, Planted};
use super::model::{KEEPS_ITS_PROMISES, LeaseModel};
use super::promises::{Promise, broken};
use super::{CALM, NO_FAULTS};

const LOST_ANSWER: Faults = Faults { lost_answers: 1, ..NO_FAULTS };

/// Each mistake, the faults that bring it to light, and the promise that is broken first.
const MISTAKES: [(Planted, Faults, Promise); 19] = [
    (Planted::NoCounterCondition, LOST_ANSWER, Promise::OneConsumes),
    (Planted::NoOwnerCondition, Faults { deletions: 1, ..NO_FAULTS }, Promise::OwnerCommits),
    (Planted::RequestRaisesCounter, NO_FAULTS, Promise::KeepsItsOwn),
    (Planted::NoDoubtRecognition, LOST_ANSWER, Promise::KeepsItsOwn),
    (Planted::DoubtTrustsAnyRow, LOST_ANSWER, Promise::OwnerCommits),
    (Planted::DoubtIgnoresCheckpoint, Faults { impatience: 1, ..LOST_ANSWER }, Promise::AcknowledgedIsStored),
    (Planted::TakeTrustsLookalike, Faults { lost_answers: 2, ..NO_FAULTS }, Promise::OneConsumes),
    (Planted::TakeUpWithoutWrite, NO_FAULTS, Promise::OneConsumes),
    (Planted::NoDeadline, NO_FAULTS, Promise::OneConsumes),
    (Planted::ExpiryIgnoresRenewals, NO_FAULTS, Promise::OneConsumes),
    (Planted::CommitAhead, NO_FAULTS, Promise::StoredIsProcessed),
    (Planted::CommitBehind, NO_FAULTS, Promise::NeverBack),
    (Planted::ReleaseWithoutCommit, NO_FAULTS, Promise::NothingRepeated),
    (Planted::HandOverWithoutCommit, NO_FAULTS, Promise::NothingRepeated),
    (Planted::HandOverBeforeDrain, NO_FAULTS, Promise::HasStopped),
    (Planted::ResumeAfterWithdrawal, LOST_ANSWER, Promise::HasStopped),
    (Planted::NoReleaseAfterWithdrawal, NO_FAULTS, Promise::Recovers),
    (Planted::NoExpiry, Faults { crashes: 1, ..NO_FAULTS }, Promise::Recovers),
    (Planted::ChildBeforeParent, NO_FAULTS, Promise::ChildWaits),
];

#[test]
fn every_planted_mistake_is_found() {
    for (planted, faults, promise) in MISTAKES {
        let is_family = planted == Planted::ChildBeforeParent;
        let shards = 1 + usize::from(is_family);
        let model = LeaseModel::new(Config { shards, is_family, faults, planted, ..CALM });
        let checker = model.checker().spawn_bfs().join();
        let last = checker.discovery(KEEPS_ITS_PROMISES).map(|path| path.last_state().clone());
        let found = last.and_then(|state| broken(checker.model(), &state));
        assert_eq!(found, Some(promise), "{planted:?}");
    }
}

#[test]
fn every_promise_can_be_broken() {
    let broken: BTreeSet<Promise> = MISTAKES.into_iter().map(|(.., promise)| promise).collect();
    assert_eq!(broken, BTreeSet::from(Promise::ALL));
}
