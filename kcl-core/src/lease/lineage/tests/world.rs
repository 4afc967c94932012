//! A stream, its lease table and its readers as far as lineage matters, in steps that a test chooses. It knows which
//! records a user was promised, by its own simple rules, and notices each that comes twice or too early.

use std::collections::{BTreeMap, BTreeSet};

use super::{book, id, stream};
use crate::lease::lineage::{leases_to_create, leases_to_delete, unfinished_parents};
use crate::lease::{Lease, LeaseBook, LeaseChange};
use crate::model::{
    Checkpoint, HashKeyRange, InitialPosition, MonotonicTime, RecordPosition, SequenceNumber, Shard, ShardKey,
};

/// When something happened: every event has a time of its own. Also a record's sequence number.
pub(super) type Tick = i64;

/// A shard as it really is, and what has become of its records.
pub(super) struct Truth {
    pub(super) parents: Vec<usize>,
    pub(super) ancestors: BTreeSet<usize>,
    pub(super) range: HashKeyRange,
    pub(super) born: Tick,
    pub(super) closed: Option<Tick>,
    /// When each record was put, and how often it was delivered.
    pub(super) records: BTreeMap<Tick, usize>,
    /// When a reader first stood in it while it was open.
    read_since: Option<Tick>,
    /// Where a reader without a checkpoint stands.
    reader: Option<Tick>,
}

pub(super) struct World {
    pub(super) position: InitialPosition,
    pub(super) shards: Vec<Truth>,
    pub(super) table: LeaseBook,
    pub(super) now: Tick,
    /// What is older has left the retention.
    pub(super) horizon: Tick,
    /// Records that nobody can deliver any more.
    lost: BTreeSet<(usize, Tick)>,
}

impl World {
    pub(super) fn new(roots: u128, position: InitialPosition) -> Self {
        let width = u128::MAX / roots;
        let mut world = Self {
            position,
            shards: Vec::new(),
            table: book(&[]),
            now: 1,
            horizon: 0,
            lost: BTreeSet::new(),
        };
        for root in 0..roots {
            let end = if root + 1 == roots { u128::MAX } else { (root + 1) * width - 1 };
            world.add(Vec::new(), HashKeyRange { start: root * width, end });
        }
        world
    }

    pub(super) fn tick(&mut self) -> Tick {
        self.now += 1;
        self.now
    }

    fn add(&mut self, parents: Vec<usize>, range: HashKeyRange) {
        let born = self.tick();
        for parent in &parents {
            self.shards[*parent].closed = Some(born);
        }
        let older = parents.iter().flat_map(|parent| &self.shards[*parent].ancestors);
        let ancestors = older.chain(&parents).copied().collect();
        let records = BTreeMap::new();
        self.shards.push(Truth {
            parents,
            ancestors,
            range,
            born,
            closed: None,
            records,
            read_since: None,
            reader: None,
        });
    }

    /// The open shards in the order of their hash keys.
    pub(super) fn open(&self) -> Vec<usize> {
        let mut open: Vec<usize> =
            (0..self.shards.len()).filter(|shard| self.shards[*shard].closed.is_none()).collect();
        open.sort_by_key(|shard| self.shards[*shard].range);
        open
    }

    pub(super) fn put(&mut self, shard: usize) {
        let now = self.tick();
        self.shards[shard].records.insert(now, 0);
    }

    pub(super) fn put_everywhere(&mut self) {
        for shard in self.open() {
            self.put(shard);
        }
    }

    pub(super) fn split(&mut self, shard: usize) {
        let HashKeyRange { start, end } = self.shards[shard].range;
        if start < end {
            let middle = start + (end - start) / 2;
            self.add(vec![shard], HashKeyRange { start, end: middle });
            self.add(vec![shard], HashKeyRange { start: middle + 1, end });
            self.shards[shard].closed = Some(self.now - 1);
        }
    }

    /// Merges an open shard with its right neighbour, if it has one.
    pub(super) fn merge(&mut self, shard: usize) {
        let HashKeyRange { start, end } = self.shards[shard].range;
        let right =
            self.open().into_iter().find(|other| Some(self.shards[*other].range.start) == end.checked_add(1));
        if let Some(right) = right {
            let range = HashKeyRange { start, end: self.shards[right].range.end };
            self.add(vec![shard, right], range);
        }
    }

