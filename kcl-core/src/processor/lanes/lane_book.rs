use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::watermark::{Ticket, Watermark};
use crate::model::{Record, RecordPosition};
use crate::planted::{Planted, PlantedFault};

/// Places for records that may start which are kept while nothing is taken.
const IDLE_PLACES: usize = 16;

/// How much of one shard may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneLimits {
    /// The most calls at a time; at least 1.
    pub(crate) concurrency: usize,
    /// The most records that are taken and not below the watermark.
    pub(crate) records_max: usize,
    /// The most bytes of them, keys and data. One record is taken however large it is.
    pub(crate) bytes_max: usize,
}

/// Which records of a shard are in flight, and which of them may start.
///
/// Records of one partition key start one after another, in the order of the shard. Of those that may start the oldest
/// does, since the watermark waits for it. A record is in one of these states:
///
/// ```text
///   admit ──▶ waiting in its lane ──▶ ready ──start──▶ running ──finish──▶ finished ──▶ below the watermark
///                                       ▲                 │ pause              ▲
///                                       └────resume──── paused ────finish──────┘
/// ```
///
/// Invariants: of each lane at most one record is ready, running or paused, and it is the lane's oldest; at most
/// `concurrency` records are running; everything together is within the limits, or a single record.
#[derive(Debug)]
pub(crate) struct LaneBook {
    limits: LaneLimits,
    planted: Planted,
    taken: Watermark<Held>,
    /// The last record of each lane.
    lanes: BTreeMap<Lane, Ticket>,
    ready: BinaryHeap<Reverse<Ticket>>,
    paused: BTreeSet<Ticket>,
    running: usize,
    /// Nothing from here on has ever started.
    started_end: Ticket,
    /// Once the shard is given away: nothing from here on is started.
    settle_end: Option<Ticket>,
}

/// A digest of a partition key, which does not keep the key's buffer in memory. Keys that share one share a lane: that
/// costs concurrency, not order.
type Lane = u64;

#[derive(Debug)]
struct Held {
    record: Record,
    lane: Lane,
    next_of_lane: Option<Ticket>,
}

impl LaneBook {
    pub(crate) fn new(limits: LaneLimits, planted: Planted) -> Self {
        Self {
            limits,
            planted,
            taken: Watermark::new(),
            lanes: BTreeMap::new(),
            ready: BinaryHeap::new(),
            paused: BTreeSet::new(),
            running: 0,
            started_end: Ticket::FIRST,
            settle_end: None,
        }
    }

    /// True if the record may be [admitted](Self::admit).
    pub(crate) fn has_room_for(&self, record: &Record) -> bool {
        let is_within = self.taken.len() < self.limits.records_max
            && self.taken.bytes() + bytes_of(record) <= self.limits.bytes_max;
        self.is_empty() || is_within
    }

    /// Takes the shard's next record.
    pub(crate) fn admit(&mut self, record: Record) -> Ticket {
        let is_alone = self.planted.has(PlantedFault::KeyOrderBroken);
        let lane = if is_alone { lane_of(&record.position) } else { lane_of(&record.partition_key) };
        let (position, bytes) = (record.position.clone(), bytes_of(&record));
        let ticket = self.taken.take(position, bytes, Held { record, lane, next_of_lane: None });
        let last_of_lane = self.lanes.insert(lane, ticket);
        match last_of_lane.and_then(|last| self.taken.get_mut(last)) {
            Some(last) => last.next_of_lane = Some(ticket),
            None => self.ready.push(Reverse(ticket)),
        }
        ticket
    }

    /// Starts the oldest record that may start; `None` if there is none, or as many run as may.
    pub(crate) fn start(&mut self) -> Option<(Ticket, Record)> {
        let ticket = self.next_to_start().filter(|_| self.running < self.limits.concurrency)?;
        let record = self.taken.get(ticket)?.record.clone();
        self.ready.pop();
        self.running += 1;
        self.started_end = self.started_end.max(ticket.next());
        Some((ticket, record))
    }

    /// True if a record may [start](Self::start).
    pub(crate) fn may_start(&self) -> bool {
        self.running < self.limits.concurrency && self.next_to_start().is_some()
    }

    /// A running record failed and waits for its retry: it leaves its place to another, and keeps its lane.
    pub(crate) fn pause(&mut self, ticket: Ticket) {
        self.running -= 1;
        self.paused.insert(ticket);
    }

    /// A paused record may start again, unless the shard settles.
    pub(crate) fn resume(&mut self, ticket: Ticket) {
        if self.settle_end.is_none() && self.paused.remove(&ticket) {
            self.ready.push(Reverse(ticket));
        }
    }

    /// Lets go of a running or paused record, and makes the next of its lane ready.
    pub(crate) fn finish(&mut self, ticket: Ticket) {
        let Some(Held { lane, next_of_lane, .. }) = self.taken.finish(ticket) else { return };
        if !self.paused.remove(&ticket) {
            self.running -= 1;
        }
        match next_of_lane {
            Some(next) => self.ready.push(Reverse(next)),
            None => drop(self.lanes.remove(&lane)),
        }
        if self.is_empty() {
            self.ready.shrink_to(IDLE_PLACES);
        }
    }

    /// From here on, starts only what the watermark needs in order to pass everything that has started already: the
    /// records between, up to the first that fails. So a shard that is given away leaves nothing finished above its
    /// watermark, unless a record fails.
    pub(crate) fn settle(&mut self) {
        self.settle_end = Some(self.started_end);
    }

    /// What was admitted with this ticket, unless it is finished.
    pub(crate) fn record(&self, ticket: Ticket) -> Option<&Record> {
        self.taken.get(ticket).map(|held| &held.record)
    }

    /// True if nothing runs, and nothing may start.
    pub(crate) fn is_settled(&self) -> bool {
        self.running == 0 && self.next_to_start().is_none()
    }

    /// True if everything admitted is finished.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.len() == 0
    }

    /// Everything up to and including this is finished; `None` until the first is.
    pub(crate) fn watermark(&self) -> Option<&RecordPosition> {
        self.taken.position()
    }

    /// True if everything admitted up to and including this ticket is finished.
    pub(crate) fn has_passed(&self, ticket: Ticket) -> bool {
        self.taken.has_passed(ticket)
    }

    fn next_to_start(&self) -> Option<Ticket> {
        let Reverse(ticket) = *self.ready.peek()?;
        let may_start = self.settle_end.is_none_or(|end| {
            let first_paused = self.paused.first();
            ticket < first_paused.map_or(end, |paused| end.min(*paused))
        });
        may_start.then_some(ticket)
    }
}

/// The same for all time: order must not depend on the process.
fn lane_of(key: &impl Hash) -> Lane {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// What a record counts for.
fn bytes_of(record: &Record) -> usize {
    record.partition_key.len() + record.data.len()
}

#[cfg(test)]
mod tests;
