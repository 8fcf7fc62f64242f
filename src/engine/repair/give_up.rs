//! Points, acts and records that can't be read, and that no copy brings back: said to be lost, so that all else goes on. So are records whose lists
//! of segments can't be read: nobody knows what the next one has to hold.

use crate::engine::error::Error;
use crate::engine::logs::{LogDirectory, directories};
use crate::engine::observe::Observer;
use crate::engine::prune::logs_of;
use crate::engine::repair::lost_chunks;
use crate::engine::repair::report::GivenUp;
use crate::engine::repair::stranded;
use crate::engine::select;
use crate::repo;
use crate::repo::format::id::{FileHash, PageId};
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::moment::Moment;
use crate::repo::format::record::Record;
use crate::repo::paths;
use crate::repo::store::{Journal, LostFiles, NumberedRow, Repository, Unreadable};
use std::collections::{BTreeMap, BTreeSet};

/// So many files of one row can be missing together: where it seems that there are more, a number is wrong.
const MISSING_MAX: u64 = 10_000;
/// So many of a log's newest records have to be whole.
const NEWEST: usize = 2;

/// Names all that can't be read, and unless it is a dry run says that it is lost.
pub fn give_up(
    repository: &Repository,
    reason: &str,
    dry_run: bool,
    observer: &dyn Observer,
) -> Result<GivenUp, Error> {
    repository.refuse_directories()?;
    let before = newest(repository)?;
    let mut given_up = look(repository, dry_run, observer)?;
    if dry_run {
        return Ok(given_up);
    }
    if !given_up.is_any() {
        // Whoever gave them up may have been killed before it was durable.
        repository.settle()?;
        repository.settle_aside()?;
        return Ok(given_up);
    }
    repository.may_remove()?;
    let mut session = repository.session()?;
    // Once more, now that nobody else writes: what was on its way is there, and may need what nothing needed before.
    if newest(repository)? == before {
        given_up.files = unreadable(repository)?;
    } else {
        given_up = look(repository, dry_run, observer)?;
    }
    lost_chunks::leave_out_known(&mut session, &mut given_up)?;
    let (files, chunks) = (given_up.files.as_slice(), given_up.chunks.as_slice());
    if !(files.is_empty() && chunks.is_empty()) {
        given_up.act = Some(session.give_up(Moment(observer.now_ms()), (files, chunks), reason)?);
    }
    lost_chunks::put_aside(&mut session, &mut given_up)?;
    Ok(given_up)
}

/// All that would be given up.
fn look(repository: &Repository, dry_run: bool, observer: &dyn Observer) -> Result<GivenUp, Error> {
    let mut given_up = GivenUp { dry_run, files: unreadable(repository)?, ..GivenUp::default() };
    given_up.stranded = stranded::find(repository, &given_up.files)?;
    lost_chunks::find(repository, &mut given_up, observer)?;
    Ok(given_up)
}

/// The newest number of each row: as long as these are the same, nothing was published.
fn newest(repository: &Repository) -> Result<Vec<(String, Option<u64>)>, Error> {
    let mut found = Vec::new();
    for row in [NumberedRow::Points, NumberedRow::Acts] {
        found.push((row.directory(), row.numbers(repository.disk())?.last().copied()));
    }
    found.extend(directories(repository)?.into_iter().map(|log| (log.path, log.numbers.last().copied())));
    Ok(found)
}

/// The paths of all points, acts and records that can't be read, or are missing; and of those that were given up and still have their names.
fn unreadable(repository: &Repository) -> Result<Vec<String>, Error> {
    let journal = repository.journal()?;
    let lost = LostFiles::by(&journal.acts);
    let mut files = BTreeSet::new();
    for file in &journal.unreadable {
        files.extend(numbered(repository, file)?);
    }
    for log in directories(repository)? {
        files.extend(records(repository, &log, &lost)?);
    }
    files.extend(named(repository, &journal, &lost)?);
    files.extend(left(repository, &lost)?);
    Ok(files.into_iter().collect())
}

/// The paths of points, or acts, that the journal misses. What a newer program wrote is not lost; nor is what a disk does not give just now.
fn numbered(repository: &Repository, file: &Unreadable) -> Result<Vec<String>, Error> {
    let (path, (first, last)) = (file.path.clone(), file.numbers);
    if file.is_newer {
        return Err(select::Error::Newer { path, why: file.why.clone() }.into());
    }
    if last.saturating_sub(first) >= MISSING_MAX {
        let why = format!("{}: more than were ever written", file.why);
        return Err(select::Error::Unreadable { path, why }.into());
    }
    let row = if file.points.is_some() { NumberedRow::Points } else { NumberedRow::Acts };
    let mut files = Vec::new();
    for number in first..=last {
        content(repository, &row.path(number))?;
        if !repository.is_undoubted(&row, number) {
            files.push(row.path(number));
        }
    }
    Ok(files)
}

