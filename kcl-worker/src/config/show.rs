use serde_json::json;

use super::key::Preset;
use super::resolve::Resolved;
use super::schema::Schema;

/// A line for each setting: its name, its value, and where that came from.
pub(super) fn table(schema: &Schema, resolved: &Resolved) -> String {
    let rows: Vec<_> = schema.keys().map(|key| (key.name, resolved.effective(key))).collect();
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
        let (text, origin) = resolved.effective(key);
        let is_value = resolved.given.contains_key(key.name)
            || !matches!(key.default, Preset::Required | Preset::Words(_));
        json!({ "name": key.name, "value": is_value.then_some(text), "origin": origin.to_string() })
    });
    format!("{:#}\n", settings.collect::<serde_json::Value>())
}
