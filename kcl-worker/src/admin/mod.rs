//! Commands for operators: on the lease table, beside workers that are running, and on what is in the stream.
//!
//! A command that would write shows what it would do, and does it only when told to (`--apply`). Every write is one of the
//! table's protocol ([`kcl_core::lease`]), made under its conditions, so that no worker can tell an operator from another
//! worker. An owner is asked for its lease; it is taken from one only when told to (`--take`).

mod diagnosis;
mod explain;
mod hand_over;
mod list;
mod locate;
mod pin;
mod pin_state;
mod put;
mod release;
mod rewind;
mod rewind_plan;
mod table;
mod tail;
mod target;

use std::io::{self, Write, stdout};

use crate::Failure;
use crate::cli::{CheckpointCommand, LeasesCommand, RecordsCommand, TableCommand};
use crate::progress::make_way;
use target::Target;
use tokio_util::sync::CancellationToken;

/// `kcl-worker leases`.
pub(crate) async fn leases(command: &LeasesCommand, stop: CancellationToken) -> Result<(), Failure> {
    let target = Target::new(command.target(), stop).await?;
    match command {
        LeasesCommand::List(args) => target.unless_stopped(list::list(&target, args)).await,
        LeasesCommand::Explain(args) => target.unless_stopped(explain::explain(&target, args)).await,
        LeasesCommand::Release(args) => release::release(&target, args).await,
        LeasesCommand::Pin(args) => target.unless_stopped(pin::pin(&target, args)).await,
        LeasesCommand::Unpin(args) => target.unless_stopped(pin::unpin(&target, args)).await,
    }
}

/// `kcl-worker checkpoint`.
pub(crate) async fn checkpoint(command: &CheckpointCommand, stop: CancellationToken) -> Result<(), Failure> {
    match command {
        CheckpointCommand::Rewind(args) => {
            rewind::rewind(&Target::new(&args.target, stop).await?, args).await
        }
    }
}

/// `kcl-worker table`.
pub(crate) async fn table(command: &TableCommand, stop: CancellationToken) -> Result<(), Failure> {
    match command {
        TableCommand::Create(target) => {
            let target = Target::new(target, stop).await?;
            target.unless_stopped(table::create(&target)).await
        }
        TableCommand::Check(target) => {
            let target = Target::new(target, stop).await?;
            target.unless_stopped(table::check(&target)).await
        }
        TableCommand::Policy(args) => table::policy(args),
    }
}

/// `kcl-worker records`.
pub(crate) async fn records(command: &RecordsCommand, stop: CancellationToken) -> Result<(), Failure> {
    match command {
        RecordsCommand::Tail(args) => tail::tail(args, stop).await,
        RecordsCommand::Put(args) => Box::pin(put::put(args, stop)).await,
    }
}

/// Prints to standard output. A reader that has seen enough, as `head` has, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    make_way();
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::runtime(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
