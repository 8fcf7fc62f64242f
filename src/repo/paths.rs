//! Where things lie in a repository: the names of its files and directories, and listings of them.

use crate::repo::disk::Disk;
use crate::repo::disk::Listed;
use crate::repo::error::Error;
use crate::repo::format::id::PackId;
use crate::repo::format::id::PageId;
use crate::repo::format::record::LogKey;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::ErrorKind;
use std::str::FromStr;

/// What the repository is.
pub const CONFIG: &str = "segvault.json";
/// Packs.
pub const PACKS: &str = "packs";
/// Pages.
pub const PAGES: &str = "pages";
/// Parity, a file for each pack that has some; not in every repository.
pub const PARITY: &str = "parity";
/// Records, a directory for each log.
pub const LOGS: &str = "logs";
/// Points.
pub const POINTS: &str = "points";
/// Acts.
pub const ACTS: &str = "acts";
/// Damaged files that a repair has put aside for good ones.
pub const DAMAGED: &str = "damaged";
/// Locks.
pub const LOCKS: &str = "locks";
/// Files that are being written.
pub const STAGING: &str = "staging";
/// Room that is kept for a full disk.
pub const RESERVE: &str = "reserve";
/// Held by everything that runs.
pub const REPOSITORY_LOCK: &str = "locks/repository";
/// Held by the one that writes.
pub const WRITER_LOCK: &str = "locks/writer";
/// Held by those that use the index as a file.
pub const INDEX_LOCK: &str = "locks/index";
/// All directories that a new repository has.
pub const DIRECTORIES: [&str; 7] = [PACKS, PAGES, LOGS, POINTS, ACTS, LOCKS, STAGING];

/// Files that an attempt to make a repository leaves.
pub const OF_AN_ATTEMPT: [&str; 2] = ["locks/writer", "staging/1.new"];

/// The file of a pack.
pub fn pack(id: PackId) -> String {
    hashed(PACKS, &id)
}

/// The file with the parity of a pack.
pub fn parity(id: PackId) -> String {
    hashed(PARITY, &id)
}

/// The file of a page.
pub fn page(id: PageId) -> String {
    hashed(PAGES, &id)
}

fn hashed(top: &str, id: &impl Display) -> String {
    let name = id.to_string();
    format!("{top}/{}/{name}", name.get(..2).unwrap_or_default())
}

/// The directory of a log's records.
pub fn log(key: &LogKey) -> String {
    format!("{LOGS}/{}", key.directory())
}

/// The file of a record.
pub fn record(key: &LogKey, number: u64) -> String {
    format!("{}/{number}", log(key))
}

/// The file of a point.
pub fn point(number: u64) -> String {
    format!("{POINTS}/{number}.json")
}

/// The file of an act.
pub fn act(number: u64) -> String {
    format!("{ACTS}/{number}.json")
}

/// The directory that a file lies in; `""` is the repository itself.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A directory's files and directories; nothing if the directory is not there.
pub fn list(disk: &dyn Disk, path: &str) -> Result<Vec<Listed>, Error> {
    match disk.list(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| Error::reading(disk.display(path), source)),
    }
}

/// All packs with their lengths. Only files with the names of packs, at their places, count.
pub fn packs(disk: &dyn Disk) -> Result<BTreeMap<PackId, u64>, Error> {
    all_hashed(disk, PACKS)
}

/// All files with parity, by the names of their packs, with their lengths.
pub fn parities(disk: &dyn Disk) -> Result<BTreeMap<PackId, u64>, Error> {
    all_hashed(disk, PARITY)
}

/// All pages with their lengths.
pub fn pages(disk: &dyn Disk) -> Result<BTreeMap<PageId, u64>, Error> {
    all_hashed(disk, PAGES)
}

fn all_hashed<T: FromStr + Ord>(disk: &dyn Disk, top: &str) -> Result<BTreeMap<T, u64>, Error> {
    let mut found = BTreeMap::new();
    each_hashed(disk, top, &mut |id, _, file| {
        if !file.is_directory {
            found.insert(id, file.length);
        }
    })?;
    Ok(found)
}

/// The directories that have names of packs, or pages: in their way.
pub fn hashed_in_the_way(disk: &dyn Disk, top: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    each_hashed(disk, top, &mut |_: PackId, directory, file| {
        if file.is_directory {
            found.push(format!("{directory}/{}", file.name));
        }
    })?;
    Ok(found)
}

/// What has the name of a pack, or page, at its place; with the directory that it lies in.
fn each_hashed<T: FromStr>(
    disk: &dyn Disk,
    top: &str,
    visit: &mut dyn FnMut(T, &str, &Listed),
) -> Result<(), Error> {
    for directory in list(disk, top)?.into_iter().filter(|listed| listed.is_directory) {
        let path = format!("{top}/{}", directory.name);
        for file in list(disk, &path)?.iter().filter(|file| file.name.get(..2) == Some(&directory.name)) {
            if let Ok(id) = file.name.parse() {
                visit(id, &path, file);
            }
        }
    }
    Ok(())
}

/// The numbered files of a directory (`<number><suffix>`) with their lengths. A listing may come late: what follows it is asked for by its name.
pub(in crate::repo) fn numbered(
    disk: &dyn Disk,
    directory: &str,
    suffix: &str,
) -> Result<BTreeMap<u64, u64>, Error> {
    let files = list(disk, directory)?.into_iter().filter(|listed| !listed.is_directory);
    let mut found: BTreeMap<u64, u64> =
        files.filter_map(|file| Some((number(&file.name, suffix)?, file.length))).collect();
    while let Some(next) = found.last_key_value().map_or(Some(1), |(number, _)| number.checked_add(1)) {
        let path = format!("{directory}/{next}{suffix}");
        match disk.length(&path) {
            Ok(length) => drop(found.insert(next, length)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
                return Ok(found);
            }
            Err(source) => return Err(Error::reading(disk.display(&path), source)),
        }
    }
    Ok(found)
}

/// The directories that have names of numbered files: in their way, once these numbers come.
pub(in crate::repo) fn in_the_way(
    disk: &dyn Disk,
    directory: &str,
    suffix: &str,
) -> Result<Vec<String>, Error> {
    let all = list(disk, directory)?.into_iter();
    let odd = all.filter(|listed| listed.is_directory && number(&listed.name, suffix).is_some());
    Ok(odd.map(|listed| format!("{directory}/{}", listed.name)).collect())
}

/// Counted from 1, without leading zeros: one number has one name.
fn number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (digits == u64::to_string(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_name() {
        assert_eq!(number("12.json", ".json"), Some(12));
        for odd in ["012.json", "+1.json", "0.json", "12", "x.json", ".json", "12.json.json"] {
            assert_eq!(number(odd, ".json"), None, "{odd}");
        }
    }

    #[test]
    fn packs_lie_in_directories_of_their_first_digits() {
        let id = PackId([0xab; 32]);
        assert_eq!(pack(id), format!("packs/ab/{}", "ab".repeat(32)));
        assert_eq!(parent(&pack(id)), "packs/ab");
        assert_eq!(parent("packs"), "");
    }
}
