//! What the worker is told: one schema, and the sources that are read by it. Flags beat the environment, which beats the
//! file.
//!
//! A setting is one entry of the schema, with one name in three spellings: `failover_time_ms` in the file,
//! `KCL_FAILOVER_TIME_MS` in the environment, `--failover-time-ms` on the command line. What is wrong is collected, and
//! told at once. Nothing here talks to AWS or starts anything, and no secret is ever printed.

mod assignment;
mod check;
pub(crate) mod command;
#[expect(clippy::module_inception, reason = "the main type of the folder")]
mod config;
mod credentials;
mod documents;
mod environment;
mod exec_config;
mod flags;
pub(crate) mod forms;
mod key;
mod layer;
mod mask;
mod nearest;
mod origin;
mod problem;
mod properties;
mod resolve;
mod schema;
mod show;
mod source_text;
mod sources;
mod toml_file;
mod value;
mod worker_settings;

pub use config::{CheckpointingChoice, Config, EndpointUrl, FailureDestination, LogFormat, ProcessorKind};
pub use credentials::{AssumedRole, CredentialSource};
pub use exec_config::ExecConfig;
pub(crate) use flags::{arguments, arguments_of};
pub(crate) use mask::printable_url;
pub(crate) use problem::none_of;
pub(crate) use resolve::Resolved;
pub(crate) use schema::Schema;
pub(crate) use sources::{Sources, file_arguments};
