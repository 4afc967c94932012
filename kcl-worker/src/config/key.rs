use std::ops::RangeInclusive;

use super::Config;
use super::mask::printable;

/// One entry of the schema: a setting, under one name in all its spellings.
#[derive(Debug)]
pub(crate) struct Key {
    /// As in the file, such as `failover_time_ms`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Preset,
    /// Plain sentences; the first is what `-h` shows. What is accepted and the default are not repeated here.
    pub(crate) doc: &'static str,
    /// What of a word of the value may be printed, good or not: people put secrets where none belong.
    pub(crate) shown: fn(&str) -> String,
}

/// What a value may be, and where it goes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A whole number.
    Whole { range: RangeInclusive<u64>, set: fn(&mut Config, u64) },
    /// A whole number, or a word for none.
    WholeOr { range: RangeInclusive<u64>, word: &'static str, set: fn(&mut Config, Option<u64>) },
    /// `true` or `false`.
    Switch { set: fn(&mut Config, bool) },
    /// One of some words.
    Choice(&'static [Choice]),
    /// Text of a form that only the setter knows.
    Text { placeholder: &'static str, form: &'static str, set: fn(&mut Config, &str) -> Result<(), String> },
    /// Several words: a list in the file, and elsewhere one text that is split at spaces.
    Words {
        placeholder: &'static str,
        form: &'static str,
        set: fn(&mut Config, &[String]) -> Result<(), String>,
    },
}

/// A word that a setting may be.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) set: fn(&mut Config),
}

/// What holds where nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// It must be given.
    Required,
    /// As if this were given.
    Value(&'static str),
    /// What these words say.
    Words(&'static str),
}

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, default: Preset, doc: &'static str) -> Self {
        Self { name, kind, default, doc, shown: printable }
    }

    /// The same, of which no more is printed than this.
    pub(crate) const fn showing(mut self, shown: fn(&str) -> String) -> Self {
        self.shown = shown;
        self
    }

    /// Such as `KCL_FAILOVER_TIME_MS`.
    pub(crate) fn variable(&self) -> String {
        format!("KCL_{}", self.name.to_ascii_uppercase())
    }

    /// Such as `--failover-time-ms`.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.option())
    }

    /// The flag without its dashes.
    pub(crate) fn option(&self) -> String {
        self.name.replace('_', "-")
    }

    /// What stands for the value in a help text.
    pub(crate) fn placeholder(&self) -> String {
        match &self.kind {
            Kind::Whole { .. } | Kind::WholeOr { .. } if self.name.ends_with("_ms") => "MS".to_owned(),
            Kind::Whole { .. } | Kind::WholeOr { .. } => "N".to_owned(),
            Kind::Switch { .. } => "true|false".to_owned(),
            Kind::Choice(choices) => choices.iter().map(|choice| choice.word).collect::<Vec<_>>().join("|"),
            Kind::Text { placeholder, .. } | Kind::Words { placeholder, .. } => (*placeholder).to_owned(),
        }
    }

    /// What is accepted, as the end of a sentence that begins with "use".
    pub(crate) fn accepts(&self) -> String {
        match &self.kind {
            Kind::Whole { range, .. } => whole_number(range),
            Kind::WholeOr { range, word, .. } => format!("{}, or {word}", whole_number(range)),
            Kind::Switch { .. } => "true or false".to_owned(),
            Kind::Choice(choices) => choices.iter().map(|choice| choice.word).collect::<Vec<_>>().join(", "),
            Kind::Text { form, .. } | Kind::Words { form, .. } => (*form).to_owned(),
        }
    }

    /// The default in words, if there is one.
    pub(crate) fn default_text(&self) -> Option<&'static str> {
        match self.default {
            Preset::Required => None,
            Preset::Value(text) | Preset::Words(text) => Some(text),
        }
    }
}

fn whole_number(range: &RangeInclusive<u64>) -> String {
    match (*range.start(), *range.end()) {
        (least, u64::MAX) => format!("a whole number, at least {least}"),
        (least, most) => format!("a whole number from {least} to {most}"),
    }
}
