use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};

use super::records_body::RecordsPage;

/// Reads the answer to one `GetRecords` in place of the SDK, which then returns an empty one. What is not a success is left to
/// the SDK. For one attempt: where the SDK retries by itself, which [`kinesis_client`](super::kinesis_client) does not let it, this
/// would read what is no success later.
///
/// The SDK's reading makes three allocations for a record, and takes what is not there for empty (ADR 19).
#[derive(Debug, Clone, Default)]
pub(super) struct OwnReading(Arc<Mutex<Option<RecordsPage>>>);

impl OwnReading {
    /// What was read; nothing unless the call has succeeded.
    pub(super) fn take(&self) -> Option<RecordsPage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for OwnReading {
    fn name(&self) -> &'static str {
        "OwnReading"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().is_success() {
            config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        }
        Ok(())
    }
}

impl DeserializeResponse for OwnReading {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let body = response.body().bytes().unwrap_or_default();
        let page = RecordsPage::read(body).map_err(OrchestratorError::other)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        let empty = GetRecordsOutput::builder().set_records(Some(Vec::new())).build();
        empty.map(Output::erase).map_err(OrchestratorError::other)
    }
}