    /// Retention takes everything older than `horizon`.
    pub(super) fn trim(&mut self, horizon: Tick) {
        self.horizon = self.horizon.max(horizon);
        for (shard, truth) in self.shards.iter().enumerate() {
            let old = truth.records.iter().filter(|(tick, times)| **tick < self.horizon && **times == 0);
            self.lost.extend(old.map(|(tick, _)| (shard, *tick)));
        }
    }

    pub(super) fn is_listed(&self, shard: usize) -> bool {
        self.shards[shard].closed.is_none_or(|closed| closed >= self.horizon)
    }

    pub(super) fn list(&self) -> Vec<Shard> {
        let listed = (0..self.shards.len()).filter(|shard| self.is_listed(*shard));
        listed.map(|shard| self.describe(shard)).collect()
    }

    fn describe(&self, shard: usize) -> Shard {
        let Truth { parents, range, born, closed, .. } = &self.shards[shard];
        Shard {
            shard_id: id(shard),
            parent: parents.first().map(|parent| id(*parent)),
            adjacent_parent: parents.get(1).map(|parent| id(*parent)),
            hash_key_range: *range,
            starting_sequence_number: sequence_number(*born),
            ending_sequence_number: closed.map(sequence_number),
        }
    }

    pub(super) fn key(shard: usize) -> ShardKey {
        ShardKey::new(stream(), id(shard))
    }

    pub(super) fn row(&self, shard: usize) -> Option<&Lease> {
        self.table.get(&Self::key(shard))
    }

    pub(super) fn children(&self, shard: usize) -> Vec<usize> {
        (0..self.shards.len()).filter(|child| self.shards[*child].parents.contains(&shard)).collect()
    }

    /// Creates a row unless there is one.
    pub(super) fn create(&mut self, lease: Lease) {
        if self.table.get(&lease.shard).is_none() {
            self.table.observe(lease, MonotonicTime::default());
        }
    }

    /// Deletes a row if it is still the one that was seen.
    pub(super) fn delete(&mut self, seen: &Lease) {
        if self.table.get(&seen.shard).is_some_and(|row| row.matches(seen)) {
            self.table.forget(&seen.shard);
        }
    }

    /// Somebody deletes the row of a shard that is not read to its end, and the next sync comes before anything else.
    /// Under `LATEST` only of a shard that follows one with a row; nothing could tell that others were ever read.
    pub(super) fn lose_row(&mut self, shard: usize) {
        let follows = self.shards[shard].ancestors.iter().any(|ancestor| self.row(*ancestor).is_some());
        let can_tell = follows || self.position != InitialPosition::Latest;
        if can_tell && self.row(shard).is_some_and(|row| !row.is_finished()) {
            self.table.forget(&Self::key(shard));
            self.sync();
        }
    }

    /// A whole sync at once. Returns how many rows it created and deleted.
    pub(super) fn sync(&mut self) -> (usize, usize) {
        let shards = self.list();
        let missing = leases_to_create(&stream(), &shards, &self.table, self.position);
        for lease in &missing {
            self.create(lease.clone());
        }
        let useless = leases_to_delete(&stream(), &shards, &self.table);
        for lease in &useless {
            self.delete(lease);
        }
        (missing.len(), useless.len())
    }

    /// The owner of a shard reads up to `count` records and commits them, and the shard's end if that is next.
    pub(super) fn read(&mut self, shard: usize, count: usize) {
        let now = self.tick();
        let Some(row) = self.row(shard).cloned() else { return };
        if row.is_finished() || !unfinished_parents(&row, &self.table).is_empty() {
            return;
        }
        let truth = &mut self.shards[shard];
        if truth.closed.is_none() {
            truth.read_since.get_or_insert(now);
        }
        let from = match &row.checkpoint {
            Checkpoint::At(position) => position.sequence_number.as_str().parse::<Tick>().unwrap() + 1,
            Checkpoint::Latest => *truth.reader.get_or_insert(now),
            Checkpoint::AtTimestamp => self.time(),
            _ => 0,
        };
        let from = from.max(self.horizon);
        let due: Vec<Tick> = self.shards[shard].records.range(from..).map(|(tick, _)| *tick).collect();
        for tick in due.iter().take(count) {
            self.deliver(shard, *tick);
        }
        let checkpoint = if due.len() <= count && self.shards[shard].closed.is_some() {
            Checkpoint::ShardEnd
        } else if let Some(last) = due.iter().take(count).next_back() {
            at(*last)
        } else {
            return;
        };
        let ended = checkpoint == Checkpoint::ShardEnd && self.is_listed(shard);
        let children = if ended { self.children(shard) } else { Vec::new() };
        let children = children.into_iter().map(id).collect();
        let row = row.after(&LeaseChange::Checkpoint { checkpoint, children });
        self.table.observe(row, MonotonicTime::default());
    }

