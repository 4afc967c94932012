//! Runs the suite of Kinesis behind the SDK adapter on whatever answers at an endpoint.

use std::fmt::Arguments;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use integration_tests::conformance::{Emulator, RemoteKinesis, sdk_config};
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::{CaseOutcome, report_suite};

/// Runs every case of the Kinesis suite at an endpoint, one line for each. Exit status: 0 if all went as the departures of
/// the emulator say, 1 if a case failed that is no departure, a departure passed, or no case has the name.
///
/// Region and credentials are those of the environment, or ones that emulators take. Streams are deleted in the end.
#[derive(Debug, Parser)]
#[command(name = "kinesis-conformance")]
struct Cli {
    /// Where it answers, such as `http://127.0.0.1:4566`.
    #[arg(long, env = "AWS_ENDPOINT_URL_KINESIS")]
    endpoint_url: String,
    /// What answers there: says which cases are known to fail.
    #[arg(long, value_enum)]
    emulator: Emulator,
    /// Runs only the cases whose name has this in it.
    #[arg(long, default_value = "")]
    case: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let emulator = cli.emulator;
    if !emulator.is_tried() {
        say(format_args!(
            "note: nobody has run this suite there before; the departures are what is known of it"
        ));
    }
    let remote = Arc::new(RemoteKinesis::new(&sdk_config().await, &cli.endpoint_url));
    let fixture = async || {
        remote.delete_streams().await;
        Arc::clone(&remote) as Arc<dyn KinesisFixture>
    };
    let mut cases = kinesis_suite::cases();
    cases.retain(|case| case.name.contains(&cli.case));
    if cases.is_empty() {
        say(format_args!("no case has '{}' in its name", cli.case));
        return ExitCode::FAILURE;
    }
    let mut departures = emulator.departures();
    departures.retain(|(name, _)| name.contains(&cli.case));
    let mut summary = Summary::default();
    let findings =
        report_suite(cases, fixture, &departures, |name, outcome| summary.add(name, outcome)).await;
    remote.delete_streams().await;
    say(format_args!("{} ok, {} depart, {} findings", summary.kept, summary.departed, findings.len()));
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Default)]
struct Summary {
    kept: usize,
    departed: usize,
}

impl Summary {
    fn add(&mut self, name: &str, outcome: &CaseOutcome) {
        match outcome {
            CaseOutcome::Kept => self.kept += 1,
            CaseOutcome::Departed(_) => self.departed += 1,
            CaseOutcome::Failed(_) | CaseOutcome::Mended(_) => {}
        }
        let finding = if outcome.is_finding() { "FAILED: " } else { "" };
        say(format_args!("{name} ... {finding}{outcome}"));
    }
}

/// The reader may have gone, which `println!` panics at; the exit status still tells.
fn say(line: Arguments<'_>) {
    let _nobody_reads = writeln!(stdout(), "{line}");
}
