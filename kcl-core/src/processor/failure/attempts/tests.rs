use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::btree_set;
use proptest::prelude::*;

use super::*;
use crate::processor::WhenExhausted;

fn policy(retries: Option<u32>, bisects: bool) -> FailurePolicy {
    FailurePolicy {
        maximum_retry_attempts: retries,
        bisect_batch_on_error: bisects,
        when_exhausted: WhenExhausted::Skip,
        ..FailurePolicy::default()
    }
}

/// Records arrive one a second, and a call takes a second.
fn arrival(index: usize) -> Timestamp {
    Timestamp::default().saturating_add(Duration::from_secs(index as u64))
}

/// A processor that never takes some records, and others only after some tries.
struct Run {
    policy: FailurePolicy,
    /// It says which record failed.
    blames: bool,
    bad: BTreeSet<usize>,
    /// Those of which every try fails, and which no other record may be tried with.
    alone: BTreeSet<usize>,
    /// The first calls that fail whatever they are given.
    outage: usize,
    calls: usize,
    taken: Vec<usize>,
    given_up: Vec<(usize, FailureCondition)>,
}

impl Run {
    fn new(policy: FailurePolicy, blames: bool, bad: &[usize]) -> Self {
        let bad = bad.iter().copied().collect();
        let (taken, given_up) = (Vec::new(), Vec::new());
        Self { policy, blames, bad, alone: BTreeSet::new(), outage: 0, calls: 0, taken, given_up }
    }

    /// Tries a batch until all of it is done.
    fn finish(mut self, records: usize) -> Self {
        let mut attempts = Attempts::with_alone(records, self.alone.iter().copied());
        let calls_max = 100 * (records + 1);
        while let Some(next) = attempts.next() {
            let now = arrival(records + self.calls);
            if let Some((range, condition)) = attempts.exhausted(&self.policy, now, arrival) {
                attempts.settle(range.end);
                self.given_up.extend(range.map(|index| (index, condition)));
                continue;
            }
            self.calls += 1;
            assert!(self.calls < calls_max, "no end in {attempts:?}");
            let is_alone = self.alone.contains(&next.start);
            assert_eq!(self.alone.range(next.clone()).count(), usize::from(is_alone), "{next:?}");
            assert!(!is_alone || next.len() == 1, "{next:?}");
            if self.calls <= self.outage || is_alone {
                attempts.fail(None, &self.policy);
                continue;
            }
            if let Some(at) = next.clone().find(|index| self.bad.contains(index)) {
                if self.blames {
                    self.taken.extend(next.start..at);
                }
                attempts.fail(self.blames.then_some(at), &self.policy);
            } else {
                attempts.settle(next.end);
                self.taken.extend(next);
            }
        }
        self
    }

    fn given_up(&self) -> Vec<usize> {
        self.given_up.iter().map(|(index, _)| *index).collect()
    }
}

#[test]
fn a_batch_that_keeps_failing_is_given_up_after_its_retries() {
    let run = Run::new(policy(Some(2), false), false, &[1]).finish(3);
    assert_eq!((run.calls, run.given_up()), (3, vec![0, 1, 2]));
    assert!(run.given_up.iter().all(|(_, why)| *why == FailureCondition::RetryAttemptsExhausted));
}

#[test]
fn no_retries_means_one_try() {
    assert_eq!(Run::new(policy(Some(0), false), false, &[0]).finish(1).calls, 1);
}

#[test]
fn a_record_that_is_named_is_given_up_alone() {
    let run = Run::new(policy(Some(2), false), true, &[1, 3]).finish(5);
    assert_eq!((run.taken.as_slice(), run.given_up()), (&[0, 2, 4][..], vec![1, 3]));
    // The first call of 1 and of 3 tells, and each has two retries; the last call takes what is left.
    assert_eq!(run.calls, 3 + 3 + 1);
}

