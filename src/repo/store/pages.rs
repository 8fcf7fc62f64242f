//! Pages: reading them with their hashes checked, and writing those that are not there yet.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::id::FileHash;
use crate::repo::format::id::Naming;
use crate::repo::format::id::PageId;
use crate::repo::format::limits;
use crate::repo::paths;
use crate::repo::store::session::Session;
use std::io::ErrorKind;

/// The bytes of a page, its hash checked.
pub(super) fn read(disk: &dyn Disk, naming: Naming, id: PageId) -> Result<Vec<u8>, Error> {
    let path = paths::page(id);
    let name = || disk.display(&path);
    let bytes = disk.read(&path, limits::SMALL_FILE_MAX).map_err(|source| Error::reading(name(), source))?;
    if naming.page(&bytes) == id {
        return Ok(bytes);
    }
    Err(Error::Damaged { path: name(), source: Damage::Hash { found: FileHash(naming.page(&bytes).0) } })
}

/// What stands under the name of a page that is to be put.
enum Standing {
    /// The page.
    Whole,
    /// Other bytes.
    Damaged,
    /// Nothing.
    Absent,
}

impl Session<'_> {
    pub(super) fn put_page(&mut self, bytes: &[u8]) -> Result<PageId, Error> {
        self.check_interrupt()?;
        let id = self.repository.naming().page(bytes);
        if self.pages.contains(&id) {
            return Ok(id);
        }
        if bytes.len() as u64 > limits::SMALL_FILE_MAX {
            return Err(self.rule("a page that is too long".to_owned()));
        }
        let path = paths::page(id);
        match self.standing(&path, bytes)? {
            Standing::Whole => {}
            Standing::Damaged => self.replace_page(&path, bytes)?,
            Standing::Absent => self.publish_page(&path, bytes)?,
        }
        self.pages.insert(id);
        Ok(id)
    }

    /// The pages and packs that this session found damaged, and wrote again.
    pub fn mended(&self) -> impl Iterator<Item = &String> {
        self.mended_pages.iter().chain(&self.packer.mended)
    }

    /// Its name proves that these are the bytes that belong there, whoever needs the page: what stood there is put aside.
    fn replace_page(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.mend(path, bytes)?;
        self.mended_pages.push(self.repository.disk().display(path));
        Ok(())
    }

    fn publish_page(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let staged = self.staging.write(bytes)?;
        if self.staging.publish(&staged, path, bytes.len() as u64)? {
            self.tally.file_bytes = self.tally.file_bytes.saturating_add(bytes.len() as u64);
            return Ok(());
        }
        match self.standing(path, bytes)? {
            Standing::Whole => Ok(()),
            _ => Err(Error::Missing { path: self.repository.disk().display(path) }),
        }
    }

    /// What stands under the name of a page, read and compared; if it is whole and not known to be durable, it gets so.
    fn standing(&mut self, path: &str, bytes: &[u8]) -> Result<Standing, Error> {
        let disk = self.repository.disk();
        let found = match disk.read(path, limits::SMALL_FILE_MAX) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Standing::Absent),
            read => read.map_err(|source| Error::reading(disk.display(path), source))?,
        };
        if found != bytes {
            return Ok(Standing::Damaged);
        }
        let length = bytes.len() as u64;
        if !self.repository.index.is_durable(path, length)? {
            self.staging.adopt(path, length)?;
        }
        Ok(Standing::Whole)
    }
}
