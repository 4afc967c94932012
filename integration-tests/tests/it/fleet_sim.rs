//! The fleet simulator's fixed set of seeds, and that a run is a function of its seed.

use std::num::NonZero;
use std::process::{Command, Output};
use std::thread::available_parallelism;
use std::time::Duration;

use integration_tests::fleet_sim::{Class, Scenario, simulate_all};

/// Seeds of the fixed set, for each class.
const SEEDS: u64 = 3;

/// How long the trouble lasts in these: enough for some dozens of operations.
const DURATION: Duration = Duration::from_mins(2);

fn threads() -> NonZero<usize> {
    available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

#[test]
fn every_class_keeps_every_invariant() {
    let of_class =
        |class| (0..SEEDS).map(move |seed| Scenario { duration: DURATION, ..Scenario::new(class, seed) });
    let scenarios: Vec<Scenario> = Class::USUAL.into_iter().flat_map(of_class).collect();
    let outcomes = simulate_all(&scenarios, threads()).unwrap();
    for (scenario, outcome) in scenarios.iter().zip(&outcomes) {
        let Scenario { class, seed, .. } = scenario;
        if let Some(violation) = &outcome.violation {
            panic!("--class {class} --seed {seed} --minutes 2: {violation}");
        }
        assert!(outcome.measures.put > 50, "{class} {seed}: only {} records", outcome.measures.put);
        if *class == Class::Calm {
            assert_eq!(outcome.measures.duplicates, 0, "{class} {seed}");
        }
    }
}

fn fleet_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleet-sim")).args(arguments).output().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_trace_in_two_processes() {
    let run = || fleet_sim(&["--class", "rough", "--seed", "7", "--minutes", "1", "--trace"]);
    let (one, other) = (run(), run());
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    assert!(one.stdout.len() > 100_000, "only {} bytes of trace", one.stdout.len());
    // Not `assert_eq!`, which would print both.
    assert!(one.stdout == other.stdout, "the traces differ");
}

#[test]
fn a_mistake_on_the_command_line_is_named() {
    for (arguments, named) in [
        (["--seeds", "9..3"], "no seeds from 9 to below 3"),
        (["--seeds", "many"], "such as 0..1000"),
        (["--class", "wild"], "'wild'"),
        (["--workers", "0"], "'0'"),
    ] {
        let output = fleet_sim(&arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(named), "{text}");
    }
}
