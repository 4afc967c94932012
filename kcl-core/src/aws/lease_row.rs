//! The row of a lease, attribute by attribute.
//!
//! The row is the Java KCL's (`DynamoDBLeaseSerializer.java`), so that Java workers may share the table, precede us
//! and follow us. The single place that forms keys and knows attribute names and types. Attributes that are not named
//! here are tolerated, and survive, since rows are only ever updated in place.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::lease::{HandOverRequest, Lease, RequestForm};
use crate::model::{
    Checkpoint, HashKeyRange, PendingCheckpoint, RecordPosition, SequenceNumber, ShardId, ShardKey, StreamId,
    Timestamp, WorkerId,
};

pub(super) const LEASE_KEY: &str = "leaseKey";
const LEASE_OWNER: &str = "leaseOwner";
/// Only while a Java KCL 3 fleet moves a lease: who still processes. The owner is then who is to have it.
const CHECKPOINT_OWNER: &str = "checkpointOwner";
/// Ours: when a row at `LATEST` was made, in milliseconds since 1970.
const LATEST_SINCE: &str = "latestSince";
/// Ours: a worker that asks the owner for the lease.
const HAND_OVER_TO: &str = "handOverTo";
/// Ours: the last owner that answers such a request.
const HAND_OVER_OWNER: &str = "handOverOwner";
/// Ours: the worker that is to have the lease, as an operator wishes.
const PINNED_TO: &str = "pinnedTo";
const LEASE_COUNTER: &str = "leaseCounter";
const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
const CHECKPOINT: &str = "checkpoint";
const SUB_SEQUENCE_NUMBER: &str = "checkpointSubSequenceNumber";
/// Only between the preparation of a checkpoint and its commit.
const PENDING: &str = "pendingCheckpoint";
const PENDING_SUB_SEQUENCE_NUMBER: &str = "pendingCheckpointSubSequenceNumber";
const PENDING_STATE: &str = "pendingCheckpointState";
const PARENTS: &str = "parentShardId";
const CHILDREN: &str = "childShardIds";
const STARTING_HASH_KEY: &str = "startingHashKey";
const ENDING_HASH_KEY: &str = "endingHashKey";
/// What a row is about, since version 3.5 of the Java KCL; a row without it is a lease.
const ENTITY_TYPE: &str = "entityType";
const ENTITY_TYPE_LEASE: &str = "LEASE";
/// Only in the rows of a table that serves many streams, whose keys have another form.
const STREAM_NAME: &str = "streamName";

/// A row as DynamoDB gives and takes it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Reads and writes the rows of one table, which serves one stream.
#[derive(Debug, Clone)]
pub(super) struct LeaseRows {
    pub(super) table: String,
    pub(super) stream: StreamId,
}

