use super::fetched_batch::{FetchedBatch, Unpacked};
use super::{SourceBatch, StartPosition};
use crate::aggregation::{Expansion, MalformedAggregates, OutsideRange, Seal};
use crate::event::{Event, Events};
use crate::model::{HashKeyRange, Record, RecordPosition, ShardKey};

/// Takes a shard's aggregates apart, and leaves out what was processed before this reader began. What is left out for any
/// other reason, or cannot be taken apart, is reported.
#[derive(Debug)]
pub(crate) struct Unpacker {
    pub(crate) shard: ShardKey,
    /// The hash keys of the shard.
    pub(crate) range: HashKeyRange,
    pub(crate) outside: OutsideRange,
    pub(crate) malformed: MalformedAggregates,
    /// The source has taken the aggregates apart: what is read is delivered as it is.
    pub(crate) holds_user_records: bool,
    pub(crate) events: Events,
}

impl Unpacker {
    /// Makes a page ready for delivery. Its digests are computed here, user records are made when they are asked for.
    pub(super) fn unpack(&self, batch: SourceBatch, start: &StartPosition) -> FetchedBatch {
        let SourceBatch { mut records, millis_behind_latest, shard_end, room } = batch;
        let mut processed = match start {
            StartPosition::After(position) => Some(position),
            _ => None,
        };
        if let Some(processed) = processed.take_if(|_| self.holds_user_records) {
            let done = records.partition_point(|record| record.position <= *processed);
            records.drain(..done);
        }
        let seals = Seal::of_page(records.iter().map(|record| &record.data[..]));
        let is_plain = seals.iter().all(Seal::is_plain);
        let unpacked = if is_plain {
            if let Some(processed) = processed {
                let done = records.partition_point(|record| is_processed(record, processed));
                records.drain(..done);
            }
            Unpacked::plain(records)
        } else {
            Unpacked::aggregated(self.expand(records, seals, processed))
        };
        FetchedBatch::new(unpacked, millis_behind_latest, shard_end, room)
    }

    /// Reports that so many Kinesis records were read, with which the shard holds so much.
    pub(super) fn report_read(&self, records: usize, in_flight_bytes: usize) {
        self.events.emit(&Event::BatchRead { shard: &self.shard, records, in_flight_bytes });
    }

    /// Reports that there is nothing to do.
    pub(super) fn report_idle(&self, millis_behind_latest: u64) {
        self.events.emit(&Event::ShardIdle { shard: &self.shard, millis_behind_latest });
    }

    fn expand(
        &self,
        records: Vec<Record>,
        seals: Vec<Seal>,
        processed: Option<&RecordPosition>,
    ) -> Vec<Expansion> {
        let (mut left_out, mut malformed, mut first_malformed) = (0, 0, None);
        let mut expansions = Vec::with_capacity(records.len());
        for (record, seal) in records.into_iter().zip(seals) {
            let position = record.position.clone();
            let mut expansion = if self.holds_user_records {
                Expansion::of_user_record(record, seal)
            } else {
                Expansion::new(record, seal, self.range, self.outside)
            };
            left_out += expansion.left_out();
            if let Some(malformation) = expansion.malformation() {
                malformed += 1;
                first_malformed.get_or_insert_with(|| (position.clone(), malformation.clone()));
            }
            if self.malformed == MalformedAggregates::Deliver {
                expansion.take_malformation();
            }
            if let Some(processed) = processed.filter(|processed| position <= **processed) {
                // Only the record at the position itself may be processed in part.
                expansion.skip_through(processed.sub_sequence_number);
            }
            expansions.push(expansion);
        }
        if let Some((position, malformation)) = &first_malformed {
            let (shard, count) = (&self.shard, malformed);
            self.events.emit(&Event::AggregateMalformed { shard, position, malformation, count });
        }
        if left_out > 0 {
            self.events.emit(&Event::RecordsLeftOut { shard: &self.shard, count: left_out });
        }
        expansions
    }
}

