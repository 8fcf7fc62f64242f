//! The damage matrix: whatever is done to whatever file, verify names it, what is undamaged restores, what is damaged fails aloud, and repair
//! heals what it promises. And that repair never makes it worse.

use crate::support::archive::{Archive, WithControlDb, tree};
use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup, flip};
use crate::support::server::Server;
use segvault::axon::control_db::{rebuild, take_apart};
use segvault::axon::name::Store;
use segvault::engine::observe::Unobserved;
use segvault::engine::prune::{self, PruneOptions};
use segvault::engine::repair::{self, Mended, Supply};
use segvault::engine::verify::{Class, Remember, Report, VerifyOptions};
use segvault::repo::format::act::Deed;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::{PackKind, parse_pack};
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::paths;
use segvault::repo::store::{Alone, OpenOptions, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A repository of three points and two acts, and a copy of it.
struct Pair {
    archive: Archive,
    server: Server,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let archive = Archive::new();
        let mut server = Server::new("node", &["default"], seed);
        for round in 0..3 {
            let context = server.contexts.get_mut("default").unwrap();
            context.append(Store::Events, 12);
            context.append(Store::Snapshots, 3);
            let zip = control_db(8192 << (round / 2));
            let name = format!("controldb{round}.zip");
            archive.backup(&mut WithControlDb { server: server.clone(), name, zip });
            if round > 0 {
                let remember =
                    VerifyOptions { data: true, remember: Remember::Verdicts, ..VerifyOptions::default() };
                archive.verify_with(&remember);
            }
        }
        let pair = Self { archive, server };
        fixtures::copy_tree(&pair.archive.repository_path(), &pair.archive.beside("mirror"));
        pair
    }

    fn mirror(&self) -> Repository {
        let disk = Arc::new(LocalDisk::new(self.archive.beside("mirror")));
        Repository::open(disk, OpenOptions::default()).unwrap()
    }

    /// Everything as it was.
    fn reset(&self) {
        fs::remove_dir_all(self.archive.repository_path()).unwrap();
        fixtures::copy_tree(&self.archive.beside("mirror"), &self.archive.repository_path());
    }

    fn repair_from_mirror(&self) -> Mended {
        let mirror = self.mirror();
        let supply = Supply::Repository(&mirror);
        repair::packs(&self.archive.open(), Some(supply), false, &Unobserved).unwrap()
    }

    fn repair(&self) -> Mended {
        repair::packs(&self.archive.open(), None, false, &Unobserved).unwrap()
    }

    /// What each point restores to; none if it fails.
    fn restored(&self) -> BTreeMap<u64, Option<BTreeMap<String, Vec<u8>>>> {
        let restore = |point: u64| {
            let target = self.archive.beside("target");
            let result = self.archive.restore(point, "target").ok().map(|_| tree(&target));
            let _ = fs::remove_dir_all(target);
            (point, result)
        };
        (1..=3).map(restore).collect()
    }

    /// A pack of that kind without which some point can't be restored.
    fn needed(&self, kind: PackKind) -> String {
        let is_of_kind = |file: &String| {
            file.starts_with("packs/")
                && parse_pack(&self.archive.read(file)).is_ok_and(|found| found.kind == kind)
        };
        let is_needed = |file: &String| {
            let bytes = self.archive.read(file);
            self.archive.remove(file);
            let nothing = VerifyOptions { remember: Remember::Nothing, ..VerifyOptions::default() };
            let hit =
                self.archive.verify_with(&nothing).findings.iter().any(|finding| !finding.points.is_empty());
            self.archive.write(file, &bytes);
            hit
        };
        self.archive.files().into_iter().find(|file| is_of_kind(file) && is_needed(file)).unwrap()
    }

    fn pack_of(&self, kind: PackKind) -> String {
        let is_it = |file: &&String| {
            file.starts_with("packs/")
                && parse_pack(&self.archive.read(file)).is_ok_and(|found| found.kind == kind)
        };
        self.archive.files().iter().rfind(is_it).unwrap().clone()
    }
}

