//! Points and acts, as they are read.
//!
//! Each file vouches for the one before it: it holds its hash. A file whose successor holds another hash was changed after it was
//! written, and counts as unreadable. One bad file does not hide the others.

use crate::axon::name::Store;
use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::act;
use crate::repo::format::act::{Act, Deed, PointRef, View};
use crate::repo::format::config::Config;
use crate::repo::format::id::FileHash;
use crate::repo::format::limits;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{Point, PointLog};
use crate::repo::format::record::LogKey;
use crate::repo::paths;
use crate::repo::store::alike::Alike;
use crate::repo::store::kept_acts::KeptActs;
use crate::repo::store::lost::LostFiles;
use crate::repo::store::numbered::{NumberedRow, Row, taken};
use crate::repo::store::seen::seen_through;
use crate::repo::store::staging;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;

/// All points and acts of a repository at one moment.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// The points that can be read and are not gone, by rising number; forgotten ones too (see [`ListedPoint::forgotten`]).
    pub points: Vec<ListedPoint>,
    /// The acts that can be read, by rising number.
    pub acts: Vec<Act>,
    /// Files in `points/` and `acts/` that can't be read, and numbers that are neither there nor named gone.
    pub unreadable: Vec<Unreadable>,
}

/// A point as readers see it.
#[derive(Clone, Debug)]
pub struct ListedPoint {
    /// The manifest.
    pub point: Point,
    /// Hash of its file.
    pub hash: FileHash,
    /// Set if it is forgotten: not listed unless asked for.
    pub forgotten: bool,
    /// Set while it is held: why, and until when.
    pub held: Option<(String, Option<Moment>)>,
    /// Set if an act says that it is incomplete, with the reason.
    pub marked_incomplete: Option<String>,
}

impl ListedPoint {
    /// Number and hash.
    pub fn reference(&self) -> PointRef {
        PointRef { number: self.point.number, blake3: self.hash }
    }

    /// What it says of a log; none if it has none of it.
    pub fn log(&self, key: &LogKey) -> Option<&PointLog> {
        let body = &self.point.body;
        let context = body.contexts.get(&key.context).filter(|_| body.source == key.source)?;
        let log = if key.store == Store::Events { &context.events } else { &context.snapshots };
        (context.incarnation == key.incarnation).then_some(log)
    }

    /// Whether nothing was missing or damaged when it was made, nor found so later.
    pub fn is_complete(&self) -> bool {
        self.point.body.complete && self.marked_incomplete.is_none()
    }
}

impl Journal {
    /// The points that are listed: neither forgotten nor gone.
    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &ListedPoint> {
        self.points.iter().filter(|point| !point.forgotten)
    }
}

/// A numbered file that should be readable and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What the user would call it.
    pub path: String,
    /// What is wrong.
    pub why: String,
    /// The first and the last number of the points that are meant; none where it is an act.
    pub points: Option<(u64, u64)>,
    /// The first and the last number, of points or acts: several are missing together.
    pub numbers: (u64, u64),
    /// Whether a newer program wrote it: then it is not damaged.
    pub is_newer: bool,
}

/// A file as a row knows it.
#[derive(Clone)]
pub(super) struct Entry<T> {
    pub value: T,
    pub hash: FileHash,
    previous: Option<FileHash>,
}

/// A row that was read: what can be read, and what can't.
struct Reading<T> {
    good: BTreeMap<u64, Entry<T>>,
    bad: BTreeMap<u64, Bad>,
}

impl<T> Reading<T> {
    /// What is lost does not count, whatever stands there.
    fn leave_out(&mut self, lost: &BTreeSet<u64>) {
        self.good.retain(|number, _| !lost.contains(number));
        self.bad.retain(|number, _| !lost.contains(number));
    }

    /// Another repository that a file belongs to; of several that of the newest.
    fn of(&self) -> Option<String> {
        self.bad.values().rev().find_map(|bad| bad.of.clone())
    }
}

/// Why a file can't be read.
struct Bad {
    why: String,
    is_newer: bool,
    /// The repository that it belongs to, where that is another one.
    of: Option<String>,
}

impl From<String> for Bad {
    fn from(why: String) -> Self {
        Self { why, is_newer: false, of: None }
    }
}

impl From<Damage> for Bad {
    fn from(damage: Damage) -> Self {
        Self { why: damage.to_string(), is_newer: matches!(damage, Damage::Newer { .. }), of: None }
    }
}

/// How often a reader looks again when a number is missing: a writer may have published it meanwhile.
const LOOKS: usize = 3;

/// Reads all points, and the acts that are not kept.
pub(super) fn read(disk: &dyn Disk, config: &Config, kept: &KeptActs) -> Result<Journal, Error> {
    let mut journal = read_once(disk, config, kept)?;
    for _ in 1..LOOKS {
        if journal.unreadable.is_empty() {
            break;
        }
        journal = read_once(disk, config, kept)?;
    }
    Ok(journal)
}

