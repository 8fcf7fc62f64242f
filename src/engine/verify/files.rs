//! The plain files of all points, equal sets once.

use crate::engine::content;
use crate::engine::error::Error;
use crate::engine::files;
use crate::engine::observe::Observer;
use crate::engine::verify::book::{Book, Part};
use crate::engine::verify::contents;
use crate::engine::verify::history::Lost;
use crate::engine::verify::packs::{Packs, stop_if_interrupted};
use crate::engine::verify::report::Class;
use crate::repo;
use crate::repo::format::files::{FileSet, ListedFile};
use crate::repo::format::id::{ChunkId, ContentHash};
use crate::repo::format::point::Content;
use crate::repo::store::{Journal, Repository};
use std::collections::{BTreeMap, HashSet};

const ADVICE: &str = "restore without these files: events, snapshots and the control database are not hurt; the next backup that is asked \
                      for them archives them again";

/// A set, as one or more points have it.
#[derive(Clone, Debug)]
pub struct Set {
    set: FileSet,
    /// The points.
    pub points: Vec<u64>,
}

impl Set {
    /// What findings are about.
    pub fn part(&self) -> Part {
        Part::Files(self.list())
    }

    /// The chunk that its listing begins with.
    pub fn list(&self) -> ChunkId {
        self.set.listing.list
    }

    /// All chunks that it needs, as far as its listing can be read: what can't be has its finding.
    pub fn chunks(&self, repository: &Repository) -> Vec<ChunkId> {
        let listed = files::list(repository, &self.set).map(|list| list.files).unwrap_or_default();
        let contents =
            std::iter::once(self.set.listing.clone()).chain(listed.into_iter().map(|file| file.content));
        let chunks_of = |content: Content| {
            let extents = content::extents(repository, &content).unwrap_or_default();
            std::iter::once(content.list).chain(extents.into_iter().map(|extent| extent.chunk))
        };
        contents.flat_map(chunks_of).collect()
    }
}

/// All sets, by the chunks with the lists of their listings and the listings' hashes.
pub type Sets = BTreeMap<(ChunkId, ContentHash), Set>;

/// Collects them from all points.
pub fn collect(journal: &Journal) -> Sets {
    let mut found: Sets = BTreeMap::new();
    for listed in &journal.points {
        for set in &listed.point.body.files {
            let key = (set.listing.list, set.listing.blake3);
            let entry = found.entry(key).or_insert_with(|| Set { set: set.clone(), points: Vec::new() });
            entry.points.push(listed.point.number);
        }
    }
    found
}

/// Checks plain files.
pub struct FilesChecker<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
}

impl FilesChecker<'_> {
    /// Marks the chunks that a set needs, and looks for them.
    pub fn structure(
        &self,
        set: &Set,
        packs: &mut Packs,
        lost: &mut Lost,
        book: &mut Book,
    ) -> Result<(), Error> {
        stop_if_interrupted(self.observer)?;
        let trouble = contents::need(self.repository, (set.part(), &set.set.listing), packs, lost)?;
        enter(set, trouble.as_deref(), book);
        let is_lost = lost.parts.values().any(|parts| parts.contains(&set.part()));
        if trouble.is_some() || is_lost {
            return Ok(());
        }
        for file in self.list(set, book)? {
            let trouble = contents::need(self.repository, (set.part(), &file.content), packs, lost)?;
            enter(set, trouble.map(|why| format!("{}: {why}", file.name)).as_deref(), book);
        }
        Ok(())
    }

    /// Looks again, now that a read has found some chunks damaged.
    pub fn look_again(&self, set: &Set, packs: &Packs, lost: &mut Lost) -> Result<(), Error> {
        stop_if_interrupted(self.observer)?;
        contents::look_again(self.repository, (set.part(), &set.set.listing), packs, lost);
        let listed = files::list(self.repository, &set.set).map(|list| list.files).unwrap_or_default();
        for file in listed {
            contents::look_again(self.repository, (set.part(), &file.content), packs, lost);
        }
        Ok(())
    }

    /// Reads the files of a set whole, those that were not read yet.
    pub fn data(
        &self,
        set: &Set,
        done: &mut HashSet<(ChunkId, ContentHash)>,
        book: &mut Book,
    ) -> Result<(), Error> {
        for file in self.list(set, book)? {
            stop_if_interrupted(self.observer)?;
            if !done.insert((file.content.list, file.content.blake3)) {
                continue;
            }
            let read = content::stream(self.repository, &file.content, &mut |_| {
                if self.observer.interrupted() { Err(repo::Error::Interrupted) } else { Ok(()) }
            });
            match read {
                Err(repo::Error::Interrupted) => return Err(Error::Interrupted),
                // What a newer program wrote is told of its pack.
                Ok(()) | Err(repo::Error::Unsupported { .. }) => {}
                Err(error) => enter(set, Some(&format!("{} can't be read: {error}", file.name)), book),
            }
        }
        Ok(())
    }

    fn list(&self, set: &Set, book: &mut Book) -> Result<Vec<ListedFile>, Error> {
        match files::list(self.repository, &set.set) {
            Ok(list) if list.files.len() as u64 != set.set.count || list.bytes() != set.set.bytes => {
                enter(set, Some("its list has another number of files or bytes than the point says"), book);
                Ok(list.files)
            }
            Ok(list) => Ok(list.files),
            Err(repo::Error::Interrupted) => Err(Error::Interrupted),
            Err(repo::Error::Unsupported { .. }) => Ok(Vec::new()),
            Err(error) => {
                enter(set, Some(&format!("its list can't be read: {error}")), book);
                Ok(Vec::new())
            }
        }
    }
}

fn enter(set: &Set, why: Option<&str>, book: &mut Book) {
    let Some(why) = why else { return };
    let text = format!("plain files ({}): {why}", set.set.kind);
    let number = book.add(Class::Damage, "files", text, ADVICE);
    book.hits(number, set.part());
}
