use std::fmt::{self, Write as _};
use std::str::FromStr;

use md5::{Digest, Md5};

use super::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Record, ShardId, ShardKey, StreamArn, Timestamp, WorkerId};

/// Records that a failure policy has given up, all of one shard, in order, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedBatch {
    /// The shard that they lie in.
    pub shard: ShardKey,
    /// The shards that it follows: none, one after a split, two after a merge.
    pub parents: Vec<ShardId>,
    /// The ARN of its stream, if the worker addresses it by that.
    pub stream_arn: Option<StreamArn>,
    /// The worker that gave them up.
    pub worker: WorkerId,
    /// That of the worker's lease of the shard; see [`ShardStart`](crate::processor::ShardStart::fencing_token).
    pub fencing_token: u64,
    /// The records, ascending in position.
    pub records: Vec<Record>,
    /// Why they were given up.
    pub condition: FailureCondition,
    /// Calls of the processor with these records; 0 if it was never called with them. The tries of a malformed aggregate that
    /// is [not delivered](crate::aggregation::MalformedAggregates::Fail) count, too.
    pub attempts: u32,
    /// The error of the last attempt.
    pub error: Option<String>,
    /// When the first attempt failed.
    pub first_failed_at: Option<Timestamp>,
    /// When they were given up.
    pub given_up_at: Timestamp,
}

/// Why records were given up. The names are Lambda's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCondition {
    /// The processor failed as often as the policy allows.
    RetryAttemptsExhausted,
    /// The records became older than the policy allows.
    RecordAgeExceeded,
}

impl FailedBatch {
    /// A UUID that says which records these are: two batches have the same one if they have the same stream, shard and
    /// positions.
    ///
    /// It does not depend on the worker, the attempts or the time. So it is the same each time the batch is sent, also
    /// after a crash, and its reader can tell copies by it.
    pub fn idempotency_key(&self) -> String {
        let mut name = self.shard.to_string();
        // Every position, not only the first and the last: records of one key that failed between others may end where a
        // whole batch ends, and a queue that drops copies must keep both.
        for record in &self.records {
            // Writing to a string cannot fail.
            let _ = write!(name, "\n{}", record.position);
        }
        md5_uuid(&name)
    }

    /// The batch in the JSON form of Lambda's invocation records, on one line.
    ///
    /// Fields that a Lambda has and a worker has not are absent: `functionArn`, `statusCode`, `executedVersion`. The stream is
    /// named by `streamName`; by `streamArn`, as with Lambda, if the worker addresses it by its ARN; and by `streamIdentifier`
    /// (`account:name:epoch`) if it is one of many of its lease table.
    ///
    /// Ours are `worker`, `fencingToken`, `errorMessage` (cut to 4,096 characters, so that it makes no batch too large for its
    /// destination), `firstFailureAt`, `idempotencyKey`, `parentShardIds` (absent where there are none), and `records`, with the data in base64. Times are RFC 3339 in
    /// milliseconds; those that it cannot express, beyond the year 9999, are written as the nearest that it can.
    ///
    /// Fails with [`ErrorKind::Refused`] if the batch has no records.
    pub fn to_json(&self) -> Result<String> {
        envelope::write(self)
    }

    /// Reads what [`to_json`](Self::to_json) has written. Fields that it does not know are ignored.
    ///
    /// Fails with [`ErrorKind::Corrupt`] if it is something else, such as a line that broke off, or a record that Lambda wrote,
    /// which has no data.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        envelope::read(json)
    }
}

impl fmt::Display for FailureCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
        })
    }
}

impl FromStr for FailureCondition {
    type Err = Error;

    /// Reads what `Display` writes. Fails with [`ErrorKind::Corrupt`] if it is something else.
    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::RetryAttemptsExhausted, Self::RecordAgeExceeded];
        known.into_iter().find(|condition| condition.to_string() == text).ok_or_else(|| {
            let [attempts, age] = known;
            Error::new(ErrorKind::Corrupt, format!("the condition '{text}' is neither {attempts} nor {age}"))
        })
    }
}

/// The same UUID for the same name, whoever asks.
pub(crate) fn md5_uuid(name: &str) -> String {
    uuid::Builder::from_md5_bytes(Md5::digest(name).into()).into_uuid().to_string()
}
