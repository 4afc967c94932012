use std::env;

use crate::Failure;
use crate::config::forms::endpoint_url;
use crate::config::printable_url;

/// The variables that the SDK takes an endpoint from.
const ENDPOINT_VARIABLES: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_KINESIS",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_STS",
];

/// Refuses what the environment says of endpoints if the SDK would panic at it, as it does at an empty variable, or try
/// it for ever.
pub(crate) fn check_environment() -> Result<(), Failure> {
    for variable in ENDPOINT_VARIABLES {
        let Some(value) = env::var_os(variable) else { continue };
        let value = value.to_string_lossy();
        endpoint_url(&value).map_err(|advice| {
            let shown = printable_url(&value);
            Failure::usage(format!("the variable {variable} is '{shown}'; {advice}, or unset it"))
        })?;
    }
    Ok(())
}
