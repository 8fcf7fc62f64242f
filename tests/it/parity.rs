//! Parity: damaged ranges of packs heal by themselves, and that is said; what is beyond that fails aloud; parity goes with its pack.

use crate::support::archive::{Archive, config, tree};
use crate::support::program::{Room, flip};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::copy::{CopyOptions, copy};
use segvault::engine::observe::{Event, Observer, Unobserved};
use segvault::engine::prune::{self, PruneOptions};
use segvault::engine::repair::{self, Mended};
use segvault::engine::restore::Restored;
use segvault::engine::verify::{Class, Finding, Remember, Report, VerifyOptions, verify};
use segvault::repo::format::config::Config;
use segvault::repo::format::id::Naming;
use segvault::repo::format::parity::Head;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{Alone, OpenOptions};
use segvault::repo::{parity, paths};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a disk loses at once.
const PAGE: usize = 4096;

/// Two points of a server that has written much that can't be compressed.
fn archive(percent: u8) -> Archive {
    let archive = Archive::with_parity(percent);
    let mut server = Server::new("node", &["default"], 7);
    for _ in 0..2 {
        let context = server.contexts.get_mut("default").unwrap();
        context.append(Store::Events, 150);
        context.store_mut(Store::Events).roll_now();
        context.append(Store::Snapshots, 20);
        archive.backup(&mut server);
    }
    archive
}

fn files(archive: &Archive, top: &str) -> Vec<String> {
    archive.files().into_iter().filter(|file| file.starts_with(top)).collect()
}

/// The largest pack.
fn largest(archive: &Archive) -> String {
    files(archive, "packs/").into_iter().max_by_key(|file| archive.read(file).len()).unwrap()
}

fn parity_of(pack: &str) -> String {
    pack.replacen("packs/", "parity/", 1)
}

fn bad(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.class > Class::Note).collect()
}

type Files = BTreeMap<String, Vec<u8>>;

/// What a point restores to.
fn restored(archive: &Archive, point: u64) -> Option<(Restored, Files)> {
    let target = archive.beside("target");
    let result = archive.restore(point, "target").ok().map(|done| (done, tree(&target)));
    let _ = fs::remove_dir_all(target);
    result
}

fn mend(archive: &Archive) -> Mended {
    repair::packs(&archive.open(), None, false, &Unobserved).unwrap()
}

fn add_parity(archive: &Archive) -> repair::Protected {
    repair::add_parity(&archive.open(), None, false, &Unobserved).unwrap()
}

/// Every page of a pack, zeroed; a bit in each; the end gone; something behind it.
fn damages(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut damaged = Vec::new();
    for at in (0..bytes.len()).step_by(PAGE) {
        let end = (at + PAGE).min(bytes.len());
        let mut zeroed = bytes.to_vec();
        zeroed[at..end].fill(0);
        damaged.push((format!("zeros at {at}"), zeroed));
        let mut flipped = bytes.to_vec();
        flipped[end - 1] ^= 1;
        damaged.push((format!("a bit at {}", end - 1), flipped));
    }
    damaged.push(("cut".to_owned(), bytes[..bytes.len() - 100].to_vec()));
    damaged.push(("longer".to_owned(), [bytes, b"more"].concat()));
    damaged.retain(|(_, changed)| changed != bytes);
    damaged
}

#[test]
fn whatever_page_is_damaged_heals_by_itself_and_that_is_said() {
    let archive = archive(3);
    let whole = restored(&archive, 2).unwrap().1;
    let pack = largest(&archive);
    let bytes = archive.read(&pack);
    assert!(bytes.len() > 4 * PAGE, "{} bytes", bytes.len());
    for (how, damaged) in damages(&bytes) {
        archive.write(&pack, &damaged);
        let report = archive.verify(true);
        let found = bad(&report);
        assert_eq!(found.len(), 1, "{how}: {:?}", report.findings);
        assert_eq!((found[0].what, found[0].points.len()), ("pack-healed", 0), "{how}: {found:?}");
        assert!(found[0].advice.contains("repair packs") && found[0].path.as_ref().unwrap().contains(&pack));
        let (done, files) = restored(&archive, 2).unwrap_or_else(|| panic!("{how}"));
        assert!(files == whole, "{how}: it is another");
        let told: Vec<_> = done.warnings.iter().map(|warning| warning.what.as_str()).collect();
        // What is in a page may be nothing that a restore reads; without the directory it reads nothing.
        let may_be_quiet = how.contains(" at ");
        assert!(told == ["healed"] || (may_be_quiet && told.is_empty()), "{how}: {:?}", done.warnings);
    }
}

