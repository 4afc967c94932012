use std::io::Write as _;

/// Appends a text in quotes, as JSON has it. Characters beyond ASCII are written by their numbers: a child may read its
/// input in any encoding, and knows all of them in that form.
pub(super) fn write(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    let mut rest = text;
    while let Some(special) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, from_special) = rest.split_at(special);
        line.extend_from_slice(plain.as_bytes());
        let mut chars = from_special.chars();
        write_special(line, chars.next());
        rest = chars.as_str();
    }
    line.extend_from_slice(rest.as_bytes());
    line.push(b'"');
}

/// True of a character that stands for itself; false of the first byte of one beyond ASCII.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn write_special(line: &mut Vec<u8>, char: Option<char>) {
    match char {
        Some(char @ ('"' | '\\')) => line.extend([b'\\', char as u8]),
        Some(char) => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Memory takes everything.
                let _taken = write!(line, "\\u{unit:04x}");
            }
        }
        None => {}
    }
}
