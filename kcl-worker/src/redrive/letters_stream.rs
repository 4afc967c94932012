use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::model::{
    ConsumerArn, HashKeyRange, Record, Shard, ShardId, ShardKey, StreamArn, StreamId, Timestamp,
};
use kcl_core::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, StreamDescription, Subscription,
};
use kcl_core::{Error, ErrorKind, Result};

use super::letters::{Letter, Letters, ShardLetters};

/// The most bytes of data that one read returns, as of the service (`GetRecords`, Kinesis API reference).
const READ_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The letters as a stream that was closed: each of their shards with its own name, and its records with their own
/// positions, keys and times. It can be read and nothing else.
#[derive(Debug)]
pub(super) struct LettersStream {
    pub(super) letters: Arc<Letters>,
    pub(super) clock: fn() -> Timestamp,
}

impl LettersStream {
    fn shard(&self, shard: &ShardKey) -> Result<&ShardLetters> {
        let found = self.letters.shards.get(&shard.shard_id).filter(|_| self.is(&shard.stream));
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there are no letters of shard '{shard}'"))
        })
    }

    fn is(&self, stream: &StreamId) -> bool {
        self.letters.stream.as_ref() == Some(stream)
    }
}

#[async_trait]
impl Kinesis for LettersStream {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn stream_arn(&self, _: &StreamId) -> Option<StreamArn> {
        self.letters.stream_arn.clone()
    }

    fn holds_user_records(&self) -> bool {
        true
    }

    async fn describe_stream(&self, _: &StreamId) -> Result<StreamDescription> {
        Err(unknown("DescribeStreamSummary"))
    }

    async fn list_shards(&self, stream: &StreamId, _: &ShardPageRequest) -> Result<ShardPage> {
        if !self.is(stream) {
            let message = format!("there are no letters of stream '{stream}'");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let shards = self.letters.shards.iter().filter_map(|(name, shard)| listed(name, shard));
        Ok(ShardPage { shards: shards.collect(), next: None })
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        let letters = self.shard(shard)?;
        let index = match position {
            IteratorPosition::TrimHorizon => 0,
            IteratorPosition::Latest => letters.letters.len(),
            IteratorPosition::AtTimestamp(time) => {
                let since = |letter: &Letter| letter.record.approximate_arrival >= *time;
                letters.letters.iter().position(since).unwrap_or(letters.letters.len())
            }
            IteratorPosition::AtSequenceNumber(number) => letters.before(|at| at.sequence_number < *number),
            IteratorPosition::AfterSequenceNumber(number) => {
                letters.before(|at| at.sequence_number <= *number)
            }
        };
        Ok(iterator(shard, index))
    }

    async fn get_records(&self, at: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let letters = &self.shard(&at.shard)?.letters;
        let first: usize = at.token.parse().map_err(|_| {
            Error::new(ErrorKind::Refused, format!("'{}' is no iterator of shard '{}'", at.token, at.shard))
        })?;
        let records = page(&letters[first.min(letters.len())..], limit);
        let next = first + records.len();
        // At the tip is only who has read all.
        let millis_behind_latest = letters.get(next).map(|letter| {
            let behind = self.now().saturating_since(letter.record.approximate_arrival);
            u64::try_from(behind.as_millis()).unwrap_or(u64::MAX).max(1)
        });
        Ok(GetRecordsOutput {
            records,
            next: millis_behind_latest.map(|_| iterator(&at.shard, next)),
            millis_behind_latest: millis_behind_latest.unwrap_or(0),
            children: Vec::new(),
        })
    }

    async fn subscribe_to_shard(
        &self,
        _: &ConsumerArn,
        _: &ShardKey,
        _: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        Err(unknown("SubscribeToShard"))
    }

    async fn register_consumer(&self, _: &StreamArn, _: &str) -> Result<ConsumerDescription> {
        Err(unknown("RegisterStreamConsumer"))
    }

    async fn describe_consumer(&self, _: &ConsumerRef) -> Result<ConsumerDescription> {
        Err(unknown("DescribeStreamConsumer"))
    }

    async fn deregister_consumer(&self, _: &ConsumerArn) -> Result<()> {
        Err(unknown("DeregisterStreamConsumer"))
    }
}

/// The shard as a listing shows it. What is not known of it, its hash keys, decides nothing: its records are user records.
fn listed(name: &ShardId, shard: &ShardLetters) -> Option<Shard> {
    let number = |letter: &Letter| letter.record.position.sequence_number.clone();
    Some(Shard {
        shard_id: name.clone(),
        parent: shard.parents.first().cloned(),
        adjacent_parent: shard.parents.get(1).cloned(),
        hash_key_range: HashKeyRange::FULL,
        starting_sequence_number: number(shard.letters.first()?),
        ending_sequence_number: Some(number(shard.letters.last()?)),
    })
}

/// The first of these letters that one read returns.
fn page(letters: &[Letter], limit: u32) -> Vec<Record> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    for Letter { record, .. } in letters.iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        bytes += record.partition_key.len() + record.data.len();
        if bytes > READ_BYTES_MAX && !records.is_empty() {
            break;
        }
        records.push(record.clone());
    }
    records
}

fn iterator(shard: &ShardKey, index: usize) -> ShardIterator {
    ShardIterator { shard: shard.clone(), token: index.to_string() }
}

fn unknown(call: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{call}: letters can be read by polling, and nothing else"))
}
