use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use crate::error::{Error, ErrorKind, Result};

/// What happens to a call on its way to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the service answers.
    None,
    /// The call fails with an error of this kind, and the service never sees it.
    Fail(ErrorKind),
    /// The service does what it is asked, and the answer is lost. The event of a subscription is, and the next one comes.
    LoseAnswer,
    /// The service does what it is asked, and its answer takes this much longer.
    Delay(Duration),
    /// The service never sees the call, and nobody ever answers.
    Hang,
    /// The call fails as by a broken connection. A subscription yields nothing more after that.
    Cut,
    /// The event of a subscription comes twice. To any other call, nothing happens.
    Repeat,
}

impl Fault {
    /// The call's outcome under this fault.
    pub(super) async fn strike<T>(self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self {
            Self::None | Self::Repeat => call.await,
            Self::Fail(kind) => Err(Error::new(kind, "the call was made to fail")),
            Self::LoseAnswer => {
                call.await?;
                Err(Error::new(ErrorKind::Transient, "the answer was made to get lost"))
            }
            Self::Delay(duration) => {
                let outcome = call.await;
                sleep(duration).await;
                outcome
            }
            Self::Hang => pending().await,
            Self::Cut => Err(Error::new(ErrorKind::Transient, "the connection was made to break")),
        }
    }
}
