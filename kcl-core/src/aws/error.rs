//! What an SDK error means for the framework: its [`ErrorKind`], and words for a person.
//!
//! The only place that knows error codes. A message names the call and its subject, the endpoint, the service's code,
//! words and request id, and what to do; it never holds a debug dump, which would carry whole requests and answers.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::RequestId;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardError;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError as StreamError;

use super::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

const SETTINGS_ADVICE: &str = "Nothing was sent yet, so a setting is missing or wrong. The region comes from \
    AWS_REGION or the profile; the endpoint, if it is not the usual one, from AWS_ENDPOINT_URL; credentials from the \
    environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), the shared files (~/.aws/credentials and \
    ~/.aws/config, profile AWS_PROFILE), a web identity token, or the role of the container or the instance.";

const REACH_ADVICE: &str = "Check the network, the region, and AWS_ENDPOINT_URL if it is set.";

const STRANGER_ADVICE: &str =
    "The answer is not that of the service: check AWS_ENDPOINT_URL, and proxies on the way.";

const STREAM_ADVICE: &str = "Subscribe again after the last event that arrived whole. If that does not help, check \
    AWS_ENDPOINT_URL, and proxies on the way.";

/// Turns the errors of one client into ours.
#[derive(Debug, Clone)]
pub(super) struct ErrorContext {
    /// Where the client sends its requests.
    pub(super) endpoint: Endpoint,
    /// The region of the client, if one is set.
    pub(super) region: Option<String>,
}

/// What is known about a failed call.
struct Diagnosis {
    kind: ErrorKind,
    problem: String,
    advice: &'static str,
}

impl ErrorContext {
    /// Our error for a failed `call`, such as `ListShards of stream 'orders'`.
    pub(super) fn error<E>(&self, call: &str, error: &SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        self.failed(call, self.diagnose(error))
    }

    /// Our error for a subscription that was refused, or whose stream broke before its first event.
    pub(super) fn opening_error(&self, call: &str, error: &SdkError<SubscribeToShardError>) -> Error {
        match error {
            SdkError::ResponseError(answer) if answer.raw().status().is_success() => {
                self.failed(call, broken_stream(error))
            }
            _ => self.error(call, error),
        }
    }

    /// Our error for a subscription whose open stream failed.
    pub(super) fn stream_error<R>(&self, call: &str, error: &SdkError<StreamError, R>) -> Error
    where
        R: fmt::Debug + Send + Sync + 'static,
    {
        let diagnosis = match error {
            SdkError::ServiceError(event) => error_event(event.err()),
            _ => broken_stream(error),
        };
        self.failed(call, diagnosis)
    }

    fn failed(&self, call: &str, diagnosis: Diagnosis) -> Error {
        let Diagnosis { kind, problem, advice } = diagnosis;
        let place = match (self.endpoint.get(), &self.region) {
            (Some(endpoint), _) => format!(" at {endpoint}"),
            (None, Some(region)) => format!(" in region '{region}'"),
            (None, None) => String::new(),
        };
        // Without a source: its text is in the message.
        Error::new(kind, without_credentials(&format!("{call}{place} failed: {problem}. {advice}")))
    }

    fn diagnose<E>(&self, error: &SdkError<E>) -> Diagnosis
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => service_error(answer.err(), answer.raw(), error.request_id()),
            SdkError::ResponseError(answer) => bad_answer(error, answer.raw()),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(cause) => self.dispatch_failure(cause),
                None => unreachable_service(error),
            },
            SdkError::TimeoutError(_) => unreachable_service(error),
            _ => Diagnosis {
                kind: ErrorKind::Refused,
                problem: causes(error),
                advice: "The request could not be built from these arguments.",
            },
        }
    }

    /// A request that got no answer. If none of this client's requests was ever sent, its settings are at fault, and
    /// waiting does not mend them. Later the same symptoms are a passing failure to renew credentials.
    fn dispatch_failure(&self, cause: &ConnectorError) -> Diagnosis {
        let unsent = self.endpoint.get().is_none();
        if cause.is_user() || (unsent && cause.is_other()) {
            return Diagnosis { kind: ErrorKind::Refused, problem: causes(cause), advice: SETTINGS_ADVICE };
        }
        unreachable_service(cause)
    }
}

/// A URL may hold a user and a password, which are for its host alone, and the SDK's words may hold the URL.
fn without_credentials(message: &str) -> String {
    let words = message.split(' ').map(|word| match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}***{}", &word[..scheme + "://".len()], &word[at..])
        }
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn unreachable_service(error: &dyn StdError) -> Diagnosis {
    Diagnosis { kind: ErrorKind::Transient, problem: causes(error), advice: REACH_ADVICE }
}

/// The service said no.
fn service_error(
    error: &impl ProvideErrorMetadata,
    answer: &HttpResponse,
    request_id: Option<&str>,
) -> Diagnosis {
    let status = answer.status().as_u16();
    let code = error.code().unwrap_or("no error code");
    // Only the first line: the others of a signature error repeat the request with its session token.
    let words = error.message().and_then(|message| message.lines().next());
    let (kind, mut advice) = meaning(code, status);
    if error.code().is_none() && kind == ErrorKind::Refused {
        advice = STRANGER_ADVICE;
    }
    Diagnosis {
        kind,
        problem: format!(
            "{code}: {} (HTTP {status}, request {})",
            words.unwrap_or("no message").trim_end_matches('.'),
            request_id.unwrap_or("without id")
        ),
        advice,
    }
}