#[test]
fn cuts_find_the_record_that_fails_and_are_no_tries() {
    let run = Run::new(policy(Some(2), true), false, &[5]).finish(8);
    assert_eq!((run.taken.as_slice(), run.given_up()), (&[0, 1, 2, 3, 4, 6, 7][..], vec![5]));
    // Three cuts on the way to 5, three calls on the way that succeed, three tries of 5.
    assert_eq!(run.calls, 3 + 3 + 3);
}

#[test]
fn a_position_outside_the_batch_blames_all_of_it() {
    let (policy, mut attempts) = (policy(Some(0), false), Attempts::new(3));
    assert_eq!(attempts.fail(Some(7), &policy), Failure::Again);
    let given_up = attempts.exhausted(&policy, Timestamp::default(), arrival).unwrap();
    assert_eq!(given_up, (0..3, FailureCondition::RetryAttemptsExhausted));
}

#[test]
fn the_oldest_records_are_given_up_without_a_try_and_the_others_are_not() {
    let aged = FailurePolicy { maximum_record_age: Some(Duration::from_secs(3)), ..policy(None, false) };
    // At the first call 10 s have passed since record 0, and 3 s since record 7.
    let run = Run::new(aged, false, &[]).finish(10);
    assert_eq!((run.given_up(), run.taken.as_slice()), ((0..7).collect(), &[7, 8, 9][..]));
    assert!(run.given_up.iter().all(|(_, why)| *why == FailureCondition::RecordAgeExceeded));
}

#[test]
fn a_record_that_ages_between_its_tries_is_given_up_alone() {
    let aged = FailurePolicy { maximum_record_age: Some(Duration::from_secs(60)), ..policy(None, false) };
    let run = Run::new(aged, false, &[0]).finish(2);
    assert_eq!((run.given_up(), run.taken.as_slice()), (vec![0], &[1][..]));
}

#[test]
fn a_record_that_is_tried_alone_fails_alone_and_so_do_the_others() {
    let alone = BTreeSet::from([0, 3, 4, 6]);
    let run = Run { alone, ..Run::new(policy(Some(2), false), false, &[2]) }.finish(7);
    assert_eq!((run.taken.as_slice(), run.given_up()), (&[5][..], vec![0, 1, 2, 3, 4, 6]));
    assert_eq!(run.calls, 3 + 3 + 3 + 3 + 1 + 3);
}

proptest! {
    /// F1, F2, F3.
    #[test]
    fn each_record_is_taken_or_given_up_once_and_in_order(
        records in 0_usize..40,
        bad in btree_set(0_usize..40, 0..6),
        alone in btree_set(0_usize..40, 0..6),
        retries in 0_u32..4,
        bisects: bool,
        blames: bool,
        outage in 0_usize..3,
    ) {
        let bad: Vec<usize> = bad.into_iter().filter(|index| *index < records).collect();
        let alone: BTreeSet<usize> = alone.into_iter().filter(|index| *index < records).collect();
        let never: BTreeSet<usize> = bad.iter().chain(&alone).copied().collect();
        let run = Run { alone, outage, ..Run::new(policy(Some(retries), bisects), blames, &bad) };
        let run = run.finish(records);
        prop_assert!(run.taken.is_sorted_by(|a, b| a < b) && run.given_up().is_sorted_by(|a, b| a < b));
        let mut all = [run.taken.clone(), run.given_up()].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..records).collect::<Vec<_>>());
        prop_assert!(run.taken.iter().all(|index| !never.contains(index)));
        if (bisects || blames) && outage == 0 {
            prop_assert_eq!(run.given_up(), never.iter().copied().collect::<Vec<_>>());
            let tries = (retries as usize + 1) * never.len();
            prop_assert!(run.calls <= tries + 2 * records + 1, "{} calls", run.calls);
        }
        if retries as usize >= outage && bad.is_empty() {
            let given_up = BTreeSet::from_iter(run.given_up());
            prop_assert_eq!(given_up, never, "an outage that passes costs nothing");
        }
    }
}