/// The bytes of a file; none if it is missing. That the disk does not give them is an error: another time it may.
fn content(repository: &Repository, path: &str) -> Result<Option<Vec<u8>>, Error> {
    match repository.disk().read(path, SMALL_FILE_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(source) => match repo::Error::reading(repository.disk().display(path), source) {
            repo::Error::Missing { .. } => Ok(None),
            error => Err(error.into()),
        },
    }
}

/// Those of a log: all that can't be read; and the one before the newest, which a prune leaves, if it is missing or another one.
fn records(repository: &Repository, log: &LogDirectory, lost: &LostFiles) -> Result<Vec<String>, Error> {
    let path = |number: u64| log.record(number);
    let mut good: BTreeMap<u64, Sound> = BTreeMap::new();
    let mut bad = Vec::new();
    for number in &log.numbers {
        match record(repository, log, *number)? {
            Some(sound) if !lost.has(&log.path, *number) => _ = good.insert(*number, sound),
            _ => bad.push(path(*number)),
        }
    }
    bad.extend(without_tree(repository, &mut good)?.into_iter().map(path));
    if let Some((newest, Sound { previous, .. })) = good.last_key_value()
        && let Some(before) = lost.neighbour(&log.path, *newest)
        && good.get(&before).is_none_or(|sound| *previous != Some(sound.hash))
    {
        bad.push(path(before));
    }
    Ok(bad)
}

/// Takes those out whose lists of segments can't be read, until the two newest are left that have theirs: the next backup goes on from the newest,
/// and a prune leaves these two. Older ones are in nobody's way.
fn without_tree(repository: &Repository, good: &mut BTreeMap<u64, Sound>) -> Result<Vec<u64>, Error> {
    let (mut bad, mut whole) = (Vec::new(), 0);
    for (number, sound) in good.iter().rev() {
        if whole == NEWEST {
            break;
        }
        if is_lost(repository, sound.root)? { bad.push(*number) } else { whole += 1 }
    }
    good.retain(|number, _| !bad.contains(number));
    Ok(bad)
}

/// Whether a page of a tree is missing, or is not what its name says.
fn is_lost(repository: &Repository, root: PageId) -> Result<bool, Error> {
    match repository.tree(root) {
        Ok(_) => Ok(false),
        Err(newer @ repo::Error::Unsupported { .. }) => Err(newer.into()),
        Err(error) if error.is_lost() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// A record that can be read.
struct Sound {
    /// Hash of its file.
    hash: FileHash,
    /// Hash that it holds of the one before.
    previous: Option<FileHash>,
    /// Its list of segments.
    root: PageId,
}

/// A record; none if it can't be read.
fn record(repository: &Repository, log: &LogDirectory, number: u64) -> Result<Option<Sound>, Error> {
    let path = log.record(number);
    let Some(bytes) = content(repository, &path)? else { return Ok(None) };
    match Record::decode(&bytes) {
        Ok(record) if record.number == number && paths::log(&record.state.key) == log.path => {
            let (hash, previous, root) =
                (repository.naming().file(&bytes), record.previous, record.state.root);
            Ok(Some(Sound { hash, previous, root }))
        }
        Ok(_) => Ok(None),
        Err(damage) => match repo::Error::damaged(repository.disk().display(&path), damage) {
            newer @ repo::Error::Unsupported { .. } => Err(newer.into()),
            _ => Ok(None),
        },
    }
}

/// Records that points name, and that are newer than all that are there.
fn named(repository: &Repository, journal: &Journal, lost: &LostFiles) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for (key, log) in journal.points.iter().flat_map(logs_of) {
        let newest = repository.record_numbers(&key)?.last().copied().unwrap_or_default();
        if log.record > newest && !lost.has(&paths::log(&key), log.record) {
            missing.push(paths::record(&key, log.record));
        }
    }
    Ok(missing)
}

/// Points and acts that were given up, and still have their names: a crash came before they left them.
fn left(repository: &Repository, lost: &LostFiles) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    for row in [NumberedRow::Points, NumberedRow::Acts] {
        let (directory, there) = (row.directory(), row.numbers(repository.disk())?.into_iter());
        left.extend(there.filter(|number| lost.has(&directory, *number)).map(|number| row.path(number)));
    }
    Ok(left)
}
