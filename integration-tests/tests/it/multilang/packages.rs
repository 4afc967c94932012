//! The libraries themselves, unmodified, as children of a worker on the emulators: each interface through its whole life.
//! Needs `KCLPY_PATH` and `AWS_KCL_PATH`; see `.ci/multilang`. That for Ruby needs `AWS_KCLRB_PATH`; see docs/testing.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kcl_core::lease::LeaseChange;
use kcl_core::model::WorkerId;
use kcl_core::{Checkpointing, WorkerSettings};
use kcl_worker::multilang::{ExecFactory, ExecSettings, SwallowedExceptions};

use super::child_log::file;
use crate::backend::until;
use crate::fleet::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn python_version_1() {
    live(&["python3", &processor("processor.py"), "1"], "PYTHONPATH", "KCLPY_PATH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_version_2() {
    live(&["python3", &processor("processor.py"), "2"], "PYTHONPATH", "KCLPY_PATH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_version_3() {
    live(&["python3", &processor("processor.py"), "3"], "PYTHONPATH", "KCLPY_PATH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_version_1() {
    live(&["node", &processor("processor.js"), "1"], "AWS_KCL_PATH", "AWS_KCL_PATH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_version_2() {
    live(&["node", &processor("processor.js"), "2"], "AWS_KCL_PATH", "AWS_KCL_PATH").await;
}

#[cfg(feature = "multilang-ruby")]
#[tokio::test(flavor = "multi_thread")]
async fn ruby_version_1() {
    live(&["ruby", &processor("processor.rb"), "1"], "RUBYLIB", "AWS_KCLRB_PATH").await;
}

#[cfg(feature = "multilang-ruby")]
#[tokio::test(flavor = "multi_thread")]
async fn ruby_version_2() {
    live(&["ruby", &processor("processor.rb"), "2"], "RUBYLIB", "AWS_KCLRB_PATH").await;
}

fn processor(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/multilang/processors");
    folder.join(name).to_str().unwrap().to_owned()
}

/// What the children of one test have told.
struct Told {
    path: PathBuf,
}

impl Told {
    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|told| *told == line).count()
    }

    async fn until(&self, line: &str, count: usize) {
        until(&format!("{line} is told {count} times"), || async { self.count(line) >= count }).await;
    }

    async fn until_records(&self, expected: &BTreeSet<String>) {
        until("every record is told", || async {
            let lines = self.lines();
            expected.iter().all(|data| lines.contains(&format!("record {data}")))
        })
        .await;
    }
}

/// Initialize, records, a checkpoint that is refused and one that is not, an exception, a split, the loss of a lease, the end.
async fn live(command: &[&str], library_variable: &str, path_variable: &str) {
    let library = std::env::var(path_variable).expect("run .ci/multilang, which says where the library is");
    let told = Told { path: file("told") };
    let mut fleet = Fleet::new(1).await;
    let settings = WorkerSettings {
        checkpointing: Checkpointing::Manual,
        failover_time: Duration::from_secs(2),
        ..fleet.settings("a")
    };
    let mut words = vec!["env".to_owned(), format!("{library_variable}={library}")];
    words.extend(command.iter().map(|word| (*word).to_owned()));
    words.push(told.path.to_str().unwrap().to_owned());
    let exec = ExecSettings {
        guard: env!("CARGO_BIN_EXE_exec-worker").into(),
        swallowed_exceptions: SwallowedExceptions::Fail,
        message_timeout: Some(Duration::from_secs(20)),
        ..ExecSettings::new(words)
    };
    let ports = fleet.ports();
    fleet.start_with(settings, ports, ExecFactory::new(exec).unwrap());
    let parent = fleet.shard_ids().await.remove(0);

    let mut expected = put(&fleet, "before", 10).await;
    told.until_records(&expected).await;
    told.until("refused IllegalArgumentException", 1).await;

    fleet.backend.put(&fleet.stream, "key", b"raise").await;
    told.until("record raise", 2).await;

    fleet.split(&parent).await;
    told.until("ended", 1).await;
    expected.append(&mut put(&fleet, "after", 20).await);
    told.until_records(&expected).await;
    fleet
        .until_rows("the parent is finished", |rows| rows.iter().any(kcl_core::lease::Lease::is_finished))
        .await;

    steal_a_lease(&fleet).await;
    told.until("lost", 1).await;
    fleet.until_shares(&[("a", 2)]).await;
    until("the child of the shard that came back has begun", || async {
        told.lines().iter().filter(|line| line.starts_with("initialize")).count() >= 5
    })
    .await;
    fleet.stop("a").await;
    assert_eq!((told.count("stopping"), told.count("lost")), (2, 3), "{:?}", told.lines());
}

async fn put(fleet: &Fleet, word: &str, count: usize) -> BTreeSet<String> {
    let mut data = BTreeSet::new();
    for number in 0..count {
        let text = format!("{word} {number}");
        fleet.backend.put(&fleet.stream, &format!("key-{number}"), text.as_bytes()).await;
        data.insert(text);
    }
    data
}

/// As another worker would that believes the owner dead, and then gives it up.
async fn steal_a_lease(fleet: &Fleet) {
    let (leases, thief) = (fleet.ports().leases, WorkerId::new("thief").unwrap());
    until("a lease could be taken", || async {
        let rows = fleet.rows().await;
        let row = rows.iter().find(|row| row.owner.is_some() && !row.is_finished()).unwrap();
        let taken = leases.update(row, &LeaseChange::Take { by: thief.clone() }).await.unwrap();
        let kcl_core::lease::Conditional::Applied(taken) = taken else { return false };
        leases.update(&taken, &LeaseChange::Release).await.unwrap();
        true
    })
    .await;
}