/// The answer broke off, or does not have the service's form.
fn bad_answer(error: &dyn StdError, answer: &HttpResponse) -> Diagnosis {
    let status = answer.status().as_u16();
    let broke_off = answer.body().bytes().is_none();
    let (kind, advice) = match status {
        500.. => (ErrorKind::Transient, REACH_ADVICE),
        429 => (ErrorKind::Throttled, REACH_ADVICE),
        _ if broke_off => (ErrorKind::Transient, REACH_ADVICE),
        200..=299 => (ErrorKind::Corrupt, STRANGER_ADVICE),
        _ => (ErrorKind::Refused, STRANGER_ADVICE),
    };
    Diagnosis { kind, problem: format!("{} (HTTP {status})", causes(error)), advice }
}

/// The service ended a stream by an error event.
fn error_event(error: &StreamError) -> Diagnosis {
    let code = stream_code(error);
    // There is no HTTP status. What the service cannot name is its own trouble, and another subscription tells more.
    let (kind, advice) = meaning(code.unwrap_or("no error code"), 500);
    let words = ProvideErrorMetadata::message(error).unwrap_or("no message").trim_end_matches('.');
    let problem = format!("{}: {words} (in the event stream)", code.unwrap_or("no error code"));
    Diagnosis { kind, problem, advice }
}

/// The event carries its code in a header, which the SDK turns into a variant and nothing else.
fn stream_code(error: &StreamError) -> Option<&str> {
    match error {
        StreamError::InternalFailureException(_) => Some("InternalFailureException"),
        StreamError::KmsAccessDeniedException(_) => Some("KMSAccessDeniedException"),
        StreamError::KmsDisabledException(_) => Some("KMSDisabledException"),
        StreamError::KmsInvalidStateException(_) => Some("KMSInvalidStateException"),
        StreamError::KmsNotFoundException(_) => Some("KMSNotFoundException"),
        StreamError::KmsOptInRequired(_) => Some("KMSOptInRequired"),
        StreamError::KmsThrottlingException(_) => Some("KMSThrottlingException"),
        StreamError::ResourceInUseException(_) => Some("ResourceInUseException"),
        StreamError::ResourceNotFoundException(_) => Some("ResourceNotFoundException"),
        other => other.code(),
    }
}

/// The bytes of a stream broke off, or are not those that were sent.
fn broken_stream(error: &dyn StdError) -> Diagnosis {
    Diagnosis {
        kind: ErrorKind::Transient,
        problem: format!("the event stream broke: {}", causes(error)),
        advice: STREAM_ADVICE,
    }
}

/// What a code of the service asks of us. The codes are those of the Kinesis, DynamoDB and SQS API references, and of the
/// errors common to all services.
fn meaning(code: &str, status: u16) -> (ErrorKind, &'static str) {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "LimitExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "KMSThrottlingException"
        | "KMS.ThrottlingException" => (
            ErrorKind::Throttled,
            "Call less often, share the stream with fewer consumers, or raise the limit.",
        ),
        "ResourceInUseException" => (
            ErrorKind::InUse,
            "Another subscription holds the shard, or the stream, consumer or table is being created or changed: wait.",
        ),
        "ExpiredIteratorException" => (ErrorKind::IteratorExpired, "Get a new iterator."),
        "ResourceNotFoundException" | "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" => {
            (ErrorKind::NotFound, "Check the name, the account of the credentials, and the region.")
        }
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => {
            (ErrorKind::Refused, "Allow this action on this resource in the policy of the role or user.")
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "OptInRequired" => (
            ErrorKind::Refused,
            "Check that the credentials are valid for this account and region, and that the clock is right.",
        ),
        _ if code.starts_with("KMS") => {
            (ErrorKind::Refused, "Check that the KMS key is enabled and that the credentials may use it.")
        }
        "InternalFailure"
        | "InternalServerError"
        | "InternalFailureException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ReplicatedWriteConflictException"
        | "TransactionConflictException"
        | "ExpiredNextTokenException" => (ErrorKind::Transient, "Try again."),
        _ if status >= 500 => (ErrorKind::Transient, "Try again."),
        _ if status == 429 => (ErrorKind::Throttled, "Call less often."),
        _ => (ErrorKind::Refused, "The service does not accept these arguments; trying again does not help."),
    }
}

/// The causes of an error in a line, without its own text, which is only the SDK's name for the case. The first
/// sentence is enough: after it the SDK explains itself to programmers.
fn causes(error: &dyn StdError) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let separator = if text.is_empty() { "" } else { ": " };
        text = format!("{text}{separator}{error}");
        cause = error.source();
    }
    let first_sentence = text.split(". ").next().unwrap_or_default();
    first_sentence.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
