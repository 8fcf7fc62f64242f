//! Putting a file back that is missing or damaged, the one place where a name gets another content; and taking one out of the way.
//!
//! The bytes are proven by whoever hands them over, and again here: a page by its name, a numbered file by its neighbours. The new content
//! is durable in `staging/` before the damaged file leaves its name; that goes to `damaged/`, and is never deleted here. A crash in between
//! leaves a name without a file, as it was before or worse by nothing: what stood there was damaged.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::id::{FileHash, PackId, PageId};
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::lost::LostFiles;
use crate::repo::store::numbered::NumberedRow;
use crate::repo::store::packs;
use crate::repo::store::read::Repository;
use crate::repo::store::session::Session;
use std::io::ErrorKind;

impl Session<'_> {
    /// Puts a page back. Its name proves it.
    pub fn mend_page(&mut self, id: PageId, bytes: &[u8]) -> Result<(), Error> {
        self.guarded(|session| {
            if session.repository.naming().page(bytes) != id {
                return Err(session.rule(format!("bytes that are not page {id}")));
            }
            session.mend(&paths::page(id), bytes)
        })
    }

    /// Puts a numbered file back. It has to be the one that its neighbours know: the one behind it holds its hash; where there is none, it
    /// holds the hash of the one before it.
    pub fn mend_numbered(&mut self, row: &NumberedRow, number: u64, bytes: &[u8]) -> Result<(), Error> {
        self.guarded(|session| {
            if !session.repository.is_vouched_for(row, number, bytes) {
                return Err(session.rule(format!("{}: its neighbours know another one", row.path(number))));
            }
            session.mend(&row.path(number), bytes)
        })
    }

    /// Takes a pack out of the way that is not what its name says, and of which not even the directory can be read: as long as it stands there,
    /// nobody can prove what it holds. Its bytes are kept. True if it was so; any other pack stays. Whoever asks has proven that all that is
    /// needed lies elsewhere.
    pub fn put_pack_aside(&mut self, pack: PackId) -> Result<bool, Error> {
        let disk = self.repository.disk();
        let is_readable = read_directory(disk, pack, self.length_of(pack)?).is_ok();
        if is_readable { Ok(false) } else { self.put_damaged_pack_aside(pack) }
    }

    /// The same of a pack whose directory may be read: what is needed and damaged in it was given up.
    pub fn put_damaged_pack_aside(&mut self, pack: PackId) -> Result<bool, Error> {
        self.guarded(|session| {
            let (disk, naming) = (session.repository.disk(), session.repository.naming());
            let proof = packs::prove(disk, naming, pack, session.length_of(pack)?);
            if !matches!(proof, Err(Error::Damaged { .. })) {
                return Ok(false);
            }
            take_away(disk, &paths::pack(pack))?;
            Ok(true)
        })
    }

    fn length_of(&self, pack: PackId) -> Result<u64, Error> {
        let (disk, path) = (self.repository.disk(), paths::pack(pack));
        disk.length(&path).map_err(|source| Error::reading(disk.display(&path), source))
    }

    /// Gives `path` this content, durably; what stood there is kept.
    pub(super) fn mend(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let staged = self.staging.write(bytes)?;
        set_aside(self.repository.disk(), path)?;
        if !self.staging.publish(&staged, path, bytes.len() as u64)? {
            return Err(Error::Overtaken { path: self.repository.disk().display(path) });
        }
        self.settle_directories()
    }
}

impl Repository {
    /// Makes durable that packs are aside, whoever put them there: a run that was killed may not have done that.
    pub fn settle_aside(&self) -> Result<(), Error> {
        let disk = self.disk();
        if self.is_unlocked() || paths::list(disk, paths::DAMAGED)?.is_empty() {
            return Ok(());
        }
        for listed in paths::list(disk, paths::PACKS)?.iter().filter(|listed| listed.is_directory) {
            let directory = format!("{}/{}", paths::PACKS, listed.name);
            disk.sync_directory(&directory)
                .map_err(|source| Error::writing(disk.display(&directory), source))?;
        }
        disk.sync_directory(paths::DAMAGED)
            .map_err(|source| Error::writing(disk.display(paths::DAMAGED), source))?;
        disk.sync_directory("").map_err(|source| Error::writing(disk.display(""), source))
    }

    /// Whether these bytes are the numbered file that belongs there, by its neighbours' word: what a repair may put there. (Those that are lost
    /// say nothing: it was written behind them.)
    pub fn is_vouched_for(&self, row: &NumberedRow, number: u64, bytes: &[u8]) -> bool {
        let Some(previous) = row.previous(number, &self.config.id, bytes) else { return false };
        if let Some(held) = self.held_behind(row, number) {
            return held.0 == Some(self.naming().file(bytes));
        }
        let lost = self.acts().map(|(acts, _)| LostFiles::by(&acts)).unwrap_or_default();
        match lost.before(row.row().directory(), number) {
            None => previous.is_none(),
            Some(before) => {
                let before = row.row().read(self.disk(), before);
                before.is_ok_and(|file| previous == Some(self.naming().file(&file)))
            }
        }
    }

    /// Whether there is a file behind it that can be read, and so knows which one it is.
    pub fn has_one_behind(&self, row: &NumberedRow, number: u64) -> bool {
        self.held_behind(row, number).is_some()
    }

    /// Whether nothing speaks against the numbered file that is there: it is well in itself, or a newer program wrote it, and the one behind it,
    /// if that can be read, knows no other. (That the one before it is damaged says nothing.)
    pub fn is_undoubted(&self, row: &NumberedRow, number: u64) -> bool {
        let Ok(bytes) = row.row().read(self.disk(), number) else { return false };
        (row.previous(number, &self.config.id, &bytes).is_some() || row.is_newer(&bytes))
            && self.held_behind(row, number).is_none_or(|held| held.0 == Some(self.naming().file(&bytes)))
    }

    /// The hash that the file behind holds; none if there is none that can be read.
    fn held_behind(&self, row: &NumberedRow, number: u64) -> Option<Predecessor> {
        let behind = number.checked_add(1)?;
        let file = row.row().read(self.disk(), behind).ok()?;
        row.previous(behind, &self.config.id, &file).map(Predecessor)
    }
}

/// What a numbered file says of the one before it: its hash; none if there was none.
struct Predecessor(Option<FileHash>);

/// Gives a file, if it is there, a name in `damaged/`, and makes it durable that it has left its own.
pub(super) fn take_away(disk: &dyn Disk, path: &str) -> Result<(), Error> {
    set_aside(disk, path)?;
    let directory = paths::parent(path);
    disk.sync_directory(directory).map_err(|source| Error::writing(disk.display(directory), source))
}

/// Gives a damaged file the first free name in `damaged/`.
fn set_aside(disk: &dyn Disk, path: &str) -> Result<(), Error> {
    let failed = |source| Error::writing(disk.display(path), source);
    if disk.length(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    disk.create_directory(paths::DAMAGED).map_err(failed)?;
    let flat = path.replace('/', "-");
    for copy in 1_u32.. {
        match disk.publish(path, &format!("{}/{flat}.{copy}", paths::DAMAGED)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            done => {
                done.map_err(failed)?;
                break;
            }
        }
    }
    disk.sync_directory(paths::DAMAGED).map_err(failed)?;
    disk.sync_directory("").map_err(failed)
}
