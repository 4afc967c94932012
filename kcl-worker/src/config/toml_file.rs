use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::assignment::Assignment;
use super::key::{Key, Kind};
use super::layer::Layer;
use super::mask::printable;
use super::origin::Origin;
use super::problem::Problem;
use super::schema::Schema;
use super::source_text::line_of;
use super::value::Value;

/// Reads the text of a TOML file, whose name is only for messages.
pub(super) fn read(schema: &Schema, file: &str, content: &[u8]) -> Layer {
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) => {
            let line = line_of(content, error.valid_up_to());
            return Layer::of_problem(Problem::new(format!("{file}:{line}: this is not UTF-8 text")));
        }
    };
    let reader = Reader { schema, file, text };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut layer = Layer::default();
    // After a mistake in the form, what was understood of the rest may be something else than was meant.
    if errors.is_empty() {
        for (name, value) in table.get_ref() {
            match reader.assignment(name, value) {
                Ok(assignment) => layer.assignments.push(assignment),
                Err(problem) => layer.problems.push((reader.line(name.span().start), problem)),
            }
        }
    }
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        layer.problems.push((reader.line(start), reader.at(start, &printable(error.message()))));
    }
    layer
}

struct Reader<'a> {
    schema: &'a Schema,
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn assignment(
        &self,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Assignment, Problem> {
        let at = name.span().start;
        let name = name.get_ref().as_ref();
        let Some(key) = self.schema.find(name) else {
            let nearest = self.schema.did_you_mean(name);
            return Err(self.at(at, &format!("there is no setting {}{nearest}", printable(name))));
        };
        let value = self.value(key, value)?;
        let origin = Origin::Line { file: self.file.to_owned(), line: self.line(at) };
        Ok(Assignment { key, value, origin, spelling: name.to_owned() })
    }

    /// The value, if it is of the type that the key has in TOML.
    fn value(&self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Value, Problem> {
        let written = self.text.get(value.span()).unwrap_or_default();
        let found = match (value.get_ref(), &key.kind) {
            (DeValue::Integer(integer), Kind::Whole { .. } | Kind::WholeOr { .. }) => {
                decimal(integer.as_str(), integer.radix())
            }
            (DeValue::Boolean(truth), Kind::Switch { .. }) => Some(Value::Text(truth.to_string())),
            (
                DeValue::String(text),
                Kind::Choice(_) | Kind::Text { .. } | Kind::Words { .. } | Kind::WholeOr { .. },
            ) => Some(Value::Text(text.to_string())),
            // A time may be written as one, without quotes.
            (DeValue::Datetime(time), Kind::Text { .. }) => Some(Value::Text(time.to_string())),
            (DeValue::Array(items), Kind::Words { .. }) => {
                let words = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                words.collect::<Option<_>>().map(Value::List)
            }
            _ => None,
        };
        found.ok_or_else(|| {
            let shown = (key.shown)(written);
            let message = format!("{} is {shown}; use {}{}", key.name, key.accepts(), form(key));
            self.at(value.span().start, &message)
        })
    }

    fn at(&self, offset: usize, message: &str) -> Problem {
        Problem::new(format!("{}:{}: {message}", self.file, self.line(offset)))
    }

    fn line(&self, offset: usize) -> usize {
        line_of(self.text.as_bytes(), offset)
    }
}

/// TOML numbers may be hexadecimal and so on, with underscores, which the parser has taken out.
fn decimal(digits: &str, radix: u32) -> Option<Value> {
    if radix == 10 {
        return Some(Value::Text(digits.trim_start_matches('+').to_owned()));
    }
    u64::from_str_radix(digits, radix).ok().map(|number| Value::Text(number.to_string()))
}

/// How the value of a key is written in TOML.
fn form(key: &Key) -> &'static str {
    match &key.kind {
        Kind::Whole { .. } | Kind::Switch { .. } => ", without quotes",
        Kind::WholeOr { .. } => ", the word in quotes",
        Kind::Choice(_) | Kind::Text { .. } => ", in quotes",
        Kind::Words { .. } => ", as one text in quotes or as a list of them",
    }
}

#[cfg(test)]
mod tests;
