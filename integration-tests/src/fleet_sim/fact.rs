use std::fmt;
use std::time::Duration;

use kcl_core::Event;
use kcl_core::lease::{Lease, LeaseChange};
use kcl_core::model::{RecordPosition, WorkerId};
use kcl_core::processor::{FailureCondition, ShardStart};

use super::names::{ProcessNo, RecordNo, ShardNo};

/// Something that happened in the simulated world, and when. Everything that is judged, measured or traced is one.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// The time of the world, since the start of the run.
    pub at: Duration,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// The run begins.
    RunBegan { failover_time: Duration },
    /// A shard opened, after these others.
    Opened { shard: ShardNo, parents: &'a [ShardNo] },
    /// A shard takes no more records.
    Closed { shard: ShardNo },
    /// Retention took every record, and these closed shards.
    Trimmed { gone: &'a [ShardNo] },
    /// A producer put a record.
    Put { shard: ShardNo, key: u32, record: RecordNo, position: &'a RecordPosition },
    /// A process started; its clock runs at `rate` of the world's.
    Started { process: ProcessNo, worker: &'a WorkerId, rate: f64 },
    /// A process was asked to stop.
    StopAsked { process: ProcessNo },
    /// A process ended after it was asked to.
    Stopped { process: ProcessNo },
    /// A process is gone, in the middle of whatever it did.
    Crashed { process: ProcessNo },
    /// A process ended although nobody had asked it to.
    GaveUp { process: ProcessNo, error: &'a str },
    /// A process does nothing any more until it thaws.
    Frozen { process: ProcessNo },
    /// A process goes on. Its clock has not stood still.
    Thawed { process: ProcessNo },
    /// A process reaches this service no more.
    Cut { process: ProcessNo, service: Service },
    /// A process reaches this service again.
    Restored { process: ProcessNo, service: Service },
    /// A call to the table was made to fail in some way.
    Struck { process: ProcessNo, shard: Option<ShardNo>, fault: &'a str },
    /// A process sent a conditional update of a row.
    Sent { process: ProcessNo, shard: ShardNo },
    /// A process has the answer to its update, or waits for it no longer.
    Settled { process: ProcessNo, shard: ShardNo },
    /// The table applied a write.
    Wrote(Write<'a>),
    /// The table refused a write because the row was another one.
    Refused { process: ProcessNo, shard: ShardNo, row: Option<&'a Lease> },
    /// An operator deleted a row by mistake.
    RowRemoved { shard: ShardNo },
    /// An operator pinned a lease to a worker, or removed its pin.
    Pinned { shard: ShardNo, to: Option<&'a WorkerId>, before: &'a Lease, after: &'a Lease },
    /// A process began to process a shard. A handler of records is not told where.
    Began { process: ProcessNo, shard: ShardNo, start: Option<&'a ShardStart> },
    /// A handler of records was called with this one.
    Called { process: ProcessNo, shard: ShardNo, record: RecordNo },
    /// A processor has prepared a checkpoint with this state.
    Prepared { process: ProcessNo, shard: ShardNo, state: &'a [u8] },
    /// A processor has finished with a record.
    Delivered { process: ProcessNo, shard: ShardNo, record: RecordNo },
    /// A call of a processor with these records is about to fail.
    Failed { process: ProcessNo, shard: ShardNo, records: &'a [RecordNo] },
    /// The on-failure destination has taken a record.
    SentAway { process: ProcessNo, shard: ShardNo, record: RecordNo, condition: FailureCondition },
    /// The on-failure destination is about to refuse records.
    SendFailed { process: ProcessNo, shard: ShardNo },
    /// A record was left out, as a report says that follows.
    Skipped { process: ProcessNo, shard: ShardNo, record: RecordNo, condition: FailureCondition },
    /// A processor was told that its shard is about to be given away.
    Goodbye { process: ProcessNo, shard: ShardNo },
    /// A worker reported something.
    Reported { process: ProcessNo, event: &'a Event<'a> },
    /// The trouble is over: from here on the fleet must heal.
    TroubleOver,
    /// The fleet has healed: from here on nothing may move.
    Healed,
}

impl What<'_> {
    /// The record that somebody answers for from here on, and who dealt with it: delivered, in the destination, or left out
    /// by name.
    pub fn settled(&self) -> Option<(ProcessNo, ShardNo, RecordNo)> {
        match *self {
            What::Delivered { process, shard, record }
            | What::SentAway { process, shard, record, .. }
            | What::Skipped { process, shard, record, .. } => Some((process, shard, record)),
            _ => None,
        }
    }
}

/// A service that a process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The lease table.
    Table,
    /// The stream.
    Stream,
}

/// A write that the table applied.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Who sent it.
    pub process: ProcessNo,
    /// The worker id of the process.
    pub worker: &'a WorkerId,
    /// When it was sent.
    pub sent_at: Duration,
    /// The shard of the row.
    pub shard: ShardNo,
    /// The row that the writer had seen, unless it creates one.
    pub seen: Option<&'a Lease>,
    /// What was asked for.
    pub action: Action<'a>,
    /// The row just before.
    pub before: Option<&'a Lease>,
    /// The row just after.
    pub after: Option<&'a Lease>,
}

/// What a write asks for.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// A new row.
    Create,
    /// A change of a row.
    Change(&'a LeaseChange),
    /// The owner is asked to hand the lease over to this worker; or what was asked is withdrawn.
    Request(Option<&'a WorkerId>),
    /// No row.
    Delete,
}

impl fmt::Display for Fact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} ", self.at.as_secs_f64())?;
        match self.what {
            What::Wrote(write) => write.fmt(f),
            What::RunBegan { failover_time } => write!(f, "failover time {failover_time:?}"),
            What::Opened { shard, parents } => {
                write!(f, "opened {shard}")?;
                parents.iter().try_for_each(|parent| write!(f, " after {parent}"))
            }
            What::Closed { shard } => write!(f, "closed {shard}"),
            What::Trimmed { gone } => {
                f.write_str("trimmed")?;
                gone.iter().try_for_each(|shard| write!(f, " {shard}"))
            }
            What::Put { shard, key, record, .. } => write!(f, "put {record} of key {key} into {shard}"),
            What::Started { process, worker, rate } => {
                write!(f, "{process} started as {worker}, clock rate {rate:.4}")
            }
            What::StopAsked { process } => write!(f, "{process} asked to stop"),
            What::Stopped { process } => write!(f, "{process} stopped"),
            What::Crashed { process } => write!(f, "{process} crashed"),
            What::GaveUp { process, error } => write!(f, "{process} gave up: {error}"),
            What::Frozen { process } => write!(f, "{process} frozen"),
            What::Thawed { process } => write!(f, "{process} thawed"),
            What::Cut { process, service } => write!(f, "{process} cut off from the {service}"),
            What::Restored { process, service } => write!(f, "{process} reaches the {service} again"),
            What::Struck { process, shard: Some(shard), fault } => write!(f, "{process} {shard} {fault}"),
            What::Struck { process, shard: None, fault } => write!(f, "{process} {fault}"),
            What::Sent { process, shard } => write!(f, "{process} {shard} update sent"),
            What::Settled { process, shard } => write!(f, "{process} {shard} update settled"),
            What::Refused { process, shard, row: Some(row) } => {
                write!(f, "{process} {shard} refused, the row is {}", Row(row))
            }
            What::Refused { process, shard, row: None } => {
                write!(f, "{process} {shard} refused, there is no row")
            }
            What::RowRemoved { shard } => write!(f, "row of {shard} removed by hand"),
            What::Pinned { shard, to: Some(worker), .. } => write!(f, "{shard} pinned to {worker}"),
            What::Pinned { shard, to: None, .. } => write!(f, "{shard} unpinned"),
            What::Began { process, shard, start: None } => write!(f, "{process} {shard} begins"),
            What::Began { process, shard, start: Some(start) } => {
                let ShardStart { checkpoint, pending, fencing_token, .. } = start;
                write!(f, "{process} {shard} begins after {checkpoint}, token {fencing_token}")?;
                let state = pending.as_ref().map(|pending| &pending.application_state);
                state.map_or(Ok(()), |state| write!(f, ", pending {state:?}"))
            }
            What::Called { process, shard, record } => write!(f, "{process} {shard} called with {record}"),
            What::Prepared { process, shard, state } => {
                write!(f, "{process} {shard} prepared {}", String::from_utf8_lossy(state))
            }
            What::Delivered { process, shard, record } => write!(f, "{process} {shard} delivered {record}"),
            What::Failed { process, shard, records } => {
                write!(f, "{process} {shard} fails on")?;
                records.iter().try_for_each(|record| write!(f, " {record}"))
            }
            What::SentAway { process, shard, record, condition } => {
                write!(f, "{process} {shard} sent away {record}: {condition}")
            }
            What::SendFailed { process, shard } => write!(f, "{process} {shard} sent away nothing"),
            What::Skipped { process, shard, record, condition } => {
                write!(f, "{process} {shard} skipped {record}: {condition}")
            }
            What::Goodbye { process, shard } => write!(f, "{process} {shard} says goodbye"),
            What::Reported { process, event } => write!(f, "{process} reports {}", short(event)),
            What::TroubleOver => f.write_str("the trouble is over"),
            What::Healed => f.write_str("healed"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Stream => "stream",
        })
    }
}

impl fmt::Display for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, shard, .. } = self;
        match self.action {
            Action::Create => write!(f, "{process} {shard} created")?,
            Action::Change(change) => write!(f, "{process} {shard} {change:?}")?,
            Action::Request(Some(_)) => write!(f, "{process} {shard} asked for")?,
            Action::Request(None) => write!(f, "{process} {shard} asked for no longer")?,
            Action::Delete => write!(f, "{process} {shard} deleted")?,
        }
        self.after.map_or(Ok(()), |row| write!(f, " -> {}", Row(row)))
    }
}

/// An event without what every shard's name begins with.
fn short(event: &Event<'_>) -> String {
    const PREFIX: &str =
        "ShardKey { stream: StreamId { name: \"orders\", incarnation: None }, shard_id: ShardId(\"shardId-";
    format!("{event:?}").replace(PREFIX, "(").replace("\") }", ")")
}

/// A row in short.
struct Row<'a>(&'a Lease);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lease { counter, owner, checkpoint, .. } = self.0;
        let owner = owner.as_ref().map_or("nobody", WorkerId::as_str);
        write!(f, "#{counter} of {owner} at {checkpoint}")?;
        match self.0.requested_by() {
            Some(by) => write!(f, ", asked for by {by}"),
            None => Ok(()),
        }
    }
}
