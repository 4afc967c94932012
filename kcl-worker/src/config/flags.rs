use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches};

use super::assignment::Assignment;
use super::key::{Key, Kind};
use super::layer::Layer;
use super::origin::Origin;
use super::problem::Problem;
use super::schema::Schema;
use super::value::Value;

/// A flag for each setting. Its value is checked with all the others, and not by clap.
pub(crate) fn arguments(schema: &Schema) -> Vec<Arg> {
    let grouped = schema.groups.iter().flat_map(|group| group.keys.iter().map(|key| (group.title, key)));
    grouped.map(|(title, key)| argument(key).help_heading(title)).collect()
}

/// The same for some of the settings, whichever of them the schema has.
pub(crate) fn arguments_of(schema: &Schema, names: &[&str]) -> Vec<Arg> {
    let mut arguments = arguments(schema);
    arguments.retain(|argument| names.contains(&argument.get_id().as_str()));
    arguments
}

fn argument(key: &'static Key) -> Arg {
    let argument = Arg::new(key.name)
        .long(key.option())
        .value_name(key.placeholder())
        .value_parser(OsStringValueParser::new())
        .action(ArgAction::Set)
        .allow_negative_numbers(true)
        .help(short_help(key))
        .long_help(long_help(key));
    match key.kind {
        Kind::Switch { .. } => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => argument,
    }
}

/// The first sentence.
fn short_help(key: &Key) -> String {
    let end = key.doc.find(". ").map_or(key.doc.len(), |end| end + 1);
    key.doc[..end].trim_end_matches('.').to_owned()
}

fn long_help(key: &Key) -> String {
    let accepts = match &key.kind {
        Kind::Choice(choices) => {
            let lines = choices.iter().map(|choice| format!("\n- {}: {}", choice.word, choice.doc));
            return format!("{}{}\n{}", key.doc, default(key), lines.collect::<String>());
        }
        Kind::Switch { .. } => String::new(),
        _ => format!(" Use {}.", key.accepts()),
    };
    format!("{}{accepts}{}", key.doc, default(key))
}

fn default(key: &Key) -> String {
    key.default_text().map_or_else(String::new, |text| format!(" Default: {text}."))
}

/// Reads the flags that were given.
pub(super) fn read(schema: &Schema, matches: &ArgMatches) -> Layer {
    let mut layer = Layer::default();
    for key in schema.keys() {
        let Some(value) = matches.try_get_one::<OsString>(key.name).ok().flatten() else { continue };
        let flag = key.flag();
        let Some(text) = value.to_str() else {
            let problem = Problem::new(format!("{flag} is not UTF-8 text; use {}", key.accepts()));
            layer.problems.push((0, problem));
            continue;
        };
        let value = Value::Text(text.to_owned());
        layer.assignments.push(Assignment { key, value, origin: Origin::Flag(flag.clone()), spelling: flag });
    }
    layer
}
