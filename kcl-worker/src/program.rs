use std::env;
use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use kcl_core::processor::ProcessorFactory;

use crate::cli::{Cli, Command, DemoArgs, Program};
use crate::config::command;
use crate::demo::{self, TerminalSize, View};
use crate::progress::make_way;
use crate::run::{self, Processors};
use crate::{Failure, admin, redrive, signals};

/// What a program is called that does not know its name.
const UNNAMED: &str = "worker";

/// The `main` of a program with a processor of its own: the command line, the configuration, the signals and the exit
/// statuses of `kcl-worker`, without the settings that choose a processor; and `records redrive`, which puts dead letters
/// through it. Starts a Tokio runtime, so it must not be called in one.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use kcl_core::model::Record;
/// use kcl_core::processor::for_each_record;
///
/// fn main() -> ExitCode {
///     kcl_worker::main(for_each_record(|record: Record| async move {
///         println!("{}", record.partition_key);
///         Ok(())
///     }))
/// }
/// ```
pub fn main<F: ProcessorFactory>(factory: F) -> ExitCode {
    let own_name =
        env::args_os().next().and_then(|path| Some(Path::new(&path).file_stem()?.to_str()?.to_owned()));
    let program = Program::own_processor(own_name.unwrap_or_else(|| UNNAMED.to_owned()));
    start(&program, Processors::Own(Box::new(factory)))
}

/// The `main` of `kcl-worker` itself.
pub fn worker_main() -> ExitCode {
    start(&Program::worker(), Processors::Configured)
}

fn start(program: &Program, processors: Processors) -> ExitCode {
    #[cfg(unix)]
    if let Some(status) = crate::multilang::guard_if_asked() {
        return status;
    }
    let cli = match program.parse(env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, a mistake to standard error. Where nobody reads, the status still tells.
            let _nobody_reads = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(execute(program, cli, processors));
    // Waits for nothing: a thread that reads standard input may never come back.
    runtime.shutdown_background();
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.status())
        }
    }
}

/// Does what the command line says, and returns the exit status.
async fn execute(program: &Program, cli: Cli, processors: Processors) -> Result<u8, Failure> {
    match cli.command {
        Command::Demo(args) => show_demo(&args).await,
        Command::Run(args) => {
            let resolved = args.sources.resolve(&program.schema)?;
            let stop = signals::stop_on_signals()?;
            run::run_resolved(&resolved, processors, stop).await.map(|()| 0)
        }
        Command::Leases(command) => {
            Box::pin(admin::leases(&command, signals::stop_on_signals()?)).await.map(|()| 0)
        }
        Command::Checkpoint(command) => {
            Box::pin(admin::checkpoint(&command, signals::stop_on_signals()?)).await.map(|()| 0)
        }
        Command::Table(command) => {
            Box::pin(admin::table(&command, signals::stop_on_signals()?)).await.map(|()| 0)
        }
        Command::Records(command) => {
            let stop = signals::stop_on_signals()?;
            Box::pin(admin::records(&command, stop)).await.map(|()| 0)
        }
        Command::Redrive(args) => {
            let stop = signals::stop_on_signals()?;
            Box::pin(redrive::redrive(&args, &program.schema, processors, stop)).await
        }
        Command::Config(args) => command::execute(&program.schema, &args.command).map(|()| 0),
    }
}

async fn show_demo(args: &DemoArgs) -> Result<u8, Failure> {
    let stop = signals::stop_on_signals()?;
    let out = Box::new(stdout());
    let is_live = stdout().is_terminal() && TerminalSize::current().has_room() && !args.verbose;
    let view = if is_live { View::live(out, TerminalSize::current) } else { View::plain(out, args.verbose) };
    demo::run(args, view, stop.cancelled_owned()).await
}

/// Standard error may be full or closed, which `eprintln!` panics at; the exit status still tells.
fn complain(problem: impl Display) {
    make_way();
    let _nobody_reads = writeln!(stderr(), "error: {problem}");
}
