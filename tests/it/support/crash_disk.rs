//! A disk in memory that forgets like a real one.
//!
//! Every name and every content has two sides: what a running process sees (live), and what a power loss leaves (durable). A sync is the
//! only thing that carries something from the first to the second. A failed sync loses what it should have saved, for good: the next
//! sync of the same file succeeds and saves nothing, as on Linux.

use segvault::repo::disk::{Disk, Guard, Listed, LockMode, NewFile};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard};

/// What is there after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// The process died, the machine lives: all is seen, nothing more is durable than before.
    ProcessKilled,
    /// Power loss: what was synced is there, nothing else.
    OnlySynced,
    /// Power loss: all names are there; of content that was not synced nothing, a part, or zeros.
    NamesWithoutData,
    /// Power loss: all content is there, of names only what was synced.
    DataWithoutNames,
    /// Power loss: some directories are as they were seen, the others as they were synced last.
    SomeNames,
    /// The same, the other way round.
    OtherNames,
}

impl Image {
    pub const ALL: [Self; 6] = [
        Self::ProcessKilled,
        Self::OnlySynced,
        Self::NamesWithoutData,
        Self::DataWithoutNames,
        Self::SomeNames,
        Self::OtherNames,
    ];

    /// Whether the names in a directory are there that were not synced.
    fn keeps_names(self, directory: usize) -> bool {
        match self {
            Self::ProcessKilled | Self::NamesWithoutData => true,
            Self::OnlySynced | Self::DataWithoutNames => false,
            Self::SomeNames => directory.is_multiple_of(2),
            Self::OtherNames => !directory.is_multiple_of(2),
        }
    }
}

/// What to do wrong, and when. Operations and mutations are counted from 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// The mutation at which the process dies: it and all calls behind it fail, a write leaves half of its bytes.
    pub crash_at: Option<u64>,
    /// The operation (reads count) that fails, with the error it fails with; a write leaves half of its bytes.
    pub fail_at: Option<(u64, i32)>,
    /// Writes take half of what they are given.
    pub short_writes: bool,
    /// All that would change something fails with EROFS.
    pub read_only: bool,
    /// Syncs of files do nothing: for tests of the tests.
    pub skip_file_sync: bool,
    /// Syncs of directories do nothing: for tests of the tests.
    pub skip_directory_sync: bool,
}

pub const ENOSPC: i32 = 28;
pub const EIO: i32 = 5;
const EROFS: i32 = 30;

type Names = BTreeMap<String, usize>;

#[derive(Clone)]
enum Node {
    File { live: Vec<u8>, durable: Vec<u8>, lost: bool },
    Directory { live: Names, durable: Names },
}

impl Node {
    fn file() -> Self {
        Self::File { live: Vec::new(), durable: Vec::new(), lost: false }
    }

    fn directory() -> Self {
        Self::Directory { live: Names::new(), durable: Names::new() }
    }
}

#[derive(Clone)]
struct State {
    nodes: Vec<Node>,
    trouble: Trouble,
    operations: u64,
    mutations: u64,
    dead: bool,
    locks: HashMap<String, Vec<(u64, LockMode)>>,
    next_lock: u64,
}

/// The disk, as one process sees it.
#[derive(Clone)]
pub struct CrashDisk {
    state: Arc<Mutex<State>>,
}

impl Default for CrashDisk {
    fn default() -> Self {
        Self::new(State {
            nodes: vec![Node::directory()],
            trouble: Trouble::default(),
            operations: 0,
            mutations: 0,
            dead: false,
            locks: HashMap::new(),
            next_lock: 0,
        })
    }
}

impl CrashDisk {
    fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Plans trouble from here on; counting begins anew.
    pub fn plan(&self, trouble: Trouble) {
        let mut state = self.state();
        state.trouble = trouble;
        state.operations = 0;
        state.mutations = 0;
    }

    /// Mutations since the last plan.
    pub fn mutations(&self) -> u64 {
        self.state().mutations
    }

    /// Operations since the last plan, reads too.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The disk after a crash, as the next process finds it: no locks, no trouble planned. Old handles stay with the old disk.
    pub fn reboot(&self, image: Image) -> Self {
        let mut state = self.state().clone();
        for (at, node) in state.nodes.iter_mut().enumerate() {
            reboot_node(node, image, at);
        }
        state.trouble = Trouble::default();
        state.operations = 0;
        state.mutations = 0;
        state.dead = false;
        state.locks.clear();
        Self::new(state)
    }