/// A record that comes as it was put counts as number 0. One that a reader has stopped inside of comes again, whatever that
/// reader made of it, as [`Expansion::skip_through`] has it.
fn is_processed(record: &Record, processed: &RecordPosition) -> bool {
    let number = &record.position.sequence_number;
    *number < processed.sequence_number
        || *number == processed.sequence_number && processed.sub_sequence_number == 0
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;

    use super::*;
    use crate::aggregation::{Aggregator, MAGIC, NewUserRecord};
    use crate::model::{ShardId, StreamId, Timestamp, WorkerId};
    use crate::stream::{BATCH_RECORDS_MAX, NextRecords};

    fn position(number: u64, sub_sequence_number: u64) -> RecordPosition {
        RecordPosition { sequence_number: number.to_string().parse().unwrap(), sub_sequence_number }
    }

    /// A page with this data, whose sequence numbers count from 1.
    fn page(data: &[Bytes]) -> SourceBatch {
        let record = |(number, data): (u64, &Bytes)| Record {
            position: position(number, 0),
            partition_key: "key".into(),
            explicit_hash_key: None,
            approximate_arrival: Timestamp::default(),
            data: data.clone(),
        };
        SourceBatch { records: (1..).zip(data).map(record).collect(), ..SourceBatch::default() }
    }

    /// Where the records lie that come of a page, and what is reported.
    fn unpack(data: &[Bytes], start: &StartPosition) -> (Vec<RecordPosition>, Vec<String>) {
        let (next, events) = unpack_with(MalformedAggregates::Deliver, data, start);
        (next.records.into_iter().map(|record| record.position).collect(), events)
    }

    fn unpack_with(
        malformed: MalformedAggregates,
        data: &[Bytes],
        start: &StartPosition,
    ) -> (NextRecords, Vec<String>) {
        unpack_page(malformed, false, page(data), start)
    }

    fn unpack_page(
        malformed: MalformedAggregates,
        holds_user_records: bool,
        page: SourceBatch,
        start: &StartPosition,
    ) -> (NextRecords, Vec<String>) {
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&events);
        let sink = move |_: &WorkerId, event: &Event<'_>| log.lock().unwrap().push(format!("{event:?}"));
        let unpacker = Unpacker {
            shard: ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-0")),
            range: HashKeyRange { start: 0, end: 9 },
            outside: OutsideRange::Filter,
            malformed,
            holds_user_records,
            events: Events::new(WorkerId::new("a").unwrap(), Some(Arc::new(sink))),
        };
        let next = unpacker.unpack(page, start).next_records(BATCH_RECORDS_MAX);
        (next, events.lock().unwrap().clone())
    }

    fn aggregate(hash_keys: &[u128]) -> Bytes {
        let mut aggregator = Aggregator::default();
        for hash_key in hash_keys {
            let explicit_hash_key = Some(*hash_key);
            let record =
                NewUserRecord { partition_key: "key", explicit_hash_key, ..NewUserRecord::default() };
            aggregator.add(&record).unwrap();
        }
        aggregator.encode()
    }

    #[test]
    fn what_is_left_out_of_a_page_is_counted_together() {
        let page = [aggregate(&[1, 10, 11]), "plain".into(), aggregate(&[12, 2]), aggregate(&[3, 4])];
        let (delivered, events) = unpack(&page, &StartPosition::TrimHorizon);
        let expected = [(1, 0), (2, 0), (3, 1), (4, 0), (4, 1)];
        assert_eq!(delivered, expected.map(|(number, sub)| position(number, sub)));
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains("RecordsLeftOut") && events[0].contains("count: 3"), "{events:?}");
    }

    #[test]
    fn malformed_aggregates_are_told_from_the_others_only_if_they_are_to_fail() {
        let malformed: Bytes = [&MAGIC[..], b"sixteen bytes and a few"].concat().into();
        let page = [malformed.clone(), aggregate(&[1, 2]), malformed];
        let after_the_first = StartPosition::After(position(1, 0));
        for (setting, expected) in
            [(MalformedAggregates::Deliver, vec![]), (MalformedAggregates::Fail, vec![2])]
        {
            let (next, events) = unpack_with(setting, &page, &after_the_first);
            assert_eq!(next.malformed.into_keys().collect::<Vec<_>>(), expected);
            assert_eq!((next.records.len(), &next.records[0].position), (3, &position(2, 0)));
            assert!(events[0].contains("AggregateMalformed"), "{events:?}");
        }
    }

    /// Whatever else is in the page: one with an aggregate is unpacked record by record.
    #[test]
    fn a_record_that_a_reader_has_stopped_inside_of_comes_again() {
        for second in ["plain".into(), aggregate(&[1])] {
            let page = ["plain".into(), second];
            let delivered = |last| unpack(&page, &StartPosition::After(last)).0;
            assert_eq!(delivered(position(1, 0)), [position(2, 0)]);
            assert_eq!(delivered(position(1, 3)), [position(1, 0), position(2, 0)]);
        }
    }

    /// User records keep their places, and one that is an aggregate itself stays one.
    #[test]
    fn what_is_taken_apart_already_is_delivered_as_it_is() {
        let malformed: Bytes = [&MAGIC[..], b"sixteen bytes and a few"].concat().into();
        let mut page = page(&["plain".into(), aggregate(&[1, 12]), malformed, "plain".into()]);
        for (record, (number, sub)) in page.records.iter_mut().zip([(1, 3), (1, 5), (2, 0), (2, 7)]) {
            record.position = position(number, sub);
        }
        let unpack = |malformed, start| {
            let page = SourceBatch { records: page.records.clone(), ..SourceBatch::default() };
            unpack_page(malformed, true, page, &start).0
        };
        let all = unpack(MalformedAggregates::Deliver, StartPosition::TrimHorizon);
        assert_eq!((&all.records, all.malformed.len()), (&page.records, 0));
        let after = unpack(MalformedAggregates::Fail, StartPosition::After(position(1, 3)));
        assert_eq!(after.records, page.records[1..]);
        assert_eq!(after.malformed.into_keys().collect::<Vec<_>>(), [1]);
    }
}