impl LeaseRows {
    /// The key of a shard's row: its shard id. Fails with [`ErrorKind::Refused`] for a shard of another stream.
    pub(super) fn key(&self, shard: &ShardKey) -> Result<AttributeValue> {
        if shard.stream == self.stream {
            return Ok(string(shard.shard_id.as_str()));
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "lease table '{}' serves stream '{}', so it has no place for shard '{shard}'; use a table of its own",
                self.table, self.stream
            ),
        ))
    }

    /// The whole row of a lease.
    pub(super) fn encode(&self, lease: &Lease) -> Result<Item> {
        let mut item = HashMap::new();
        let mut put = |name: &str, value| item.insert(name.to_owned(), value);
        put(LEASE_KEY, self.key(&lease.shard)?);
        put(LEASE_COUNTER, number(lease.counter));
        put(OWNER_SWITCHES, number(lease.owner_switches_since_checkpoint));
        let (checkpoint, sub_sequence_number) = checkpoint(&lease.checkpoint);
        put(CHECKPOINT, checkpoint);
        put(SUB_SEQUENCE_NUMBER, sub_sequence_number);
        if let Some(pending) = &lease.pending {
            let (position, sub_sequence_number) = self::checkpoint(&pending.checkpoint);
            put(PENDING, position);
            put(PENDING_SUB_SEQUENCE_NUMBER, sub_sequence_number);
            if !pending.application_state.is_empty() {
                put(PENDING_STATE, binary(&pending.application_state));
            }
        }
        let (owner, checkpoint_owner) = lease.stored_owners();
        let asks = lease.request.as_ref().filter(|request| request.form == RequestForm::Attribute);
        let workers = [
            (LEASE_OWNER, owner),
            (CHECKPOINT_OWNER, checkpoint_owner),
            (HAND_OVER_TO, asks.map(|request| &request.by)),
            (HAND_OVER_OWNER, lease.hand_over_owner.as_ref()),
            (PINNED_TO, lease.pinned_to.as_ref()),
        ];
        for (name, worker) in workers {
            if let Some(worker) = worker {
                put(name, string(worker.as_str()));
            }
        }
        if !lease.parents.is_empty() {
            put(PARENTS, shard_set(&lease.parents));
        }
        if !lease.children.is_empty() {
            put(CHILDREN, shard_set(&lease.children));
        }
        if let Some(range) = lease.hash_key_range {
            put(STARTING_HASH_KEY, string(range.start.to_string()));
            put(ENDING_HASH_KEY, string(range.end.to_string()));
        }
        if let Some(time) = lease.latest_since {
            put(LATEST_SINCE, AttributeValue::N(time.as_millis().to_string()));
        }
        Ok(item)
    }

    /// The lease of a row, or `None` if the row is about something else, as some of the Java KCL 3.5 are. Fails with
    /// [`ErrorKind::Corrupt`], naming table, row and attribute, for a lease that cannot be read.
    ///
    /// Parents and children come in ascending order, since the table keeps none.
    pub(super) fn decode(&self, item: &Item) -> Result<Option<Lease>> {
        let row = RowReader { table: &self.table, item };
        if row.string(ENTITY_TYPE)?.is_some_and(|kind| kind != ENTITY_TYPE_LEASE) {
            return Ok(None);
        }
        if let Some(streams) = row.string(STREAM_NAME)? {
            return Err(row.corrupt(
                STREAM_NAME,
                &format!("is '{streams}': a worker that reads many streams uses this table"),
            ));
        }
        let shard_id = ShardId::new(row.required(LEASE_KEY, row.string(LEASE_KEY)?)?);
        let (owner, request) = row.owner_and_request()?;
        Ok(Some(Lease {
            shard: ShardKey::new(self.stream.clone(), shard_id),
            counter: row.required(LEASE_COUNTER, row.number(LEASE_COUNTER)?)?,
            owner,
            request,
            hand_over_owner: row.worker(HAND_OVER_OWNER)?,
            pinned_to: row.worker(PINNED_TO)?,
            owner_switches_since_checkpoint: row.required(OWNER_SWITCHES, row.number(OWNER_SWITCHES)?)?,
            checkpoint: row.required(CHECKPOINT, row.checkpoint(CHECKPOINT, SUB_SEQUENCE_NUMBER)?)?,
            pending: row.pending()?,
            parents: row.shard_set(PARENTS)?,
            children: row.shard_set(CHILDREN)?,
            hash_key_range: row.hash_key_range()?,
            latest_since: row.time(LATEST_SINCE)?,
        }))
    }
}

pub(super) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn binary(bytes: &Bytes) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.to_vec()))
}

/// A set of shards, which must not be empty: the service refuses that, and a member that is there twice.
pub(super) fn shard_set(shards: &[ShardId]) -> AttributeValue {
    let mut ids: Vec<String> = shards.iter().map(ToString::to_string).collect();
    ids.sort();
    ids.dedup();
    AttributeValue::Ss(ids)
}

/// The two attributes of a checkpoint: position, and index in the aggregate.
pub(super) fn checkpoint(checkpoint: &Checkpoint) -> (AttributeValue, AttributeValue) {
    match checkpoint {
        Checkpoint::At(position) => {
            (string(position.sequence_number.as_str()), number(position.sub_sequence_number))
        }
        sentinel => (string(sentinel.to_string()), number(0)),
    }
}

/// Attributes by type, with errors that say where they are.
struct RowReader<'a> {
    table: &'a str,
    item: &'a Item,
}