#[test]
fn what_verify_heals_on_its_way_is_a_finding_too() {
    let archive = archive(10);
    let options = VerifyOptions { history: true, remember: Remember::Nothing, ..VerifyOptions::default() };
    // Each page of the pack in turn, but for those of its directory: parity is asked while histories are followed.
    let pack = largest(&archive);
    let bytes = archive.read(&pack);
    let mut healed = 0;
    for at in (0..bytes.len() - 2 * PAGE).step_by(PAGE) {
        let mut damaged = bytes.clone();
        damaged[at + 100..at + 300].fill(0xaa);
        archive.write(&pack, &damaged);
        let repository = archive.open();
        let report = verify(&repository, &options, &Unobserved).unwrap();
        let found = report.findings.iter().filter(|finding| finding.what == "pack-healed").count();
        assert_eq!(found, repository.healed_packs().len(), "{at}");
        assert_eq!(report.damaged_packs.len(), found);
        healed += found;
    }
    assert!(healed > 3, "{healed}");
}

#[test]
fn what_the_verification_of_one_point_heals_is_said() {
    let room = Room::empty();
    room.ends(0, "init --parity 10%");
    let root = room.server("se-4.6.11-json");
    room.ends(0, &format!("backup --data-dir {} --no-control-db --source node", root.display()));
    let packs = room.files().into_iter().filter(|(path, _)| path.starts_with("packs"));
    let (pack, length) = packs.max_by_key(|(_, length)| *length).unwrap();
    flip(&room.repository().join(pack), length / 2);
    room.ends(20, "verify --history");
    room.ends(3, "verify --history 1");
    room.ends(0, "repair packs");
    room.ends(0, "verify --history 1");
}

#[test]
fn what_a_restore_heals_it_says() {
    let archive = archive(3);
    let pack = largest(&archive);
    let bytes = archive.read(&pack);
    let mut damaged = bytes.clone();
    damaged[PAGE..2 * PAGE].fill(0xaa);
    archive.write(&pack, &damaged);
    let (done, _) = restored(&archive, 2).unwrap();
    assert_eq!(done.warnings.len(), 1, "{:?}", done.warnings);
    assert!(done.warnings[0].text.contains("(1 damaged range, 4096 bytes)"), "{}", done.warnings[0].text);
    assert!(archive.read(&pack) == damaged, "reading changes nothing");
}

/// Every pack of a repository with a directory that only its parity knows.
fn without_directories(room: &Room) -> usize {
    let packs: Vec<_> = room.files().into_iter().filter(|(path, _)| path.starts_with("packs")).collect();
    for (pack, length) in &packs {
        flip(&room.repository().join(pack), length - 50);
    }
    packs.len()
}

