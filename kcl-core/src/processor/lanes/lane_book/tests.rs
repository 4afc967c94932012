use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Admitted,
    Running,
    Paused,
    Finished,
}

/// What happens next, as far as it can. A number chooses among the records that it can happen to.
#[derive(Debug, Clone, Copy)]
enum Step {
    Admit,
    Start,
    Finish(usize),
    Fail(usize),
    Resume(usize),
}

/// A book beside the dumbest account of the same records.
#[derive(Debug)]
struct Pair {
    book: LaneBook,
    limits: LaneLimits,
    /// The keys and sizes of all records of the shard.
    shard: Vec<(u8, usize)>,
    /// Those admitted so far.
    admitted: Vec<(Ticket, State)>,
    /// How many come before the first that never started and none after which has.
    started_end: usize,
}

impl Pair {
    fn new(limits: LaneLimits, shard: Vec<(u8, usize)>) -> Self {
        Self {
            book: LaneBook::new(limits, Planted::default()),
            limits,
            shard,
            admitted: Vec::new(),
            started_end: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Admit => self.admit(),
            Step::Start => self.start(),
            Step::Finish(which) => {
                if let Some(number) = self.any(which, &[State::Running, State::Paused]) {
                    self.book.finish(self.admitted[number].0);
                    self.admitted[number].1 = State::Finished;
                }
            }
            Step::Fail(which) => {
                if let Some(number) = self.any(which, &[State::Running]) {
                    self.book.pause(self.admitted[number].0);
                    self.admitted[number].1 = State::Paused;
                }
            }
            Step::Resume(which) => {
                if let Some(number) = self.any(which, &[State::Paused]) {
                    self.book.resume(self.admitted[number].0);
                    self.admitted[number].1 = State::Admitted;
                }
            }
        }
        self.check();
    }

    fn admit(&mut self) {
        let number = self.admitted.len();
        let Some(&(key, size)) = self.shard.get(number) else { return };
        let above = &self.shard[self.passed()..number];
        let bytes: usize = above.iter().map(|(key, size)| key_of(*key).len() + size).sum();
        let has_room = above.is_empty()
            || above.len() < self.limits.records_max
                && bytes + key_of(key).len() + size <= self.limits.bytes_max;
        let record = record(number, key, size);
        assert_eq!(self.book.has_room_for(&record), has_room, "record {number} with {above:?} before it");
        if has_room {
            self.admitted.push((self.book.admit(record), State::Admitted));
        }
    }

    /// The oldest record whose lane is free starts, unless as many run as may.
    fn start(&mut self) {
        let is_full = self.count(State::Running) == self.limits.concurrency;
        let expected = (0..self.admitted.len()).find(|number| self.may_start(*number)).filter(|_| !is_full);
        assert_eq!(self.book.may_start(), expected.is_some());
        let started = self.book.start();
        let found = started.as_ref().map(|(ticket, record)| (*ticket, record.position.clone()));
        assert_eq!(found, expected.map(|number| (self.admitted[number].0, position(number))));
        if let Some(number) = expected {
            self.admitted[number].1 = State::Running;
            self.started_end = self.started_end.max(number + 1);
        }
    }

    fn may_start(&self, number: usize) -> bool {
        let key = self.shard[number].0;
        let mut before = (0..number).filter(|earlier| self.shard[*earlier].0 == key);
        self.admitted[number].1 == State::Admitted
            && before.all(|earlier| self.admitted[earlier].1 == State::Finished)
    }

    fn check(&self) {
        let last_passed = self.passed().checked_sub(1);
        assert_eq!(self.book.watermark().cloned(), last_passed.map(position));
        assert_eq!(self.book.is_empty(), self.passed() == self.admitted.len());
        assert!(self.count(State::Running) <= self.limits.concurrency);
        for (number, (ticket, state)) in self.admitted.iter().enumerate() {
            assert_eq!(self.book.has_passed(*ticket), number < self.passed());
            assert_eq!(self.book.record(*ticket).is_some(), *state != State::Finished);
        }
    }

    fn any(&self, which: usize, states: &[State]) -> Option<usize> {
        let found: Vec<usize> =
            (0..self.admitted.len()).filter(|number| states.contains(&self.admitted[*number].1)).collect();
        found.get(which.checked_rem(found.len())?).copied()
    }

    fn passed(&self) -> usize {
        self.admitted.iter().take_while(|(_, state)| *state == State::Finished).count()
    }

    fn count(&self, wanted: State) -> usize {
        self.admitted.iter().filter(|(_, state)| *state == wanted).count()
    }

