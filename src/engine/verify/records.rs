//! The records: each log's chain, and that each record holds all that the one before held.

use crate::axon::name::SegmentName;
use crate::engine::error::Error;
use crate::engine::logs::{LogDirectory, newer, that_count};
use crate::engine::observe::Observer;
use crate::engine::verify::book::{Book, EntryId, Part};
use crate::engine::verify::packs::stop_if_interrupted;
use crate::engine::verify::pages::{Known, Pages};
use crate::engine::verify::report::Class;
use crate::engine::verify::run::ADVICE_NEWER;
use crate::engine::verify::withheld;
use crate::repo::format::act::Act;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::{ContentHash, FileHash, PageId};
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::record::{Branch, LogKey, Record};
use crate::repo::paths;
use crate::repo::store::{LetGo, LostFiles, Repository};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What to do about a damaged record.
const ADVICE: &str =
    "run 'segvault repair from' a copy of the repository; where there is none, 'segvault repair give-up'";
/// What to do where files contradict each other.
pub const ADVICE_CONTRADICTION: &str =
    "run 'segvault repair from' a copy of the repository, and keep both files until that is done";

/// A log, as far as its records can be read.
#[derive(Clone, Debug)]
pub struct LogFacts {
    /// Which.
    pub key: LogKey,
    /// Its records that can be read, by number.
    pub records: Vec<RecordFacts>,
    /// The numbers of all records that are there, readable or not, rising.
    pub numbers: Vec<u64>,
}

/// A record.
#[derive(Clone, Debug)]
pub struct RecordFacts {
    /// Its number.
    pub number: u64,
    /// Its file, as the user would call it.
    pub path: String,
    /// The root of its pages.
    pub root: PageId,
    branch: Option<Branch>,
    previous: Option<FileHash>,
    hash: FileHash,
    tails: Vec<Tail>,
    /// Its tails whole: of the two newest records only.
    pub full_tails: Vec<SegmentEntry>,
}

#[derive(Clone, Copy, Debug)]
struct Tail {
    name: SegmentName,
    events: u64,
    logical_end: u64,
    content: ContentHash,
}

/// Reads all records; gives the logs whose records tell whose they are, and the directories in which a newer program wrote some: what those
/// hold is not known.
pub fn read_all(
    repository: &Repository,
    acts: &[Act],
    observer: &dyn Observer,
    book: &mut Book,
) -> Result<(Vec<LogFacts>, BTreeSet<String>), Error> {
    let (mut logs, mut with_newer) = (Vec::new(), BTreeSet::new());
    for directory in that_count(repository, acts)? {
        stop_if_interrupted(observer)?;
        let (records, has_newer) = read_log(repository, &directory, book);
        if has_newer {
            with_newer.insert(directory.path.clone());
        }
        if let Some(key) = directory.key {
            logs.push(LogFacts { key, records, numbers: directory.numbers });
        } else if !has_newer {
            let path = repository.disk().display(&directory.path);
            let text = "none of its records can be read: whose log it was is not known".to_owned();
            book.add_file("record", path, text, ADVICE);
        }
    }
    Ok((logs, with_newer))
}

/// The records of a log that can be read, and whether a newer program wrote some of the others.
fn read_log(repository: &Repository, directory: &LogDirectory, book: &mut Book) -> (Vec<RecordFacts>, bool) {
    let mut has_newer = false;
    let mut records = Vec::new();
    let keep_tails_from = directory.numbers.iter().rev().nth(1).or(directory.numbers.last()).copied();
    for number in &directory.numbers {
        let file = directory.record(*number);
        let path = repository.disk().display(&file);
        match read_record(repository, &file, *number, directory.key.as_ref()) {
            Ok((record, hash)) => {
                let full = keep_tails_from.is_some_and(|from| *number >= from);
                records.push(facts(record, hash, path, full));
            }
            Err(Unread { why, is_newer: true }) => {
                has_newer = true;
                let number = book.add_file("record", path, why, ADVICE_NEWER);
                book.set_class(number, Class::Newer);
            }
            Err(Unread { why, .. }) => {
                book.add_file("record", path, why, withheld::advice(repository, &file, ADVICE));
            }
        }
    }
    (records, has_newer)
}

/// Why a record can't be read.
struct Unread {
    why: String,
    is_newer: bool,
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self { why, is_newer: false }
    }
}

