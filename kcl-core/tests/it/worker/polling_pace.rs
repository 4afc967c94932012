//! How often a shard is polled: at once while behind, at leisure at the tip, and never beyond its share of the shard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kcl_core::model::InitialPosition;
use kcl_core::stream::PollingSettings;
use kcl_core::testing::{Fault, KinesisCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Duration, Instant, sleep};

use super::fleet::{Fleet, faulty_kinesis, secs};

type Reads = Arc<Mutex<Vec<Instant>>>;

/// Starts a worker whose reads are noted.
fn start(fleet: &mut Fleet, polling: PollingSettings) -> Reads {
    let reads = Reads::default();
    let noted = Arc::clone(&reads);
    let ports = faulty_kinesis(fleet, move |call| {
        if let KinesisCall::GetRecords(_) = call {
            noted.lock().unwrap().push(Instant::now());
        }
        Fault::None
    });
    let settings = WorkerSettings { polling, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    reads
}

/// The times between reads, in milliseconds.
fn intervals(reads: &Reads) -> Vec<u128> {
    let reads = reads.lock().unwrap();
    reads.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn reads_follow_each_other_while_behind_and_idle_at_the_tip() {
    let mut fleet = Fleet::new(1);
    fleet.put(50);
    sleep(secs(10)).await;
    let reads = start(&mut fleet, PollingSettings { records_per_read_max: 10, ..PollingSettings::default() });
    sleep(secs(10)).await;
    let intervals = intervals(&reads);
    assert_eq!(intervals[..4], [200; 4], "{intervals:?}");
    assert!(intervals[4..].iter().all(|interval| *interval == 1_000), "{intervals:?}");
}

#[tokio::test(start_paused = true)]
async fn three_applications_share_what_the_service_allows_for_a_shard() {
    let mut fleet = Fleet::new(1);
    fleet.put(50);
    sleep(secs(10)).await;
    let polling = PollingSettings { applications: 3, records_per_read_max: 10, ..PollingSettings::default() };
    let reads = start(&mut fleet, polling);
    sleep(secs(10)).await;
    assert_eq!(intervals(&reads)[..4], [600; 4]);
}

#[tokio::test(start_paused = true)]
async fn after_a_large_read_the_next_one_waits_until_the_service_allows_it() {
    let mut fleet = Fleet::new(1);
    for _ in 0..30 {
        let data = Bytes::from(vec![b'.'; 1_000_000]);
        let put = fleet.kinesis.put_record(&fleet.stream, "key", None, data).unwrap();
        fleet.oracle.put("key", &put.shard_id, &put.sequence_number);
        sleep(secs(1)).await;
    }
    let reads = start(&mut fleet, PollingSettings::default());
    fleet.drain().await;
    let intervals = intervals(&reads);
    assert!((4_990..=5_010).contains(&intervals[0]), "{intervals:?}");
    assert_eq!(fleet.count_events("ReadFailed"), 0, "the service throttles whoever comes too soon");
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn keys_count_against_what_the_service_allows_as_data_does() {
    let mut fleet = Fleet::new(1);
    let key = "k".repeat(250);
    for _ in 0..30_000 {
        let put = fleet.kinesis.put_record(&fleet.stream, &key, None, Bytes::new()).unwrap();
        fleet.oracle.put(&key, &put.shard_id, &put.sequence_number);
    }
    fleet.start("a");
    fleet.drain().await;
    assert_eq!(fleet.count_events("ReadFailed"), 0, "the service throttles whoever comes too soon");
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_near_the_tip_reads_at_leisure_if_the_settings_say_so() {
    let mut fleet = Fleet::new(1);
    let polling = PollingSettings {
        tip_distance: secs(10),
        idle_time_between_reads: secs(5),
        records_per_read_max: 10,
        ..PollingSettings::default()
    };
    let reads = start(&mut fleet, polling);
    for _ in 0..60 {
        fleet.put(3);
        sleep(secs(1)).await;
    }
    let intervals = intervals(&reads);
    let leisurely = intervals.iter().filter(|interval| **interval == 5_000).count();
    assert!(leisurely * 2 > intervals.len(), "{intervals:?}");
    assert!(intervals.contains(&200), "further behind than that, it catches up: {intervals:?}");
    fleet.drain().await;
}

#[tokio::test(start_paused = true)]
async fn latest_skips_nothing_when_the_first_calls_fail() {
    let mut fleet = Fleet::new(1);
    let is_out = Arc::new(AtomicBool::new(true));
    let out = Arc::clone(&is_out);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetShardIterator(..) if out.load(Ordering::Relaxed) => Fault::Fail(ErrorKind::Throttled),
        _ => Fault::None,
    });
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    fleet.until("the first attempt", || fleet.count_events("ReadFailed") >= 1).await;
    fleet.put(10);
    sleep(Duration::from_mins(1)).await;
    is_out.store(false, Ordering::Relaxed);
    fleet.drain().await;
}
