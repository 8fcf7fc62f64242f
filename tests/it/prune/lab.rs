//! Small repositories that are pruned on disks that crash.

use crate::store::model::{back_up_on, config, key, open, prepare, put_all, read};
use crate::support::crash_disk::{CrashDisk, Image};
use segvault::axon::name::Store;
use segvault::engine;
use segvault::engine::observe::Observer;
use segvault::engine::prune::{self, DeleteReport, MarkReport, PruneOptions};
use segvault::repo;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::{Act, Deed, PointRef};
use segvault::repo::format::entry::encode_extents;
use segvault::repo::format::id::PackId;
use segvault::repo::format::json;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::point::{Content, ControlDb};
use segvault::repo::index::read_directory;
use segvault::repo::store::{Alone, OpenOptions, Repository};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

pub const DAY: i64 = 24 * 3_600_000;

/// Somebody whose clock stands at a moment.
pub struct At(pub i64);

impl Observer for At {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

pub fn options(grace_ms: i64) -> PruneOptions {
    PruneOptions { grace_ms, ..PruneOptions::default() }
}

/// A repository with so many backups.
pub fn lab(backups: u64) -> (CrashDisk, Vec<PointRef>) {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let points = (1..=backups).map(|backup| back_up_on(&disk, backup).unwrap()).collect();
    (disk, points)
}

pub fn act(disk: &CrashDisk, at: i64, deed: Deed) {
    let repository = open(disk).unwrap();
    repository.session().unwrap().publish_act(Moment(at), deed).unwrap();
}

pub fn forget(disk: &CrashDisk, points: &[PointRef], at: i64) {
    act(disk, at, Deed::Forgotten { points: points.to_vec(), reason: "test".to_owned() });
}

pub fn alone(disk: &CrashDisk) -> Result<Alone, repo::Error> {
    Alone::open(Arc::new(disk.clone()), OpenOptions::default())
}

/// Both phases, as the program does them.
pub fn prune_at(
    disk: &CrashDisk,
    at: i64,
    grace_ms: i64,
) -> Result<(MarkReport, DeleteReport), engine::Error> {
    let mut options = options(grace_ms);
    let repository = open(disk)?;
    options.newest_act = Some(prune::newest_act(&repository)?);
    let mark = prune::mark(&repository, &options, &At(at))?;
    drop(repository);
    Ok((mark, prune::delete(&alone(disk)?, &options, &At(at))?))
}

pub fn delete_at(disk: &CrashDisk, at: i64, grace_ms: i64) -> Result<DeleteReport, engine::Error> {
    prune::delete(&alone(disk)?, &options(grace_ms), &At(at))
}

pub fn is_locked(error: &engine::Error) -> bool {
    matches!(error, engine::Error::Repo(repo::Error::Locked { .. }))
}

/// The numbers of the files in a directory.
pub fn numbers(disk: &CrashDisk, directory: &str) -> Vec<u64> {
    let of = |path: String| path.strip_prefix(&format!("{directory}/"))?.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<u64> = disk.files().into_iter().filter_map(of).collect();
    numbers.sort_unstable();
    numbers
}

pub fn without_acts(files: &[String]) -> Vec<String> {
    files.iter().filter(|path| !path.starts_with("acts/") && !path.starts_with("locks/")).cloned().collect()
}

/// All that the newest records hold can be read, and is what its hashes say.
pub fn whole_logs(disk: &CrashDisk) {
    let repository = open(disk).unwrap();
    for store in [Store::Snapshots, Store::Events] {
        let record = repository.newest_record(&key(store)).unwrap().unwrap();
        let entries = repository.tree(record.state.root).unwrap();
        for entry in entries.iter().chain(&record.state.tails) {
            let bytes = read(&repository, &entry.extents, entry.stored_length).unwrap();
            assert_eq!(repository.naming().content(&bytes), entry.content);
        }
    }
}

/// The files of packs that acts mark.
pub fn marked(disk: &CrashDisk) -> BTreeSet<String> {
    let journal = open(disk).unwrap().journal().unwrap();
    let packs = journal.acts.iter().flat_map(|act| match &act.deed {
        Deed::Dead { packs } => packs.clone(),
        _ => Vec::new(),
    });
    packs.map(repo::paths::pack).collect()
}

pub fn id_of(pack: &str) -> PackId {
    pack.rsplit('/').next().unwrap().parse().unwrap()
}

/// Prunes until nothing is left to do; gives what is there then, but the packs: which they are depends on where a crash came.
pub fn settled(disk: &CrashDisk) -> Vec<String> {
    let disk = disk.reboot(Image::ProcessKilled);
    for day in 5..8 {
        prune_at(&disk, day * DAY, 0).unwrap();
    }
    let mut files = without_acts(&disk.files());
    files.retain(|path| !path.starts_with("packs/"));
    files
}

/// Whether deletion rests on this file: points, acts, the two newest records, their pages. (Of packs, directories: see there.)
pub fn counts(disk: &CrashDisk, path: &str) -> bool {
    let newest = numbers(disk, "points").last().copied().unwrap();
    let newest_act = numbers(disk, "acts").last().copied().unwrap();
    let is_newest = path == format!("points/{newest}.json") || path == format!("acts/{newest_act}.json");
    // Who loses the newest file of a row loses the knowledge that there was one; damage is seen at once.
    if path.starts_with("points/") || path.starts_with("acts/") {
        return !is_newest;
    }
    let repository = open(disk).unwrap();
    let is_page = |root| reached_pages(&repository, root).iter().any(|page| repo::paths::page(*page) == path);
    let two = |store| {
        let numbers = repository.record_numbers(&key(store)).unwrap();
        numbers[numbers.len() - 2..].to_vec()
    };
    [Store::Snapshots, Store::Events].into_iter().any(|store| {
        two(store).into_iter().any(|number| {
            let record = repository.record(&key(store), number).unwrap();
            path == repo::paths::record(&key(store), number) || is_page(record.state.root)
        })
    })
}

fn reached_pages(repository: &Repository, root: repo::format::id::PageId) -> Vec<repo::format::id::PageId> {
    let mut pages = vec![root];
    if let repo::format::page::Page::Node { children, .. } = repository.page(root).unwrap() {
        children.iter().for_each(|child| pages.extend(reached_pages(repository, child.page)));
    }
    pages
}

/// A backup with these bytes as its control database; gives the bytes of the list of its chunks, too.
pub fn back_up_database(disk: &CrashDisk, backup: u64, bytes: &[u8]) -> (PointRef, Vec<u8>) {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let list = encode_extents(&put_all(&mut session, PackKind::ControlDb, bytes).unwrap());
    let content = Content {
        length: bytes.len() as u64,
        blake3: config().naming.content(bytes),
        list: session.put(PackKind::ControlDb, list.clone()).unwrap(),
    };
    let (records, mut body) = prepare(&mut session, backup).unwrap();
    body.control_db = ControlDb::Inner { entry: "controldb.mv.db".to_owned(), inner: content, zip: None };
    (session.publish_point(records, body).unwrap().point, list)
}

/// A pack that the newest point needs: one with chunks of sealed segments.
pub fn needed_pack(disk: &CrashDisk) -> String {
    let repository = open(disk).unwrap();
    let record = repository.newest_record(&key(Store::Events)).unwrap().unwrap();
    let chunk = repository.tree(record.state.root).unwrap()[0].extents[0].chunk;
    repo::paths::pack(repository.index().places(chunk).unwrap()[0].pack)
}

/// Copies all blocks of a pack into a new one; gives its file.
pub fn copy_of(disk: &CrashDisk, pack: &str) -> String {
    let before = disk.files();
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let directory = read_directory(disk, id_of(pack), disk.length(pack).unwrap()).unwrap();
    let header = repository.header(id_of(pack), directory.kind);
    // In another order: another pack, with another name.
    assert!(directory.blocks.len() > 1);
    let (first, rest) = directory.blocks.split_at(1);
    for block in rest.iter().chain(first) {
        let read = repository.block(id_of(pack), block).unwrap();
        session.copy_block(header, block, read, &|_| true).unwrap();
    }
    let _ = session.barrier().unwrap();
    let new = disk.files().into_iter().filter(|path| path.starts_with("packs/") && !before.contains(path));
    new.max_by_key(|path| disk.length(path).unwrap()).unwrap()
}

/// An act of a newer program.
pub fn forge_unknown_act(disk: &CrashDisk) {
    let number = numbers(disk, "acts").last().unwrap() + 1;
    let before = disk.read(&format!("acts/{}.json", number - 1), 1 << 20).unwrap();
    let act = Act {
        previous: Some(config().naming.file(&before)),
        number,
        deed: Deed::Released { point: PointRef { number: 1, blake3: repo::format::id::FileHash([0; 32]) } },
        ..Act::decode(&before).unwrap()
    };
    let mut value = serde_json::to_value(act).unwrap();
    value["act"] = "sworn".into();
    let mut file = disk.create_new(&format!("acts/{number}.json")).unwrap();
    file.write_all(&json::encode(&value).unwrap()).unwrap();
    file.sync().unwrap();
    disk.sync_directory("acts").unwrap();
}
