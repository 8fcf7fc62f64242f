//! The control databases of all points, equal ones once.

use crate::axon::control_db::{WalkError, contents, rebuild, take_apart};
use crate::engine::content;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::restore::recipe;
use crate::engine::verify::book::{Book, Part};
use crate::engine::verify::contents;
use crate::engine::verify::history::Lost;
use crate::engine::verify::packs::{Packs, stop_if_interrupted};
use crate::engine::verify::report::Class;
use crate::repo;
use crate::repo::format::id::{ChunkId, ContentHash};
use crate::repo::format::limits::CONTROL_DB_MAX;
use crate::repo::format::point::{Content, ControlDb, RebuiltZip};
use crate::repo::store::{Journal, Repository};
use std::collections::BTreeMap;

const ADVICE: &str = "run 'segvault repair from' a directory that has the zip; or restore another point, or this one with --no-control-db: events and snapshots are not hurt";
const ADVICE_INSIDE: &str = "information only: the bytes are those that were archived; a server that opens it may step back to its last whole state, or refuse";

/// A control database, as one or more points have it.
#[derive(Clone, Debug)]
pub struct Database {
    /// The database; the zip itself, if only that was archived.
    pub content: Content,
    /// The name inside the zip, and what rebuilds the zip; the zip itself, if there is nothing.
    zips: BTreeMap<ContentHash, (String, RebuiltZip)>,
    is_zip: bool,
    /// The points.
    pub points: Vec<u64>,
}

/// All control databases, by the chunks with their lists and their hashes.
pub type Databases = BTreeMap<(ChunkId, ContentHash), Database>;

/// Collects them from all points.
pub fn collect(journal: &Journal) -> Databases {
    let mut found = BTreeMap::new();
    for listed in &journal.points {
        let (content, zip, is_zip) = match &listed.point.body.control_db {
            ControlDb::Absent { .. } => continue,
            ControlDb::Inner { entry, inner, zip } => {
                (inner, zip.as_ref().map(|zip| (entry.clone(), zip.clone())), false)
            }
            ControlDb::Zip { zip, .. } => (zip, None, true),
        };
        let database = found.entry((content.list, content.blake3)).or_insert_with(|| Database {
            content: content.clone(),
            zips: BTreeMap::new(),
            is_zip,
            points: Vec::new(),
        });
        database.points.push(listed.point.number);
        database.zips.extend(zip.map(|(entry, zip)| (zip.blake3, (entry, zip))));
    }
    found
}

/// Checks control databases.
pub struct Checker<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
}

impl Checker<'_> {
    /// Marks the chunks that a database needs, and looks for them. The list itself has to be read for that.
    pub fn structure(
        &self,
        database: &Database,
        packs: &mut Packs,
        lost: &mut Lost,
        book: &mut Book,
    ) -> Result<(), Error> {
        stop_if_interrupted(self.observer)?;
        let part = Part::ControlDb(database.content.list);
        if let Some(why) = contents::need(self.repository, (part, &database.content), packs, lost)? {
            enter(database, &why, book);
        }
        Ok(())
    }

    /// Reads a database whole: its hash, and each zip rebuilt and compared.
    pub fn data(&self, database: &Database, book: &mut Book) -> Result<(), Error> {
        stop_if_interrupted(self.observer)?;
        let mut bytes = Vec::new();
        let read = content::stream(self.repository, &database.content, &mut |piece| {
            bytes.extend_from_slice(piece);
            if self.observer.interrupted() { Err(repo::Error::Interrupted) } else { Ok(()) }
        });
        match read {
            Ok(()) => {}
            Err(repo::Error::Interrupted) => return Err(Error::Interrupted),
            // What a newer program wrote is told of its pack.
            Err(repo::Error::Unsupported { .. }) => return Ok(()),
            Err(error) => {
                enter(database, &format!("it can't be read: {error}"), book);
                return Ok(());
            }
        }
        self.zips(database, &bytes, book);
        Ok(())
    }

    /// What a walk through the database file itself says. Information: page contents carry no checksum.
    pub fn inside(&self, database: &Database, book: &mut Book) -> Result<(), Error> {
        stop_if_interrupted(self.observer)?;
        let mut bytes = Vec::new();
        let read = content::stream(self.repository, &database.content, &mut |piece| {
            bytes.extend_from_slice(piece);
            if self.observer.interrupted() { Err(repo::Error::Interrupted) } else { Ok(()) }
        });
        if let Err(repo::Error::Interrupted) = read {
            return Err(Error::Interrupted);
        }
        // What can't be read is a finding of the data, not of what is inside.
        if read.is_err() || database.is_zip {
            return Ok(());
        }
        let text = match contents(&bytes) {
            Ok(found) if !found.torn => return Ok(()),
            Ok(_) => "its newest part is not whole".to_owned(),
            Err(WalkError::Unknown(_)) => return Ok(()),
            Err(error @ WalkError::Inconsistent(_)) => error.to_string(),
        };
        let text = format!("a control database, looked into: {text}");
        let number = book.add(Class::Note, "control-db-inside", text, ADVICE_INSIDE);
        book.hits(number, Part::ControlDb(database.content.list));
        Ok(())
    }

    fn zips(&self, database: &Database, bytes: &[u8], book: &mut Book) {
        if database.is_zip
            && let Err(error) = take_apart(bytes, CONTROL_DB_MAX)
        {
            enter(database, &format!("the zip can't be taken apart: {error}"), book);
        }
        for (entry, zip) in database.zips.values() {
            let rebuilt = rebuild(&recipe(entry, zip), bytes);
            if self.repository.naming().content(&rebuilt) != zip.blake3 {
                let text = format!(
                    "{} can't be rebuilt as the server wrote it; the database inside is whole",
                    zip.name
                );
                let number = book.add(Class::Damage, "control-db", text, ADVICE);
                book.hits(number, Part::ControlDb(database.content.list));
            }
        }
    }
}

fn enter(database: &Database, why: &str, book: &mut Book) {
    let number = book.add(Class::Damage, "control-db", format!("a control database: {why}"), ADVICE);
    book.hits(number, Part::ControlDb(database.content.list));
}
