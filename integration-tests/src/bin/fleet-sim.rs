//! Runs the fleet simulator over many seeds, and says of those that fail how to see them again.

use std::io::{Write, stderr, stdout};
use std::num::NonZero;
use std::ops::Range;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{ArgAction, Parser};
use integration_tests::fleet_sim::{Class, Outcome, Scenario, Summary, simulate_all};
use kcl_core::PlantedFault;

/// Simulates fleets of workers in virtual time. Exit status: 0 if every seed kept every invariant, 1 if one did not.
#[derive(Debug, Parser)]
#[command(name = "fleet-sim")]
struct Cli {
    /// The seeds, such as `0..1000`.
    #[arg(long, default_value = "0..90", value_parser = parse_seeds, conflicts_with = "seed")]
    seeds: Range<u64>,
    /// One seed.
    #[arg(long)]
    seed: Option<u64>,
    /// The kinds of run, each with all seeds. Without it the seeds are spread over all kinds but `big`.
    #[arg(long, value_enum, action = ArgAction::Append)]
    class: Vec<Class>,
    /// Prints everything that happens.
    #[arg(long)]
    trace: bool,
    /// Has all workers make this mistake, which an invariant should notice.
    #[arg(long, value_parser = parse_fault)]
    plant: Option<PlantedFault>,
    /// How many virtual minutes the trouble lasts. Default: as the class has it.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: Option<u64>,
    /// The most workers at a time. Default: as the class has it.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    workers: Option<u64>,
    /// How many shards the stream begins with. Default: as the class has it.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    shards: Option<u64>,
    /// How many runs at a time. Default: as many as there are cores.
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let scenarios = cli.scenarios();
    let threads = cli.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
    #[expect(
        clippy::disallowed_methods,
        reason = "how fast the simulator is; nothing in a run depends on it"
    )]
    let started = std::time::Instant::now();
    let outcomes = match simulate_all(&scenarios, threads) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            say(stderr(), format_args!("error: the simulator cannot go on: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let elapsed = started.elapsed();
    report(&cli, &scenarios, &outcomes, elapsed)
}

fn report(cli: &Cli, scenarios: &[Scenario], outcomes: &[Outcome], elapsed: Duration) -> ExitCode {
    let runs = || scenarios.iter().zip(outcomes);
    let mut status = ExitCode::SUCCESS;
    for (scenario, outcome) in runs() {
        let mut out = stdout();
        // Whoever reads this may have seen enough.
        let _nobody_reads = out.write_all(outcome.trace.as_bytes());
        if let Some(violation) = &outcome.violation {
            status = ExitCode::FAILURE;
            say(stdout(), format_args!("FAILED {} seed {}: {violation}", scenario.class, scenario.seed));
            say(stdout(), format_args!("  see it again: {}", cli.replay(scenario)));
        }
    }
    if cli.trace {
        return status;
    }
    for class in Class::USUAL.into_iter().chain([Class::Big]) {
        let mut of_class =
            runs().filter(|(scenario, _)| scenario.class == class).map(|(_, outcome)| outcome).peekable();
        if of_class.peek().is_some() {
            say(stdout(), format_args!("{}", Summary::new(class, of_class)));
        }
    }
    let (count, seconds) = (outcomes.len(), elapsed.as_secs_f64());
    // Counts this small are exact.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / seconds;
    say(
        stdout(),
        format_args!("{count} seeds in {seconds:.1} s: {rate:.2} seeds/s, {:.0} a minute", rate * 60.0),
    );
    status
}

impl Cli {
    fn scenarios(&self) -> Vec<Scenario> {
        let seeds = self.seed.map_or(self.seeds.clone(), |seed| seed..seed.saturating_add(1));
        if self.class.is_empty() {
            let usual = Class::USUAL.into_iter().cycle();
            // The class of a seed is the same in every range.
            let skipped = usize::try_from(seeds.start % Class::USUAL.len() as u64).unwrap_or_default();
            return usual.skip(skipped).zip(seeds).map(|(class, seed)| self.scenario(class, seed)).collect();
        }
        let of_class = |class: &Class| {
            let class = *class;
            seeds.clone().map(move |seed| self.scenario(class, seed))
        };
        self.class.iter().flat_map(of_class).collect()
    }

    fn scenario(&self, class: Class, seed: u64) -> Scenario {
        let mut scenario = Scenario::new(class, seed);
        let size = |given: Option<u64>, usual| given.and_then(|given| given.try_into().ok()).unwrap_or(usual);
        scenario.workers = size(self.workers, scenario.workers);
        scenario.shards = size(self.shards, scenario.shards);
        scenario.duration =
            self.minutes.map_or(scenario.duration, |minutes| Duration::from_secs(60 * minutes));
        scenario.planted = self.plant;
        scenario.is_traced = self.trace;
        scenario
    }

    /// The command that shows a run again, with its trace.
    fn replay(&self, scenario: &Scenario) -> String {
        let Scenario { class, seed, .. } = scenario;
        let sizes = [("minutes", self.minutes), ("workers", self.workers), ("shards", self.shards)];
        let given =
            sizes.into_iter().filter_map(|(name, value)| value.map(|value| format!(" --{name} {value}")));
        let planted = self.plant.map(|fault| format!(" --plant {fault:?}"));
        let given: String = given.chain(planted).collect();
        format!(
            "cargo run -p integration-tests --release --bin fleet-sim -- --class {class} --seed {seed}{given} --trace"
        )
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let bounds =
        text.split_once("..").and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
    match bounds {
        Some((start, end)) if start < end => Ok(start..end),
        Some((start, end)) => Err(format!("there are no seeds from {start} to below {end}")),
        None => Err("give two whole numbers, such as 0..1000".to_owned()),
    }
}

fn parse_fault(text: &str) -> Result<PlantedFault, String> {
    let names = || PlantedFault::ALL.into_iter().map(|fault| (fault, format!("{fault:?}")));
    let found = names().find(|(_, name)| name == text).map(|(fault, _)| fault);
    found.ok_or_else(|| {
        let known: Vec<String> = names().map(|(_, name)| name).collect();
        format!("the faults are {}", known.join(", "))
    })
}

/// The reader may have gone, which `println!` panics at; the exit status still tells.
fn say(mut to: impl Write, line: std::fmt::Arguments<'_>) {
    let _nobody_reads = writeln!(to, "{line}");
}
