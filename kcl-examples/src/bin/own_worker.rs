//! A whole worker program around a processor of your own: `cargo run -p kcl-examples --bin own_worker -- run --stream STREAM
//! --application APPLICATION`.
//!
//! `kcl_worker::main` brings the command line (`run --help`), the configuration by file, environment and flags, the signals
//! and the exit statuses of `kcl-worker`. What is yours is what happens to a record.

use std::io::Write;
use std::process::ExitCode;

use kcl_core::model::Record;
use kcl_core::processor::for_each_record;

fn main() -> ExitCode {
    // Called for each record, in order within its shard. After an `Err` the record comes again, and the failure policy of
    // the configuration says how often.
    kcl_worker::main(for_each_record(|record: Record| async move {
        let text = String::from_utf8_lossy(&record.data);
        writeln!(std::io::stdout(), "{} says '{text}'", record.partition_key)?;
        Ok(())
    }))
}
