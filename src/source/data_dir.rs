//! An Axon Server data directory, as a stopped node or a file-system snapshot leaves it, or live.
//!
//! What is there is looked at anew each time; nothing is remembered between listings but which directory holds the contexts.

use crate::source::Source;
use crate::source::control_zip;
use crate::source::error::Error;
use crate::source::listing::{ControlDbCapture, Identity, Listing, StoreFile};
use crate::source::properties;
use crate::source::scan;
use crate::source::segment_bytes::SegmentBytes;
use crate::source::segment_bytes::{open_mapped, open_plain};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Where the control database comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlDbFrom {
    /// A zip, or a directory of zips (the newest that is not too new is taken).
    Zip(PathBuf),
    /// Nowhere, and why.
    None(String),
}

/// How to read a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirOptions {
    /// The directory that holds the contexts, or a server's root with `data/` in it.
    pub path: PathBuf,
    /// The control database.
    pub control_db: ControlDbFrom,
    /// Take a zip that is newer than all data (the point then says `unordered`).
    pub accept_unordered: bool,
    /// Read sealed segments by plain reads.
    pub no_mmap: bool,
}

/// Which directory was taken for the one that holds the contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Given,
    DataInGiven,
}

/// A data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    options: DataDirOptions,
    directory: PathBuf,
    taken: Taken,
    host: String,
    passed_over: Vec<PathBuf>,
}

impl DataDir {
    /// Finds the directory that holds the contexts: the one given, or `data/` in it. `NoDirectory` if it is none, `NoContexts` if
    /// neither holds one, `Ambiguous` if both do.
    pub fn open(options: DataDirOptions) -> Result<Self, Error> {
        let (directory, taken) = contexts_directory(&options.path)?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self { options, directory, taken, host, passed_over: Vec::new() })
    }

    /// The same directory as if this machine were called `host`.
    #[must_use]
    pub fn with_host_name(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    /// The control-db zips, newest first, that the last capture passed over: newer than all data, and than the one it took.
    pub fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    /// The directory that holds the contexts.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

fn contexts_directory(given: &Path) -> Result<(PathBuf, Taken), Error> {
    if !given.is_dir() {
        return Err(Error::NoDirectory { path: given.to_path_buf() });
    }
    let inner = given.join("data");
    let inner_holds = inner.is_dir() && scan::holds_contexts(&inner)?;
    // A server's root holds more than data; what can't be read there is no concern of ours once `data/` has contexts.
    let given_holds = match scan::holds_contexts(given) {
        Err(_) if inner_holds => false,
        result => result?,
    };
    match (given_holds, inner_holds) {
        (true, false) => Ok((given.to_path_buf(), Taken::Given)),
        (false, true) => Ok((inner, Taken::DataInGiven)),
        (true, true) => Err(Error::Ambiguous { given: given.to_path_buf(), inner }),
        (false, false) => Err(Error::NoContexts { path: given.to_path_buf() }),
    }
}

impl Source for DataDir {
    fn identity(&self) -> Result<Identity, Error> {
        let directory = absolute(&self.directory)?;
        let mut facts = BTreeMap::from([
            ("directory".to_owned(), directory.display().to_string()),
            ("host".to_owned(), self.host.clone()),
            ("taken".to_owned(), self.taken.words().to_owned()),
        ]);
        let mut name = format!("{}:{}", self.host, directory.display());
        if let Some((path, properties)) = properties::beside(&directory) {
            facts.insert("properties".to_owned(), path.display().to_string());
            for key in properties::STORAGE {
                facts.extend(properties.get(key).map(|value| (key.to_owned(), value.clone())));
            }
            if let Some(node) = properties.get(properties::NODE_NAME) {
                facts.insert("node".to_owned(), node.clone());
                name.clone_from(node);
            }
        }
        Ok(Identity { name, facts })
    }

    fn listing(&mut self) -> Result<Listing, Error> {
        let listing = scan::contexts(&self.directory)?;
        if listing.contexts.is_empty() {
            return Err(Error::NoContexts { path: self.directory.clone() });
        }
        Ok(listing)
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, Error> {
        let given = match &self.options.control_db {
            ControlDbFrom::None(reason) => return Ok(ControlDbCapture::Absent { reason: reason.clone() }),
            ControlDbFrom::Zip(given) => given.clone(),
        };
        let listing = self.listing()?;
        let chosen = control_zip::choose(&given, &self.directory, &listing, self.options.accept_unordered)?;
        let zip = chosen.candidate.read()?;
        self.passed_over = chosen.passed_over;
        let name_of = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(ControlDbCapture::Claimed {
            name: chosen.candidate.name(),
            zip,
            is_too_new: chosen.is_too_new,
            passed_over: self.passed_over.iter().map(name_of).collect(),
        })
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, Error> {
        if file.is_volatile || self.options.no_mmap {
            open_plain(&file.path)
        } else {
            open_mapped(&file.path)
        }
    }
}

impl Taken {
    fn words(self) -> &'static str {
        match self {
            Self::Given => "the directory given",
            Self::DataInGiven => "data/ in the directory given",
        }
    }
}

/// The path from the root on. Symbolic links stay as they were named: `latest` may lead to another file-system snapshot each day, and is
/// the same source all the same. Only what `..` leads to is looked up.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let goes_up = path.components().any(|component| component == Component::ParentDir);
    let found = if goes_up { path.canonicalize() } else { std::path::absolute(path) };
    found.map_err(|source| Error::io(path, source))
}
