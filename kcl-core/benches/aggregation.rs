//! What reading aggregates costs, as a ratio to the MD5 of the same bytes by the `md-5` crate, which the format demands and
//! which is nearly all of it. Both are measured in turn, so that a busy machine slows down both.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "rates are shown, not computed with")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use kcl_core::aggregation::md5::{digests, digests_portable};
use kcl_core::aggregation::{Aggregator, Expansion, NewUserRecord, OutsideRange, RECORD_BYTES_MAX, Seal};
use kcl_core::model::{HashKeyRange, Record, RecordPosition, Timestamp};
use md5::{Digest, Md5};

const USER_RECORDS: usize = 100;
const USER_RECORD_BYTES: usize = 1_024;
const PAGE_AGGREGATES: usize = 16;

/// The fastest of so many runs counts: what is slower was disturbed.
const RUNS: usize = 200;

fn main() {
    let page: Vec<Record> = (0..PAGE_AGGREGATES).map(container).collect();
    let bytes: Vec<&[u8]> = page.iter().map(|record| &record.data[..]).collect();
    let one = &page[..1];
    println!(
        "{PAGE_AGGREGATES} aggregates of {USER_RECORDS} user records of {USER_RECORD_BYTES} bytes; MD5 is that of the crate md-5\n"
    );
    print_row(["", "MB/s", "MD5 MB/s", "ratio", "goal"]);
    compare("one aggregate, all user records delivered", "0.90", &bytes[..1], || {
        let seal = Seal::of(&one[0].data);
        deliver(&one[0], seal);
    });
    compare("a page of aggregates, all user records delivered", "3.00", &bytes, || {
        let seals = Seal::of_page(bytes.iter().copied());
        page.iter().zip(seals).for_each(|(record, seal)| deliver(record, seal));
    });
    compare("digests of the page, side by side", "", &bytes, || drop(black_box(digests(&bytes))));
    compare("the same without wide vectors", "", &bytes, || drop(black_box(digests_portable(&bytes))));
    let uneven: Vec<&[u8]> = (0..400).map(|index| &bytes[index % 16][..index * 7_919 % 51_200]).collect();
    compare("400 digests of 0 to 51,200 bytes", "", &uneven, || drop(black_box(digests(&uneven))));
    let seals: Vec<Seal> = Seal::of_page(bytes.iter().copied());
    compare("the page without any digest", "", &bytes, || {
        page.iter().zip(&seals).for_each(|(record, seal)| deliver(record, *seal));
    });
}

/// A Kinesis record with user records of different keys.
fn container(number: usize) -> Record {
    let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, u64::MAX).unwrap();
    for index in 0..USER_RECORDS {
        let partition_key = format!("partition-key-{number:06}-{index:011}");
        let data = [u8::try_from(index).unwrap(); USER_RECORD_BYTES];
        aggregator
            .add(&NewUserRecord { partition_key: &partition_key, data: &data, ..NewUserRecord::default() })
            .unwrap();
    }
    let put = aggregator.take().unwrap();
    Record {
        position: RecordPosition {
            sequence_number: "49546986683135544286507457936321625675700192471156785154".parse().unwrap(),
            sub_sequence_number: 0,
        },
        partition_key: put.partition_key.into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data: put.data,
    }
}

fn deliver(record: &Record, seal: Seal) {
    let expansion = Expansion::new(record.clone(), seal, HashKeyRange::FULL, OutsideRange::Deliver);
    let mut count = 0;
    for user_record in expansion {
        count += usize::from(black_box(user_record).data.len() == USER_RECORD_BYTES);
    }
    assert_eq!(count, USER_RECORDS);
}

fn compare(name: &str, goal: &str, messages: &[&[u8]], mut run: impl FnMut()) {
    let (mut own, mut md5) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        own = own.min(time(&mut run));
        md5 = md5.min(time(|| {
            for message in messages {
                black_box(Md5::digest(message));
            }
        }));
    }
    let bytes: usize = messages.iter().map(|message| message.len()).sum();
    let rate = |time: Duration| format!("{:.0}", bytes as f64 / time.as_secs_f64() / 1e6);
    let ratio = format!("{:.2}", md5.as_secs_f64() / own.as_secs_f64());
    print_row([name, &rate(own), &rate(md5), &ratio, goal]);
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn print_row([name, own, md5, ratio, goal]: [&str; 5]) {
    println!("{name:50} {own:>8} {md5:>9} {ratio:>7} {goal:>6}");
}
