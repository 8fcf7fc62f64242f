//! All files of a repository, by kind.

use crate::engine::stats::report::Kind;
use crate::repo::Error;
use crate::repo::disk::Disk;
use crate::repo::paths;
use std::collections::BTreeMap;

/// What the files of a directory, or a file, at the top of a repository are called.
const KINDS: [(&str, &str); 7] = [
    (paths::PACKS, "packs"),
    (paths::PAGES, "pages"),
    (paths::LOGS, "records"),
    (paths::POINTS, "points"),
    (paths::ACTS, "acts"),
    (paths::LOCKS, "locks"),
    (paths::STAGING, "staging"),
];

/// Counts every file. Files that vanish meanwhile do not count.
pub fn count(disk: &dyn Disk) -> Result<Vec<Kind>, Error> {
    let mut kinds = BTreeMap::<String, Kind>::new();
    for listed in paths::list(disk, "")? {
        let kind = kind_of(&listed.name);
        let found = if listed.is_directory { below(disk, &listed.name)? } else { (1, listed.length) };
        let sum = kinds.entry(kind.clone()).or_insert(Kind { kind, files: 0, bytes: 0 });
        sum.files += found.0;
        sum.bytes = sum.bytes.saturating_add(found.1);
    }
    let mut kinds: Vec<Kind> = kinds.into_values().filter(|kind| kind.files > 0).collect();
    kinds.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.kind.cmp(&other.kind)));
    Ok(kinds)
}

fn kind_of(name: &str) -> String {
    let known = KINDS.iter().find(|(directory, _)| *directory == name).map(|(_, kind)| *kind);
    match known {
        Some(kind) => kind.to_owned(),
        None if name.starts_with("index.sqlite") => "index".to_owned(),
        None => name.to_owned(),
    }
}

/// Files and bytes in a directory and those below it.
fn below(disk: &dyn Disk, path: &str) -> Result<(u64, u64), Error> {
    let mut sum = (0, 0_u64);
    for listed in paths::list(disk, path)? {
        let found = if listed.is_directory {
            below(disk, &format!("{path}/{}", listed.name))?
        } else {
            (1, listed.length)
        };
        sum = (sum.0 + found.0, sum.1.saturating_add(found.1));
    }
    Ok(sum)
}
