//! `config check`, `config show` and `config docs`.

use std::io::{Write, stderr, stdout};
use std::path::Path;

use super::resolve::Resolved;
use super::schema::Schema;
use super::sources::Sources;
use super::{documents, none_of, show};
use crate::Failure;
use crate::cli::ConfigCommand;

/// Does what it says, on standard output.
pub(crate) fn execute(schema: &Schema, command: &ConfigCommand) -> Result<(), Failure> {
    let text = match command {
        ConfigCommand::Check(path) => check(schema, path)?,
        ConfigCommand::Show { sources, is_json } => {
            let resolved = sources.resolve(schema)?;
            warn(&resolved);
            none_of(&resolved.problems)?;
            if *is_json { show::json(schema, &resolved) } else { show::table(schema, &resolved) }
        }
        ConfigCommand::Docs => documents::markdown(schema),
    };
    let mut out = stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::runtime(format!("cannot write to standard output: {error}")))
}

/// What the file alone says, for what is missing may come from elsewhere.
fn check(schema: &Schema, path: &Path) -> Result<String, Failure> {
    let resolved = Sources::file_alone(path).resolve(schema)?;
    warn(&resolved);
    none_of(&resolved.problems)?;
    let missing = resolved.missing.iter().map(|key| {
        format!("{} is not in it; it must come from {} or {}\n", key.name, key.flag(), key.variable())
    });
    Ok(format!("{} is good\n{}", path.display(), missing.collect::<String>()))
}

/// Standard error may be full or closed; then nobody is told.
fn warn(resolved: &Resolved) {
    for warning in &resolved.warnings {
        let _nobody_reads = writeln!(stderr(), "warning: {warning}");
    }
}
