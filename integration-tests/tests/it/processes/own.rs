//! A program with a processor of its own, set up by a file.

use std::fs;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::worker_process::{ask_to_stop, file_of, program, without_services};
use crate::backend::WAIT_MAX;
use crate::fleet::Fleet;

const RECORDS: usize = 20;

/// The program, which finds its services by nothing but this file.
fn own_worker(fleet: &Fleet, settings: &str) -> (Command, String) {
    let path = file_of(fleet, settings);
    let mut command = program(env!("CARGO_BIN_EXE_own-worker-under-test"));
    command.envs(without_services(fleet)).env("KCL_CONFIG", &path);
    (command, path)
}

/// The lines that it prints, until there is one for each record.
async fn lines(child: &mut Child) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    while seen.len() < RECORDS {
        match timeout(WAIT_MAX, lines.next_line()).await.unwrap().unwrap() {
            Some(line) => seen.push(line),
            None => break,
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_ones_own_has_the_configuration_and_the_signals_of_the_worker() {
    let fleet: Fleet = Fleet::new(2).await;
    fleet.put(RECORDS).await;
    let (mut command, path) = own_worker(&fleet, "");
    let mut child = command.spawn().unwrap();
    let seen = lines(&mut child).await;
    ask_to_stop(&child).await;
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    let status = timeout(WAIT_MAX, child.wait()).await.unwrap().unwrap();
    assert_eq!((seen.len(), status.code()), (RECORDS, Some(0)), "{log}");
    assert!(seen.iter().all(|line| line.contains(" says '")), "{seen:?}");
    let rows = fleet.rows().await;
    assert!(rows.iter().all(|row| row.owner.is_none()), "{rows:?}");
    fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_ones_own_has_no_choice_of_a_processor() {
    let fleet: Fleet = Fleet::new(1).await;
    let (mut command, path) = own_worker(&fleet, "processor = 'print'\nmax_lease = 1\n");
    let output = timeout(WAIT_MAX, command.output()).await.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    for part in ["no setting processor", "did you mean max_leases?"] {
        assert!(log.contains(part), "{log}");
    }
    fs::remove_file(path).unwrap();
}
