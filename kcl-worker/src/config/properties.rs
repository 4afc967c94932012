//! The properties files of the Java MultiLangDaemon, key by key: each is honoured, refused, or said to have no effect.
//!
//! The format is that of `java.util.Properties`. Text that is valid UTF-8 is read as such, and other text as ISO-8859-1,
//! which Java reads always: so files of both kinds mean what their authors see in them. Nothing here decides what a value
//! may be, which is the schema's.

mod credentials_provider;
mod fate;
mod keys;
mod keys_without_effect;
mod parser;

use super::assignment::Assignment;
use super::layer::Layer;
use super::mask::{MASK, printable};
use super::nearest::did_you_mean;
use super::origin::Origin;
use super::problem::Problem;
use super::schema::Schema;
use super::value::Value;
use fate::Given;
use parser::Property;

pub(super) use fate::{Entry, Fate};
pub(super) use keys::entries;

/// Reads the content of a properties file, whose name is only for messages.
pub(super) fn read(schema: &Schema, file: &str, content: &[u8]) -> Layer {
    let mut reading = Reading { schema, file, layer: Layer::default(), mode: Mode::Default, polls: false };
    let (properties, mistakes) = parser::parse(&parser::decode(content));
    for (line, mistake) in mistakes {
        reading.refuse(line, &mistake);
    }
    reading.warn_of_copies(&properties);
    let properties = last_of_each(properties);
    // In the order of the table: of two that say the same thing, the later is what Java goes by.
    for entry in entries() {
        for property in properties.iter().filter(|property| entry.is_named(&property.name)) {
            reading.take(entry, property);
        }
    }
    for property in
        properties.iter().filter(|property| !entries().any(|entry| entry.is_named(&property.name)))
    {
        let nearest = did_you_mean(&property.name, entries().map(|entry| entry.name));
        let name = printable(&property.name);
        reading.refuse(property.line, &format!("there is no property {name}{nearest}"));
    }
    reading.settle_retrieval();
    reading.imply();
    reading.layer
}

/// Java keeps the last of several under one name.
fn last_of_each(properties: Vec<Property>) -> Vec<Property> {
    let mut kept: Vec<Property> = Vec::new();
    for property in properties {
        kept.retain(|earlier| !fate::is_same_name(&earlier.name, &property.name));
        kept.push(property);
    }
    kept
}

/// How records are to be read (`RetrievalMode.java`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Default,
    FanOut,
    Polling,
}

struct Reading<'a> {
    schema: &'a Schema,
    file: &'a str,
    layer: Layer,
    mode: Mode,
    /// Some property of polling is set.
    polls: bool,
}

impl Reading<'_> {
    fn take(&mut self, entry: &'static Entry, property: &Property) {
        self.polls |= entry.is_polling && property.value != "0";
        let outcome = match &entry.fate {
            // Java does not see a primitive that is zero (`ConfigurationSettableUtils.java`).
            Fate::SetsUnlessZero(_) if property.value == "0" => Ok(Given::Nothing),
            Fate::Sets(key) | Fate::SetsUnlessZero(key) => {
                Ok(Given::Sets(key, Value::Text(property.value.clone())))
            }
            Fate::Converts { key, convert, .. } => convert(&property.value).map(|given| match given {
                Some(value) => Given::Sets(key, value),
                None => Given::Nothing,
            }),
            Fate::ChoosesRetrieval => self.choose(&property.value).map(|()| Given::Nothing),
            Fate::MustBeFalse(reason) => fate::truth(&property.value)
                .and_then(|is_true| if is_true { Err(impossible(reason)) } else { Ok(Given::Nothing) }),
            Fate::HasNoEffect(reason) => Ok(Given::NoEffect(reason)),
            Fate::IsRefused(reason) => Err(impossible(reason)),
        };
        match outcome {
            Ok(Given::Sets(key, value)) => self.assign(key, value, property),
            Ok(Given::NoEffect(reason)) => self.warn(property, reason),
            Ok(Given::Nothing) => {}
            Err(advice) => {
                let shown = if entry.may_hold_secrets { MASK.to_owned() } else { printable(&property.value) };
                self.refuse(property.line, &format!("{} is '{shown}'; {advice}", property.name));
            }
        }
    }

    fn choose(&mut self, mode: &str) -> Result<(), String> {
        self.mode = match mode.to_ascii_uppercase().as_str() {
            "DEFAULT" => Mode::Default,
            "FANOUT" => Mode::FanOut,
            "POLLING" => Mode::Polling,
            _ => return Err("use DEFAULT, FANOUT or POLLING".to_owned()),
        };
        Ok(())
    }

    fn assign(&mut self, key: &str, value: Value, property: &Property) {
        let Some(key) = self.schema.find(key) else {
            return self.warn(property, "this program processes the records itself");
        };
        let origin = Origin::Line { file: self.file.to_owned(), line: property.line };
        self.layer.assignments.push(Assignment { key, value, origin, spelling: property.name.clone() });
    }

    /// Polling if it is asked for, or something of it is set, with calls as large as reads; or else fan-out, by default as a
    /// consumer of the application's name.
    fn settle_retrieval(&mut self) {
        let polls = self.mode == Mode::Polling || (self.mode == Mode::Default && self.polls);
        if polls {
            let (dropped, kept) = std::mem::take(&mut self.layer.assignments)
                .into_iter()
                .partition(|assignment| assignment.key.name == "fan_out");
            self.layer.assignments = kept;
            self.layer.warnings.extend(dropped.iter().map(|assignment: &Assignment| {
                format!("{}: {} has no effect: retrievalMode polls", assignment.origin, assignment.spelling)
            }));
            self.suppose_same("records_per_batch_max", "records_per_read_max");
        } else if !self.sets("fan_out") {
            self.suppose_same("fan_out", "application");
        }
    }

    /// What the MultiLangDaemon does that no property says.
    fn imply(&mut self) {
        self.suppose("processor", Value::Text("exec".to_owned()));
        if !self.sets("initial_position") {
            self.suppose("initial_position", Value::Text("latest".to_owned()));
        }
    }

    fn sets(&self, key: &str) -> bool {
        self.layer.assignments.iter().any(|assignment| assignment.key.name == key)
    }

    /// What the file says of `other`, if it does.
    fn suppose_same(&mut self, key: &str, other: &str) {
        let given = self.layer.assignments.iter().rfind(|given| given.key.name == other);
        if let Some(value) = given.map(|given| given.value.clone()) {
            self.suppose(key, value);
        }
    }

    fn suppose(&mut self, key: &str, value: Value) {
        let Some(key) = self.schema.find(key) else { return };
        let origin = Origin::Implied { file: self.file.to_owned() };
        self.layer.assignments.push(Assignment { key, value, origin, spelling: key.name.to_owned() });
    }

    fn warn_of_copies(&mut self, properties: &[Property]) {
        for (index, property) in properties.iter().enumerate() {
            let later = &properties[index + 1..];
            if let Some(later) = later.iter().find(|later| fate::is_same_name(&later.name, &property.name)) {
                let reason = format!("line {} says something else", later.line);
                self.warn(property, &reason);
            }
        }
    }

    fn warn(&mut self, property: &Property, reason: &str) {
        let Property { name, line, .. } = property;
        self.layer.warnings.push(format!("{}:{line}: {name} has no effect: {reason}", self.file));
    }

    fn refuse(&mut self, line: usize, message: &str) {
        self.layer.problems.push((line, Problem::new(format!("{}:{line}: {message}", self.file))));
    }
}

fn impossible(reason: &str) -> String {
    format!("this is not possible here: {reason}")
}

#[cfg(test)]
mod tests;