    /// Changes a file behind everybody's back, durably: bit rot.
    pub fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let at = state.find(path).unwrap();
        let Node::File { live, durable, .. } = &mut state.nodes[at] else { panic!("{path} is a directory") };
        change(live);
        durable.clone_from(live);
    }

    /// Gives a file the name of another, or a directory another name, in one step: for directories that are no repositories.
    pub fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.mutate()?;
        let node = state.find(from)?;
        let (names, name) = state.parent(to)?;
        names.insert(name.to_owned(), node);
        let (names, name) = state.parent(from)?;
        names.remove(name);
        Ok(())
    }

    /// Removes a directory with all that is in it, in one step.
    pub fn remove_directory(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.mutate()?;
        state.find(path)?;
        let (names, name) = state.parent(path)?;
        names.remove(name);
        Ok(())
    }

    /// All that is there, whoever wrote it, is durable.
    pub fn settle(&self) {
        for node in &mut self.state().nodes {
            match node {
                Node::File { live, durable, .. } => durable.clone_from(live),
                Node::Directory { live, durable } => durable.clone_from(live),
            }
        }
    }

    /// Every file, by rising path.
    pub fn files(&self) -> Vec<String> {
        self.paths(false)
    }

    /// Every directory, by rising path, but the root.
    pub fn directories(&self) -> Vec<String> {
        self.paths(true)
    }

    fn paths(&self, of_directories: bool) -> Vec<String> {
        let state = self.state();
        let mut paths = Vec::new();
        state.walk(0, "", &mut |path, is_directory| {
            if is_directory == of_directories && !path.is_empty() {
                paths.push(path.to_owned());
            }
        });
        paths
    }
}

fn reboot_node(node: &mut Node, image: Image, at: usize) {
    match (node, image) {
        (_, Image::ProcessKilled) => {}
        (Node::File { live, durable, lost }, _) => {
            match image {
                Image::OnlySynced | Image::SomeNames | Image::OtherNames => live.clone_from(durable),
                Image::NamesWithoutData => *live = half_written(live, durable, at),
                _ => {}
            }
            durable.clone_from(live);
            *lost = false;
        }
        (Node::Directory { live, durable }, _) if image.keeps_names(at) => durable.clone_from(live),
        (Node::Directory { live, durable }, _) => live.clone_from(durable),
    }
}

/// Nothing more than was synced, half of the rest, or zeros in its place: by turns.
fn half_written(live: &[u8], durable: &[u8], at: usize) -> Vec<u8> {
    let mut seen = durable.to_vec();
    let rest = live.get(durable.len()..).unwrap_or_default();
    match at % 3 {
        0 => {}
        1 => seen.extend_from_slice(&rest[..rest.len() / 2]),
        _ => seen.resize(live.len().max(durable.len()), 0),
    }
    seen
}