/// A zip of the beginning of a real control database.
fn control_db(length: usize) -> Vec<u8> {
    let zip = fs::read(fixtures::control_db_zips("se-4.6.11-json").remove(0)).unwrap();
    let apart = take_apart(&zip, 1 << 30).unwrap();
    rebuild(&apart.recipe.unwrap(), &apart.inner[..length])
}

fn worst(report: &Report) -> Vec<&str> {
    report.findings.iter().filter(|finding| finding.class > Class::Note).map(|finding| finding.what).collect()
}

const DAMAGES: [&str; 7] = ["delete", "truncate", "flip", "zero", "swap", "older", "duplicate"];

/// Does it to `file`; `other` is another file of the same kind. False if that changes nothing.
fn damage(archive: &Archive, how: &str, file: &str, other: &str) -> bool {
    let (bytes, others) = (archive.read(file), archive.read(other));
    let mut changed = bytes.clone();
    match how {
        "delete" => archive.remove(file),
        "truncate" => changed.truncate(bytes.len() * 2 / 3),
        "flip" => changed[bytes.len() / 2] ^= 4,
        "zero" => changed[bytes.len() / 3..bytes.len() / 3 + bytes.len() / 4].fill(0),
        "swap" => {
            archive.write(other, &bytes);
            changed.clone_from(&others);
        }
        "older" => changed.clone_from(&others),
        _ => archive.write(&sibling(file), &bytes),
    }
    if how != "delete" {
        archive.write(file, &changed);
    }
    file != other || !matches!(how, "swap" | "older")
}

/// Another name that a file of that kind could have.
fn sibling(file: &str) -> String {
    let (directory, name) = file.rsplit_once('/').unwrap();
    match name.trim_end_matches(".json").parse::<u64>() {
        Ok(_) if name.len() < 20 => format!("{directory}/{}", name.replace(char::is_numeric, "9")),
        _ => format!("{directory}/{}{}", &name[..2], "0".repeat(name.len() - 2)),
    }
}

/// One file of each kind, and another of the same.
fn kinds(pair: &Pair) -> Vec<(String, String)> {
    let files = pair.archive.files();
    let first_and_last = |top: &str| {
        let of: Vec<_> = files.iter().filter(|file| file.starts_with(top)).collect();
        ((*of[of.len() / 2]).clone(), (*of[0]).clone())
    };
    let record = files.iter().filter(|file| file.starts_with("logs/")).max().unwrap();
    let log = record.rsplit_once('/').unwrap().0;
    let mut kinds = vec![
        ("points/2.json".to_owned(), "points/1.json".to_owned()),
        ("points/3.json".to_owned(), "points/2.json".to_owned()),
        ("acts/1.json".to_owned(), "acts/2.json".to_owned()),
        (format!("{log}/2"), format!("{log}/1")),
        (format!("{log}/3"), format!("{log}/2")),
        first_and_last("pages/"),
    ];
    for kind in [PackKind::Sealed, PackKind::Tail, PackKind::ControlDb] {
        let pack = pair.pack_of(kind);
        let other = files.iter().find(|file| file.starts_with("packs/") && **file != pack).unwrap();
        kinds.push((pack, other.clone()));
    }
    if std::env::var("SEGVAULT_DAMAGES").is_ok() {
        let all = files.iter().filter(|file| *file != "segvault.json");
        kinds.extend(all.map(|file| (file.clone(), first_and_last(file.split_once('/').unwrap().0).1)));
    }
    kinds
}