fn read_record(
    repository: &Repository,
    file: &str,
    number: u64,
    key: Option<&LogKey>,
) -> Result<(Record, FileHash), Unread> {
    let bytes = repository.disk().read(file, SMALL_FILE_MAX).map_err(|error| error.to_string())?;
    if let Some(newer) = newer(&bytes) {
        return Err(Unread { why: newer.to_string(), is_newer: true });
    }
    let record = Record::decode(&bytes).map_err(|damage| damage.to_string())?;
    if record.number != number {
        return Err(format!("it says that it is number {}", record.number).into());
    }
    if key.is_some_and(|key| record.state.key != *key) {
        return Err("it is a record of another log".to_owned().into());
    }
    Ok((record, repository.naming().file(&bytes)))
}

fn facts(record: Record, hash: FileHash, path: String, full: bool) -> RecordFacts {
    let tail = |entry: &SegmentEntry| Tail {
        name: entry.name,
        events: entry.events,
        logical_end: entry.logical_end,
        content: entry.content,
    };
    RecordFacts {
        number: record.number,
        path,
        root: record.state.root,
        branch: record.state.branch,
        previous: record.previous,
        hash,
        tails: record.state.tails.iter().map(tail).collect(),
        full_tails: if full { record.state.tails } else { Vec::new() },
    }
}

impl LogFacts {
    /// The records that count beside the points: the two newest that can be read, the newest first.
    pub fn roots(&self) -> impl Iterator<Item = &RecordFacts> {
        self.records.iter().rev().take(2)
    }

    /// Follows the chain. `pruned` says that records may have been deleted: then only those that are there are compared. The two newest are
    /// never deleted.
    pub fn check_chain(
        &self,
        (pruned, lost): (bool, &LostFiles),
        path: &dyn Fn(u64) -> String,
        book: &mut Book,
    ) {
        let directory = paths::log(&self.key);
        let mut before: Option<&RecordFacts> = None;
        for record in &self.records {
            let number = lost.before(&directory, record.number);
            let neighbour = before.filter(|before| number == Some(before.number));
            if let Some(neighbour) = neighbour
                && lost.neighbour(&directory, record.number).is_some()
                && record.previous != Some(neighbour.hash)
            {
                let text = format!("record {} names another hash of it", record.number);
                book.add_file("record-chain", neighbour.path.clone(), text, ADVICE_CONTRADICTION);
            }
            if let Some(neighbour) = neighbour
                && record.branch != neighbour.branch
            {
                let text = "its incarnation branches elsewhere than in the record before".to_owned();
                book.add_file("record-chain", record.path.clone(), text, ADVICE_CONTRADICTION);
            }
            before = Some(record);
        }
        if pruned {
            self.check_newest_two(lost, path, book);
        } else {
            self.check_numbers(lost, path, book);
        }
    }

    fn check_newest_two(&self, lost: &LostFiles, path: &dyn Fn(u64) -> String, book: &mut Book) {
        let before = self.numbers.last().and_then(|newest| lost.neighbour(&paths::log(&self.key), *newest));
        if let Some(before) = before
            && !self.numbers.contains(&before)
        {
            let text = "it is missing: a prune leaves the two newest records".to_owned();
            book.add_file("record", path(before), text, ADVICE);
        }
    }

    fn check_numbers(&self, given_up: &LostFiles, path: &dyn Fn(u64) -> String, book: &mut Book) {
        let given_up = given_up.in_directory(&paths::log(&self.key));
        let known: BTreeSet<u64> = self.numbers.iter().copied().chain(given_up).collect();
        let mut next = 1;
        for number in &known {
            if *number > next {
                let text = "it is missing, and nothing says that it was deleted".to_owned();
                let last = number.saturating_sub(1);
                let text = if last > next { format!("{text}; so are all up to {last}") } else { text };
                book.add_file("record", path(next), text, ADVICE);
            }
            next = number.saturating_add(1);
        }
    }

    /// Compares each record with the one before: whatever that held must be there. Trees that can't be read have their own findings.
    /// What acts have let go of it may be gone.
    pub fn check_supersets(&self, pages: &Pages<'_>, let_go: &LetGo, book: &mut Book) {
        for pair in self.records.windows(2) {
            let [before, record] = pair else { continue };
            if before.number + 1 != record.number
                || !pages.is_whole(before.root)
                || !pages.is_whole(record.root)
            {
                continue;
            }
            let comparison = Comparison::new(pages, before, record);
            for lost in comparison.lost(let_go) {
                let text = format!(
                    "record {} does not hold {}, which record {} held",
                    record.number, lost.0, before.number
                );
                let number = book.add_file("not-a-superset", record.path.clone(), text, ADVICE_CONTRADICTION);
                if let Some(entry) = lost.1 {
                    book.hits(number, Part::Entry(entry));
                }
            }
        }
    }

