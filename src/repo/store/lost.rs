//! Numbered files that were given up: acts say that they are lost. What stands under such a name counts no more, and the number stays used.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::act::{Act, Deed};
use crate::repo::format::id::ChunkId;
use crate::repo::format::moment::Moment;
use crate::repo::paths;
use crate::repo::store::mend::take_away;
use crate::repo::store::numbered::Row;
use crate::repo::store::session::Session;
use std::collections::{BTreeMap, BTreeSet};

/// The numbers that acts call lost, by the directory of their row.
#[derive(Clone, Debug, Default)]
pub struct LostFiles(BTreeMap<String, BTreeSet<u64>>);

impl LostFiles {
    /// As these acts say. None of them speaks of itself, nor of a later one.
    pub fn by<'a>(acts: impl IntoIterator<Item = &'a Act>) -> Self {
        let mut lost = Self::default();
        for act in acts {
            let Deed::Lost { files, .. } = &act.deed else { continue };
            for (directory, number) in files.iter().filter_map(|path| split(path)) {
                if directory != paths::ACTS || number < act.number {
                    lost.0.entry(directory.to_owned()).or_default().insert(number);
                }
            }
        }
        lost
    }

    /// These, too.
    #[must_use]
    pub fn and(mut self, files: &[String]) -> Self {
        for (directory, number) in files.iter().filter_map(|path| split(path)) {
            self.0.entry(directory.to_owned()).or_default().insert(number);
        }
        self
    }

    /// The lost numbers of the files in a directory.
    pub fn in_directory(&self, directory: &str) -> BTreeSet<u64> {
        self.0.get(directory).cloned().unwrap_or_default()
    }

    /// Whether a file is lost.
    pub fn has(&self, directory: &str, number: u64) -> bool {
        self.0.get(directory).is_some_and(|numbers| numbers.contains(&number))
    }

    /// The next lower number that there was and that is not lost; none below the first.
    pub fn before(&self, directory: &str, number: u64) -> Option<u64> {
        let mut before = number.checked_sub(1)?;
        while self.has(directory, before) {
            before = before.checked_sub(1)?;
        }
        (before > 0).then_some(before)
    }

    /// The number before, if that is not lost: the file holds its hash. Behind lost ones nobody knows: it was written before one was given up and
    /// holds the hash of that, or behind that.
    pub fn neighbour(&self, directory: &str, number: u64) -> Option<u64> {
        self.before(directory, number).filter(|before| before.saturating_add(1) == number)
    }
}

/// The chunks that acts call lost. One that is in a pack all the same, or again, is there.
pub fn lost_chunks<'a>(acts: impl IntoIterator<Item = &'a Act>) -> BTreeSet<ChunkId> {
    let chunks = acts.into_iter().filter_map(|act| match &act.deed {
        Deed::Lost { chunks, .. } => Some(chunks),
        _ => None,
    });
    chunks.flatten().copied().collect()
}

/// The directory of a numbered file, and its number; none for what is no such file.
fn split(path: &str) -> Option<(&str, u64)> {
    let (directory, name) = path.rsplit_once('/')?;
    Some((directory, Row::of(directory)?.number(name)?))
}

impl Session<'_> {
    /// Says that these numbered files (paths in the repository) and chunks are lost, and puts aside what stands under the names of the files; gives the
    /// number of the act.
    ///
    /// Acts leave their names before it is said: no act can be written behind a damaged one. Until it is said they are missing, which readers
    /// see. All others leave theirs behind it: whoever finds one still there knows that it counts no more.
    pub fn give_up(
        &mut self,
        at: Moment,
        (files, chunks): (&[String], &[ChunkId]),
        reason: &str,
    ) -> Result<u64, Error> {
        if let Some(path) = files.iter().find(|path| split(path).is_none()) {
            return Err(self.rule(format!("{path} is no numbered file")));
        }
        self.repository.may_remove()?;
        let (acts, others): (Vec<_>, Vec<_>) =
            files.iter().partition(|path| split(path).is_some_and(|(directory, _)| directory == paths::ACTS));
        let disk = self.repository.disk();
        self.guarded(|_| put_aside(disk, &acts))?;
        let number = self.publish_act(
            at,
            Deed::Lost { files: files.to_vec(), chunks: chunks.to_vec(), reason: reason.to_owned() },
        )?;
        self.guarded(|_| put_aside(disk, &others))?;
        Ok(number)
    }
}

/// Puts aside what acts call lost and still has its name: whoever gave it up was killed before it was done, and writers would meet it. (The acts are
/// durable by now.)
pub(super) fn finish_giving_up(disk: &dyn Disk, acts: &[Act]) -> Result<(), Error> {
    for (directory, numbers) in LostFiles::by(acts).0 {
        let row = Row::of(&directory);
        for path in row.iter().flat_map(|row| numbers.iter().map(|number| row.path(*number))) {
            if disk.length(&path).is_ok() {
                take_away(disk, &path)?;
            }
        }
    }
    Ok(())
}

fn put_aside(disk: &dyn Disk, files: &[&String]) -> Result<(), Error> {
    files.iter().try_for_each(|path| take_away(disk, path))
}

impl Row {
    /// The numbers of it that are lost.
    pub(super) fn lost(&self, lost: &LostFiles) -> BTreeSet<u64> {
        lost.in_directory(self.directory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::act::{TYPE, VERSION};

    fn act(number: u64, files: &[&str]) -> Act {
        let files = files.iter().map(|path| (*path).to_owned()).collect();
        Act {
            kind: TYPE.to_owned(),
            version: VERSION,
            number,
            previous: None,
            repository: String::new(),
            at: Moment(0),
            deed: Deed::Lost { files, chunks: Vec::new(), reason: "a test".to_owned() },
        }
    }

    #[test]
    fn each_row_has_its_own_lost_numbers_and_no_act_speaks_of_itself_or_a_later_one() {
        let acts = [act(3, &["points/2.json", "acts/2.json", "acts/3.json", "acts/4.json", "logs/ab/7"])];
        let lost = LostFiles::by(&acts);
        assert_eq!(lost.in_directory("points"), BTreeSet::from([2]));
        assert_eq!(lost.in_directory("acts"), BTreeSet::from([2]));
        assert!(lost.has("logs/ab", 7) && !lost.has("logs/ac", 7) && !lost.has("logs", 7));
    }

    #[test]
    fn what_names_no_numbered_file_is_nothing() {
        for path in ["points/2", "points/x.json", "packs/ab/cd", "logs/7", "acts", "", "logsab/7"] {
            assert_eq!(split(path), None, "{path}");
        }
    }

    #[test]
    fn the_number_before_is_one_that_counts() {
        let lost = LostFiles::by(&[act(9, &["points/2.json", "points/3.json", "points/1.json"])]);
        assert_eq!([6, 5, 4].map(|number| lost.before("points", number)), [Some(5), Some(4), None]);
        assert_eq!([1, 0].map(|number| lost.before("acts", number)), [None, None]);
        assert_eq!([6, 5, 4].map(|number| lost.neighbour("points", number)), [Some(5), Some(4), None]);
        let lost = LostFiles::by(&[act(9, &["points/5.json"])]);
        assert_eq!((lost.before("points", 6), lost.neighbour("points", 6)), (Some(4), None));
    }
}