#[test]
fn whatever_is_damaged_is_named_and_heals_from_a_copy() {
    let pair = Pair::new(1);
    let whole = pair.restored();
    assert!(whole.values().all(Option::is_some));
    let (mut named, mut healed) = (0, 0);
    for (file, other) in kinds(&pair) {
        for how in DAMAGES {
            if !damage(&pair.archive, how, &file, &other) {
                continue;
            }
            let told = format!("{how} {file} (beside {other})");
            let report = pair.archive.verify(true);
            named += usize::from(report.worst().is_some());
            assert!(report.worst().is_some() || is_harmless(how, &file), "{told}: not named");
            judge(&pair, &whole, &report, &told);
            let mended = pair.repair_from_mirror();
            let after = pair.archive.verify(true);
            assert_eq!(
                mended.is_whole(),
                after.worst().is_none(),
                "{told}: {mended:?}, {:?}",
                after.findings
            );
            if is_stray(how, &file) {
                let whats = worst(&after);
                let is_of_the_row = |what: &&str| ["journal", "record"].contains(what);
                assert!(!whats.is_empty() && whats.iter().all(is_of_the_row), "{told}: {:?}", after.findings);
            } else {
                assert_eq!(worst(&after), Vec::<&str>::new(), "{told}: {:?}", after.findings);
                healed += 1;
            }
            let expected = if is_end_of_row(how, &file) { 2 } else { 3 };
            for (point, found) in pair.restored() {
                assert!(found == whole[&point] || point > expected, "{told}: point {point} after the repair");
            }
            pair.reset();
        }
    }
    assert!(named > 40 && healed > 50, "{named} named, {healed} healed");
}

/// Nothing tells of the newest of a row that it was there; a copy under a name of its own is nobody's; nothing needs what was superseded.
fn is_harmless(how: &str, file: &str) -> bool {
    let is_named_by_hash = file.starts_with("packs/") || file.starts_with("pages/");
    is_end_of_row(how, file)
        || (how == "duplicate" && (is_named_by_hash || file.starts_with("logs/")))
        || file.starts_with("packs/")
}

fn is_end_of_row(how: &str, file: &str) -> bool {
    how == "delete" && file == "points/3.json"
}

/// A copy with a number of its own: it says that it is another, and the numbers between are missing.
fn is_stray(how: &str, file: &str) -> bool {
    how == "duplicate"
        && (file.starts_with("points/") || file.starts_with("acts/") || file.starts_with("logs/"))
}

fn judge(pair: &Pair, whole: &BTreeMap<u64, Option<BTreeMap<String, Vec<u8>>>>, report: &Report, told: &str) {
    let hit: BTreeSet<u64> =
        report.findings.iter().flat_map(|finding| finding.points.iter().copied()).collect();
    let listed: BTreeSet<u64> = pair.archive.points().iter().map(|listed| listed.point.number).collect();
    for (point, found) in pair.restored() {
        match found {
            Some(found) => assert!(
                Some(&found) == whole[&point].as_ref(),
                "{told}: point {point} restores to something else"
            ),
            None => assert!(
                hit.contains(&point) || !listed.contains(&point),
                "{told}: point {point} fails untold"
            ),
        }
    }
}

#[test]
fn the_good_blocks_of_damaged_packs_are_stored_again_and_the_packs_are_marked() {
    let pair = Pair::new(2);
    let pack = pair.needed(PackKind::ControlDb);
    // In its header, which the directory repeats: the blocks are not hurt.
    pair.archive.flip(&pack, 3);
    let bytes = pair.archive.read(&pack);
    assert_eq!(pair.archive.verify(true).worst(), Some(Class::Damage));
    let mended = pair.repair();
    assert!(mended.is_whole() && mended.packs[0].replaced && mended.salvaged_chunks > 0, "{mended:?}");
    assert!(pair.restored().values().all(Option::is_some));
    let acts = pair.archive.open().journal().unwrap().acts;
    assert!(matches!(&acts.last().unwrap().deed, Deed::Dead { packs } if packs[0] == mended.packs[0].pack));
    assert_eq!(pair.archive.read(&pack), bytes, "what it replaces is kept");
    assert_eq!(pair.repair().salvaged_chunks, 0, "once is enough");
}

