//! A second reader of repositories, written from FORMAT.md alone: it shares no line with the program, and shows that the document is enough
//! to put a history back. It reads everything into memory, checks what it reads, and never looks at `index.sqlite`.

mod binary;
mod columns;
mod events;
mod fields;
mod mixture;
mod numbers;
mod restore;
mod streams;
pub mod tests;
mod whole;
mod wire;
mod words;

use self::binary::{Entry, Packs, record, tree};
use self::wire::{Hash, Read, check, hash, items, json, member};
use crate::support::archive::tree as files_below;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Bytes, by paths or by names.
type Files = BTreeMap<String, Vec<u8>>;

/// Points or acts, by their numbers, with the hashes of their files.
type Row = BTreeMap<u64, (Hash, Value)>;

struct Repository {
    files: Files,
    packs: Packs,
    /// The paths of files that acts call lost, or gone.
    absent: BTreeSet<String>,
    points: Row,
    acts: Row,
}

impl Repository {
    fn open(root: &Path) -> Read<Self> {
        let mut files = files_below(root);
        let config = json(files.get("segvault.json").ok_or("it is no repository")?, "segvault.repository")?;
        let known = items(&config, "features").all(|name| name == "append-only");
        check(known && config["naming"] == "blake3", "it asks for something that is not known")?;
        let (packs, absent) = (Packs::read(&files), lost(&files));
        files.retain(|path, _| !absent.contains(path));
        let mut opened = Self { files, packs, absent, points: Row::new(), acts: Row::new() };
        opened.acts = opened.row("act", &config["id"])?;
        let gone = opened.acts.values().filter(|(_, act)| act["act"] == "gone");
        let gone = gone.flat_map(|(_, act)| items(act, "points"));
        opened.absent.extend(gone.map(|point| format!("points/{}.json", point["number"])));
        opened.points = opened.row("point", &config["id"])?;
        Ok(opened)
    }

    /// All points or acts, each of this repository, without one missing.
    fn row(&self, kind: &str, repository: &Value) -> Read<Row> {
        let mut row = Row::new();
        for (at, bytes) in numbered(&self.files, &format!("{kind}s/"), ".json") {
            let value = json(bytes, &format!("segvault.{kind}"))?;
            check(value["number"] == at && value["repository"] == *repository, "it belongs elsewhere")?;
            row.insert(at, (hash(bytes), value));
        }
        for at in 1..row.keys().max().copied().unwrap_or(1) {
            let path = format!("{kind}s/{at}.json");
            check(row.contains_key(&at) || self.absent.contains(&path), &format!("{path} is missing"))?;
        }
        Ok(row)
    }

    /// A point as acts say that it is read: the last one that says something of a log counts.
    fn seen(&self, point: u64) -> Read<Value> {
        let (hash, mut seen) = self.points.get(&point).ok_or("there is no such point")?.clone();
        for (_, act) in self.acts.values() {
            let views = items(act, "points").filter(|_| act["act"] == "erased" || act["act"] == "dropped");
            for view in views.filter(|view| view["number"] == point && view["blake3"] == *hash) {
                for store in ["events", "snapshots"].into_iter().filter(|store| view.get(store).is_some()) {
                    seen["contexts"][member::<String>(act, "context")?][store] = view[store].clone();
                }
            }
        }
        Ok(seen)
    }

    /// All that is held of a log, tails first. The record that a point was made with is there, or a newer one.
    fn held(&self, key: &[u8], made_with: u64) -> Read<Vec<Entry>> {
        let (directory, mut newest) = (format!("logs/{}/", &hash(key)[..32]), None);
        for (at, bytes) in numbered(&self.files, &directory, "") {
            // The newest one says it all; but what is wrong with others is not kept quiet.
            newest = Some((at, record(bytes, at, key)?));
        }
        let (newest, (root, mut held)) = newest.ok_or("a log has no record")?;
        let lost = self.absent.contains(&format!("{directory}{made_with}"));
        check(newest >= made_with || lost, "the newest record of a log is missing")?;
        held.extend(tree(&self.files, &root, None)?);
        Ok(held)
    }
}

/// The paths that acts call lost. An act that can't be read has to be one of them: whoever reads all acts sees to that.
fn lost(files: &Files) -> BTreeSet<String> {
    let acts = numbered(files, "acts/", ".json").into_values();
    let acts = acts.filter_map(|bytes| json(bytes, "segvault.act").ok()).filter(|act| act["act"] == "lost");
    acts.flat_map(|act| member::<Vec<String>>(&act, "files").unwrap_or_default()).collect()
}

/// The files of a directory that are named by a number, by rising numbers. Those with other names count for nothing.
fn numbered<'a>(files: &'a Files, directory: &str, ending: &str) -> BTreeMap<u64, &'a [u8]> {
    let digits = files.keys().filter_map(|path| path.strip_prefix(directory)?.strip_suffix(ending));
    let numbers = digits.filter_map(|digits| digits.parse::<u64>().ok());
    numbers.filter_map(|at| Some((at, &files.get(&format!("{directory}{at}{ending}"))?[..]))).collect()
}
