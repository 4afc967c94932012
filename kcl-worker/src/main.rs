//! The `kcl-worker` binary: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    kcl_worker::worker_main()
}
