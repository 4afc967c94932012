use crate::error::{Error, ErrorKind};

/// What can never succeed: `InvalidArgumentException` of the service.
pub(super) fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}

/// `ResourceNotFoundException`.
pub(super) fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
}

/// `ResourceInUseException`.
pub(super) fn in_use(message: String) -> Error {
    Error::new(ErrorKind::InUse, message)
}

/// `ProvisionedThroughputExceededException` and `LimitExceededException`.
pub(super) fn throttled(message: String) -> Error {
    Error::new(ErrorKind::Throttled, message)
}
