use super::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    let (properties, mistakes) = parse(text);
    assert_eq!(mistakes, [], "{text}");
    properties.into_iter().map(|property| (property.name, property.value)).collect()
}

#[track_caller]
fn check(text: &str, name: &str, value: &str) {
    assert_eq!(pairs(text), [(name.to_owned(), value.to_owned())], "{text}");
}

#[test]
fn a_name_and_its_value_are_parted_in_each_way() {
    for text in ["a=b", "a:b", "a b", "a = b", "  a\t:\tb", "a   b", "\u{c}a=b  ", "a=b\r\n", "\n\na=b\r\r"] {
        check(text, "a", "b");
    }
    check("a==b", "a", "=b");
    check("a = : b", "a", ": b");
    check("a b=c", "a", "b=c");
    check("a", "a", "");
    check("a=", "a", "");
    check("=b", "", "b");
    check("a\\ b\\=c\\:d = e", "a b=c:d", "e");
}

#[test]
fn comments_and_empty_lines_are_nothing() {
    assert_eq!(pairs("# a=b\n! c=d\n\n   \t\n  # e=f \\\n"), []);
    // A comment has no continuation.
    check("# a \\\nb=c", "b", "c");
    // And is none within a value.
    check("a=b # c", "a", "b # c");
    check("a=b\\\n# c", "a", "b# c");
}

#[test]
fn a_line_goes_on_after_one_backslash_and_not_after_two() {
    check("a=b\\\n   c\\\r\n\td", "a", "bcd");
    check("a\\\n =b", "a", "b");
    check("a=b\\", "a", "b");
    assert_eq!(pairs("a=b\\\\\nc=d"), [("a".to_owned(), "b\\".to_owned()), ("c".to_owned(), "d".to_owned())]);
    check("a=b\\\\\\\nc", "a", "b\\c");
}

#[test]
fn escapes_are_their_characters() {
    check("a=\\t\\n\\r\\f\\\\\\q\\\"x", "a", "\t\n\r\u{c}\\q\"x");
    check("\\u0061=\\u00e9\\uD83D\\uDE00", "a", "é😀");
    for text in ["a=\\u12", "a=\\u12G4", "a=\\u", "\\u+061=b", "a=\\uD83D", "a=\\uDE00\\uD83D"] {
        let (properties, mistakes) = parse(text);
        assert_eq!((properties.len(), mistakes.len()), (0, 1), "{text}");
    }
}

#[test]
fn each_property_knows_its_line() {
    let (properties, _) = parse("# one\na=1\n\nb=\\\n2\r\nc=3");
    assert_eq!(properties.iter().map(|property| property.line).collect::<Vec<_>>(), [2, 4, 6]);
}

#[test]
fn text_is_utf_8_or_else_iso_8859_1() {
    assert_eq!(decode("é".as_bytes()), "é");
    assert_eq!(decode(b"\xe9\x80x"), "é\u{80}x");
}

/// As `Properties.store` writes them.
fn stored(text: &str, is_name: bool) -> String {
    let mut out = String::new();
    for (index, unit) in text.encode_utf16().enumerate() {
        match char::from_u32(unit.into()) {
            Some(' ') if is_name || index == 0 => out.push_str("\\ "),
            Some(c @ ('\\' | '=' | ':' | '#' | '!')) => out.extend(['\\', c]),
            Some(c) if c == ' ' || c.is_ascii_graphic() => out.push(c),
            _ => out.extend(["\\u".to_owned(), format!("{unit:04X}")]),
        }
    }
    out
}

/// A generator of texts that are rich in what has a meaning to the format.
fn texts() -> impl Iterator<Item = String> {
    let letters = ['a', 'é', '😀', ' ', '\t', '\n', '\r', '\u{c}', '\\', '=', ':', '#', '!', 'u', '0'];
    let mut dice = fastrand::Rng::with_seed(6);
    std::iter::repeat_with(move || {
        let length = dice.usize(..12);
        std::iter::repeat_with(|| letters[dice.usize(..letters.len())]).take(length).collect()
    })
}

#[test]
fn what_java_stores_is_read_back() {
    let mut texts = texts();
    for _ in 0..5_000 {
        let (Some(name), Some(value)) = (texts.next(), texts.next()) else { return };
        let line = format!("{}={}\n", stored(&name, true), stored(&value, false));
        check(&line, &name, value.trim_end());
    }
}

#[test]
fn no_text_is_too_strange_to_be_read() {
    for text in texts().take(5_000) {
        let (properties, mistakes) = parse(&text);
        let lines = text.matches(['\n', '\r']).count() + 1;
        assert!(properties.len() + mistakes.len() <= lines, "{text:?}");
        assert!(properties.iter().all(|property| (1..=lines).contains(&property.line)), "{text:?}");
    }
}