#[test]
fn a_pack_that_nobody_knows_what_it_holds_is_put_aside_once_all_that_is_needed_is_elsewhere() {
    let pair = Pair::new(8);
    let (pack, tails) = (pair.needed(PackKind::ControlDb), pair.needed(PackKind::Tail));
    let bytes = pair.archive.read(&pack);
    pair.archive.write(&pack, &bytes[..bytes.len() - 70]);
    let kept = pair.archive.read(&tails);
    pair.archive.remove(&tails);
    assert!(!pair.repair().is_whole());
    assert!(pair.archive.files().contains(&pack), "something is lost: it might hold it");
    pair.archive.write(&tails, &kept);
    let mended = pair.repair();
    assert!(mended.is_whole() && mended.put_aside == [mended.packs[0].pack], "{mended:?}");
    let aside = format!("damaged/{}.1", pack.replace('/', "-"));
    assert_eq!(pair.archive.read(&aside), bytes[..bytes.len() - 70]);
    assert!(!pair.archive.files().contains(&pack));
    assert!(pair.restored().values().all(Option::is_some));
    let mended = pair.repair();
    assert!(mended.is_whole() && mended.packs.is_empty() && mended.put_aside.is_empty(), "{mended:?}");
    assert_eq!(pair.archive.verify(true).findings, vec![]);
}

#[test]
fn a_pack_whose_directory_is_lost_is_told_of_until_it_is_put_aside_and_not_for_ever() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    let pack = walk(&room.repository().join("packs")).remove(0);
    let length = fs::metadata(&pack).unwrap().len();
    flip(&pack, length - 1);
    room.ends(20, "verify");
    // What it held is stored again by a backup, too: from then on nothing needs it.
    room.ends(20, "verify --data");
    let (text, _) = room.ends(0, "repair packs");
    assert!(text.contains("put aside, in damaged/"), "{text}");
    for line in ["verify --data", "prune", "stats", "repair packs", "repair points"] {
        let (_, stderr) = room.ends(0, line);
        assert_eq!(stderr, "", "{line}");
    }
}

#[test]
fn a_block_that_is_lost_takes_only_its_own_points() {
    let pair = Pair::new(3);
    let whole = pair.restored();
    let pack = pair.needed(PackKind::Tail);
    pair.archive.flip(&pack, 200);
    let mended = pair.repair();
    assert!(!mended.is_whole() && !mended.still_lost.is_empty() && !mended.points.is_empty(), "{mended:?}");
    for (point, found) in pair.restored() {
        assert_eq!(found.is_none(), mended.points.contains(&point), "point {point}");
        assert!(found.is_none() || found == whole[&point]);
    }
    let marked = repair::points(&pair.archive.open(), false, &Unobserved).unwrap();
    let numbers: Vec<u64> = marked.marked.iter().map(|(point, _)| *point).collect();
    assert_eq!(numbers, mended.points);
    for listed in pair.archive.points() {
        assert_eq!(listed.marked_incomplete.is_some(), mended.points.contains(&listed.point.number));
    }
    let again = repair::points(&pair.archive.open(), false, &Unobserved).unwrap();
    assert_eq!((again.marked.len(), again.known), (0, mended.points));
}

#[test]
fn what_is_lost_is_fetched_from_the_servers_own_files() {
    let pair = Pair::new(4);
    let whole = pair.restored();
    for pack in pair.archive.files().iter().filter(|file| file.starts_with("packs/")) {
        pair.archive.remove(pack);
    }
    let zips = vec![control_db(8192), control_db(16_384)];
    let mut source = pair.server.clone();
    let supply = Supply::Source { source: &mut source, zips: zips.clone() };
    let dry = repair::packs(&pair.archive.open(), Some(supply), true, &Unobserved).unwrap();
    assert!(dry.fetched_chunks > 0 && pair.restored().values().all(Option::is_none), "nothing was written");
    let supply = Supply::Source { source: &mut source, zips };
    let mended = repair::packs(&pair.archive.open(), Some(supply), false, &Unobserved).unwrap();
    assert!(mended.is_whole(), "{mended:?}");
    assert!(mended.fetched_chunks >= dry.fetched_chunks, "the lists that are back name more");
    assert!(pair.restored() == whole);
}