    /// Points name records; one that is newer than all there are was lost.
    pub fn check_named(&self, point: u64, record: u64, lost: &LostFiles, book: &mut Book) {
        let newest = self.numbers.last().copied().unwrap_or_default();
        if record > newest && !lost.has(&paths::log(&self.key), record) {
            let text = format!(
                "point {point} was made with record {record} of {} of {}; the newest one there is {newest}",
                self.key.store, self.key.context
            );
            let number = book.add(Class::Damage, "record-lost", text, ADVICE);
            book.hits_point(number, point);
        }
    }
}

/// A point names a log that has no record that can be read.
pub fn log_is_lost(key: &LogKey, (point, record): (u64, u64), lost: &LostFiles, book: &mut Book) {
    if lost.has(&paths::log(key), record) {
        return;
    }
    let text = format!("point {point} needs the records of {} of {}; there are none", key.store, key.context);
    let number = book.add(Class::Damage, "record-lost", text, ADVICE);
    book.hits_point(number, point);
}

/// Two neighbours of a chain. Only leaves that differ are compared: the others hold the same.
struct Comparison<'a> {
    pages: &'a Pages<'a>,
    before: &'a RecordFacts,
    changed: Vec<EntryId>,
    now: BTreeMap<EntryKey, &'a Known>,
    /// All leaves of the record.
    leaves: Vec<PageId>,
    tails: HashMap<SegmentName, Tail>,
}

impl<'a> Comparison<'a> {
    fn new(pages: &'a Pages<'a>, before: &'a RecordFacts, record: &RecordFacts) -> Self {
        let (old, new) = (pages.leaves_of(before.root), pages.leaves_of(record.root));
        let (old_set, new_set): (HashSet<_>, HashSet<_>) = (old.iter().collect(), new.iter().collect());
        let entries = |leaf: &PageId| pages.entries_of(*leaf).to_vec();
        let changed = old.iter().filter(|leaf| !new_set.contains(leaf)).flat_map(entries).collect();
        let fresh = new.iter().filter(|leaf| !old_set.contains(leaf)).flat_map(entries);
        let now = fresh.filter_map(|id| pages.known(id)).map(|known| (known.key, known)).collect();
        let tails = record.tails.iter().map(|tail| (tail.name, *tail)).collect();
        let leaves = new.clone();
        Self { pages, before, changed, now, leaves, tails }
    }

    /// What is not there any more.
    fn lost(&self, let_go: &LetGo) -> Vec<(String, Option<EntryId>)> {
        let sealed = self.changed.iter().filter(|id| !self.keeps(**id, let_go)).map(|id| {
            let name = self.pages.known(*id).map_or_else(String::new, |known| known.span.name.to_string());
            (format!("segment {name}"), Some(*id))
        });
        let tails = self.before.tails.iter().filter(|tail| !self.keeps_tail(tail, let_go));
        sealed.chain(tails.map(|tail| (format!("the tail of segment {}", tail.name), None))).collect()
    }

    fn keeps(&self, id: EntryId, let_go: &LetGo) -> bool {
        let Some(old) = self.pages.known(id) else { return true };
        let is_same = |now: &Known| {
            now.content == old.content
                && now.logical_end == old.logical_end
                && now.span.events == old.span.events
        };
        self.now.get(&old.key).is_some_and(|now| is_same(now))
            || self.is_replaced(old.span.name, old.span.events)
            || let_go.has(old.span.name, old.span.next(), old.content)
    }

    /// A version may leave for which there is a higher one with all its tokens. (That one may lie in a leaf that did not change.)
    fn is_replaced(&self, name: SegmentName, events: u64) -> bool {
        let replaces = |now: &Known| {
            now.key.flawed.is_none()
                && now.span.name.number == name.number
                && now.span.name.version > name.version
                && now.span.events >= events
        };
        self.now.values().copied().any(replaces)
            || self.leaves.iter().any(|leaf| {
                let known = self.pages.entries_of(*leaf).iter().filter_map(|id| self.pages.known(*id));
                known.into_iter().any(replaces)
            })
    }

    fn keeps_tail(&self, tail: &Tail, let_go: &LetGo) -> bool {
        let holds = |logical_end: u64, content: ContentHash| {
            logical_end > tail.logical_end || (logical_end == tail.logical_end && content == tail.content)
        };
        let key = EntryKey { name: tail.name, flawed: None };
        let is_extended = self.tails.get(&tail.name).is_some_and(|now| holds(now.logical_end, now.content));
        is_extended
            || self.now.get(&key).is_some_and(|now| holds(now.logical_end, now.content))
            || self.is_replaced(tail.name, tail.events)
            || let_go.has(tail.name, tail.name.number.plus(tail.events), tail.content)
    }
}
