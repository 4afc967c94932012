//! The text format of `java.util.Properties`, by the documentation of its method `load`.

use std::borrow::Cow;

/// One property, as its author means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) name: String,
    /// Without the blanks at its end, which Java keeps and nobody means.
    pub(super) value: String,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
}

/// UTF-8 if it can be, or else ISO-8859-1, in which each byte is the code point of its number.
pub(super) fn decode(content: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(content) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(content.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// The properties in their order, and the lines that are none, with what is wrong with them.
pub(super) fn parse(text: &str) -> (Vec<Property>, Vec<(usize, String)>) {
    let (mut properties, mut mistakes) = (Vec::new(), Vec::new());
    for (line, text) in logical_lines(text) {
        let (name, value) = split(&text);
        match (unescape(name), unescape(value)) {
            (Ok(name), Ok(value)) => {
                properties.push(Property { name, value: value.trim_end().to_owned(), line });
            }
            (Err(mistake), _) | (_, Err(mistake)) => mistakes.push((line, mistake)),
        }
    }
    (properties, mistakes)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines with those that continue them, without blanks at their start; no comments and no empty ones.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = natural_lines(text).into_iter().zip(1..);
    let mut logical = Vec::new();
    while let Some((first, number)) = lines.next() {
        let first = first.trim_start_matches(is_blank);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = first.to_owned();
        while goes_on(&whole) {
            whole.pop();
            let Some((next, _)) = lines.next() else { break };
            whole.push_str(next.trim_start_matches(is_blank));
        }
        logical.push((number, whole));
    }
    logical
}

/// A line ends in `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        let terminator = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + terminator..];
    }
    lines.push(rest);
    lines
}

/// An odd number of backslashes at its end: the last one is not escaped.
fn goes_on(line: &str) -> bool {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    backslashes % 2 == 1
}

/// The name ends at the first `=`, `:` or blank that is not escaped. Blanks around one `=` or `:` belong to neither side.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !is_escaped && (is_blank(*c) || matches!(c, '=' | ':'));
        is_escaped = !is_escaped && *c == '\\';
        ends
    });
    let Some((end, _)) = end else { return (line, "") };
    let rest = line[end..].trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], value.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Result<String, String> {
    // Java's unit is that of UTF-16: a character beyond the first plane is two escapes.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                None => continue,
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    units.push(code_unit(&digits)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units)
        .map_err(|_| "half of a character is missing: \\u escapes of it come in pairs".to_owned())
}

fn code_unit(digits: &str) -> Result<u16, String> {
    let is_whole = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = is_whole.then(|| u16::from_str_radix(digits, 16).ok()).flatten();
    unit.ok_or_else(|| {
        format!("'\\u{digits}' is no character; use \\u and four hexadecimal digits, or \\\\ for a backslash")
    })
}

#[cfg(test)]
mod tests;