#[test]
fn another_history_supplies_nothing() {
    let pair = Pair::new(5);
    pair.archive.remove(&pair.needed(PackKind::Tail));
    let mut stranger = Server::new("node", &["default"], 99);
    stranger.contexts.get_mut("default").unwrap().append(Store::Events, 40);
    let supply = Supply::Source { source: &mut stranger, zips: Vec::new() };
    let mended = repair::packs(&pair.archive.open(), Some(supply), false, &Unobserved).unwrap();
    assert_eq!(mended.fetched_chunks, 0);
    assert!(!mended.is_whole());
}

#[test]
fn the_program_mends_a_repository_of_a_real_server_from_its_data_directory() {
    let room = Room::new();
    let root = room.server("se-4.6.11-json");
    let line = format!("backup --data-dir {0} --control-db {0}/backups --source node", root.display());
    room.ends(0, &line);
    for pack in walk(&room.repository().join("packs")) {
        flip(&pack, 200);
    }
    room.ends(20, "verify --data");
    room.ends(20, "repair packs");
    let (text, _) = room.ends(0, &format!("repair from {}", root.display()));
    assert!(text.contains("all that is published is whole"), "{text}");
    room.ends(0, "verify --data");
    room.restore(0, "1", "restored");
    let (text, _) = room.ends(0, "repair points");
    assert!(text.contains("nothing to mark"), "{text}");
    fs::write(room.repository().join("index.sqlite"), b"no database").unwrap();
    let (text, _) = room.ends(0, "repair index");
    assert!(text.contains("made anew from"), "{text}");
    room.ends(0, "verify");
}

fn walk(root: &Path) -> Vec<PathBuf> {
    let directories = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    directories
        .flat_map(|directory| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()))
        .collect()
}

/// What is said of points is said of all of them, or it is no success.
#[test]
fn a_point_that_can_not_be_read_is_not_called_whole() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, &backup(&root));
    let (text, _) = room.ends(0, "repair points");
    assert!(text.contains("nothing to mark"), "{text}");
    flip(&room.repository().join("points/1.json"), 40);
    let (text, _) = room.ends(20, "repair points");
    assert!(text.contains("points/1.json") && text.contains("not judged"), "{text}");
    let report = room.document(20, "repair-points", "repair points");
    assert_eq!(report["unreadable"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["newer"], serde_json::json!([]), "nobody newer wrote it");
}

#[test]
fn what_a_crash_left_set_aside_is_put_back_by_the_next_repair() {
    let pair = Pair::new(31);
    fs::create_dir_all(pair.archive.repository_path().join("damaged")).unwrap();
    for file in ["points/3.json", "acts/2.json"] {
        let good = pair.archive.read(file);
        pair.archive.write(&format!("damaged/{}.1", file.replace('/', "-")), b"damaged");
        pair.archive.remove(file);
        pair.repair_from_mirror();
        assert!(pair.archive.files().contains(&file.to_owned()), "{file}");
        assert_eq!(pair.archive.read(file), good);
    }
}

#[test]
fn a_dry_run_puts_nothing_back_and_says_what_it_would() {
    let pair = Pair::new(33);
    let record = paths::record(&pair.archive.open().logs().unwrap()[0], 2);
    let page = pair.archive.files().into_iter().find(|file| file.starts_with("pages/")).unwrap();
    let files = ["points/2.json", "acts/1.json", &record, &page];
    files.iter().for_each(|file| pair.archive.remove(file));
    let before = tree(&pair.archive.repository_path());
    let mirror = pair.mirror();
    let from = Some(Supply::Repository(&mirror));
    let dry = repair::packs(&pair.archive.open(), from, true, &Unobserved).unwrap();
    let now = tree(&pair.archive.repository_path());
    assert!(before.keys().eq(now.keys()), "nothing was written");
    let named = |file: &&str| dry.files.iter().any(|named| named.ends_with(*file));
    assert!(files.iter().all(named) && dry.files.len() == files.len(), "{:?}", dry.files);
    assert_eq!(dry.not_mended, [""; 0]);
    assert_eq!(pair.repair_from_mirror().files, dry.files);
}

