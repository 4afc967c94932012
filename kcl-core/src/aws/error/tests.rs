use std::io;

use aws_sdk_kinesis::error::ErrorMetadata;
use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::types::error::{
    InternalFailureException, KmsDisabledException, KmsThrottlingException, ResourceInUseException,
    ResourceNotFoundException,
};

use super::*;

fn context(sent: bool, region: Option<&str>) -> ErrorContext {
    ErrorContext {
        endpoint: if sent { Endpoint::known("https://kinesis.test/") } else { Endpoint::default() },
        region: region.map(str::to_owned),
    }
}

fn answer(status: u16, body: &'static str) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), body.into())
}

fn said(code: &str, status: u16) -> SdkError<GetRecordsError> {
    let mut answer = answer(status, "{}");
    answer.headers_mut().insert("x-amzn-requestid", "R-1");
    let error = ErrorMetadata::builder().code(code).message("Rate.\nsecret").build();
    SdkError::service_error(GetRecordsError::generic(error), answer)
}

fn classified(error: &SdkError<GetRecordsError>) -> Error {
    context(true, Some("eu-west-1")).error("GetRecords of shard 'orders:1'", error)
}

#[test]
fn codes_become_kinds() {
    let table = [
        ("ProvisionedThroughputExceededException", 400, ErrorKind::Throttled),
        ("ThrottlingException", 400, ErrorKind::Throttled),
        ("LimitExceededException", 400, ErrorKind::Throttled),
        ("RequestLimitExceeded", 400, ErrorKind::Throttled),
        ("KMSThrottlingException", 400, ErrorKind::Throttled),
        ("KMS.ThrottlingException", 400, ErrorKind::Throttled),
        ("KMS.DisabledException", 400, ErrorKind::Refused),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, ErrorKind::NotFound),
        ("SomethingNew", 429, ErrorKind::Throttled),
        ("ExpiredIteratorException", 400, ErrorKind::IteratorExpired),
        ("ResourceInUseException", 400, ErrorKind::InUse),
        ("ResourceNotFoundException", 400, ErrorKind::NotFound),
        ("AccessDeniedException", 400, ErrorKind::Refused),
        ("UnrecognizedClientException", 400, ErrorKind::Refused),
        ("ExpiredTokenException", 400, ErrorKind::Refused),
        ("KMSDisabledException", 400, ErrorKind::Refused),
        ("ValidationException", 400, ErrorKind::Refused),
        ("InvalidArgumentException", 400, ErrorKind::Refused),
        ("SomethingNew", 400, ErrorKind::Refused),
        ("InternalFailure", 500, ErrorKind::Transient),
        ("SomethingNew", 503, ErrorKind::Transient),
    ];
    for (code, status, kind) in table {
        assert_eq!(classified(&said(code, status)).kind(), kind, "{code} {status}");
    }
}

#[test]
fn a_message_names_the_call_the_place_and_the_service_s_words_but_not_its_dump() {
    let message = classified(&said("ResourceNotFoundException", 400)).to_string();
    assert_eq!(
        message,
        "GetRecords of shard 'orders:1' at https://kinesis.test/ failed: ResourceNotFoundException: Rate (HTTP 400, \
         request R-1). Check the name, the account of the credentials, and the region."
    );
}

#[test]
fn a_password_in_an_endpoint_stays_there() {
    let sent = ErrorContext { endpoint: Endpoint::known("http://me:s3/cret@kinesis.test/"), region: None };
    let message = sent.error("GetRecords of shard '1'", &said("NoSuch", 400)).to_string();
    assert!(message.starts_with("GetRecords of shard '1' at http://***@kinesis.test/ failed: "), "{message}");
    let cause = io::Error::other("failed to apply endpoint `http://me:s3/cret@[`: no URI");
    let unsent: SdkError<GetRecordsError> = SdkError::dispatch_failure(ConnectorError::user(cause.into()));
    let message = context(false, None).error("GetRecords", &unsent).to_string();
    assert!(message.contains("`http://***@[`: no URI") && !message.contains("cret"), "{message}");
}

#[test]
fn an_answer_in_another_form_is_judged_by_how_it_ends() {
    let table = [
        (503, ErrorKind::Transient),
        (429, ErrorKind::Throttled),
        (200, ErrorKind::Corrupt),
        (403, ErrorKind::Refused),
    ];
    for (status, kind) in table {
        let error = SdkError::response_error("expected an object", answer(status, "<html>"));
        assert_eq!(classified(&error).kind(), kind, "{status}");
    }
}

#[test]
fn time_outs_and_broken_connections_are_transient() {
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset).into();
    for error in [
        SdkError::timeout_error("read timeout"),
        SdkError::dispatch_failure(ConnectorError::io(broken())),
        SdkError::dispatch_failure(ConnectorError::timeout(broken())),
        SdkError::dispatch_failure(ConnectorError::other(broken(), None)),
    ] {
        assert_eq!(classified(&error).kind(), ErrorKind::Transient);
    }
}

#[test]
fn a_client_that_never_sent_anything_has_wrong_settings() {
    for cause in ["no provider", "no provider.", "no provider. Long explanation."] {
        let unsent = ConnectorError::other(cause.into(), None);
        let error = SdkError::<GetRecordsError>::dispatch_failure(unsent);
        let error = context(false, Some("eu-west-1")).error("GetRecords", &error);
        assert_eq!(error.kind(), ErrorKind::Refused);
        let words = "GetRecords in region 'eu-west-1' failed: no provider. Nothing was sent yet";
        assert!(error.to_string().starts_with(words), "{error}");
    }
}

#[test]
fn an_error_event_is_known_by_its_type() {
    let table = [
        (StreamError::ResourceInUseException(ResourceInUseException::builder().build()), ErrorKind::InUse),
        (
            StreamError::ResourceNotFoundException(ResourceNotFoundException::builder().build()),
            ErrorKind::NotFound,
        ),
        (
            StreamError::KmsThrottlingException(KmsThrottlingException::builder().build()),
            ErrorKind::Throttled,
        ),
        (StreamError::KmsDisabledException(KmsDisabledException::builder().build()), ErrorKind::Refused),
        (
            StreamError::InternalFailureException(InternalFailureException::builder().build()),
            ErrorKind::Transient,
        ),
        (
            StreamError::generic(ErrorMetadata::builder().code("ThrottlingException").build()),
            ErrorKind::Throttled,
        ),
        (StreamError::generic(ErrorMetadata::builder().code("SomethingNew").build()), ErrorKind::Transient),
        (StreamError::generic(ErrorMetadata::builder().build()), ErrorKind::Transient),
    ];
    for (event, kind) in table {
        let words = format!("{event:?}");
        let error = SdkError::service_error(event, "event");
        let error = context(true, None).stream_error("SubscribeToShard of shard 'orders:1'", &error);
        assert_eq!(error.kind(), kind, "{words}");
        assert!(error.to_string().contains("(in the event stream)"), "{error}");
    }
}

#[test]
fn a_broken_stream_is_transient_wherever_it_breaks() {
    let error = SdkError::<StreamError, _>::response_error("bad checksum", "event");
    let open = context(true, None).stream_error("SubscribeToShard", &error);
    let error = SdkError::<SubscribeToShardError>::response_error("bad checksum", answer(200, ""));
    let opening = context(true, None).opening_error("SubscribeToShard", &error);
    for error in [open, opening] {
        assert_eq!(error.kind(), ErrorKind::Transient);
        assert!(error.to_string().contains("bad checksum"), "{error}");
    }
}
