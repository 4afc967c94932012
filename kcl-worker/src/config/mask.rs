/// What is shown in place of a secret.
pub(crate) const MASK: &str = "***";

/// The text as it may be printed: without the user and password of the URLs in it, and on one line.
pub(crate) fn printable(text: &str) -> String {
    let text = without_credentials(text);
    let escaped =
        text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() });
    escaped.collect()
}

/// One URL as it may be printed, also where it is none: what is before the last `@` is a user and a password.
pub(crate) fn printable_url(url: &str) -> String {
    let Some((before, host)) = url.rsplit_once('@') else { return printable(url) };
    let scheme = before.find("://").map_or("", |at| &before[..at + "://".len()]);
    printable(&format!("{scheme}{MASK}@{host}"))
}

/// The text without the user and password of the URLs in it.
fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end =
            after.find(|c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace()).unwrap_or(after.len());
        let (authority, others) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend([MASK, "@", host]),
            None => shown.push_str(authority),
        }
        rest = others;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_of_urls_are_not_shown() {
        for (text, shown) in [
            ("http://user:secret@localhost:4566/a@b", "http://***@localhost:4566/a@b"),
            ("https://user@h?x=1", "https://***@h?x=1"),
            ("sqs:https://a:b@c@h/q and http://u:p@h", "sqs:https://***@h/q and http://***@h"),
            ("http://localhost", "http://localhost"),
            ("me@example.com", "me@example.com"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn a_url_that_is_none_keeps_its_password_too() {
        for (text, shown) in [
            ("http://user:se/cr@et@h:1/x", "http://***@h:1/x"),
            ("user:secret@h", "***@h"),
            ("htp:/user:secret@h", "***@h"),
            ("http://h:1/x", "http://h:1/x"),
        ] {
            assert_eq!(printable_url(text), shown);
        }
    }

    #[test]
    fn what_is_printed_does_nothing_to_a_terminal() {
        assert_eq!(printable("é\u{1b}[2J\n'x' http://u:p@h"), "é\\u{1b}[2J\\n'x' http://***@h");
    }
}
