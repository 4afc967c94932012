use serde_json::json;

use super::resolve::{Resolved, Shown};
use super::schema::Schema;

/// A line for each setting: its name, its value, and where that came from.
pub(super) fn table(schema: &Schema, resolved: &Resolved) -> String {
    let rows: Vec<_> = schema
        .keys()
        .map(|key| {
            let (shown, origin) = resolved.effective(key);
            (key.name, (shown.to_string(), origin))
        })
        .collect();
    let width =
        |cells: &mut dyn Iterator<Item = &str>| cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
    let name_width = width(&mut rows.iter().map(|(name, _)| *name));
    let value_width = width(&mut rows.iter().map(|(_, (value, _))| value.as_str()));
    let lines = rows
        .iter()
        .map(|(name, (value, origin))| format!("{name:name_width$}  {value:value_width$}  {origin}\n"));
    lines.collect()
}

/// An object for each setting. What is in brackets in the table is null here.
pub(super) fn json(schema: &Schema, resolved: &Resolved) -> String {
    let settings = schema.keys().map(|key| {
        let (shown, origin) = resolved.effective(key);
        let value = match shown {
            Shown::Value(text) => Some(text),
            Shown::Words(_) => None,
        };
        json!({ "name": key.name, "value": value, "origin": origin.to_string() })
    });
    format!("{:#}\n", settings.collect::<serde_json::Value>())
}
