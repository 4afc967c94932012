//! The suite of Kinesis behind the SDK adapter, on whatever answers at an endpoint: an emulator, or the service.
//!
//! It must never skip a case: what an emulator gets wrong is a departure, by name and with the reason, and must fail
//! indeed.

mod emulator;
mod ferrokinesis;
mod kinesis_mock;
mod localstack;
mod remote_kinesis;
mod sdk;
mod service;

pub use emulator::Emulator;
pub use remote_kinesis::RemoteKinesis;
pub use sdk::{dummy_credentials, has_credentials, sdk_config, unique_name, variable};
