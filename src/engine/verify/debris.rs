//! Files that nothing needs: left by interrupted runs, or superseded. They are counted, they are no damage.

use crate::repo::Error;
use crate::repo::disk::Listed;
use crate::repo::format::id::PageId;
use crate::repo::paths;
use crate::repo::store::Repository;

/// Files and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debris {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Debris {
    /// One more file.
    pub fn add(&mut self, length: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(length);
    }
}

/// Counts what is in `staging/`, pages that nothing reaches, and files in our directories that have none of our names.
pub fn count(repository: &Repository, is_reached: &dyn Fn(PageId) -> bool) -> Result<Debris, Error> {
    let disk = repository.disk();
    let mut debris = Debris::default();
    for (page, length) in paths::pages(disk)? {
        if !is_reached(page) {
            debris.add(length);
        }
    }
    files_in(repository, paths::STAGING)?.into_iter().for_each(|file| debris.add(file.length));
    for top in [paths::PACKS, paths::PAGES, paths::PARITY] {
        files_in(repository, top)?.into_iter().for_each(|file| debris.add(file.length));
        for directory in directories_in(repository, top)? {
            for file in files_in(repository, &format!("{top}/{directory}"))? {
                let is_ours = file.name.parse::<PageId>().is_ok() && file.name.starts_with(&directory);
                if !is_ours {
                    debris.add(file.length);
                }
            }
        }
    }
    Ok(debris)
}

/// Counts what lies in `damaged/`: damaged once, and made again since, or given up.
pub fn aside(repository: &Repository) -> Result<Debris, Error> {
    let mut aside = Debris::default();
    paths::list(repository.disk(), paths::DAMAGED)?.iter().for_each(|listed| aside.add(listed.length));
    Ok(aside)
}

fn files_in(repository: &Repository, path: &str) -> Result<Vec<Listed>, Error> {
    let listed = paths::list(repository.disk(), path)?;
    Ok(listed.into_iter().filter(|file| !file.is_directory).collect())
}

fn directories_in(repository: &Repository, path: &str) -> Result<Vec<String>, Error> {
    let listed = paths::list(repository.disk(), path)?;
    Ok(listed.into_iter().filter(|file| file.is_directory).map(|file| file.name).collect())
}
