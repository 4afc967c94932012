//! Processors in any language: a child process for each shard, spoken to in the protocol of the Java `MultiLangDaemon`,
//! so that what runs on that runs here unchanged.
//!
//! A child that dies, hangs or breaks the protocol fails its call and nothing else: the failure policy decides when a fresh
//! one is tried, and the other shards go on. Nothing here commits what no child has asked to commit, and nothing knows the
//! configuration or the network.
//!
//! | counter | what it counts |
//! |---|---|
//! | `kcl_exec_children_started_total` | children started |
//! | `kcl_exec_child_failures_total` | children that died, were silent for too long or broke the protocol |
//! | `kcl_exec_stdout_lines_skipped_total` | lines of standard output that were no message |
//! | `kcl_exec_stdout_lines_overlong_total` | those of them that were too long to be one |
//! | `kcl_exec_stderr_lines_total` | lines of standard error, all of which are in the log |
//! | `kcl_exec_swallowed_exceptions_total` | calls in which a library reported an exception and went on |

mod child;
mod conversation;
mod factory;
mod guard;
mod messages;
mod processor;
mod progress;
mod session;
mod settings;

pub use factory::ExecFactory;
pub use guard::guard_if_asked;
pub use settings::{ExecSettings, SAFE_ENVIRONMENT, SwallowedExceptions};
