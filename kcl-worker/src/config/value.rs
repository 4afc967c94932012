use super::Config;
use super::key::{Key, Kind};

/// A value as it was given, before it is known to make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// One text; a number and a truth value are their digits and their word.
    Text(String),
    /// A list.
    List(Vec<String>),
}

impl Value {
    /// As it is shown, which may not be how it was written.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(words) => words.join(" "),
        }
    }

    fn words(&self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
            Self::List(words) => words.clone(),
        }
    }
}

impl Key {
    /// The value as it may be printed.
    pub(crate) fn show(&self, value: &Value) -> String {
        match (&self.kind, value) {
            (Kind::Words { .. }, value) => {
                let words: Vec<_> = value.words().iter().map(|word| (self.shown)(word)).collect();
                words.join(" ")
            }
            (_, value) => (self.shown)(&value.text()),
        }
    }

    /// Puts the value where it belongs, or says what to use instead.
    pub(crate) fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        let advice = || format!("use {}", self.accepts());
        if let Kind::Words { set, .. } = &self.kind {
            return set(config, &value.words());
        }
        let Value::Text(text) = value else { return Err(advice()) };
        match &self.kind {
            Kind::Whole { range, set } => {
                let number = text.parse().ok().filter(|number| range.contains(number)).ok_or_else(advice)?;
                set(config, number);
            }
            Kind::WholeOr { word, set, .. } if text == word => set(config, None),
            Kind::WholeOr { range, set, .. } => {
                let number = text.parse().ok().filter(|number| range.contains(number)).ok_or_else(advice)?;
                set(config, Some(number));
            }
            Kind::Switch { set } => set(config, text.parse().map_err(|_| advice())?),
            Kind::Choice(choices) => {
                let choice = choices.iter().find(|choice| choice.word == text).ok_or_else(advice)?;
                (choice.set)(config);
            }
            Kind::Text { set, .. } => set(config, text)?,
            Kind::Words { .. } => {}
        }
        Ok(())
    }
}