#[test]
fn what_the_copy_has_damaged_is_named_and_all_else_put_back() {
    let pair = Pair::new(34);
    let files = ["points/1.json", "points/2.json"];
    files.iter().for_each(|file| pair.archive.remove(file));
    flip(&pair.archive.beside("mirror").join(files[0]), 100);
    let mirror = pair.mirror();
    let from = Some(Supply::Repository(&mirror));
    let dry = repair::packs(&pair.archive.open(), from, true, &Unobserved).unwrap();
    assert!(dry.not_mended.iter().any(|file| file.ends_with(files[0])), "{dry:?}");
    drop(mirror);
    let mended = pair.repair_from_mirror();
    assert!(
        !mended.is_whole() && mended.files.len() == 1 && mended.files[0].ends_with(files[1]),
        "{mended:?}"
    );
    assert!(mended.not_mended.iter().any(|file| file.ends_with(files[0])), "{mended:?}");
    assert!(!pair.archive.files().contains(&files[0].to_owned()));
}

/// Of a copy that was used on only what is known by the one behind it: each that is back knows the one before.
#[test]
fn acts_come_back_one_by_one_from_a_copy_that_was_used_on() {
    let pair = Pair::new(35);
    let publish = |repository: Repository, place: &str| {
        let deed = Deed::Copied { to: "f".repeat(32), place: place.to_owned() };
        repository.session().unwrap().publish_act(Moment(0), deed).unwrap();
    };
    publish(pair.archive.open(), "ours");
    let third = pair.archive.read("acts/3.json");
    fs::write(pair.archive.beside("mirror/acts/3.json"), third).unwrap();
    publish(pair.mirror(), "theirs");
    (1..=2).for_each(|number| pair.archive.remove(&format!("acts/{number}.json")));
    let mended = pair.repair_from_mirror();
    assert!(mended.is_whole() && mended.files.len() == 2, "{mended:?}");
    assert!(!pair.archive.files().contains(&"acts/4.json".to_owned()));
}

#[test]
fn where_nothing_may_be_removed_a_repair_stores_again_and_takes_nothing_away() {
    let room = Room::empty();
    room.ends(0, "init --append-only");
    room.ends(0, &backup(&room.server(SERVER)));
    let pack = walk(&room.repository().join("packs")).remove(0);
    flip(&pack, fs::metadata(&pack).unwrap().len() - 1);
    let before = fs::read(&pack).unwrap();
    room.ends(0, "repair packs");
    assert_eq!(fs::read(&pack).unwrap(), before);
    assert!(!room.repository().join("damaged").exists());
    assert!(!room.repository().join("parity").exists(), "nobody asked for it");
    room.ends(0, "restore 1 --target restored");
    // What is advised then is what helps.
    for advised in ["verify", "prune -n"] {
        let (stdout, stderr) = room.ends(0, advised);
        assert!(
            [stdout, stderr].concat().contains("'segvault repair packs --allow-delete' puts it aside"),
            "{advised}"
        );
    }
    room.ends(0, "repair packs --allow-delete");
    assert!(!pack.exists() && room.repository().join("damaged").exists());
}

#[test]
fn what_a_repair_has_replaced_is_told_with_what_deletes_it_until_it_is_gone() {
    let room = Room::empty();
    room.ends(0, "init --append-only");
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    let length = |pack: &PathBuf| fs::metadata(pack).unwrap().len();
    let pack = walk(&room.repository().join("packs")).into_iter().max_by_key(length).unwrap();
    flip(&pack, length(&pack) / 2);
    room.ends(0, &format!("repair from {}", root.display()));
    let (told, _) = room.ends(20, "status");
    assert!(told.contains("1 pack is damaged; see 'segvault verify --data'"), "{told}");
    let (told, _) = room.ends(20, "repair add-parity");
    assert!(told.contains("'segvault verify --data' says what to do"), "{told}");
    let (told, _) = room.ends(0, "verify --data");
    assert!(told.contains("'segvault prune --allow-delete' deletes it"), "{told}");
    (0..2).for_each(|_| drop(room.ends(0, "prune --allow-delete --grace 0")));
    assert!(!pack.exists());
    let (told, _) = room.ends(0, "verify --data");
    assert!(!told.contains("what to do"), "{told}");
}

