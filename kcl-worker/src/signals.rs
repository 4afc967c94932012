//! How a person or an orchestrator stops the program. The first signal asks, the second insists.

use std::io;

use tokio_util::sync::CancellationToken;

use crate::Failure;

/// What a shell reports for a program that Ctrl-C ended: 128 plus the number of SIGINT.
pub const STATUS_INTERRUPTED: u8 = 130;

/// A token that the first Ctrl-C or SIGTERM cancels. The second one ends the process at once, like a crash: leases
/// expire, and what was not committed is delivered again.
///
/// # Errors
/// If the signals cannot be listened to.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let mut signals =
        Signals::new().map_err(|error| Failure::runtime(format!("cannot listen to signals: {error}")))?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    // Owned by the process: it must still listen while everything else comes to its end.
    tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
        signals.next().await;
        std::process::exit(STATUS_INTERRUPTED.into());
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the signature of the other platforms")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