#[test]
fn a_directory_that_only_parity_knows_is_told_by_every_verb_that_reads_by_it_as_long_as_it_is_needed() {
    let room = Room::empty();
    room.ends(0, "init --parity 10%");
    let root = room.server("se-4.6.11-json");
    let line = format!("backup --data-dir {0} --control-db {0}/backups --source node", root.display());
    room.ends(0, &line);
    room.restore(0, "1", "before");
    let packs = without_directories(&room);
    // The index has it from then on; what was healed is told all the same.
    room.ends(0, "repair index");
    let restored = room.restore(3, "1", "healed");
    let warnings = restored["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), packs, "{warnings:?}");
    assert!(warnings.iter().all(|warning| warning["what"] == "healed"), "{warnings:?}");
    assert!(fixtures_equal(&room, "before", "healed"));
    room.ends(0, "init -r other");
    for line in ["events --context default", "copy --to other", "drill"] {
        let (stdout, stderr) = room.ends(3, line);
        let told = if line == "drill" { &stdout } else { &stderr };
        assert!(told.contains("made whole by its parity (1 damaged range"), "{line}: {told}");
    }
    room.ends(0, "restore --target copied -r other");
    assert!(fixtures_equal(&room, "before", "copied"));
    // Nothing is read of them: nothing is told.
    let (_, stderr) = room.ends(0, "points");
    assert_eq!(stderr, "");
    room.ends(0, "repair packs");
    room.restore(0, "1", "mended");
    assert!(fixtures_equal(&room, "before", "mended"));
    let (_, stderr) = room.ends(0, "events --context default");
    assert_eq!(stderr, "", "the good copies are read now");
}

/// Of a pack that is whole again nothing is told, though the index knows its directory from its parity.
#[test]
fn a_pack_that_is_put_back_is_no_healed_one() {
    let room = Room::empty();
    room.ends(0, "init --parity 10%");
    let root = room.server("se-4.6.11-json");
    room.ends(0, &format!("backup --data-dir {0} --control-db {0}/backups --source node", root.display()));
    without_directories(&room);
    room.ends(0, "repair index");
    room.restore(3, "1", "healed");
    // The same bit of each once more.
    without_directories(&room);
    room.restore(0, "1", "back");
}

/// Interrupts when it is asked for the n-th time after deletion has begun.
struct Interrupts {
    deletes: AtomicBool,
    left: AtomicU64,
}

impl Observer for Interrupts {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Phase { name: "deleting", .. }) {
            self.deletes.store(true, Ordering::SeqCst);
        }
    }

    fn interrupted(&self) -> bool {
        let next = |left: u64| left.checked_sub(1);
        self.deletes.load(Ordering::SeqCst)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).is_err()
    }
}

#[test]
fn the_parity_of_a_pack_goes_before_the_pack_wherever_a_prune_is_interrupted() {
    let archive = archive(3);
    let pack = largest(&archive);
    archive.flip(&pack, PAGE + 100);
    assert!(mend(&archive).packs[0].replaced);
    let all = files(&archive, "parity/").len();
    let options = PruneOptions { grace_ms: 0, ..PruneOptions::default() };
    for at in 0.. {
        let disk = Arc::new(LocalDisk::new(archive.repository_path()));
        let alone = Alone::open(disk, OpenOptions::default()).unwrap();
        let observer = Interrupts { deletes: AtomicBool::new(false), left: AtomicU64::new(at) };
        let done = prune::delete(&alone, &options, &observer);
        drop(alone);
        let packs = files(&archive, "packs/");
        let orphan = files(&archive, "parity/")
            .into_iter()
            .find(|file| !packs.contains(&file.replacen("parity/", "packs/", 1)));
        assert_eq!(orphan, None, "{at}");
        if done.is_ok() {
            assert!(at > 1 && !packs.contains(&pack) && files(&archive, "parity/").len() < all, "{at}");
            break;
        }
    }
}

#[test]
fn what_is_beyond_parity_fails_aloud() {
    let archive = archive(3);
    let pack = largest(&archive);
    let bytes = archive.read(&pack);
    let shape = Head::begin(&archive.read(&parity_of(&pack))[..72]).unwrap().1;
    let mut damaged = bytes.clone();
    for at in 0..=shape.parity as usize {
        damaged[at * PAGE + 100] ^= 1;
    }
    archive.write(&pack, &damaged);
    let report = archive.verify(true);
    let found = bad(&report);
    assert_eq!(found[0].what, "pack");
    let told = format!(
        "{} of its {} shards are damaged, {} can be made again",
        shape.parity + 1,
        shape.data,
        shape.parity
    );
    assert!(found[0].text.contains(&told), "{}", found[0].text);
    assert!(
        !found[0].points.is_empty()
            && found[0].points.iter().all(|point| restored(&archive, *point).is_none())
    );
}

#[test]
fn a_pack_whose_parity_lies_is_not_healed() {
    let archive = archive(3);
    let packs = files(&archive, "packs/");
    let pack = largest(&archive);
    let other = packs.iter().find(|file| **file != pack).unwrap();
    // The parity of another pack, under this one's name.
    archive.write(&parity_of(&pack), &archive.read(&parity_of(other)));
    archive.flip(&pack, PAGE + 7);
    let report = archive.verify(true);
    assert!(bad(&report).iter().any(|finding| finding.what == "pack"), "{:?}", report.findings);
    assert!(bad(&report)[0].text.contains("the name of another pack"), "{}", bad(&report)[0].text);
}

