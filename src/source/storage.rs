//! Where a server keeps what: by its own defaults, by directories that are named, or by its `axonserver.properties`.
//!
//! Both stores of a context usually share one directory; they may also have roots of their own, further roots (tiers), and contexts may have
//! directories of their own, without a level for the context's name.

use crate::axon::name::Store;
use crate::source::error::Error;
use crate::source::properties;
use crate::source::server::path_map::{PathMap, ServerPath};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Directories of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Hold the contexts' directories with their events; the first one is where new segments are written.
    pub events: Vec<PathBuf>,
    /// The same for snapshots.
    pub snapshots: Vec<PathBuf>,
    /// Stores with a directory of their own.
    pub own: BTreeMap<(String, Store), PathBuf>,
    /// Where the server's pid file is looked for.
    pub pid_files: Vec<PathBuf>,
    /// What is known of it, for the manifest.
    pub facts: BTreeMap<String, String>,
    /// The node's name, where it is known.
    pub node: Option<String>,
}

impl Storage {
    /// Everything in one directory.
    pub fn in_one(directory: &Path) -> Self {
        let directory = directory.to_path_buf();
        Self { events: vec![directory.clone()], snapshots: vec![directory], ..Self::default() }
    }

    /// All roots, each with the stores that are looked for in it.
    pub(super) fn roots(&self) -> Vec<(&Path, Vec<Store>)> {
        let mut roots: Vec<(&Path, Vec<Store>)> = Vec::new();
        let all = [(Store::Events, &self.events), (Store::Snapshots, &self.snapshots)];
        for (store, path) in
            all.into_iter().flat_map(|(store, paths)| paths.iter().map(move |path| (store, path)))
        {
            match roots.iter_mut().find(|(known, _)| known == path) {
                Some((_, stores)) => stores.push(store),
                None => roots.push((path, vec![store])),
            }
        }
        roots
    }
}

/// What an `axonserver.properties` says, each path as it is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// The file.
    path: PathBuf,
    /// Keys without the prefix, in lower case, without `-` and `_`; and the values.
    values: BTreeMap<String, String>,
}

/// What all keys of the server begin with.
const PREFIX: &str = "axoniq.axonserver.";
/// The server's own place for data.
pub(super) const DATA: &str = "./data";
/// The server's own place for replication logs.
const LOG: &str = "./log";
/// Keys that rename files, and what they have to say if they are there.
const SUFFIXES: [(&str, &str); 6] = [
    ("event.eventssuffix", ".events"),
    ("snapshot.eventssuffix", ".snapshots"),
    ("event.indexsuffix", ".index"),
    ("snapshot.indexsuffix", ".sindex"),
    ("event.bloomindexsuffix", ".bloom"),
    ("snapshot.bloomindexsuffix", ".sbloom"),
];

impl Properties {
    /// Reads a file. What is set with a `${placeholder}` is an error where it says where data lies: only the server knows its value.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::io(path, source);
        // It may be a pipe: its length is known when it has been read.
        let mut text = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(properties::LENGTH_MAX + 1).read_to_end(&mut text));
        let is_long = read.map_err(failed)? as u64 > properties::LENGTH_MAX;
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if is_long || is_yaml {
            let what = if is_yaml { "it is YAML, not properties" } else { "it is too long for properties" };
            return Err(Error::Properties { path: path.to_path_buf(), what: what.to_owned() });
        }
        let all = properties::all(&String::from_utf8_lossy(&text));
        let values = all.into_iter().filter_map(|(key, value)| Some((canonical(&key)?, value))).collect();
        let found = Self { path: path.to_path_buf(), values };
        found.refuse_suffixes()?;
        Ok(found)
    }

    fn wrong(&self, what: String) -> Error {
        Error::Properties { path: self.path.clone(), what }
    }

    fn refuse_suffixes(&self) -> Result<(), Error> {
        match SUFFIXES.iter().find(|(key, own)| self.values.get(*key).is_some_and(|value| value != own)) {
            Some((key, own)) => {
                Err(self.wrong(format!("{PREFIX}{key} is not {own}: renamed files are not read")))
            }
            None => Ok(()),
        }
    }

    /// A path as it is written, or what the server does without.
    fn path_of(&self, key: &str, default: &str) -> Result<String, Error> {
        match self.values.get(key).filter(|value| !value.is_empty()) {
            Some(value) if value.contains("${") => {
                Err(self.wrong(format!("{PREFIX}{key} is {value}: write the path itself")))
            }
            Some(value) => Ok(value.clone()),
            None => Ok(default.to_owned()),
        }
    }

    /// Where events (or snapshots) are written.
    pub fn storage(&self, store: Store) -> Result<String, Error> {
        self.path_of(&format!("{}.storage", word(store)), DATA)
    }

    /// Further directories of a store, by their names.
    fn tiers(&self, store: Store) -> Result<Vec<String>, Error> {
        let prefix = format!("{}.storages.", word(store));
        let keys = self.values.keys().filter(|key| key.starts_with(&prefix));
        keys.map(|key| self.path_of(key, DATA)).collect()
    }

    /// Where the control database is. Newer servers have another word for it.
    pub fn control_db(&self) -> Result<String, Error> {
        let key = if self.values.contains_key("configdbpath") { "configdbpath" } else { "controldbpath" };
        self.path_of(key, DATA)
    }

    /// Where replication logs are.
    pub fn replication_log(&self) -> Result<String, Error> {
        self.path_of("replication.logstoragefolder", LOG)
    }

    /// Directories of contexts that have one of their own: in a cluster template, a context names it among its properties.
    pub fn own(&self) -> Result<BTreeMap<(String, Store), String>, Error> {
        let mut found = BTreeMap::new();
        for (key, name) in
            self.values.iter().filter_map(|(key, name)| Some((key.strip_suffix(".name")?, name)))
        {
            if !key.rsplit('.').next().is_some_and(|last| last.starts_with("contexts[")) {
                continue;
            }
            for store in Store::ALL {
                let wanted = format!("{}.storage", word(store));
                let spellings = [format!("{key}.metadata.{wanted}"), format!("{key}.metadata[{wanted}]")];
                if let Some(key) = spellings.iter().find(|key| self.values.contains_key(*key)) {
                    found.insert((name.clone(), store), self.path_of(key, DATA)?);
                }
            }
        }
        Ok(found)
    }

    /// The directory that relative paths begin in, unless another one is named: the one that the file is in, or the one above `config`.
    pub fn root(&self) -> PathBuf {
        let own = self.path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match own.file_name() {
            Some(name) if name == "config" => own.parent().unwrap_or(own).to_path_buf(),
            _ => own.to_path_buf(),
        }
    }

    /// Where everything is here. Relative paths begin in `root`; `path_map` says where the server's absolute ones lead.
    pub fn locate(&self, root: &Path, path_map: &PathMap) -> Result<Storage, Error> {
        let at = |text: &str| match ServerPath::parse(text) {
            Some(path) => clean(&path_map.locate(&path).path),
            None => clean(&root.join(text)),
        };
        let of = |store| -> Result<Vec<PathBuf>, Error> {
            let mut paths = vec![at(&self.storage(store)?)];
            paths.extend(self.tiers(store)?.iter().map(|text| at(text)));
            Ok(paths)
        };
        let own = self.own()?.into_iter().map(|(key, text)| (key, at(&text))).collect();
        let pid_file = self.path_of("pidfilelocation", ".")?;
        let node = self.values.get("name").filter(|name| !name.is_empty() && !name.contains("${")).cloned();
        Ok(Storage {
            events: of(Store::Events)?,
            snapshots: of(Store::Snapshots)?,
            own,
            pid_files: vec![at(&pid_file)],
            facts: self.facts(),
            node,
        })
    }

    /// What it says of storage, for the manifest.
    fn facts(&self) -> BTreeMap<String, String> {
        let tells = |key: &&String| {
            key.contains("storage")
                || key.ends_with("dbpath")
                || key.as_str() == "replication.logstoragefolder"
        };
        let mut facts: BTreeMap<String, String> = self
            .values
            .keys()
            .filter(tells)
            .filter_map(|key| Some((format!("{PREFIX}{key}"), self.values.get(key)?.clone())))
            .collect();
        facts.insert("properties".to_owned(), self.path.display().to_string());
        facts
    }
}

