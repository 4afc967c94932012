//! What a processor is told of the shard that it is made for.

use std::sync::{Arc, Mutex};

use kcl_core::model::Record;
use kcl_core::processor::{ProcessorFactory, ShardStart, for_each_record, for_each_shard};
use kcl_core::testing::DeliveryOracle;
use tokio::time::sleep;

use super::fleet::{Fleet, secs, shard_id};

/// The data of each record, with the fencing token and the checkpoint that its handler knows.
type Seen = Arc<Mutex<Vec<(u64, String)>>>;

fn noting(oracle: &Arc<DeliveryOracle>, seen: &Seen, lanes: usize) -> impl ProcessorFactory + use<> {
    let (oracle, seen) = (Arc::clone(oracle), Arc::clone(seen));
    for_each_shard(move |start: &ShardStart| {
        let (oracle, seen, start) = (Arc::clone(&oracle), Arc::clone(&seen), start.clone());
        for_each_record(move |record: Record| {
            oracle.deliver(&start.shard, &record);
            seen.lock().unwrap().push((start.fencing_token, start.checkpoint.to_string()));
            async { Ok(()) }
        })
        .concurrency(lanes)
    })
}

#[tokio::test(start_paused = true)]
async fn handlers_of_records_know_the_fencing_token_which_grows_with_every_owner() {
    for lanes in [1, 8] {
        let (mut fleet, seen) = (Fleet::new(1), Seen::default());
        let mut last = ("TRIM_HORIZON".to_owned(), 0);
        for name in ["a", "b", "c"] {
            fleet.put(5);
            let factory = noting(&fleet.oracle, &seen, lanes);
            fleet.start_with(name, fleet.settings(name), fleet.ports(), factory);
            fleet.drain().await;
            sleep(secs(2)).await;
            let row = fleet.row(&shard_id(0)).await;
            let told = std::mem::take(&mut *seen.lock().unwrap());
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]) && told.len() == 5, "{told:?}");
            let (token, checkpoint) = told[0].clone();
            assert!(last.1 < token && token <= row.counter, "{token}, and the row has {}", row.counter);
            assert_eq!(checkpoint, last.0);
            last = (row.checkpoint.to_string(), token);
            fleet.stop(name).await;
        }
        assert_eq!(fleet.assert_good(), 0);
    }
}