/// The parity of these bytes, as if a pack of this name had them.
fn forged(archive: &Archive, pack: &str, bytes: &[u8]) -> Vec<u8> {
    let named = |bytes: &[u8]| {
        let mut hasher = Naming::Blake3.hasher();
        hasher.update(bytes);
        hasher.pack()
    };
    let (real, other) = (named(&archive.read(pack)), named(bytes));
    let disk = LocalDisk::new(archive.beside("forged"));
    fs::create_dir_all(archive.beside("forged").join(paths::parent(&paths::pack(other)))).unwrap();
    fs::write(archive.beside("forged").join(paths::pack(other)), bytes).unwrap();
    let parity = parity::make(&disk, Naming::Blake3, other, 50).unwrap();
    let length = Head::begin(&parity[..72]).unwrap().1.head_length() as usize;
    let head = Head { pack: real, ..Head::decode(&parity[..length]).unwrap() };
    [&head.encode(), &parity[length..]].concat()
}

/// Each shard is what the parity says, or is made to be that; and yet it is another pack.
#[test]
fn what_parity_makes_counts_only_if_it_is_what_the_name_of_the_pack_says() {
    let archive = archive(3);
    let pack = largest(&archive);
    let mut another = archive.read(&pack);
    another[PAGE + 100] ^= 1;
    let mut zeroed = another.clone();
    zeroed[PAGE..2 * PAGE].fill(0);
    archive.write(&parity_of(&pack), &forged(&archive, &pack, &another));
    for there in [another, zeroed] {
        archive.write(&pack, &there);
        let report = archive.verify(true);
        let found = bad(&report);
        assert_eq!(found[0].what, "pack", "{:?}", report.findings);
        assert!(
            found[0].text.contains("what parity makes of it is not what its name says"),
            "{}",
            found[0].text
        );
        assert!(restored(&archive, 2).is_none(), "{:?}", report.findings);
    }
    assert!(!mend(&archive).is_whole());
}

#[test]
fn parity_of_another_length_is_named_without_being_read() {
    let archive = archive(3);
    let file = parity_of(&largest(&archive));
    let bytes = archive.read(&file);
    for changed in [bytes[..bytes.len() - 1].to_vec(), [&bytes[..], b"more"].concat()] {
        archive.write(&file, &changed);
        let report = archive.verify(false);
        let found = bad(&report);
        assert_eq!((found.len(), found[0].what), (1, "parity"), "{:?}", report.findings);
        assert!(found[0].path.as_ref().unwrap().contains(&file));
        let done = add_parity(&archive);
        assert_eq!((done.renewed, done.kept), (1, files(&archive, "packs/").len() as u64 - 1));
        assert!(archive.read(&file) == bytes);
    }
}

#[test]
fn a_healed_pack_is_stored_again_and_goes_with_its_parity() {
    let archive = archive(3);
    let whole = [1, 2].map(|point| restored(&archive, point).unwrap().1);
    let pack = largest(&archive);
    let mut damaged = archive.read(&pack);
    let end = damaged.len();
    damaged[end - 90..].fill(0);
    archive.write(&pack, &damaged);
    let mended = mend(&archive);
    assert!(mended.is_whole() && mended.packs[0].replaced, "{mended:?}");
    let aside = format!("damaged/{}.1", pack.replace('/', "-"));
    assert!(archive.read(&aside) == damaged, "what it replaces is kept");
    assert_eq!(bad(&archive.verify(true)), Vec::<&Finding>::new());
    archive.remove(&parity_of(&pack));
    for (point, whole) in (1..).zip(whole) {
        let (done, files) = restored(&archive, point).unwrap();
        assert!(files == whole && done.warnings.is_empty(), "nothing relies on it");
    }
    assert_eq!(
        files(&archive, "packs/").len(),
        files(&archive, "parity/").len(),
        "what is new has parity, too"
    );
}

