//! A second reader of repositories, written from FORMAT.md alone: it shares no line with the program, and shows that the document is enough
//! to put a history back. It reads everything into memory, checks what it reads, and never looks at `index.sqlite`.

mod columns;
mod events;
mod mixture;
mod numbers;
mod packs;
mod pages;
mod restore;
mod streams;
mod tests;
mod wire;

use self::packs::Packs;
use self::pages::Entry;
use self::restore::Restored;
use self::wire::{Bytes, Hash, Read, check, hash, hex, items, json, number, text, unhex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Points or acts, by their numbers, with the hashes of their files.
type Row = BTreeMap<u64, (Hash, Value)>;

/// The files of a point, by their paths in the target.
pub fn restore_files(root: &Path, point: u64) -> BTreeMap<String, Vec<u8>> {
    let restored = Repository::open(root).and_then(|repository| repository.restore(point));
    restored.unwrap_or_else(|wrong| panic!("point {point}: {wrong}")).files
}

/// A repository.
struct Repository {
    root: PathBuf,
    packs: Packs,
    points: Row,
    acts: Row,
}

impl Repository {
    fn open(root: &Path) -> Read<Self> {
        let config = json(&fs::read(root.join("segvault.json"))?, "segvault.repository")?;
        let known =
            config["naming"] == "blake3" && items(&config, "features").all(|name| name == "append-only");
        check(known, "it asks for something that is not known")?;
        let id = text(&config, "id")?;
        let [lost_acts, lost_points] = ["acts", "points"].map(|directory| lost(root, directory));
        let (lost_acts, lost_points) = (lost_acts?, lost_points?);
        let (points, acts) = (row(root, "point", id, &lost_points)?, row(root, "act", id, &lost_acts)?);
        let mut packs = Packs::read(root)?;
        let gone = acts.values().filter(|(_, act)| act["act"] == "gone");
        let gone = gone.flat_map(|(_, act)| items(act, "points"));
        let gone = gone.filter_map(|point| point["number"].as_u64());
        let gone: BTreeSet<u64> = gone.chain(lost_points).collect();
        for (row, gone, kind) in [(&points, &gone, "point"), (&acts, &lost_acts, "act")] {
            let numbers = 1..row.keys().next_back().copied().unwrap_or(1);
            let missing = numbers.filter(|number| !row.contains_key(number) && !gone.contains(number));
            packs.damage.extend(missing.map(|number| format!("{kind} {number} is missing")));
        }
        Ok(Self { root: root.to_owned(), packs, points, acts })
    }

    fn restore(&self, point: u64) -> Read<Restored> {
        restore::restore(self, &self.seen(point)?)
    }

    /// A point as acts say that it is read: the last one that says something of a log counts.
    fn seen(&self, point: u64) -> Read<Value> {
        let (hash, mut seen) = self.points.get(&point).ok_or("there is no such point")?.clone();
        for (_, act) in
            self.acts.values().filter(|(_, act)| act["act"] == "erased" || act["act"] == "dropped")
        {
            for view in
                items(act, "points").filter(|view| view["number"] == point && view["blake3"] == hex(&hash))
            {
                for store in ["events", "snapshots"] {
                    if let Some(log) = view.get(store) {
                        seen["contexts"][text(act, "context")?][store] = log.clone();
                    }
                }
            }
        }
        Ok(seen)
    }

    /// Whether a record was given up.
    fn is_lost(&self, key: &[u8], number: u64) -> Read<bool> {
        Ok(lost(&self.root, &format!("logs/{}", &hex(&hash(key))[..32]))?.contains(&number))
    }

    /// The newest record of a log: its number, the root of its tree, its tails. All of the log that is there is checked.
    fn newest_record(&self, key: &[u8]) -> Read<(u64, Hash, Vec<Entry>)> {
        let name = format!("logs/{}", &hex(&hash(key))[..32]);
        let (directory, lost) = (self.root.join(&name), lost(&self.root, &name)?);
        let (mut before, mut newest) = (None::<(u64, Hash)>, None);
        for (at, bytes) in numbered(&directory, "")?.into_iter().filter(|(at, _)| !lost.contains(at)) {
            let (previous, root, tails) = record(&bytes, at, key)?;
            let number = (1..at).rev().find(|number| !lost.contains(number));
            check(previous.is_some() == number.is_some(), "only the first record has none before it")?;
            let follows =
                before.is_none_or(|(before, hash)| number != Some(before) || previous == Some(hash));
            check(follows, "a record is not the one that the next one holds")?;
            before = Some((at, hash(&bytes)));
            newest = Some((at, root, tails));
        }
        newest.ok_or("a log has no record".into())
    }
}

/// The previous record's hash, the root, the tails.
fn record(bytes: &[u8], at: u64, key: &[u8]) -> Read<(Option<Hash>, Hash, Vec<Entry>)> {
    let (body, stated) = bytes.split_last_chunk::<32>().ok_or("it ends too early")?;
    let mut body = Bytes(body);
    check(*stated == hash(body.0), "its check does not fit")?;
    body.magic(b"SEGVRECD")?;
    let flags = body.number(1)?;
    body.expect(&[0], "reserved bytes are not 0")?;
    check(flags < 8 && flags & 6 != 4 && body.number(8)? == at, "its flags or its number are wrong")?;
    let previous = if flags & 1 == 0 { None } else { Some(body.hash()?) };
    body.expect(key, "it is of another log")?;
    let _branch = body.take(flags / 2 % 2 * 4 + flags / 4 * 8)?;
    let (root, count) = (body.hash()?, body.number(4)?);
    let tails = (0..count).map(|_| Entry::read(&mut body)).collect::<Read<Vec<_>>>()?;
    check(tails.is_sorted_by(|one, next| one.key < next.key), "the keys of its tails do not rise")?;
    body.end()?;
    Ok((previous, root, tails))
}

/// All points or acts that are there: each of this repository, and held by the next.
/// The numbers in a directory that acts call lost.
fn lost(root: &Path, directory: &str) -> Read<BTreeSet<u64>> {
    let mut lost = BTreeSet::new();
    for (at, bytes) in numbered(&root.join("acts"), ".json")? {
        let Ok(act) = json(&bytes, "segvault.act") else { continue };
        let files = items(&act, "files").filter_map(Value::as_str);
        let names = files.filter_map(|path| path.strip_prefix(directory)?.strip_prefix('/'));
        let numbers = names.filter_map(|name| name.trim_end_matches(".json").parse::<u64>().ok());
        lost.extend(numbers.filter(|number| directory != "acts" || *number < at));
    }
    Ok(lost)
}

fn row(root: &Path, kind: &str, repository: &str, lost: &BTreeSet<u64>) -> Read<Row> {
    let mut row = Row::new();
    let files = numbered(&root.join(format!("{kind}s")), ".json")?;
    for (at, bytes) in files.into_iter().filter(|(at, _)| !lost.contains(at)) {
        let value = json(&bytes, &format!("segvault.{kind}"))?;
        let own = number(&value, "number")? == at && text(&value, "repository")? == repository;
        check(own, &format!("{kind} {at} has another number or repository"))?;
        let previous = value["previous"].as_str().map(unhex).transpose()?;
        let number = (1..at).rev().find(|number| !lost.contains(number));
        let before = row.last_key_value().filter(|(before, _)| Some(**before) == number);
        let follows = before.is_none_or(|(_, (hash, _))| previous == Some(*hash));
        let is_first = number.is_none();
        check(follows && previous.is_none() == is_first, &format!("what is before {kind} {at} is another"))?;
        row.insert(at, (hash(&bytes), value));
    }
    Ok(row)
}

/// The files of a directory that are named by a number, by rising numbers.
fn numbered(directory: &Path, ending: &str) -> Read<BTreeMap<u64, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for (name, path) in list(directory)? {
        let number = name.strip_suffix(ending).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        if number > 0 && name == format!("{number}{ending}") {
            let bytes = fs::read(path)?;
            check(bytes.len() <= 67_108_864, &format!("{name} is too long"))?;
            found.insert(number, bytes);
        }
    }
    Ok(found)
}

/// The names in a directory, sorted; none where it is none.
fn list(directory: &Path) -> Read<BTreeMap<String, PathBuf>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(BTreeMap::new()) };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Read<Vec<_>>>()?;
    let named = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), path));
    Ok(paths.into_iter().filter_map(named).collect())
}
