//! The worker binary's commands, as a library so that tests can call them.
//!
//! * [`demo`] runs a whole fleet in this process, on the in-memory backend, and judges what its processors saw. It
//!   needs nothing: no AWS, no network, no other install.
//! * [`run`] consumes a Kinesis stream through the AWS SDK and prints its records as JSON lines.
//!
//! * [`operations`] shows a running worker over HTTP: probes, status and metrics.
//!
//! Nothing here decides anything about leases, shards or records: that is [`kcl_core`]'s. What is here is what a
//! person sees: the [command line](cli), output, [signals], errors and exit statuses.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | `demo`: every promise was kept; `run`: stopped as asked, everything printed is committed |
//! | 1 | it did not work, or a promise was broken |
//! | 2 | the command line, a setting or the input is not acceptable |
//! | 130 | interrupted: `demo` before it was done, `run` by a second signal |

pub mod cli;
pub mod demo;
mod failure;
pub mod operations;
pub mod run;
pub mod signals;

use std::io::{IsTerminal, stdout};

pub use failure::Failure;

use cli::{Cli, Command};
use demo::{TerminalSize, View};

/// Does what the command line says, and returns the exit status.
///
/// # Errors
/// What a person must be told on standard error; it carries its own exit status.
pub async fn execute(cli: Cli) -> Result<u8, Failure> {
    let stop = signals::stop_on_signals()?;
    match cli.command {
        Command::Demo(args) => {
            let out = Box::new(stdout());
            let is_live = stdout().is_terminal() && TerminalSize::current().has_room() && !args.verbose;
            let view =
                if is_live { View::live(out, TerminalSize::current) } else { View::plain(out, args.verbose) };
            demo::run(&args, view, stop.cancelled_owned()).await
        }
        Command::Run(args) => run::run(&args, stop).await.map(|()| 0),
    }
}