/// It may have the same history, and yet other numbers, or less of it.
#[test]
fn numbered_files_of_another_repository_are_none_of_ours() {
    let room = Room::new();
    room.ends(0, &backup(&room.server(SERVER)));
    room.ends(0, "init -r copy");
    room.ends(0, "copy --to copy");
    let records = || room.files().into_keys().filter(|path| path.starts_with("logs")).count();
    let lost = room.files().into_keys().filter(|path| path.starts_with("logs"));
    lost.for_each(|path| fs::remove_file(room.repository().join(path)).unwrap());
    room.ends(20, "repair from copy");
    assert_eq!(records(), 0);
}

#[test]
fn what_a_prune_has_deleted_does_not_come_back_from_an_older_copy() {
    let pair = Pair::new(32);
    let deed = Deed::Forgotten { points: vec![pair.archive.points()[0].reference()], reason: String::new() };
    pair.archive.open().session().unwrap().publish_act(Moment(0), deed).unwrap();
    let disk = Arc::new(LocalDisk::new(pair.archive.repository_path()));
    let alone = Alone::open(disk, OpenOptions::default()).unwrap();
    let options = PruneOptions { grace_ms: 0, ..PruneOptions::default() };
    let report = prune::delete(&alone, &options, &Unobserved).unwrap();
    drop(alone);
    assert!(report.gone == [1] && report.points.files == 1 && report.records.files > 0, "{report:?}");
    let mended = pair.repair_from_mirror();
    assert_eq!((mended.files, mended.not_mended), (Vec::new(), Vec::new()));
    assert!(!pair.archive.files().contains(&"points/1.json".to_owned()));
    // One of the two newest is no such thing.
    let record = paths::record(&pair.archive.open().logs().unwrap()[0], 2);
    pair.archive.remove(&record);
    assert!(pair.repair_from_mirror().files[0].ends_with(&record));
    assert_eq!(worst(&pair.archive.verify(true)), Vec::<&str>::new());
}

#[test]
fn a_number_that_was_set_aside_is_never_used_again() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 1);
    server.contexts.get_mut("default").unwrap().append(Store::Events, 20);
    archive.backup(&mut server);
    server.contexts.get_mut("default").unwrap().append(Store::Events, 20);
    archive.backup(&mut server);
    // A repair that stopped between setting the newest point aside and writing the good one.
    let bytes = archive.read("points/2.json");
    std::fs::create_dir_all(archive.repository_path().join("damaged")).unwrap();
    archive.write("damaged/points-2.json.1", &bytes);
    archive.remove("points/2.json");
    assert_eq!(archive.backup(&mut server).number, 3);
    let journal = archive.open().journal().unwrap();
    assert_eq!(journal.points.iter().map(|point| point.point.number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(journal.unreadable.len(), 1, "it is missed: {:?}", journal.unreadable);
}

/// A file that held the hash of damaged bytes would keep the good ones from their place for ever.
#[test]
fn nothing_is_published_behind_a_newest_file_that_is_damaged_until_a_copy_mends_it() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, &backup(&root));
    room.ends(0, "hold add 1 --reason audit");
    let copy = room.path("copy");
    fixtures::copy_tree(&room.repository(), &copy);
    let lines = [("points/2.json", backup(&root)), ("acts/1.json", "hold add 2 --reason audit".to_owned())];
    for (file, line) in lines {
        flip(&room.repository().join(file), 100);
        let before = room.files();
        room.refused(20, &line, &[file, "segvault verify"]);
        assert_eq!(room.files(), before, "nothing is published: {line}");
        room.ends(0, &format!("repair from {}", copy.display()));
        room.ends(0, "verify --data");
        room.ends(0, &line);
    }
    room.ends(0, "verify --data");
    room.ends(0, "prune --dry-run");
}