    fn deliver(&mut self, shard: usize, tick: Tick) {
        for ancestor in &self.shards[shard].ancestors {
            let early = self.outstanding(*ancestor);
            assert!(early.is_empty(), "{shard} is read before {early:?} of its ancestor {ancestor}");
        }
        *self.shards[shard].records.get_mut(&tick).unwrap() += 1;
    }

    fn time(&self) -> Tick {
        let InitialPosition::AtTimestamp(time) = self.position else { return 0 };
        time.as_millis()
    }

    /// Under `LATEST`: what was put after a reader stood in the shard while it was open, or in one it follows that had
    /// some of its hash keys. A reader of other keys promises nothing: that a merge in between joined them cannot be told
    /// once the merged shard has left the stream and nobody made it a row.
    fn is_promised(&self, shard: usize, tick: Tick) -> bool {
        match self.position {
            InitialPosition::TrimHorizon => true,
            InitialPosition::AtTimestamp(_) => tick >= self.time(),
            InitialPosition::Latest => {
                let Truth { ancestors, range, .. } = &self.shards[shard];
                let related = ancestors.iter().chain([&shard]).map(|related| &self.shards[*related]);
                let mut readers = related.filter(|related| related.range.overlaps(*range));
                readers.any(|reader| reader.read_since.is_some_and(|since| since <= tick))
            }
        }
    }

    /// The records of a shard that were promised, are still to come, and can come.
    pub(super) fn outstanding(&self, shard: usize) -> Vec<Tick> {
        let promised = self.shards[shard].records.iter().filter(|(tick, times)| {
            **times == 0 && !self.lost.contains(&(shard, **tick)) && self.is_promised(shard, **tick)
        });
        promised.map(|(tick, _)| *tick).collect()
    }

    /// Syncs and reads until that changes nothing.
    pub(super) fn settle(&mut self) {
        for _ in 0..=3 * self.shards.len() {
            let rows = |world: &Self| -> Vec<Lease> { world.table.leases().cloned().collect() };
            let before = rows(self);
            self.sync();
            for shard in 0..self.shards.len() {
                self.read(shard, usize::MAX);
            }
            if rows(self) == before {
                assert_eq!(self.sync(), (0, 0), "a sync that settled");
                return;
            }
        }
        panic!("the table does not settle: {:#?}", self.table);
    }

    /// Everything promised was delivered, and every open shard is read on.
    pub(super) fn assert_complete(&self) {
        for shard in 0..self.shards.len() {
            assert_eq!(self.outstanding(shard), Vec::<Tick>::new(), "of shard {shard}: {:#?}", self.table);
        }
        for shard in self.open() {
            assert!(self.row(shard).is_some_and(|row| !row.is_finished()), "{shard}: {:#?}", self.table);
        }
    }

    /// Nothing was delivered twice.
    pub(super) fn assert_no_duplicate(&self) {
        for (shard, truth) in self.shards.iter().enumerate() {
            assert!(truth.records.values().all(|times| *times <= 1), "{shard}: {:?}", truth.records);
        }
    }

    /// Nothing was delivered that was put before `start`.
    pub(super) fn assert_nothing_before(&self, start: Tick) {
        for (shard, truth) in self.shards.iter().enumerate() {
            let early = truth.records.range(..start).find(|(_, times)| **times > 0);
            assert_eq!(early, None, "of shard {shard}, before {start}: {:#?}", self.table);
        }
    }

    /// Once every open shard has begun and retention has taken all others, theirs are the only rows.
    pub(super) fn assert_no_row_is_left_over(&mut self) {
        self.now = self.now.max(self.time());
        self.put_everywhere();
        self.settle();
        self.trim(self.now + 1);
        self.settle();
        let rows: Vec<_> = self.table.leases().map(|row| row.shard.shard_id.clone()).collect();
        let mut open = self.open();
        open.sort_unstable();
        assert_eq!(rows, open.into_iter().map(id).collect::<Vec<_>>());
    }
}

fn sequence_number(tick: Tick) -> SequenceNumber {
    tick.to_string().parse().unwrap()
}

fn at(tick: Tick) -> Checkpoint {
    let sequence_number = sequence_number(tick);
    Checkpoint::At(RecordPosition { sequence_number, sub_sequence_number: 0 })
}
