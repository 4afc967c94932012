//! Prints the records of a Kinesis stream: `cargo run -p kcl-examples --bin print_records -- STREAM APPLICATION`.
//!
//! Credentials and region come from where all AWS programs look for them. For LocalStack set `AWS_ENDPOINT_URL`, for
//! example to `http://localhost:4566`, `AWS_REGION`, and any `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. Start it
//! several times, and the processes share the shards.

use std::env;
use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use aws_config::BehaviorVersion;
use kcl_core::model::{Record, StreamId};
use kcl_core::processor::for_each_record;
use kcl_core::worker::{Worker, unique_worker_id};
use kcl_core::{WorkerSettings, aws};

#[tokio::main]
async fn main() -> ExitCode {
    // What the worker does goes to standard error as it happens: leases taken, shards finished, trouble.
    // In colour only where somebody sees it.
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(stderr().is_terminal()).init();

    let arguments: Vec<String> = env::args().skip(1).collect();
    let [stream, application] = arguments.as_slice() else {
        eprintln!("usage: print_records STREAM APPLICATION");
        return ExitCode::from(2);
    };
    match print_records(stream, application).await {
        Ok(()) => ExitCode::SUCCESS,
        // The message says what was wrong and what to try.
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn print_records(stream: &str, application: &str) -> Result<(), Box<dyn Error>> {
    // Kinesis, and a DynamoDB table of the application's name for the leases. It is created on first use.
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let stream = StreamId::named(stream)?;
    let ports = aws::ports(&config, &stream, application);

    // By default a new application starts at the oldest record that the stream still keeps.
    let settings = WorkerSettings::new(stream, unique_worker_id("print-records")?);

    // Called for each record, in order within its shard. After an `Err` the record comes again.
    let print = for_each_record(|record: Record| async move {
        println!("{}: {}", record.partition_key, String::from_utf8_lossy(&record.data));
        Ok(())
    });

    // On Ctrl-C it finishes the batches in hand, commits them, and gives its shards to the others.
    let ctrl_c = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    Worker::new(settings, ports, print).run(ctrl_c).await?;
    Ok(())
}
