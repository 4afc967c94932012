use super::aggregate::Aggregate;
use super::hash_key::hash_key_of;
use super::user_record::UserRecord;
use crate::model::HashKeyRange;

/// What becomes of user records whose hash key is outside the range of the shard that their aggregate was read from.
///
/// A producer that does not know of a reshard yet puts them there, or one that mixes the keys of several shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutsideRange {
    /// They are delivered. The default, because what is left out is lost: no other shard has it.
    #[default]
    Deliver,
    /// They are left out, and counted. The others of their aggregate are delivered.
    Filter,
    /// The first of them has its whole aggregate left out, and counted, as the Java KCL does (`AggregatorUtil.java`).
    FilterWhole,
}

/// Says which user records of one aggregate belong to a shard.
#[derive(Debug)]
pub(super) struct RangeJudge {
    range: HashKeyRange,
    /// For each partition key of the table, once a user record has had it: if its digest is in the range. So no key is
    /// digested twice, however many user records share it.
    verdicts: Vec<Option<bool>>,
}

impl RangeJudge {
    pub(super) fn new(range: HashKeyRange) -> Self {
        Self { range, verdicts: Vec::new() }
    }

    /// True if the hash key of the user record is in the range.
    pub(super) fn is_inside(&mut self, aggregate: &Aggregate, user_record: &UserRecord<'_>) -> bool {
        if let Some(hash_key) = user_record.explicit_hash_key() {
            return self.range.contains(hash_key);
        }
        if self.verdicts.is_empty() {
            self.verdicts.resize(aggregate.partition_key_count(), None);
        }
        let range = self.range;
        let judge = || range.contains(hash_key_of(&user_record.partition_key()));
        let index = usize::try_from(user_record.partition_key_index()).ok();
        match index.and_then(|index| self.verdicts.get_mut(index)) {
            Some(verdict) => *verdict.get_or_insert_with(judge),
            None => judge(),
        }
    }

    /// How many user records of the aggregate are outside the range.
    pub(super) fn count_outside(&mut self, aggregate: &Aggregate) -> u64 {
        if self.range == HashKeyRange::FULL {
            return 0;
        }
        let outside = aggregate.user_records().filter(|record| !self.is_inside(aggregate, record));
        outside.fold(0, |count, _| count + 1)
    }
}