/// Until a prune has taken it away.
#[test]
fn what_heals_and_nothing_needs_any_more_is_told_no_longer() {
    let room = Room::empty();
    room.ends(0, "init --parity 10%");
    let root = room.server("se-4.6.11-json");
    let line = format!("backup --data-dir {0} --control-db {0}/backups --source node", root.display());
    room.ends(0, &line);
    let pack = room.files().into_keys().find(|path| path.starts_with("packs")).unwrap();
    flip(&room.repository().join(pack), 200);
    let (_, stderr) = room.ends(3, "repair points");
    assert!(stderr.contains("run 'segvault repair packs'"), "{stderr}");
    room.ends(0, "repair packs");
    for line in ["repair points", "verify 1 --data"] {
        let (_, stderr) = room.ends(0, line);
        assert_eq!(stderr, "", "{line}");
    }
}

const DAMAGES: [&str; 7] = ["delete", "truncate", "flip", "zero", "swap", "older", "duplicate"];

/// Does it to one file of parity; `other` is another one.
fn damage(archive: &Archive, how: &str, file: &str, other: &str) {
    let (bytes, others) = (archive.read(file), archive.read(other));
    let mut changed = bytes.clone();
    match how {
        "delete" => return archive.remove(file),
        "truncate" => changed.truncate(bytes.len() * 2 / 3),
        "flip" => changed[bytes.len() / 2] ^= 4,
        "zero" => changed[..bytes.len().min(PAGE)].fill(0),
        "swap" => {
            archive.write(other, &bytes);
            changed = others;
        }
        "older" => changed = others,
        _ => {
            let (directory, name) = file.rsplit_once('/').unwrap();
            archive.write(&format!("{directory}/{}{}", &name[..2], "0".repeat(62)), &bytes);
        }
    }
    archive.write(file, &changed);
}

#[test]
fn damaged_parity_is_named_hurts_nothing_and_is_made_anew() {
    let archive = archive(3);
    let whole = restored(&archive, 2).unwrap().1;
    let all = files(&archive, "parity/");
    let before: BTreeMap<_, _> = all.iter().map(|file| (file.clone(), archive.read(file))).collect();
    for (file, other) in [(&all[0], &all[1]), (&all[2], &all[0])] {
        for how in DAMAGES {
            damage(&archive, how, file, other);
            let report = archive.verify(true);
            let named = report.findings.iter().any(|finding| match how {
                "delete" => finding.what == "no-parity",
                _ => finding.what == "parity" && finding.path.as_ref().unwrap().contains(file),
            });
            assert!(
                named || (how == "duplicate" && report.counts.debris_files == 1),
                "{how}: {:?}",
                report.findings
            );
            assert!(report.findings.iter().all(|finding| finding.points.is_empty()), "{how}");
            let (done, files) = restored(&archive, 2).unwrap();
            assert!(files == whole && done.warnings.is_empty(), "{how}");
            let done = add_parity(&archive);
            assert!(done.damaged.is_empty() && (done.made > 0 || how == "duplicate"), "{how}: {done:?}");
            assert_eq!(bad(&archive.verify(true)), Vec::<&Finding>::new(), "{how}");
            for (file, bytes) in &before {
                assert!(archive.read(file) == *bytes, "{how}: the same parity is made again");
            }
            let left = archive.files().into_iter().find(|file| file.ends_with(&"0".repeat(62)));
            left.into_iter().for_each(|file| archive.remove(&file));
        }
    }
}

#[test]
fn a_repair_of_packs_makes_damaged_parity_anew() {
    let archive = archive(3);
    let file = files(&archive, "parity/").remove(0);
    archive.flip(&file, 40);
    let mended = mend(&archive);
    assert!(mended.is_whole(), "{mended:?}");
    assert_eq!(bad(&archive.verify(true)), Vec::<&Finding>::new());
    assert!(
        archive.files().iter().any(|file| file.starts_with("damaged/parity-")),
        "what it replaces is kept"
    );
}

#[test]
fn a_damaged_pack_gets_no_parity() {
    let archive = archive(3);
    let pack = largest(&archive);
    archive.remove(&parity_of(&pack));
    archive.flip(&pack, PAGE);
    let done = add_parity(&archive);
    assert_eq!((done.made, done.damaged.len()), (0, 1), "{done:?}");
    assert!(!files(&archive, "parity/").contains(&parity_of(&pack)));
}

