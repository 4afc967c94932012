use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Shard, StreamId, Timestamp};
use kcl_core::testing::DeliveryOracle;
use kcl_core::worker::Ports;
use tokio::time::Instant;

use super::board::Board;
use super::input::Line;
use crate::Failure;

/// How often the demo looks whether something it waits for has happened.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What everybody in the demo shares: the stream, the lease table, the oracle and the board.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) kinesis: Arc<MemoryKinesis>,
    pub(super) leases: Arc<MemoryLeaseStore>,
    pub(super) stream: StreamId,
    pub(super) oracle: Arc<DeliveryOracle>,
    pub(super) board: Arc<Board>,
    pub(super) started_at: Instant,
    /// True while the producer has nothing to put and waits for its input.
    awaits_input: AtomicBool,
}

impl Stage {
    /// A stream of `shards` shards that nobody has read.
    pub(super) fn set(shards: u32, verbose: bool) -> Result<Self, Failure> {
        let settings = MemoryKinesisSettings {
            started_at: wall_clock_time(),
            // The input is put as fast as it comes.
            limits: MemoryKinesisLimits::of_reads(),
            ..MemoryKinesisSettings::default()
        };
        let kinesis = Arc::new(MemoryKinesis::new(settings));
        let stream = StreamId::named("demo").map_err(Failure::runtime)?;
        let shard_count = usize::try_from(shards).unwrap_or(usize::MAX);
        kinesis.create_stream(&stream, shard_count).map_err(Failure::usage)?;
        let started_at = Instant::now();
        Ok(Self {
            kinesis,
            leases: Arc::new(MemoryLeaseStore::new()),
            stream,
            oracle: Arc::new(DeliveryOracle::new()),
            board: Arc::new(Board::new(started_at, verbose)),
            started_at,
            awaits_input: AtomicBool::new(false),
        })
    }

    pub(super) fn ports(&self) -> Ports {
        Ports {
            kinesis: Arc::<MemoryKinesis>::clone(&self.kinesis),
            leases: Arc::<MemoryLeaseStore>::clone(&self.leases),
        }
    }

    /// Puts a record, and tells the oracle.
    pub(super) fn put(&self, line: Line) -> Result<(), Failure> {
        let Line { number, partition_key, data } = line;
        let put = self
            .kinesis
            .put_record(&self.stream, &partition_key, None, data)
            .map_err(|error| Failure::usage(format!("line {number} of the input: {error}")))?;
        self.oracle.put(&partition_key, &put.shard_id, &put.sequence_number);
        Ok(())
    }

    pub(super) fn shards(&self) -> Result<Vec<Shard>, Failure> {
        self.kinesis.shards(&self.stream).map_err(Failure::runtime)
    }

    /// True once every record put is processed, and every closed shard to its end.
    pub(super) fn is_consumed(&self) -> Result<bool, Failure> {
        let closed_shards_ended =
            self.shards()?.iter().all(|shard| shard.is_open() || self.board.has_ended(&shard.shard_id));
        Ok(closed_shards_ended && self.oracle.outstanding() == 0)
    }

    pub(super) fn set_awaits_input(&self, awaits_input: bool) {
        self.awaits_input.store(awaits_input, Ordering::Relaxed);
    }

    /// True if nothing can happen before more input comes.
    pub(super) fn is_idle(&self) -> bool {
        self.awaits_input.load(Ordering::Relaxed) && self.oracle.outstanding() == 0
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the arrival times that a person sees; nothing is decided by them"
)]
fn wall_clock_time() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use kcl_core::Event;
    use kcl_core::model::{ShardKey, WorkerId};

    use super::super::generator::Generator;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_record_is_consumed_when_it_is_delivered() {
        let stage = Stage::set(1, false).unwrap();
        assert_eq!(stage.is_consumed(), Ok(true));
        stage.put(Generator::new(1).next().unwrap()).unwrap();
        assert_eq!(stage.is_consumed(), Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_shard_is_consumed_when_a_worker_has_finished_it() {
        let stage = Stage::set(1, false).unwrap();
        let parent = ShardKey::new(stage.stream.clone(), stage.shards().unwrap()[0].shard_id.clone());
        stage.kinesis.split_shard(&stage.stream, &parent.shard_id, 1 << 127).unwrap();
        assert_eq!(stage.is_consumed(), Ok(false));
        let ended = Event::ShardEnded { shard: &parent, children: &[] };
        stage.board.record(&WorkerId::new("worker-1").unwrap(), &ended);
        assert_eq!(stage.is_consumed(), Ok(true));
    }
}
