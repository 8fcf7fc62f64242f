//! What an `axonserver.properties` beside the data says of the node: its name, and where its storage is set to be.
//!
//! Only plain `key=value` lines count; a value with a `${placeholder}` is not known here, and left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The node's name.
pub(super) const NODE_NAME: &str = "axoniq.axonserver.name";

/// Settings that a reader of the manifest should see: they say where else data may lie.
pub(super) const STORAGE: [&str; 4] = [
    "axoniq.axonserver.event.storage",
    "axoniq.axonserver.snapshot.storage",
    "axoniq.axonserver.controldb-path",
    "axoniq.axonserver.configdb-path",
];

/// More than any properties file has.
const LENGTH_MAX: u64 = 1 << 20;

/// The properties file beside `data`, and what it says. None if there is none that can be read.
pub(super) fn beside(data: &Path) -> Option<(PathBuf, BTreeMap<String, String>)> {
    let parent = data.parent()?;
    let places = [parent.join("axonserver.properties"), parent.join("config/axonserver.properties")];
    places.into_iter().find_map(|path| read(&path).map(|found| (path, found)))
}

fn read(path: &Path) -> Option<BTreeMap<String, String>> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    if metadata.len() > LENGTH_MAX {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    Some(parse(&String::from_utf8_lossy(&bytes)))
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(property).collect()
}

fn property(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with(['#', '!']) {
        return None;
    }
    let (key, value) = line.split_once(['=', ':'])?;
    let (key, value) = (key.trim(), value.trim());
    let is_known = !value.is_empty() && !value.contains("${");
    is_known.then(|| (key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_read_as_java_reads_plain_lines() {
        let found = parse("# name=no\n! x=y\n axoniq.axonserver.name = node-1 \nport: 8024\n\nempty=\n");
        let expected = [(NODE_NAME, "node-1"), ("port", "8024")];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn a_placeholder_is_not_taken_for_a_name() {
        assert!(parse("axoniq.axonserver.name=${HOSTNAME}").is_empty());
    }
}
