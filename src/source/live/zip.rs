//! The zip that the server wrote because it was asked to: where its path leads here, whole, and (if that is wanted) removed when it is no
//! longer needed.
//!
//! A path that a server names is not trusted: it does not go up, it leads to a regular file, and what was mapped stays below the directory
//! that the user gave, whatever links there are.

use crate::axon::control_db::{named_ms, take_apart};
use crate::source::control_zip;
use crate::source::scan;
use crate::source::server::error::Error;
use crate::source::server::path_map::{Located, PathMap, ServerPath};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A zip that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) path: PathBuf,
    identity: FileIdentity,
}

/// What tells whether a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    length: u64,
    modified_ns: i64,
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified_ns: scan::modified_ns(metadata),
        }
    }
}

/// Why there is no zip.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be there, or whole, a moment later.
    NotYet(Error),
    /// It never will.
    Never(Error),
}

impl Trouble {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::NotYet(error) | Self::Never(error) => error,
        }
    }
}

/// Reads the zip that a server named.
pub(super) fn fetch(
    map: &PathMap,
    named: &ServerPath,
    attempts: usize,
) -> Result<(Captured, Vec<u8>), Trouble> {
    let located = map.locate(named);
    stays_inside(named, &located)?;
    let (metadata, bytes) = read(named, &located.path)?;
    let torn = |source| Error::ZipTorn { path: located.path.clone(), attempts, source };
    take_apart(&bytes, control_zip::LENGTH_MAX).map_err(|error| Trouble::NotYet(torn(error)))?;
    Ok((Captured { path: located.path, identity: FileIdentity::of(&metadata) }, bytes))
}

/// Below a mapped root, the file itself has to lie below it too.
fn stays_inside(named: &ServerPath, located: &Located) -> Result<(), Trouble> {
    match leads_out(located).map_err(|error| not_here(named, &located.path, &error))? {
        None => Ok(()),
        Some(outside) => {
            let why = format!("here that leads to {}, outside the path map", outside.display());
            Err(Trouble::Never(Error::ZipRefused { named: named.to_string(), why }))
        }
    }
}

/// Where a mapped path leads, if that is not below the directory that the user gave: a link could lead anywhere.
pub(super) fn leads_out(located: &Located) -> io::Result<Option<PathBuf>> {
    let Some(root) = &located.root else { return Ok(None) };
    let root = root.canonicalize()?;
    let parent = located.path.parent().unwrap_or(&located.path).canonicalize()?;
    Ok((!parent.starts_with(&root)).then_some(parent))
}

fn read(named: &ServerPath, path: &Path) -> Result<(Metadata, Vec<u8>), Trouble> {
    let failed = |error: &io::Error| not_here(named, path, error);
    let refused = |why: &str| {
        let why = format!("here that is {}, which {why}", path.display());
        Trouble::Never(Error::ZipRefused { named: named.to_string(), why })
    };
    let looked_at = path.symlink_metadata().map_err(|error| failed(&error))?;
    if !looked_at.is_file() {
        return Err(refused("is no regular file"));
    }
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(|error| failed(&error))?;
    let before = file.metadata().map_err(|error| failed(&error))?;
    if !before.is_file() || before.len() > control_zip::LENGTH_MAX {
        return Err(refused("is too large for a control-db zip"));
    }
    let mut bytes = Vec::new();
    (&file).take(control_zip::LENGTH_MAX).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    let after = file.metadata().map_err(|error| failed(&error))?;
    if FileIdentity::of(&before) != FileIdentity::of(&after) || bytes.len() as u64 != after.len() {
        let why = "it is still being written".to_owned();
        return Err(Trouble::NotYet(Error::ZipRefused { named: named.to_string(), why }));
    }
    Ok((after, bytes))
}

fn not_here(named: &ServerPath, path: &Path, error: &io::Error) -> Trouble {
    let (named, looked_for) = (named.to_string(), path.to_path_buf());
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    let why = if is_missing { "it is not there".to_owned() } else { error.to_string() };
    let error = Error::NotHere { named, looked_for, why };
    if is_missing { Trouble::NotYet(error) } else { Trouble::Never(error) }
}

impl Captured {
    /// Its name, for the manifest.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Removes it, if it is still the file that was archived.
    pub(super) fn remove(&self) -> io::Result<()> {
        if FileIdentity::of(&self.path.symlink_metadata()?) != self.identity {
            return Err(io::Error::other("it is no longer the file that was archived"));
        }
        fs::remove_file(&self.path)
    }

    /// Other zips of control databases beside it: how many, and their bytes.
    pub(super) fn older(&self) -> (u64, u64) {
        let Some(entries) = self.path.parent().and_then(|directory| fs::read_dir(directory).ok()) else {
            return (0, 0);
        };
        let others = entries.filter_map(Result::ok).filter(|entry| {
            let name = entry.file_name();
            named_ms(&name.to_string_lossy()).is_some() && entry.path() != self.path
        });
        let lengths = others
            .filter_map(|entry| entry.metadata().ok())
            .filter(Metadata::is_file)
            .map(|found| found.len());
        lengths.fold((0, 0), |(count, bytes), length| (count + 1, bytes + length))
    }
}