/// Behind the newest file of a row there is none that knows it. A copy that was written to has others under the same numbers: they follow the same
/// file, and are none of ours.
#[test]
fn what_a_copy_has_of_its_own_since_it_was_used_on_is_not_put_back() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, &backup(&root));
    let twin = room.path("twin");
    let lines = [
        vec!["-r twin forget 1 --yes".to_owned(), "-r twin prune --grace 0s".to_owned()],
        vec![format!("-r twin {}", backup(&root).replace("node-1", "node-2"))],
    ];
    for (there, here, file) in [
        (&lines[0], "hold add 1 --reason audit".to_owned(), "acts/1.json"),
        (&lines[1], backup(&root), "points/3.json"),
    ] {
        fixtures::copy_tree(&room.repository(), &twin);
        there.iter().for_each(|line| drop(room.ends(0, line)));
        room.ends(0, &here);
        let good = fs::read(room.repository().join(file)).unwrap();
        fs::write(room.repository().join(file), "").unwrap();
        let (text, _) = room.ends(20, "repair from twin");
        assert!(text.contains("still damaged or missing: ") && text.contains(file), "{text}");
        assert_eq!(fs::read(room.repository().join(file)).unwrap(), b"", "{file}");
        fs::write(room.repository().join(file), good).unwrap();
        room.ends(0, "verify --data");
        fs::remove_dir_all(&twin).unwrap();
    }
    assert_eq!(room.points(), [1, 2, 3]);
}

/// Any pack may be one that the act speaks against: none is relied on, and what is stored again is no progress the second time.
#[test]
fn a_repair_comes_to_its_end_beside_an_act_that_can_not_be_read() {
    let room = Room::new();
    room.ends(0, &backup(&room.server(SERVER)));
    room.ends(0, "hold add 1 --reason audit");
    room.ends(0, "hold remove 1");
    // Of the tails the first is lost, the others are good.
    let packs = room.files().into_keys().filter(|path| path.starts_with("packs"));
    for path in packs.map(|path| room.repository().join(path)) {
        let pack = parse_pack(&fs::read(&path).unwrap()).unwrap();
        if pack.blocks.len() > 1 {
            flip(&path, pack.blocks[0].body_offset + 1);
        }
    }
    fs::write(room.repository().join("acts/1.json"), "").unwrap();
    room.ends(20, "repair packs");
}

#[test]
fn a_verify_beside_a_damaged_newest_act_says_all_and_writes_nothing_behind_it() {
    let pair = Pair::new(6);
    pair.archive.flip("acts/2.json", 100);
    let remember = VerifyOptions { data: true, remember: Remember::Verdicts, ..VerifyOptions::default() };
    let report = pair.archive.verify_with(&remember);
    assert_eq!(worst(&report), ["journal"]);
    assert!(report.findings.iter().any(|finding| finding.what == "not-recorded"), "{:?}", report.findings);
    assert!(!pair.archive.files().contains(&"acts/3.json".to_owned()));
}

#[test]
fn what_is_advised_for_a_damaged_record_helps() {
    let pair = Pair::new(7);
    let records = || pair.archive.files().into_iter().filter(|file| file.starts_with("logs/"));
    for record in records().filter(|file| file.ends_with("/1") || file.ends_with("/3")) {
        pair.archive.flip(&record, 60);
        let report = pair.archive.verify(true);
        let found = report.findings.iter().find(|finding| finding.what == "record").unwrap();
        assert!(found.advice.starts_with("run 'segvault repair from' a copy of the repository"), "{record}");
        assert!(pair.repair_from_mirror().is_whole(), "{record}");
        assert_eq!(worst(&pair.archive.verify(true)), Vec::<&str>::new(), "{record}");
        pair.reset();
    }
}
