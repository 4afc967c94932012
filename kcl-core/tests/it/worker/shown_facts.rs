//! What a worker reports for those who watch it: scans, what is in flight, the lag of an idle shard, and a span for each
//! batch.

use std::fmt::{self, Write};
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::model::ShardKey;
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::{Fault, FaultyKinesis, KinesisCall};
use kcl_core::worker::Ports;
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber, subscriber};

use super::fleet::{Fleet, secs};

#[tokio::test(start_paused = true)]
async fn an_idle_shard_is_reported_as_such_once_and_after_each_batch_again() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    sleep(secs(30)).await;
    assert_eq!(fleet.count_events("ShardIdle"), 1);
    for round in 1..=3 {
        fleet.put(10);
        sleep(secs(30)).await;
        assert_eq!(fleet.count_events("BatchRead"), round);
        assert_eq!(fleet.count_events("ShardIdle"), 1 + round);
    }
    let events = fleet.events.lock().unwrap();
    let order = |event: &str| events.iter().rposition(|(_, line)| line.contains(event)).unwrap();
    assert!(order("BatchRead") < order("BatchProcessed") && order("BatchProcessed") < order("ShardIdle"));
    assert!(!events[order("BatchRead")].1.contains("in_flight_bytes: 0"), "{:?}", events[order("BatchRead")]);
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_processor_has_a_batch_is_not_idle() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), |_: &ShardKey| Stuck);
    sleep(secs(60)).await;
    assert_eq!(fleet.count_events("BatchRead"), 1);
    assert_eq!(fleet.count_events("ShardIdle"), 0);
}

#[tokio::test(start_paused = true)]
async fn reads_that_work_again_are_reported_once() {
    let mut fleet = Fleet::new(1);
    let to_fail = Arc::new(AtomicU64::new(0));
    let left = Arc::clone(&to_fail);
    let kinesis = FaultyKinesis::new(fleet.ports().kinesis, move |call| {
        let is_read = matches!(call, KinesisCall::GetRecords(_));
        let fails = is_read
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if fails { Fault::Cut } else { Fault::None }
    });
    let ports = Ports { kinesis: Arc::new(kinesis), ..fleet.ports() };
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(30)).await;
    to_fail.store(2, Ordering::Relaxed);
    sleep(secs(60)).await;
    assert_eq!(fleet.count_events("ReadFailed"), 2);
    assert_eq!(fleet.count_events("ReadRecovered"), 1);
}

#[tokio::test(start_paused = true)]
async fn scans_show_the_fleet_and_a_stop_is_reported_when_it_begins() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    fleet.start("b");
    sleep(secs(60)).await;
    let last = |start: &str| {
        let events = fleet.events.lock().unwrap();
        events.iter().rev().find(|(_, line)| line.starts_with(start)).unwrap().1.clone()
    };
    assert!(
        last("a: TableScanned").starts_with("a: TableScanned { leases: 4, held: 2, free: 0, workers: 2,")
    );
    assert!(fleet.count_events("a: LeaseRenewed") > 5);
    assert_eq!(fleet.count_events("b: ShardStarted"), 2);
    fleet.stop("a").await;
    let order = |event: &str| {
        let events = fleet.events.lock().unwrap();
        events.iter().rposition(|(_, line)| line.contains(event)).unwrap()
    };
    assert!(order("a: WorkerStopping") < order("a: ShardStopping"));
    assert!(order("a: ShardStopping") < order("a: WorkerStopped"));
}

#[tokio::test(start_paused = true)]
async fn each_batch_has_a_span_with_its_shard_and_positions() {
    let spans = Spans::default();
    let _here = subscriber::set_default(spans.clone());
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.start("a");
    fleet.drain().await;
    let opened = spans.opened.lock().unwrap();
    assert!(opened[0].starts_with("batch shard=orders:shardId-000000000000 records=10 first="), "{opened:?}");
    assert!(opened[0].contains(" last="), "{opened:?}");
}

/// A processor that never returns.
struct Stuck;

#[async_trait]
impl RecordProcessor for Stuck {
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        pending().await
    }
}

/// Keeps the spans that are opened, as text.
#[derive(Clone, Default)]
struct Spans {
    opened: Arc<Mutex<Vec<String>>>,
    next: Arc<AtomicU64>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _infallible = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("kcl_core")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(span.metadata().name().to_owned());
        span.record(&mut text);
        self.opened.lock().unwrap().push(text.0);
        Id::from_u64(1 + self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
