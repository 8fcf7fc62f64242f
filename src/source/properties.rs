//! What an `axonserver.properties` beside the data says of the node: its name, and where its storage is set to be.
//!
//! A value with a `${placeholder}` is not known here. What a file that was named says of storage is in [`crate::source::storage`].

use crate::axon::name::Store;
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

/// The setting that says where a store is.
pub(super) const fn storage_of(store: Store) -> &'static str {
    let [events, snapshots, ..] = STORAGE;
    match store {
        Store::Events => events,
        Store::Snapshots => snapshots,
    }
}

/// More than any properties file has.
pub(super) const LENGTH_MAX: u64 = 1 << 20;

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

/// Properties as Java reads them: comments, continued lines, escapes. The last of two lines with one key counts.
fn parse(text: &str) -> BTreeMap<String, String> {
    all(text).into_iter().filter(|(_, value)| !value.is_empty() && !value.contains("${")).collect()
}

/// The same with values that are empty, or have placeholders in them.
pub(super) fn all(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while is_continued(&line) {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
        }
        let (key, value) = split(&line);
        found.insert(unescape(key), unescape(value).trim_end().to_owned());
    }
    found
}

/// Whether an odd number of backslashes stands at its end.
fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value: parted by the first `=`, `:` or white space that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|letter: char| {
        let parts = !escaped && (letter == '=' || letter == ':' || letter.is_whitespace());
        escaped = !escaped && letter == '\\';
        parts
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescape(text: &str) -> String {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { escaped(&mut letters) } else { Some(letter) });
    }
    plain
}

fn escaped(letters: &mut std::str::Chars<'_>) -> Option<char> {
    match letters.next()? {
        't' => Some('\t'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        'f' => Some('\u{c}'),
        'u' => {
            let digits: String = letters.by_ref().take(4).collect();
            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
        }
        other => Some(other),
    }
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
    fn escapes_and_continued_lines_are_read_as_java_reads_them() {
        let found = all("a\\ b\\=c = x\\\\y \nlong=one,\\\n   two\nunicode=\\u00fc\\t.\nspace value\nnone\n");
        let expected = [
            ("a b=c", "x\\y"),
            ("long", "one,two"),
            ("unicode", "\u{fc}\t."),
            ("space", "value"),
            ("none", ""),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn a_placeholder_is_not_taken_for_a_name() {
        assert!(parse("axoniq.axonserver.name=${HOSTNAME}").is_empty());
    }
}