    fn finish_all(&mut self) {
        while self.passed() < self.shard.len() {
            for step in [Step::Admit, Step::Resume(0), Step::Start, Step::Finish(0)] {
                self.take(step);
            }
        }
    }
}

fn key_of(key: u8) -> String {
    format!("key {key}")
}

fn position(number: usize) -> RecordPosition {
    RecordPosition { sequence_number: "17".parse().unwrap(), sub_sequence_number: number as u64 }
}

fn record(number: usize, key: u8, size: usize) -> Record {
    Record {
        position: position(number),
        partition_key: key_of(key).into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data: vec![b'.'; size].into(),
    }
}

fn any_limits() -> impl Strategy<Value = LaneLimits> {
    (1..5_usize, 1..20_usize, 1..200_usize).prop_map(|(concurrency, records_max, bytes_max)| LaneLimits {
        concurrency,
        records_max,
        bytes_max,
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Admit),
        4 => Just(Step::Start),
        2 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Resume),
    ]
}

fn any_pair() -> impl Strategy<Value = Pair> {
    (any_limits(), vec((0..6_u8, 0..60_usize), 1..60)).prop_map(|(limits, shard)| Pair::new(limits, shard))
}

proptest! {
    #[test]
    fn whatever_finishes_or_fails_keys_stay_in_order_and_the_watermark_below_the_unfinished(
        mut pair in any_pair(),
        steps in vec(any_step(), 0..300),
    ) {
        for step in steps {
            pair.take(step);
        }
        pair.finish_all();
        let LaneBook { taken, lanes, ready, paused, running, .. } = &pair.book;
        let left = (taken.len(), taken.bytes(), lanes.len(), ready.len(), paused.len(), *running);
        prop_assert_eq!(left, (0, 0, 0, 0, 0, 0), "something is left");
    }

    #[test]
    fn a_shard_that_settles_leaves_nothing_finished_above_its_watermark_but_behind_a_failure(
        mut pair in any_pair(),
        steps in vec(any_step(), 0..300),
        ends in vec((any::<usize>(), prop::bool::weighted(0.1)), 120),
    ) {
        for step in steps {
            pair.take(step);
        }
        pair.book.settle();
        let first_failed =
            |pair: &Pair| pair.admitted.iter().position(|(_, state)| *state == State::Paused);
        for (which, fails) in ends {
            while let Some((ticket, _)) = pair.book.start() {
                let number = pair.admitted.iter().position(|(of, _)| *of == ticket).unwrap();
                prop_assert!(pair.may_start(number) && number < first_failed(&pair).unwrap_or(pair.started_end));
                pair.admitted[number].1 = State::Running;
            }
            for (ticket, _) in &pair.admitted {
                pair.book.resume(*ticket);
            }
            if pair.count(State::Running) > 0 {
                pair.take(if fails { Step::Fail(which) } else { Step::Finish(which) });
            }
        }
        prop_assert!(pair.book.is_settled(), "it comes to an end");
        prop_assert_eq!(pair.passed(), first_failed(&pair).unwrap_or(pair.started_end));
    }
}

fn limits(concurrency: usize, records_max: usize) -> LaneLimits {
    LaneLimits { concurrency, records_max, bytes_max: usize::MAX }
}

#[test]
fn a_failing_key_holds_its_lane_alone_until_the_window_is_full() {
    let mut book = LaneBook::new(limits(2, 100), Planted::default());
    let stuck = book.admit(record(0, 0, 1));
    assert_eq!(book.start().map(|(ticket, _)| ticket), Some(stuck));
    book.pause(stuck);
    let mut handled = 0;
    for (number, key) in (1..).zip((0..5).cycle().skip(1)) {
        let record = record(number, key, 1);
        if !book.has_room_for(&record) {
            break;
        }
        book.admit(record);
        while let Some((ticket, started)) = book.start() {
            assert_ne!(&*started.partition_key, "key 0");
            book.finish(ticket);
            handled += 1;
        }
    }
    assert_eq!(handled, 80, "of 100 places, 20 are taken by the key that fails");
    assert_eq!(book.watermark(), None);
    book.finish(stuck);
    while let Some((ticket, _)) = book.start() {
        book.finish(ticket);
    }
    assert_eq!(book.watermark(), Some(&position(99)));
}

#[test]
fn a_record_larger_than_the_window_is_taken_alone() {
    let mut book =
        LaneBook::new(LaneLimits { concurrency: 4, records_max: 10, bytes_max: 100 }, Planted::default());
    assert!(book.has_room_for(&record(0, 0, 1_000)));
    book.admit(record(0, 0, 1_000));
    assert!(!book.has_room_for(&record(1, 1, 0)));
}