impl<'a> RowReader<'a> {
    fn string(&self, name: &str) -> Result<Option<&'a str>> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.corrupt(name, "is not a string")),
        }
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>> {
        let millis = self.number(name)?.map(i64::try_from).transpose();
        let time = millis.map(|millis| millis.map(Timestamp::from_millis));
        time.map_err(|_| self.corrupt(name, "is no time"))
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => match digits.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.corrupt(name, &format!("is {digits}, which is no count"))),
            },
            Some(_) => Err(self.corrupt(name, "is not a number")),
        }
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.corrupt(name, "is missing"))
    }

    fn shard_set(&self, name: &str) -> Result<Vec<ShardId>> {
        let mut ids = match self.item.get(name) {
            None => Vec::new(),
            Some(AttributeValue::Ss(ids)) => ids.iter().map(ShardId::new).collect(),
            Some(_) => return Err(self.corrupt(name, "is not a set of strings")),
        };
        ids.sort();
        Ok(ids)
    }

    /// Who processes the shard, and who asks for it.
    fn owner_and_request(&self) -> Result<(Option<WorkerId>, Option<HandOverRequest>)> {
        let (owner, asks) = (self.worker(LEASE_OWNER)?, self.worker(HAND_OVER_TO)?);
        let request = |by, form| HandOverRequest { by, form };
        Ok(match (self.worker(CHECKPOINT_OWNER)?, owner) {
            (Some(processing), Some(next)) => {
                (Some(processing), Some(request(next, RequestForm::CheckpointOwner)))
            }
            (_, owner) => (owner, asks.map(|by| request(by, RequestForm::Attribute))),
        })
    }

    fn worker(&self, name: &str) -> Result<Option<WorkerId>> {
        let worker = self.string(name)?.map(WorkerId::new).transpose();
        worker.map_err(|_| self.corrupt(name, "is empty"))
    }

    fn checkpoint(&self, name: &str, sub_sequence_name: &str) -> Result<Option<Checkpoint>> {
        let Some(text) = self.string(name)? else {
            return Ok(None);
        };
        Ok(Some(match text {
            "AT_TIMESTAMP" => Checkpoint::AtTimestamp,
            "TRIM_HORIZON" => Checkpoint::TrimHorizon,
            "LATEST" => Checkpoint::Latest,
            "SHARD_END" => Checkpoint::ShardEnd,
            digits => Checkpoint::At(RecordPosition {
                sequence_number: self.sequence_number(name, digits)?,
                sub_sequence_number: self.number(sub_sequence_name)?.unwrap_or(0),
            }),
        }))
    }

    fn sequence_number(&self, name: &str, digits: &str) -> Result<SequenceNumber> {
        let problem = "which is neither a sequence number nor a sentinel";
        digits.parse().map_err(|_| self.corrupt(name, &format!("is '{digits}', {problem}")))
    }

    /// A state without a position belongs to nothing.
    fn pending(&self) -> Result<Option<PendingCheckpoint>> {
        let Some(checkpoint) = self.checkpoint(PENDING, PENDING_SUB_SEQUENCE_NUMBER)? else {
            return Ok(None);
        };
        let application_state = match self.item.get(PENDING_STATE) {
            None => Bytes::new(),
            Some(AttributeValue::B(state)) => Bytes::copy_from_slice(state.as_ref()),
            Some(_) => return Err(self.corrupt(PENDING_STATE, "is not binary")),
        };
        Ok(Some(PendingCheckpoint { checkpoint, application_state }))
    }

    fn hash_key_range(&self) -> Result<Option<HashKeyRange>> {
        match (self.hash_key(STARTING_HASH_KEY)?, self.hash_key(ENDING_HASH_KEY)?) {
            (None, None) => Ok(None),
            (start, end) => Ok(Some(HashKeyRange {
                start: self.required(STARTING_HASH_KEY, start)?,
                end: self.required(ENDING_HASH_KEY, end)?,
            })),
        }
    }

    fn hash_key(&self, name: &str) -> Result<Option<u128>> {
        let Some(digits) = self.string(name)? else {
            return Ok(None);
        };
        match digits.parse() {
            Ok(hash_key) => Ok(Some(hash_key)),
            Err(_) => Err(self.corrupt(name, &format!("is '{digits}', which is no hash key"))),
        }
    }

    fn corrupt(&self, attribute: &str, problem: &str) -> Error {
        let row = match self.item.get(LEASE_KEY) {
            Some(AttributeValue::S(key)) => key,
            _ => "without a key",
        };
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "attribute '{attribute}' of row '{row}' in lease table '{}' {problem}; mend or delete the row",
                self.table
            ),
        )
    }
}

#[cfg(test)]
mod tests;
