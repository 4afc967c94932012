use std::env;
use std::io::{ErrorKind, Read, stdin};
use std::process::ExitCode;

use rustix::process::{Signal, getpgrp, getpid, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// What makes the program a guard.
pub(super) const GUARD_ARGUMENT: &str = "__guard";

/// Runs as the guard of a child if the command line says so; call it first thing in `main`.
///
/// Each child is in a process group of its own, and the guard leads it: it waits until its standard input ends, which
/// happens when the worker has ended, also by SIGKILL, and then kills the group, itself included. Children of the child
/// are in the group, too. The alternative, Linux's parent-death signal, reaches only the child itself, is bound to the
/// thread that started it, and is known to no other system.
pub fn guard_if_asked() -> Option<ExitCode> {
    (env::args_os().nth(1)? == GUARD_ARGUMENT).then(guard)
}

fn guard() -> ExitCode {
    let group = getpgrp();
    if group != getpid() {
        // Started by hand: the group is somebody else's.
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _heeds_no_request = runtime.as_ref().map(|runtime| {
        let _inside = runtime.enter();
        // A handler that nobody listens to: what is meant for the child does not end its guard.
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal)
    });
    wait_for_the_end();
    let _killed = kill_process_group(group, Signal::KILL);
    ExitCode::SUCCESS
}

fn wait_for_the_end() {
    let mut byte = [0];
    loop {
        match stdin().read(&mut byte) {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}
