//! SIGBUS: a source's file became shorter, or its disk failed, under the map through which it was read. There is nothing left but to say so.

use crate::cli::describe::one_line;
use crate::cli::exit::Exit;
use crate::source::segment_bytes;
use serde_json::json;
use std::io;
use std::path::Path;

const HINT: &str = "nothing was published; run it again with --no-mmap, which reads all that can be read and says what can't";

/// Listens from here on.
pub(super) fn listen(json: bool) -> io::Result<()> {
    segment_bytes::end_on_bus_error(i32::from(Exit::SourceDamaged.code()), if json { object } else { line })
}

fn what(path: &Path) -> String {
    one_line(&format!("{} became shorter, or its disk failed, while it was read", path.display()))
}

fn line(path: &Path) -> String {
    format!("segvault: {}: {HINT}", what(path))
}

fn object(path: &Path) -> String {
    json!({
        "schema": "segvault.error/1", "type": "error", "id": "source.bus",
        "message": what(path), "hint": HINT, "exit": Exit::SourceDamaged.code(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::{line, object};
    use std::path::Path;

    #[test]
    fn the_file_and_the_way_out_are_named_in_one_line() {
        let path = Path::new("/data/default/0.events\n");
        for text in [line(path), object(path)] {
            assert!(text.contains("/data/default/0.events") && text.contains("--no-mmap"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(&object(path)).is_ok());
    }
}
