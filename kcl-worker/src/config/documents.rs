//! `docs/configuration.md`, made of the schema and of the table of properties.

use super::key::{Key, Kind};
use super::properties::{Entry, Fate, entries};
use super::schema::Schema;

const HEAD: &str = "\
# Configuration

<!-- Made by `kcl-worker config docs > docs/configuration.md`. Change the schema in `kcl-worker/src/config/`, not this file. -->

Each setting has one name in three spellings:

| where | spelling | example |
|---|---|---|
| a TOML file, named by `--config FILE` or `KCL_CONFIG` | `failover_time_ms` | `failover_time_ms = 20000` |
| the environment | `KCL_FAILOVER_TIME_MS` | `KCL_FAILOVER_TIME_MS=20000` |
| the command line | `--failover-time-ms` | `--failover-time-ms 20000` |

Flags beat the environment, which beats the file. Instead of a TOML file there can be a properties file of the Java
MultiLangDaemon, named by `--properties FILE` or `KCL_PROPERTIES`: see [below](#properties-files-of-the-multilangdaemon).

The [commands for operators](operations.md#commands) read the same sources, with flags for what matters to them.

A setting that does not exist is an error, also in the environment: a variable that begins with `KCL_` must be one of these,
but for those by which Kubernetes tells of services (`..._SERVICE_HOST`, `..._PORT_8080_TCP`). All mistakes are told at once,
each with its place and with what is accepted.

```sh
kcl-worker config check worker.toml            # is the file good? Status 0 or 2
kcl-worker config show --config worker.toml    # what would hold, and whence: file, environment, flag or default
kcl-worker config show --json
```

The file is UTF-8, and flat: there are no tables in it. Numbers, `true` and `false` have no quotes, other values do; a time
may have none. Users and passwords in URLs are not shown in messages or by `config show`. Credentials of AWS have no place in a
setting; see `credentials` for where they are looked for.
";

const PROPERTIES: &str = "
## Properties files of the MultiLangDaemon

`kcl-worker run --properties app.properties` takes the file of the Java daemon as it is. The environment and flags beat it, too.
`kcl-worker config check app.properties` tells what becomes of each property before anything is started.

* The format is that of `java.util.Properties`, with its escapes and continued lines. Blanks at the end of a value, which Java
  keeps, are taken off. Text that is valid UTF-8 is read as that, and other text as ISO-8859-1, which Java always reads.
* As in Java, the case of the first letter of a name does not matter, the last of several under one name counts (the others are
  reported), and numbers that are 0 count as not given where Java has primitives.
* As in Java, an application without a position begins at `LATEST`, and records come by enhanced fan-out, as a consumer of the
  application's name, unless something of polling is set or `retrievalMode` is `POLLING`.
* As in Java, where records are polled `maxRecords` bounds a call of the processor as well as a read: it is also
  `records_per_batch_max`, unless the environment or a flag sets that. Without it a call has up to 1,000 records. The 10,000
  that the sample file for Python has cost such a child a quarter more CPU, or more.
* Unlike in Java, an unknown property is an error, with the nearest known name.
* What has no effect is reported in the log at the start, with the reason.

| property | what becomes of it |
|---|---|
";

/// The whole document.
pub(super) fn markdown(schema: &Schema) -> String {
    let mut text = HEAD.to_owned();
    for group in &schema.groups {
        text.extend(["\n## ", group.title, "\n\n| setting | accepts | default |\n|---|---|---|\n"]);
        text.extend(group.keys.iter().map(row));
    }
    text.push_str(PROPERTIES);
    text.extend(entries().map(property));
    text
}

fn row(key: &Key) -> String {
    let default = key.default_text().map_or_else(|| "must be given".to_owned(), default);
    format!("| `{}`<br>{} | {} | {default} |\n", key.name, cell(key.doc), cell(&accepts(key)))
}

/// A value in the form of code, and words as words.
fn default(text: &str) -> String {
    if text.contains(' ') { cell(text) } else { format!("`{}`", cell(text)) }
}

fn accepts(key: &Key) -> String {
    let Kind::Choice(choices) = &key.kind else { return key.accepts() };
    let words: Vec<_> = choices.iter().map(|choice| format!("`{}`: {}", choice.word, choice.doc)).collect();
    words.join("<br>")
}

fn property(entry: &Entry) -> String {
    let name = match entry.name.strip_suffix('.') {
        Some(prefix) => format!("{prefix}.*"),
        None => entry.name.to_owned(),
    };
    let fate = match &entry.fate {
        Fate::Sets(key) => format!("sets `{key}`"),
        Fate::SetsUnlessZero(key) => format!("sets `{key}`, unless it is 0"),
        Fate::Converts { key, doc, .. } => format!("sets `{key}`: {doc}"),
        Fate::ChoosesRetrieval => "`POLLING`, `FANOUT`, or `DEFAULT`: see above".to_owned(),
        Fate::MustBeFalse(reason) => format!("must be `false`: {reason}"),
        Fate::HasNoEffect(reason) => format!("no effect: {reason}"),
        Fate::IsRefused(reason) => format!("refused: {reason}"),
    };
    format!("| `{name}` | {} |\n", cell(&fate))
}

/// Text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_document_is_that_of_the_schema() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let document = fs::read_to_string(&path).unwrap();
        assert!(
            document == markdown(&Schema::worker()),
            "docs/configuration.md is stale; renew it: cargo run -p kcl-worker -- config docs > docs/configuration.md"
        );
    }
}