#[test]
fn a_copy_is_made_of_a_pack_that_heals_and_has_its_own_parity() {
    let archive = archive(3);
    let whole = restored(&archive, 2).unwrap().1;
    let pack = largest(&archive);
    let mut damaged = archive.read(&pack);
    damaged[PAGE..2 * PAGE].fill(0);
    archive.write(&pack, &damaged);
    let other = Archive::with_parity(10);
    let id = "99112233445566778899aabbccddeeff".to_owned();
    other.write("segvault.json", &Config { id, parity: Some(10), ..config() }.encode());
    let other_repository = other.open();
    copy(&archive.open(), &other_repository, &CopyOptions::default(), &Unobserved).unwrap();
    drop(other_repository);
    assert!(restored(&other, 2).unwrap().1 == whole);
    assert_eq!(files(&other, "packs/").len(), files(&other, "parity/").len());
    assert_eq!(other.verify(true).findings, []);
}

#[test]
fn parity_can_be_added_later_and_goes_with_its_packs() {
    let room = Room::new();
    let root = room.server("se-4.6.11-json");
    let line = format!("backup --data-dir {0} --control-db {0}/backups --source node", root.display());
    room.ends(0, &line);
    let dry = room.document(0, "repair-add-parity", "repair add-parity -n");
    assert!(!room.repository().join("parity").exists());
    let done = room.document(0, "repair-add-parity", "repair add-parity --parity 10%");
    assert_eq!((&done["made"], &done["percent"]), (&dry["made"], &10.into()));
    let stats = room.document(0, "stats", "stats");
    let kinds = stats["kinds"].as_array().unwrap();
    let parity = kinds.iter().find(|kind| kind["kind"] == "parity").unwrap();
    assert_eq!((&parity["files"], &parity["bytes"]), (&done["made"], &done["bytes"]));
    room.ends(0, "verify --data");
    for pack in fs::read_dir(room.repository().join("packs")).unwrap() {
        for pack in fs::read_dir(pack.unwrap().path()).unwrap() {
            flip(&pack.unwrap().path(), 200);
        }
    }
    let (text, _) = room.ends(20, "verify --data");
    assert!(text.contains("made whole by its parity"), "{text}");
    room.restore(3, "1", "healed");
    room.ends(0, "repair packs");
    room.restore(0, "1", "mended");
    assert!(fixtures_equal(&room, "healed", "mended"));
    room.ends(0, "prune --grace 0s");
    room.ends(0, "prune --grace 0s");
    room.ends(0, "repair add-parity");
    let files = room.files();
    let of = |top: &str| files.keys().filter(|path| path.starts_with(top)).count();
    assert_eq!(of("packs"), of("parity"), "{files:?}");
    // What an older program leaves, which does not know of parity.
    let orphan = room.repository().join("parity/00");
    fs::create_dir_all(&orphan).unwrap();
    fs::write(orphan.join("00".repeat(32)), b"of a pack that is gone").unwrap();
    let (text, _) = room.ends(0, "prune --grace 0s");
    assert!(text.contains("1 parity file"), "{text}");
    assert!(!orphan.join("00".repeat(32)).exists());
    room.ends(0, "verify --data");
}

fn fixtures_equal(room: &Room, one: &str, other: &str) -> bool {
    tree(&room.path(one)) == tree(&room.path(other))
}

#[test]
fn a_repository_is_made_with_parity_and_every_pack_gets_some() {
    let room = Room::empty();
    for odd in ["0%", "51%", "x", "-1"] {
        let (ended, _, _) =
            crate::support::program::told(room.command(&format!("init --parity={odd}")).output().unwrap());
        assert_eq!(ended, Some(2), "{odd}");
    }
    room.ends(0, "init --parity 3%");
    let root = room.server("core-2023.2.1-xml");
    room.ends(0, &format!("backup --data-dir {0} --control-db {0}/backups --source node", root.display()));
    room.ends(0, "recompress --compression max");
    let files = room.files();
    let of = |top: &str| files.keys().filter(|path| path.starts_with(top)).count();
    assert!(of("packs") > 2 && of("packs") == of("parity"), "{files:?}");
    let (text, _) = room.ends(0, "verify --data");
    assert!(!text.contains("parity"), "{text}");
}
