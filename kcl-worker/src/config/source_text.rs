use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::problem::Problem;

/// No file of settings is as large; what is larger is something else.
const BYTES_MAX: u64 = 1024 * 1024;

/// What some editors write before UTF-8 text, and no part of it.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The content of a file of settings, without a byte order mark.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let refused = |why: String| Problem::new(format!("cannot read '{}': {why}", path.display()));
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(refused(format!("it is larger than {BYTES_MAX} bytes, which no file of settings is")));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

/// The number of the line that holds the byte at `offset`.
pub(super) fn line_of(text: &[u8], offset: usize) -> usize {
    1 + text.iter().take(offset).filter(|byte| **byte == b'\n').count()
}
