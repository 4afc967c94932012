//! Where a client's requests go: a client does not say, so the first request is watched on its way out.

use std::sync::{Arc, OnceLock};

use aws_sdk_kinesis::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;

/// The URL of the first request that was sent; unknown until then. Clones share it.
///
/// A request is sent only after its credentials were found and its region and URL make sense. So a known endpoint
/// also says that the settings of this client have worked once.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoint(Arc<OnceLock<String>>);

impl Endpoint {
    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// An endpoint that a request was sent to.
    #[cfg(test)]
    pub(super) fn known(url: &str) -> Self {
        Self(Arc::new(OnceLock::from(url.to_owned())))
    }
}

impl Intercept for Endpoint {
    fn name(&self) -> &'static str {
        "Endpoint"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.get_or_init(|| context.request().uri().to_owned());
        Ok(())
    }
}
