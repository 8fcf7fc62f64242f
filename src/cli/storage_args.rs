//! Where a stopped server has what: directories beside `--data-dir`, or the server's own settings.

use crate::axon::name::Store;
use crate::cli::args::Backup;
use crate::cli::failure::Failure;
use crate::source::data_dir::{DataDir, DataDirOptions};
use crate::source::server::path_map::PathMap;
use crate::source::storage::{Properties, Storage};
use clap::Args;
use std::path::{Path, PathBuf};

/// Under which its options stand. Said of each: said of all, it would go on to what stands behind them.
const HEADING: &str = "Layout";

/// Directories of a server.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct StorageArgs {
    /// The server's axonserver.properties says where everything is; relative paths begin in --data-dir [default: where the file is]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "snapshots_dir", "tiers"], help_heading = HEADING)]
    pub properties: Option<PathBuf>,
    /// The directory that holds the contexts with their snapshots, if it is another one
    #[arg(long, value_name = "DIR", conflicts_with = "server", requires = "data_dir", help_heading = HEADING)]
    pub snapshots_dir: Option<PathBuf>,
    /// Another directory that holds contexts with older segments (may be repeated)
    #[arg(long = "tier", value_name = "DIR", conflicts_with = "server", requires = "data_dir", help_heading = HEADING)]
    pub tiers: Vec<PathBuf>,
    /// A directory that holds the segments of this context itself (may be repeated)
    #[arg(long = "context-dir", value_name = "CONTEXT=DIR", conflicts_with = "server", value_parser = context_dir, help_heading = HEADING)]
    pub context_dirs: Vec<(String, PathBuf)>,
}

fn context_dir(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err(format!("'{text}' names no directory of a context: give CONTEXT=DIR")),
    }
}

impl StorageArgs {
    fn is_named(&self) -> bool {
        self.properties.is_some()
            || self.snapshots_dir.is_some()
            || !self.tiers.is_empty()
            || !self.context_dirs.is_empty()
    }

    /// Further directories, beside what was found.
    fn add_to(&self, storage: &mut Storage) {
        if let Some(path) = &self.snapshots_dir {
            storage.snapshots = vec![path.clone()];
        }
        storage.events.extend(self.tiers.iter().cloned());
        storage.snapshots.extend(self.tiers.iter().cloned());
        for (name, path) in &self.context_dirs {
            for store in Store::ALL {
                storage.own.insert((name.clone(), store), path.clone());
            }
        }
    }
}

/// The directory that was named, with all that belongs to it.
pub(super) fn open(asked: &Backup, options: impl Fn(&Path) -> DataDirOptions) -> Result<DataDir, Failure> {
    let storage = &asked.storage;
    if let Some(properties) = &storage.properties {
        let properties = Properties::read(properties)?;
        let root = asked.data_dir.clone().unwrap_or_else(|| properties.root());
        let map = PathMap::parse(&asked.server.path_map).map_err(crate::source::Error::from)?;
        let mut found = properties.locate(&root, &map)?;
        storage.add_to(&mut found);
        return Ok(DataDir::open_in(options(&root), found)?);
    }
    if !asked.server.path_map.is_empty() {
        let message = "--path-map says where a server's paths lead, and no server is asked".to_owned();
        return Err(Failure::Usage {
            message,
            hint: "name it with --server, or its settings with --properties",
        });
    }
    let path = asked.data_dir.clone().unwrap_or_default();
    let data = DataDir::open(options(&path));
    if !storage.is_named() {
        return Ok(data?);
    }
    // With other directories beside it, this one need not hold a context.
    let directory = data.map_or_else(|_| path.clone(), |data| data.directory().to_path_buf());
    let mut found = Storage::in_one(&directory);
    storage.add_to(&mut found);
    Ok(DataDir::open_in(options(&path), found)?)
}
