use super::fetched_batch::{FetchedBatch, Unpacked};
use super::{SourceBatch, StartPosition};
use crate::aggregation::{Expansion, OutsideRange, Seal};
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
    pub(crate) events: Events,
}

impl Unpacker {
    /// Makes a page ready for delivery. Its digests are computed here, user records are made when they are asked for.
    pub(super) fn unpack(&self, batch: SourceBatch, start: &StartPosition) -> FetchedBatch {
        let SourceBatch { mut records, millis_behind_latest, shard_end, room } = batch;
        let seals = Seal::of_page(records.iter().map(|record| &record.data[..]));
        let processed = match start {
            StartPosition::After(position) => Some(position),
            _ => None,
        };
        let is_plain = seals.iter().all(Seal::is_plain);
        let unpacked = if is_plain {
            if let Some(processed) = processed {
                let done = records.partition_point(|record| is_processed(record, processed));
                records.drain(..done);
            }
            Unpacked::Plain(records)
        } else {
            Unpacked::aggregated(self.expand(records, seals, processed))
        };
        FetchedBatch::new(unpacked, millis_behind_latest, shard_end, room)
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
            let mut expansion = Expansion::new(record, seal, self.range, self.outside);
            left_out += expansion.left_out();
            if let Some(malformation) = expansion.malformation() {
                malformed += 1;
                first_malformed.get_or_insert_with(|| (position.clone(), malformation.clone()));
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