fn parts(path: &str) -> io::Result<Vec<&str>> {
    let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    if parts.iter().any(|part| matches!(*part, "" | "." | "..") || part.contains('\0')) {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(parts)
}

impl State {
    fn operate(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        self.operations += 1;
        match self.trouble.fail_at {
            Some((at, error)) if at == self.operations => Err(io::Error::from_raw_os_error(error)),
            _ => Ok(()),
        }
    }

    fn mutate(&mut self) -> io::Result<()> {
        let operated = self.operate();
        if self.dead {
            return operated;
        }
        if self.trouble.read_only {
            return Err(io::Error::from_raw_os_error(EROFS));
        }
        self.mutations += 1;
        if self.trouble.crash_at == Some(self.mutations) {
            self.dead = true;
            return Err(io::Error::other("the process dies here"));
        }
        operated
    }

    fn find(&self, path: &str) -> io::Result<usize> {
        let mut at = 0;
        for part in parts(path)? {
            let Node::Directory { live, .. } = &self.nodes[at] else {
                return Err(ErrorKind::NotADirectory.into());
            };
            at = *live.get(part).ok_or(ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    fn find_file(&self, path: &str) -> io::Result<usize> {
        if path.is_empty() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let at = self.find(path)?;
        match self.nodes[at] {
            Node::File { .. } => Ok(at),
            Node::Directory { .. } => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn content(&self, path: &str) -> io::Result<&Vec<u8>> {
        match &self.nodes[self.find_file(path)?] {
            Node::File { live, .. } => Ok(live),
            Node::Directory { .. } => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// The names beside `path`, and its last part.
    fn parent<'p>(&mut self, path: &'p str) -> io::Result<(&mut Names, &'p str)> {
        let parts = parts(path)?;
        let (last, above) = parts.split_last().ok_or(ErrorKind::InvalidInput)?;
        let at = self.find(&above.join("/"))?;
        match &mut self.nodes[at] {
            Node::Directory { live, .. } => Ok((live, last)),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn add(&mut self, path: &str, node: Node) -> io::Result<usize> {
        let at = self.nodes.len();
        let (names, name) = self.parent(path)?;
        if names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        names.insert(name.to_owned(), at);
        self.nodes.push(node);
        Ok(at)
    }

    fn walk(&self, at: usize, path: &str, see: &mut dyn FnMut(&str, bool)) {
        let Node::Directory { live, .. } = &self.nodes[at] else { return see(path, false) };
        see(path, true);
        for (name, node) in live {
            self.walk(*node, &format!("{path}{}{name}", if path.is_empty() { "" } else { "/" }), see);
        }
    }

    fn sync_content(&mut self, at: usize) -> io::Result<()> {
        let asked = self.mutate();
        // A process that dies loses nothing that the machine still has.
        let failed = asked.is_err() && !self.dead;
        let skip = self.trouble.skip_file_sync;
        let Node::File { live, durable, lost } = &mut self.nodes[at] else {
            return Err(ErrorKind::IsADirectory.into());
        };
        // What a failed sync lost stays lost.
        *lost |= failed && live != durable;
        asked?;
        if !skip && !*lost {
            durable.clone_from(live);
        }
        Ok(())
    }
}

impl Disk for CrashDisk {
    fn create_new(&self, path: &str) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state();
        state.mutate()?;
        let node = state.add(path, Node::file())?;
        Ok(Box::new(CrashFile { disk: self.clone(), node }))
    }

    fn publish(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.mutate()?;
        let node = state.find_file(from)?;
        let (names, name) = state.parent(to)?;
        if names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        names.insert(name.to_owned(), node);
        let (names, name) = state.parent(from)?;
        names.remove(name);
        Ok(())
    }

    fn create_directory(&self, path: &str) -> io::Result<bool> {
        let mut state = self.state();
        state.mutate()?;
        if path.is_empty() {
            return Ok(false);
        }
        if let Ok(at) = state.find(path)
            && matches!(state.nodes[at], Node::Directory { .. })
        {
            return Ok(false);
        }
        state.add(path, Node::directory()).map(|_| true)
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let node = state.find_file(path)?;
        state.sync_content(node)
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.mutate()?;
        let at = state.find(path)?;
        let skip = state.trouble.skip_directory_sync;
        match &mut state.nodes[at] {
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
            Node::Directory { live, durable } => {
                if !skip {
                    durable.clone_from(live);
                }
                Ok(())
            }
        }
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.operate()?;
        let content = state.content(path)?;
        if content.len() as u64 > limit { Err(ErrorKind::InvalidData.into()) } else { Ok(content.clone()) }
    }

    fn read_range(&self, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.operate()?;
        let content = state.content(path)?;
        let end = offset.checked_add(length).filter(|end| *end <= content.len() as u64);
        let end = end.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(content[offset as usize..end as usize].to_vec())
    }

    fn length(&self, path: &str) -> io::Result<u64> {
        let mut state = self.state();
        state.operate()?;
        Ok(state.content(path)?.len() as u64)
    }

    fn list(&self, path: &str) -> io::Result<Vec<Listed>> {
        let mut state = self.state();
        state.operate()?;
        let at = state.find(path)?;
        let Node::Directory { live, .. } = &state.nodes[at] else {
            return Err(ErrorKind::NotADirectory.into());
        };
        Ok(live.iter().map(|(name, at)| describe(name, &state.nodes[*at])).collect())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.mutate()?;
        state.find_file(path)?;
        let (names, name) = state.parent(path)?;
        names.remove(name);
        Ok(())
    }

    fn try_lock(&self, path: &str, mode: LockMode) -> io::Result<Option<Box<dyn Guard>>> {
        let mut state = self.state();
        state.operate()?;
        if state.trouble.read_only {
            return Err(io::Error::from_raw_os_error(EROFS));
        }
        match state.add(path, Node::file()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let held = state.locks.entry(path.to_owned()).or_default();
        if held.iter().any(|(_, other)| mode == LockMode::Exclusive || *other == LockMode::Exclusive) {
            return Ok(None);
        }
        let id = state.next_lock;
        state.next_lock += 1;
        state.locks.entry(path.to_owned()).or_default().push((id, mode));
        Ok(Some(Box::new(CrashGuard { disk: self.clone(), path: path.to_owned(), id })))
    }

    fn identity(&self) -> io::Result<String> {
        Ok("memory".to_owned())
    }

    fn display(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

fn describe(name: &str, node: &Node) -> Listed {
    match node {
        Node::File { live, .. } => {
            Listed { name: name.to_owned(), length: live.len() as u64, is_directory: false }
        }
        Node::Directory { .. } => Listed { name: name.to_owned(), length: 0, is_directory: true },
    }
}

struct CrashGuard {
    disk: CrashDisk,
    path: String,
    id: u64,
}

impl Guard for CrashGuard {}

impl Drop for CrashGuard {
    fn drop(&mut self) {
        if let Some(held) = self.disk.state().locks.get_mut(&self.path) {
            held.retain(|(id, _)| *id != self.id);
        }
    }
}

struct CrashFile {
    disk: CrashDisk,
    node: usize,
}

impl Write for CrashFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let was_dead = state.dead;
        let asked = state.mutate();
        let half = asked.is_err() || (state.trouble.short_writes && bytes.len() > 1);
        let taken = if half { bytes.len() / 2 } else { bytes.len() };
        if !was_dead && let Node::File { live, .. } = &mut state.nodes[self.node] {
            live.extend_from_slice(&bytes[..taken]);
        }
        asked.map(|()| taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for CrashFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().sync_content(self.node)
    }
}
