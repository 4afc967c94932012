//! Counts how many rounds and moves it takes to share a thousand shards, by our rule and by that of the Java KCL 2. Pure
//! decisions on a table in memory: nothing depends on the machine or its clock.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

mod java;
mod ours;
mod scenario;

use std::fmt::Display;
use std::thread;

use fastrand::Rng;

use scenario::{Outcome, SCENARIOS, Scenario, Start, fewest_moves};

/// Runs of each scenario, each with its own names and order of writes. Of ours the worst is shown, of Java's the best.
const SEEDS: u64 = 3;

/// A worker's scans of a table of this size are a failover time apart, by default.
const ROUND_SECS: f64 = 10.0;

/// Two failover times and 50 ms (`DynamoDBLeaseCoordinator`).
const JAVA_ROUND_SECS: f64 = 20.05;

/// What several runs of a scenario came to.
struct Summary {
    fewest_moves: usize,
    ours: Outcome,
    java: Outcome,
}

fn main() {
    let running = SCENARIOS.map(|scenario| (scenario.name, thread::spawn(move || measure(&scenario))));
    println!("{:32} |{:^64}|{:^36}", "", "ours, the worst of all runs", "Java KCL 2, the best of all runs");
    let ours = ["rounds", "known", "secs", "moves", "extra", "known", "lost"];
    print_row("", "fewest", &ours, &["rounds", "secs", "moves", "extra"]);
    let (mut is_met, mut is_met_known) = (true, true);
    for (name, summary) in running {
        let Summary { fewest_moves, ours, java } = summary.join().unwrap();
        is_met &= ours.moves_too_many == 0;
        is_met_known &= ours.rounds.is_some() && ours.rounds_known <= 1 && ours.moves_too_many_known == 0;
        let shown_ours = [
            rounds_text(ours.rounds),
            ours.rounds_known.to_string(),
            secs_text(ours.rounds, ROUND_SECS),
            ours.moves.to_string(),
            ours.moves_too_many.to_string(),
            ours.moves_too_many_known.to_string(),
            ours.races_lost.to_string(),
        ];
        let shown_java = [
            rounds_text(java.rounds),
            secs_text(java.rounds, JAVA_ROUND_SECS),
            java.moves.to_string(),
            java.moves_too_many.to_string(),
        ];
        print_row(name, &fewest_moves.to_string(), &shown_ours, &shown_java);
    }
    println!();
    print_verdict(is_met_known, "once the table shows all workers, one round and not one extra move");
    print_verdict(is_met, "not one extra move from the beginning");
}

fn print_verdict(is_met: bool, target: &str) {
    println!("{target}: {}", if is_met { "met" } else { "MISSED" });
}

fn measure(scenario: &Scenario) -> Summary {
    let runs = (0..SEEDS).map(|seed| {
        let rng = &mut Rng::with_seed(seed);
        let start = Start::of(scenario, rng);
        let (ours, java) = (ours::run(&start, rng), java::run(&start, rng));
        Summary { fewest_moves: fewest_moves(&start.shares(), start.leases.len()), ours, java }
    });
    let all = runs.reduce(|some, next| Summary {
        fewest_moves: some.fewest_moves.max(next.fewest_moves),
        ours: some.ours.worst(next.ours),
        java: some.java.best(next.java),
    });
    all.unwrap()
}

fn rounds_text(rounds: Option<usize>) -> String {
    rounds.map_or("never".to_owned(), |rounds| rounds.to_string())
}

fn secs_text(rounds: Option<usize>, round_secs: f64) -> String {
    let rounds = rounds.and_then(|rounds| u32::try_from(rounds).ok());
    rounds.map_or("-".to_owned(), |rounds| format!("{:.0}", f64::from(rounds) * round_secs))
}

fn print_row(name: &str, fewest: &str, ours: &[impl Display], java: &[impl Display]) {
    println!("{name:24}{fewest:>8} |{} |{}", cells_text(ours), cells_text(java));
}

fn cells_text(cells: &[impl Display]) -> String {
    cells.iter().map(|cell| format!("{cell:>9}")).collect::<Vec<_>>().concat()
}
