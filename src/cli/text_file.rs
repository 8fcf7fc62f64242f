//! Reads files of text that people write: whatever was named instead of one ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than anybody writes.
const LENGTH_MAX: u64 = 16 << 20;

/// The text of a file, or of a pipe.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LENGTH_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LENGTH_MAX {
        return Err(io::Error::other("it is longer than 16 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_too_long() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().to_string(), "it is longer than 16 MiB");
        assert!(read(Path::new("/dev/null")).unwrap().is_empty());
    }
}
