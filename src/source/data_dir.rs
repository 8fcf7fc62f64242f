//! An Axon Server data directory, as a stopped node or a file-system snapshot leaves it, or live.
//!
//! What is there is looked at anew each time; nothing is remembered between listings but which directory holds the contexts.

use crate::axon::name::Store;
use crate::source::Source;
use crate::source::control_zip;
use crate::source::copied_db;
use crate::source::error::Error;
use crate::source::listing::{ControlDbCapture, Identity, Listing, Remark, StoreFile};
use crate::source::properties;
use crate::source::scan;
use crate::source::scan::Look;
use crate::source::segment_bytes::SegmentBytes;
use crate::source::segment_bytes::{open_mapped, open_plain};
use crate::source::storage::{DATA, Storage, clean};
use crate::source::unfound;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Where the control database comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlDbFrom {
    /// A zip, or a directory of zips (the newest that is not too new is taken), or the database itself of a stopped node (`.mv.db`).
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
    Named,
}

/// A data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    options: DataDirOptions,
    directory: PathBuf,
    taken: Taken,
    storage: Storage,
    host: String,
    passed_over: Vec<PathBuf>,
    /// Stores of which the last listing showed no segment, in any context.
    bare: Vec<Store>,
    /// What the last listing did not find in directories that were named.
    unfound: Vec<Remark>,
}

impl DataDir {
    /// Finds the directory that holds the contexts: the one given, or `data/` in it. `NoDirectory` if it is none, `NoContexts` if
    /// neither holds one, `Ambiguous` if both do.
    pub fn open(options: DataDirOptions) -> Result<Self, Error> {
        let (directory, taken) = contexts_directory(&options.path)?;
        let storage = Storage::in_one(&directory);
        Ok(Self {
            options,
            directory,
            taken,
            storage,
            host: host(),
            passed_over: Vec::new(),
            bare: Vec::new(),
            unfound: Vec::new(),
        })
    }

    /// A node whose directories are named, each of them: one that is not there is an error.
    pub fn open_in(options: DataDirOptions, storage: Storage) -> Result<Self, Error> {
        let named = storage.events.iter().chain(&storage.snapshots).chain(storage.own.values());
        if let Some(missing) = named.clone().find(|path| !path.is_dir()) {
            return Err(Error::NoDirectory { path: missing.clone() });
        }
        let directory = storage.events.first().cloned().unwrap_or_else(|| options.path.clone());
        let opened = Self {
            options,
            directory,
            taken: Taken::Named,
            storage,
            host: host(),
            passed_over: Vec::new(),
            bare: Vec::new(),
            unfound: Vec::new(),
        };
        if scan::contexts_of(&opened.storage, Look::Names)?.contexts.is_empty() {
            return Err(Error::NoContexts { path: opened.directory });
        }
        Ok(opened)
    }

    fn look(&self, look: Look) -> Result<Listing, Error> {
        let listing = scan::contexts_of(&self.storage, look)?;
        if listing.contexts.is_empty() {
            return Err(Error::NoContexts { path: self.directory.clone() });
        }
        Ok(listing)
    }

    /// Settings beside the data that say that a store lies elsewhere, of which nothing is here: what is read is not all that there is.
    fn elsewhere(&self) -> Option<Remark> {
        if self.taken == Taken::Named {
            return None;
        }
        let (path, settings) = properties::beside(&absolute(&self.directory).ok()?)?;
        let place = |store: Store| settings.get(properties::storage_of(store)).map(String::as_str);
        let [snapshots, events] =
            [place(Store::Snapshots), place(Store::Events)].map(|place| place.unwrap_or(DATA));
        let at = |place: &str| clean(&self.directory.join(place));
        let store = self.bare.first().filter(|_| at(snapshots) != at(events))?;
        let named = if *store == Store::Snapshots { snapshots } else { events };
        let text = format!(
            "{} says that {store} are in {named}: none of them is in {}, and none is archived; have the settings followed with --properties",
            path.display(),
            self.directory.display()
        );
        Some(Remark { what: "store-elsewhere", is_warning: true, context: None, text })
    }

    /// A context has no name that begins with a dot; but who wonders where one is should not have to guess that.
    fn hidden(&self) -> impl Iterator<Item = Remark> + use<> {
        let directories: BTreeSet<_> = self.storage.events.iter().chain(&self.storage.snapshots).collect();
        let found: Vec<_> =
            directories.into_iter().flat_map(|directory| scan::hidden_data(directory)).collect();
        found.into_iter().map(|path| {
            let text =
                format!("{} has data files, and was passed over: no context has such a name", path.display());
            Remark { what: "hidden", is_warning: false, context: None, text }
        })
    }

    /// What is known of a node whose directories were named.
    fn named_facts(&self) -> BTreeMap<String, String> {
        let paths = |paths: &[PathBuf]| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        let mut facts = self.storage.facts.clone();
        facts.insert("events".to_owned(), paths(&self.storage.events));
        facts.insert("snapshots".to_owned(), paths(&self.storage.snapshots));
        for ((context, store), path) in &self.storage.own {
            facts.insert(format!("{store} of {context}"), path.display().to_string());
        }
        facts
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

    /// Where a running server's pid file would be: where its settings say, in its root, or beside its data or its control database.
    fn pid_files(&self, database: &Path) -> Vec<PathBuf> {
        let mut directories = self.storage.pid_files.clone();
        directories.extend([self.options.path.clone(), self.directory.clone()]);
        for path in [self.directory.as_path(), database].into_iter().filter_map(Path::parent) {
            directories.extend([Some(path), path.parent()].into_iter().flatten().map(Path::to_path_buf));
        }
        directories.into_iter().map(|directory| directory.join(copied_db::PID_FILE)).collect()
    }

    /// The directory that holds the contexts.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
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
        if self.taken == Taken::Named {
            facts.extend(self.named_facts());
            if let Some(node) = &self.storage.node {
                facts.insert("node".to_owned(), node.clone());
                name.clone_from(node);
            }
            return Ok(Identity { name, facts });
        }
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
        let listing = self.look(Look::Files)?;
        let is_bare =
            |store: &Store| listing.contexts.values().all(|found| found.store(*store).segments.is_empty());
        self.bare = Store::ALL.into_iter().filter(is_bare).collect();
        self.unfound = unfound::remarks(&self.storage, &listing);
        Ok(listing)
    }

    fn names(&mut self) -> Result<Listing, Error> {
        self.look(Look::Names)
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, Error> {
        let given = match &self.options.control_db {
            ControlDbFrom::None(reason) => return Ok(ControlDbCapture::Absent { reason: reason.clone() }),
            ControlDbFrom::Zip(given) => given.clone(),
        };
        if copied_db::is_database(&given) {
            return copied_db::copy(&given, &self.pid_files(&given));
        }
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

    fn remarks(&mut self) -> Vec<Remark> {
        self.elsewhere().into_iter().chain(self.hidden()).chain(self.unfound.iter().cloned()).collect()
    }
}

impl Taken {
    fn words(self) -> &'static str {
        match self {
            Self::Given => "the directory given",
            Self::DataInGiven => "data/ in the directory given",
            Self::Named => "what the settings name",
        }
    }
}

/// The path from the root on. Symbolic links stay as they were named: `latest` may lead to another file-system snapshot each day, and is
/// the same source all the same. Only what `..` leads to is looked up.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let goes_up = path.components().any(|component| component == Component::ParentDir);
    let found = if goes_up { path.canonicalize() } else { std::path::absolute(path) };
    // A slash at its end makes it no other directory.
    Ok(found.map_err(|source| Error::io(path, source))?.components().collect())
}
