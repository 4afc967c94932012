//! A reader over a service that expires iterators, cuts subscriptions, repeats events and forgets old records.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// What happens to a reader. Numbers choose among what is possible.
#[derive(Debug, Clone)]
enum Step {
    /// Records arrive.
    Arrive(u64),
    /// Retention takes the oldest records.
    Trim(u64),
    /// The iterator expired or the subscription broke.
    Restart,
    /// It broke, and the service does not know the place that it named.
    Forget,
    /// So many records are returned, and the place after them is named, perhaps.
    Read { count: usize, continuation: bool },
    /// The last event comes again.
    Repeat,
    /// Only so many of the records that are returned can be kept.
    ReadAndKeep { count: usize, kept: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_u64..5).prop_map(Step::Arrive),
        1 => (1_u64..4).prop_map(Step::Trim),
        2 => Just(Step::Restart),
        1 => Just(Step::Forget),
        5 => (0_usize..4, any::<bool>()).prop_map(|(count, continuation)| Step::Read { count, continuation }),
        1 => Just(Step::Repeat),
        2 => (1_usize..4, 1_usize..3).prop_map(|(count, kept)| Step::ReadAndKeep { count, kept }),
    ];
    prop::collection::vec(step, 1..60)
}

/// Records are numbered 10, 20, 30: what lies between is the number of no record. One arrives each second.
struct Service {
    oldest: u64,
    newest: u64,
    /// The next record that the open iterator returns.
    next: Option<u64>,
    last_event: Vec<Record>,
}

fn record(index: u64) -> Record {
    Record {
        position: RecordPosition { sequence_number: number(index * 10), sub_sequence_number: 0 },
        partition_key: "key".into(),
        explicit_hash_key: None,
        approximate_arrival: arrival(index),
        data: Bytes::new(),
    }
}

fn number(number: u64) -> SequenceNumber {
    number.to_string().parse().unwrap()
}

fn index_of(number: &SequenceNumber) -> (u64, bool) {
    let number: u64 = number.as_str().parse().unwrap();
    (number / 10, number.is_multiple_of(10))
}

fn arrival(index: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000).saturating_add(Duration::from_secs(index * 60))
}

impl Service {
    fn open(&mut self, start: &IteratorPosition) {
        let first = match start {
            IteratorPosition::TrimHorizon => 0,
            IteratorPosition::Latest => self.newest + 1,
            IteratorPosition::AtTimestamp(time) => {
                (self.oldest..=self.newest).find(|index| arrival(*index) >= *time).unwrap_or(self.newest + 1)
            }
            IteratorPosition::AtSequenceNumber(at) => {
                let (index, is_record) = index_of(at);
                if is_record { index } else { index + 1 }
            }
            IteratorPosition::AfterSequenceNumber(after) => index_of(after).0 + 1,
        };
        self.next = Some(first);
    }

    fn read(&mut self, count: usize) -> Vec<Record> {
        let first = self.next.unwrap_or(0).max(self.oldest);
        let records: Vec<_> = (first..=self.newest).take(count).map(record).collect();
        self.next = Some(first + records.len() as u64);
        self.last_event.clone_from(&records);
        records
    }
}