/// Points first: whatever is deleted meanwhile is named gone in the acts that are read behind them.
fn read_once(disk: &dyn Disk, config: &Config, kept: &KeptActs) -> Result<Journal, Error> {
    let row = Row::points();
    let alike = Alike::default();
    let point = |bytes: &[u8]| point(bytes, &alike);
    let mut points = read_row(disk, config, (&row, &row.list(disk)?), &point, |_, _| None);
    let ReadActs { acts, mut unreadable, of } = acts(disk, config, kept)?;
    if points.good.is_empty() && acts.is_empty() {
        refuse_another(disk, config, points.of().or(of))?;
    }
    let named = Named::by(&acts);
    points.leave_out(&row.lost(&LostFiles::by(&acts)));
    let gaps = gaps(&points, &named.gone, named.highest.max(left_its_name(disk, &row)));
    let mut bad = points.bad;
    bad.retain(|number, _| !named.gone.contains(number));
    let points_of = |first, last| Some((first, last));
    unreadable.extend(complaints(disk, (&row, points_of), &bad, &gaps));
    Ok(Journal { points: seen_through(points.good, &acts), acts, unreadable })
}

/// The acts by rising number, and what of them can't be read.
pub(super) struct ReadActs {
    pub acts: Vec<Act>,
    pub unreadable: Vec<Unreadable>,
    /// Another repository that one of them belongs to.
    of: Option<String>,
}

/// Reads the acts alone, but for those that are kept; keeps them.
pub(super) fn acts(disk: &dyn Disk, config: &Config, kept: &KeptActs) -> Result<ReadActs, Error> {
    let row = Row::acts();
    let files = row.list(disk)?;
    let mut read = read_row(disk, config, (&row, &files), &act, |number, length| kept.get(number, length));
    kept.keep(&files, &read.good);
    let lost = row.lost(&LostFiles::by(read.good.values().map(|entry| &entry.value)));
    read.leave_out(&lost);
    let gaps = gaps(&read, &lost, left_its_name(disk, &row));
    let unreadable = complaints(disk, (&row, |_, _| None), &read.bad, &gaps);
    let of = read.of();
    Ok(ReadActs { acts: read.good.into_values().map(|entry| entry.value).collect(), unreadable, of })
}

/// Not one file is of this repository, and some are of another one: it is `segvault.json` that is not the one that belongs here. Who took them
/// for damaged would give up all there is.
fn refuse_another(disk: &dyn Disk, config: &Config, of: Option<String>) -> Result<(), Error> {
    let Some(of) = of else { return Ok(()) };
    let why = format!("it is of the repository {}, points and acts are of {of}", config.id);
    Err(Error::damaged(disk.display(paths::CONFIG), Damage::Json(why)))
}

type Facts<T> = (T, u64, Option<FileHash>, String);
type Decode<'d, T> = &'d dyn Fn(&[u8]) -> Result<Facts<T>, Damage>;

fn point(bytes: &[u8], alike: &Alike) -> Result<Facts<Point>, Damage> {
    let point = alike.share(Point::decode(bytes)?);
    let (number, previous, repository) = (point.number, point.previous, point.repository.clone());
    Ok((point, number, previous, repository))
}

fn act(bytes: &[u8]) -> Result<Facts<Act>, Damage> {
    let act = Act::decode(bytes)?;
    let (number, previous, repository) = (act.number, act.previous, act.repository.clone());
    Ok((act, number, previous, repository))
}

/// Reads the files of a row, with their lengths, but for those that were read before.
fn read_row<T>(
    disk: &dyn Disk,
    config: &Config,
    (row, files): (&Row, &BTreeMap<u64, u64>),
    decode: Decode<'_, T>,
    before: impl Fn(u64, u64) -> Option<Entry<T>>,
) -> Reading<T> {
    let mut reading = Reading { good: BTreeMap::new(), bad: BTreeMap::new() };
    for (&number, &length) in files {
        let read = || read_file(disk, config, row, number, decode);
        match before(number, length).map_or_else(read, Ok) {
            Ok(entry) => drop(reading.good.insert(number, entry)),
            Err(why) => drop(reading.bad.insert(number, why)),
        }
    }
    distrust_the_changed(&mut reading);
    reading
}

fn read_file<T>(
    disk: &dyn Disk,
    config: &Config,
    row: &Row,
    number: u64,
    decode: Decode<'_, T>,
) -> Result<Entry<T>, Bad> {
    let bytes = row.read(disk, number).map_err(|error| in_words(&error))?;
    let (value, own_number, previous, repository) = decode(&bytes)?;
    if own_number != number {
        return Err(format!("it says that it is number {own_number}").into());
    }
    if repository != config.id {
        let why = format!("it belongs to the repository {repository}");
        return Err(Bad { why, is_newer: false, of: Some(repository) });
    }
    Ok(Entry { value, hash: config.naming.file(&bytes), previous })
}