/// The server's word for a store in its settings.
fn word(store: Store) -> &'static str {
    match store {
        Store::Events => "event",
        Store::Snapshots => "snapshot",
    }
}

/// Spring takes several spellings of one key.
fn canonical(key: &str) -> Option<String> {
    let key: String = key.chars().filter(|letter| !matches!(letter, '-' | '_')).collect();
    key.to_lowercase().strip_prefix(PREFIX).map(str::to_owned)
}

/// Without `.` on the way.
pub(super) fn clean(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(text: &str) -> (tempfile::TempDir, Result<Properties, Error>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("axonserver.properties");
        std::fs::write(&path, text).unwrap();
        let read = Properties::read(&path);
        (dir, read)
    }

    #[test]
    fn without_settings_everything_is_in_data() {
        let (dir, read) = properties("server.port=8024\n");
        let storage =
            read.as_ref().unwrap().locate(&read.as_ref().unwrap().root(), &PathMap::default()).unwrap();
        assert_eq!(storage.events, [dir.path().join("data")]);
        assert_eq!(
            storage.roots(),
            [(dir.path().join("data").as_path(), vec![Store::Events, Store::Snapshots])]
        );
    }

    #[test]
    fn stores_tiers_and_contexts_have_directories_of_their_own() {
        let (_dir, read) = properties(
            "axoniq.axonserver.event.storage=/axonserver/events\n\
             axoniq.axonserver.Event.storages.COLD=/cold\n\
             axoniq.axonserver.snapshot.storage=./snapshots\n\
             axoniq.axonserver.config-db-path=/conf\n\
             axoniq.axonserver.name=node-7\n\
             axoniq.axonserver.clustertemplate.replicationGroups[0].contexts[1].name=billing\n\
             axoniq.axonserver.clustertemplate.replicationGroups[0].contexts[1].meta-data[event.storage]=/fast/billing\n",
        );
        let read = read.unwrap();
        let map = PathMap::parse(&["/axonserver=/srv".to_owned()]).unwrap();
        let storage = read.locate(Path::new("/root"), &map).unwrap();
        assert_eq!(storage.events, [PathBuf::from("/srv/events"), "/cold".into()]);
        assert_eq!(storage.snapshots, [PathBuf::from("/root/snapshots")]);
        assert_eq!(storage.own, [(("billing".to_owned(), Store::Events), "/fast/billing".into())].into());
        assert_eq!((storage.node.as_deref(), read.control_db().unwrap().as_str()), (Some("node-7"), "/conf"));
    }

    #[test]
    fn what_never_ends_is_too_long() {
        let error = Properties::read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "/dev/zero: it is too long for properties");
    }

    #[test]
    fn what_only_the_server_knows_is_refused_and_so_are_renamed_files() {
        let (_dir, read) = properties("axoniq.axonserver.event.storage=${DATA}/events\n");
        assert!(matches!(read.unwrap().storage(Store::Events), Err(Error::Properties { .. })));
        let (_dir, read) = properties("axoniq.axonserver.event.events-suffix=.evt\n");
        assert!(matches!(read, Err(Error::Properties { .. })));
    }
}