/// What a reader that starts at `start` must see: every record from `first` on, but those that retention took and of which it
/// was told, and those that were taken before it began.
fn check(start: StartPosition, first: u64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut position = ReadPosition::new(start);
    let mut service = Service { oldest: 1, newest: 5, next: None, last_event: Vec::new() };
    let (mut expected, mut seen_any) = (first, false);
    for step in steps {
        let now = arrival(service.newest);
        let (mut records, kept, continuation) = match step {
            Step::Arrive(count) => {
                service.newest += count;
                continue;
            }
            Step::Trim(count) => {
                service.oldest = (service.oldest + count).min(service.newest + 1);
                continue;
            }
            Step::Restart => {
                service.next = None;
                continue;
            }
            Step::Forget => {
                position.distrust_continuation();
                service.next = None;
                continue;
            }
            Step::Repeat => (service.last_event.clone(), usize::MAX, false),
            Step::Read { count, continuation } => (Vec::new(), count, continuation),
            Step::ReadAndKeep { count, .. } => (Vec::new(), count, false),
        };
        if !matches!(step, Step::Repeat) {
            if service.next.is_none() {
                let start = position.next_start(now);
                service.open(&start);
            }
            records = service.read(kept);
        } else if service.next.is_none() {
            continue;
        }
        let trimmed = position.accept(&mut records, false);
        if let Step::ReadAndKeep { kept, .. } = step
            && records.len() > kept
        {
            records.truncate(kept);
            position.set_last(&records[kept - 1]);
            service.next = None;
        } else if continuation && let Some(next) = service.next {
            position.continue_after(number((next - 1) * 10 + 5));
        }
        for record in records {
            let (index, _) = index_of(&record.position.sequence_number);
            let was_trimmed = (expected..index).all(|missing| missing < service.oldest);
            prop_assert!(index >= expected || !seen_any, "{index} again, {expected} is due");
            prop_assert!(index <= expected || was_trimmed, "{index} where {expected} is due");
            prop_assert!(trimmed.is_none() || service.oldest > first, "nothing was trimmed");
            expected = index + 1;
            seen_any = true;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_reader_from_the_trim_horizon_sees_each_record_once(steps in steps()) {
        check(StartPosition::TrimHorizon, 1, steps)?;
    }

    #[test]
    fn a_reader_from_a_time_sees_each_record_from_then_on_once(steps in steps()) {
        check(StartPosition::AtTimestamp(arrival(3)), 3, steps)?;
    }

    #[test]
    fn a_reader_from_the_tip_skips_nothing_that_arrives_after_its_first_attempt(steps in steps()) {
        let first_attempt = Step::Read { count: 0, continuation: false };
        let rest = steps.into_iter().filter(|step| !matches!(step, Step::Trim(_)));
        check(StartPosition::Latest, 6, [first_attempt].into_iter().chain(rest).collect())?;
    }

    #[test]
    fn a_reader_from_a_checkpoint_sees_that_record_again_and_then_each_once(steps in steps()) {
        let at = RecordPosition { sequence_number: number(20), sub_sequence_number: 7 };
        check(StartPosition::After(at), 2, steps)?;
    }
}

#[test]
fn a_position_that_retention_has_passed_is_told_once() {
    let at = RecordPosition { sequence_number: number(20), sub_sequence_number: 0 };
    let mut position = ReadPosition::new(StartPosition::After(at.clone()));
    position.next_start(arrival(5));
    assert_eq!(position.accept(&mut vec![], false), None, "an empty read tells nothing");
    assert_eq!(position.accept(&mut vec![record(4)], false), Some(at));
    assert_eq!(position.accept(&mut vec![record(5)], false), None);
    position.next_start(arrival(5));
    assert_eq!(position.accept(&mut vec![record(5)], false), None);
}

#[test]
fn a_position_that_retention_has_passed_is_told_when_nothing_more_can_come() {
    let at = RecordPosition { sequence_number: number(20), sub_sequence_number: 0 };
    let mut position = ReadPosition::new(StartPosition::After(at.clone()));
    position.next_start(arrival(5));
    assert_eq!(position.accept(&mut vec![], true), Some(at));
    position.next_start(arrival(5));
    assert_eq!(position.accept(&mut vec![record(2)], true), None, "it is there");
}

#[test]
fn a_position_that_retention_has_passed_is_told_behind_a_place_that_the_service_named() {
    let at = RecordPosition { sequence_number: number(20), sub_sequence_number: 0 };
    let mut position = ReadPosition::new(StartPosition::After(at.clone()));
    position.next_start(arrival(5));
    position.continue_after(number(45));
    position.next_start(arrival(5));
    assert_eq!(position.accept(&mut vec![record(5)], false), Some(at));
    position.continue_after(number(55));
    position.next_start(arrival(5));
    assert_eq!(position.accept(&mut vec![record(7)], false), None, "nothing was missing before that place");
}

#[test]
fn a_place_named_before_the_record_that_may_be_processed_in_part_has_come_does_not_skip_it() {
    let at = RecordPosition { sequence_number: number(20), sub_sequence_number: 7 };
    let mut position = ReadPosition::new(StartPosition::After(at));
    position.next_start(arrival(5));
    position.continue_after(number(20));
    let mut records = vec![record(2), record(3)];
    assert_eq!(position.accept(&mut records, false), None);
    assert_eq!(records.len(), 2);
}

/// Those of a source that has taken aggregates apart: a page, or a reader, may end between any two of them.
#[test]
fn user_records_of_one_kinesis_record_are_told_apart() {
    let user_record = |sub_sequence_number| {
        let mut record = record(1);
        record.position.sub_sequence_number = sub_sequence_number;
        record
    };
    let mut position = ReadPosition::new(StartPosition::TrimHorizon);
    let accepted = |position: &mut ReadPosition, numbers: &[u64]| {
        let mut page: Vec<Record> = numbers.iter().copied().map(user_record).collect();
        assert_eq!(position.accept(&mut page, false), None);
        page.iter().map(|record| record.position.sub_sequence_number).collect::<Vec<_>>()
    };
    assert_eq!(accepted(&mut position, &[0, 3, 4]), [0, 3, 4]);
    assert_eq!(accepted(&mut position, &[4, 7]), [7]);
    // An iterator that is asked for anew begins at the Kinesis record.
    assert_eq!(position.next_start(Timestamp::default()), IteratorPosition::AtSequenceNumber(number(10)));
    assert_eq!(accepted(&mut position, &[0, 3, 4, 7, 9]), [9]);
}