fn in_words(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn distrust_the_changed<T>(reading: &mut Reading<T>) {
    let changed: Vec<u64> = reading
        .good
        .iter()
        .filter_map(|(number, entry)| {
            let before = number.checked_sub(1)?;
            let vouched = entry.previous;
            reading.good.get(&before).filter(|found| vouched != Some(found.hash)).map(|_| before)
        })
        .collect();
    for number in changed {
        reading.good.remove(&number);
        reading.bad.insert(number, "the file behind it holds another hash of it".to_owned().into());
    }
}

/// The highest number that left its name to be mended, or given up: if it is neither there nor called lost it is missing, though no file behind
/// it tells. Where what was put aside can't be listed, nothing is known of it; that keeps nobody from reading the rest.
fn left_its_name(disk: &dyn Disk, row: &Row) -> u64 {
    row.set_aside(disk).unwrap_or(0)
}

/// Runs of numbers, first and last, that are neither there nor gone, up to the highest that is there or named.
fn gaps<T>(reading: &Reading<T>, gone: &BTreeSet<u64>, named: u64) -> Vec<(u64, u64)> {
    let there: BTreeSet<u64> = reading.good.keys().chain(reading.bad.keys()).chain(gone).copied().collect();
    let mut next = 1;
    let mut gaps = Vec::new();
    // The number behind the highest that is named is no file: it only ends the last run.
    for number in there.into_iter().chain([named.saturating_add(1)]) {
        if number > next {
            gaps.push((next, number.saturating_sub(1)));
        }
        next = number.saturating_add(1).max(next);
    }
    gaps
}

/// Which points a run of numbers is, from the first to the last: none where the row is one of acts.
type PointsOf = fn(u64, u64) -> Option<(u64, u64)>;

fn complaints(
    disk: &dyn Disk,
    (row, points_of): (&Row, PointsOf),
    bad: &BTreeMap<u64, Bad>,
    gaps: &[(u64, u64)],
) -> Vec<Unreadable> {
    let complaint = |(first, last): (u64, u64), why: String, is_newer: bool| Unreadable {
        path: disk.display(&row.path(first)),
        why,
        points: points_of(first, last),
        numbers: (first, last),
        is_newer,
    };
    let bad = bad.iter().map(|(number, bad)| complaint((*number, *number), bad.why.clone(), bad.is_newer));
    let missing = gaps.iter().map(|(first, last)| {
        let why = if first == last { "missing".to_owned() } else { format!("missing, and all up to {last}") };
        complaint((*first, *last), why, false)
    });
    bad.chain(missing).collect()
}

/// How often an act that somebody else came before is written again.
pub(super) const TRIES: usize = 16;

/// Writes an act beside one that writes. It has staging for itself: the file is written under a name of its own there.
pub(super) fn publish_beside(
    disk: &dyn Disk,
    config: &Config,
    (at, deed): (Moment, &Deed),
) -> Result<u64, Error> {
    let row = Row::acts();
    let mut newest = 0;
    for _ in 0..TRIES {
        let (number, previous) = NumberedRow::Acts.next(disk, config, 0)?;
        let (kind, repository) = (act::TYPE.to_owned(), config.id.clone());
        let (version, deed) = (act::VERSION, deed.clone());
        let act = Act { kind, version, number, previous, repository, at, deed };
        let refuse = |rule: String| Error::Rule { path: disk.display(&row.path(number)), rule };
        let bytes = act.encode().map_err(|damage| refuse(damage.to_string()))?;
        let reads_back = Act::decode(&bytes).is_ok_and(|read| read == act);
        if !reads_back || bytes.len() as u64 > limits::SMALL_FILE_MAX {
            return Err(refuse("it would not read back".to_owned()));
        }
        if staging::publish_alone(disk, &row.path(number), &bytes)? {
            return Ok(number);
        }
        newest = number;
    }
    Err(taken(disk, &row.path(newest)))
}

/// The points that acts name.
pub(super) struct Named {
    /// Those named gone, or lost.
    pub gone: BTreeSet<u64>,
    /// The highest number; 0 if there is none.
    pub highest: u64,
}

impl Named {
    pub fn by(acts: &[Act]) -> Self {
        let gone = Row::points().lost(&LostFiles::by(acts));
        let mut named = Self { highest: gone.last().copied().unwrap_or(0), gone };
        for act in acts {
            let references = references(&act.deed);
            let numbers = references.iter().map(|reference| reference.number);
            named.highest = numbers.clone().fold(named.highest, u64::max);
            if matches!(act.deed, Deed::Gone { .. }) {
                named.gone.extend(numbers);
            }
        }
        named
    }
}

pub(super) fn references(deed: &Deed) -> Vec<PointRef> {
    match deed {
        Deed::Held { point, .. }
        | Deed::Released { point }
        | Deed::Incomplete { point, .. }
        | Deed::Drilled { point, .. } => vec![*point],
        Deed::Forgotten { points, .. } | Deed::Remembered { points } | Deed::Gone { points } => {
            points.clone()
        }
        Deed::Erased { points, .. } | Deed::Dropped { points, .. } => {
            points.iter().map(View::reference).collect()
        }
        Deed::Verified { .. }
        | Deed::Damaged { .. }
        | Deed::Dead { .. }
        | Deed::Copied { .. }
        | Deed::Lost { .. }
        | Deed::Unknown => Vec::new(),
    }
}
