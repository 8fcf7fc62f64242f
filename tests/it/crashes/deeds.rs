//! The verbs that write, each with a repository to which it is done, and what has to be so whatever stops it.

use crate::copy::{another, copy_all};
use crate::faults::{back_up, damaged, grown, histories, mend, whole};
use crate::prune::lab::{At, DAY, forget, lab, prune_at, whole_logs};
use crate::store::model::{back_up_forked, back_up_on, check, check_point, config, open};
use crate::support::crash_disk::{CrashDisk, Image};
use crate::support::server::Server;
use segvault::engine::drop_history::{self, Before, DropOptions};
use segvault::engine::erase::{self, EraseOptions};
use segvault::engine::recompress::{self, RecompressOptions};
use segvault::engine::repair;
use segvault::engine::retention::{self, ForgetOptions, HoldOptions, Wanted};
use segvault::engine::verify::{self, Class, Remember, VerifyOptions};
use segvault::repo;
use segvault::repo::codec::Compression;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::{Deed as Act, PointRef};
use segvault::repo::format::moment::Moment;
use segvault::repo::store::{Alone, Effort, OpenOptions, Repository};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

/// The numbers of the points that were acknowledged; 0 for a verb that makes none.
pub type Said = BTreeSet<u64>;
type Runs = Box<dyn Fn(&CrashDisk) -> Result<u64, String>>;
type Holds = Box<dyn Fn(&CrashDisk, &Said) -> Result<(), String>>;

/// A verb, and a disk for it.
pub struct Deed {
    pub name: &'static str,
    pub start: CrashDisk,
    /// Does it; gives the point that is acknowledged, or 0.
    pub run: Runs,
    /// What has to be so, once these were acknowledged.
    pub holds: Holds,
}

fn deed(
    name: &'static str,
    start: CrashDisk,
    run: impl Fn(&CrashDisk) -> Result<u64, String> + 'static,
    holds: impl Fn(&CrashDisk, &Said) -> Result<(), String> + 'static,
) -> Deed {
    Deed { name, start, run: Box::new(run), holds: Box::new(holds) }
}

/// Any error, told; nothing else of what was done.
fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<u64, String> {
    result.map(|_| 0).map_err(|error| error.to_string())
}

fn opened(disk: &CrashDisk) -> Result<Repository, String> {
    open(disk).map_err(|error| error.to_string())
}

/// What a process that was killed has done is seen, and may not be durable: whoever writes next sees to that.
fn settled(disk: &CrashDisk) -> Result<u64, String> {
    done(opened(disk)?.session())
}

/// All of them.
pub fn deeds() -> Vec<Deed> {
    let mut deeds = vec![init()];
    deeds.extend(backups());
    deeds.extend([forgetting(), holding(), pruning(), recompressing(), protecting(), verifying()]);
    deeds.extend([erasing(), dropping(), copying(), copying_from(), copying_what_is_left()]);
    deeds.extend([mending(), giving_up(), giving_up_chunks(), marking()]);
    deeds
}

fn init() -> Deed {
    let is_there = |disk: &CrashDisk| match open(disk) {
        Err(repo::Error::NotARepository { .. }) => Ok(false),
        opened => opened.map(|_| true).map_err(|error| error.to_string()),
    };
    let run = move |disk: &CrashDisk| {
        if is_there(disk)? { settled(disk) } else { done(Repository::init(disk, &config())) }
    };
    let holds = move |disk: &CrashDisk, said: &Said| {
        if is_there(disk)? || said.is_empty() { Ok(()) } else { Err("it is not there".to_owned()) }
    };
    deed("init", CrashDisk::default(), run, holds)
}

/// The first one, one with nothing new, a tail extended, sealing, a fork.
fn backups() -> Vec<Deed> {
    let mut all = histories();
    let (name, disk, server) =
        ("nothing new", all[1].1.clone(), grown(&Server::new("node", &["default"], 1), 3));
    all.push((name, disk, server));
    let backup = |(name, disk, server): (&'static str, CrashDisk, Server)| {
        let before = whole(&disk).unwrap();
        let run = move |disk: &CrashDisk| back_up(disk, &server).ok_or_else(|| "no point".to_owned());
        let holds = move |disk: &CrashDisk, said: &Said| {
            let wanted: Said = before.union(said).copied().collect();
            let found = whole(disk)?;
            if found.is_superset(&wanted) {
                Ok(())
            } else {
                Err(format!("{wanted:?}, and there are {found:?}"))
            }
        };
        deed(name, disk, run, holds)
    };
    all.into_iter().map(backup).collect()
}

/// All points are there and whole, those too that are forgotten; and what was said is so.
fn points_and(
    points: Vec<PointRef>,
    is_so: impl Fn(&Repository) -> bool,
) -> impl Fn(&CrashDisk, &Said) -> Result<(), String> {
    move |disk, said| {
        let repository = opened(disk)?;
        let journal = repository.journal().map_err(|error| error.to_string())?;
        if journal.points.iter().map(|listed| listed.reference()).ne(points.iter().copied()) {
            return Err("a point is lost".to_owned());
        }
        journal
            .points
            .iter()
            .try_for_each(|listed| check_point(&repository, listed))
            .map_err(|error| error.to_string())?;
        if said.is_empty() || is_so(&repository) { Ok(()) } else { Err("what was said is not so".to_owned()) }
    }
}

fn forgetting() -> Deed {
    let (disk, points) = lab(3);
    let is_forgotten =
        |repository: &Repository| repository.journal().is_ok_and(|journal| journal.listed().count() == 1);
    let run = move |disk: &CrashDisk| {
        if is_forgotten(&opened(disk)?) {
            return settled(disk);
        }
        let wanted = Wanted::Points(vec!["1".to_owned(), "2".to_owned()]);
        let options = ForgetOptions { wanted, source: None, reason: "test".to_owned(), dry_run: false };
        done(retention::forget(&opened(disk)?, &options, &At(0)))
    };
    deed("forget", disk, run, points_and(points, is_forgotten))
}

fn holding() -> Deed {
    let (disk, points) = lab(2);
    let is_held =
        |repository: &Repository| repository.journal().is_ok_and(|journal| journal.points[0].held.is_some());
    let run = move |disk: &CrashDisk| {
        if is_held(&opened(disk)?) {
            return settled(disk);
        }
        let options = HoldOptions {
            point: "1".to_owned(),
            source: None,
            reason: "test".to_owned(),
            until: None,
            dry_run: false,
        };
        done(retention::hold(&opened(disk)?, &options, &At(0)))
    };
    deed("hold", disk, run, points_and(points, is_held))
}

fn pruning() -> Deed {
    let (disk, points) = lab(5);
    forget(&disk, &points[..3], 0);
    prune_at(&disk, 1, DAY).unwrap();
    forget(&disk, &points[3..4], 2);
    let kept = points[4];
    let holds = move |disk: &CrashDisk, said: &Said| {
        check(&opened(disk)?, &[kept])?;
        whole_logs(disk);
        let there = opened(disk)?.journal().map_err(|error| error.to_string())?.points.len();
        if said.is_empty() || there == 1 { Ok(()) } else { Err(format!("{there} points are there")) }
    };
    deed("prune", disk, |disk| done(prune_at(disk, 3 * DAY, 0)), holds)
}

fn recompressing() -> Deed {
    let (disk, points) = lab(3);
    let run = |disk: &CrashDisk| {
        let effort = Effort { compression: Compression::Max, memory: None };
        let options = RecompressOptions { effort, max_ms: None, dry_run: false };
        done(recompress::run(&opened(disk)?, &options, &At(0)))
    };
    let is_marked = |repository: &Repository| has_act(repository, |act| matches!(act, Act::Dead { .. }));
    deed("recompress", disk, run, points_and(points, is_marked))
}

fn has_act(repository: &Repository, is_it: impl Fn(&Act) -> bool) -> bool {
    repository.acts().unwrap().0.iter().any(|act| is_it(&act.deed))
}

fn protecting() -> Deed {
    let (disk, points) = lab(2);
    let run = |disk: &CrashDisk| {
        let report =
            repair::add_parity(&opened(disk)?, None, false, &At(0)).map_err(|error| error.to_string())?;
        // What can't be read is called damaged, and gets none.
        if report.damaged.is_empty() { Ok(0) } else { Err(format!("{:?}", report.damaged)) }
    };
    let is_protected = |repository: &Repository| repository.without_parity(true).unwrap().is_empty();
    deed("add-parity", disk, run, points_and(points, is_protected))
}

fn verifying() -> Deed {
    let (disk, points) = lab(2);
    let run = |disk: &CrashDisk| {
        let options = VerifyOptions { data: true, remember: Remember::Verdicts, ..VerifyOptions::default() };
        let report = verify::verify(&opened(disk)?, &options, &At(0)).map_err(|error| error.to_string())?;
        // What could not be remembered is a note.
        report.verified_act.map(|_| 0).ok_or_else(|| format!("{:?}", report.findings))
    };
    let is_said = |repository: &Repository| has_act(repository, |act| matches!(act, Act::Verified { .. }));
    deed("verify", disk, run, points_and(points, is_said))
}

/// Points of a server that has transformed two of its segments.
fn transformed() -> CrashDisk {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let mut server = grown(&Server::new("node", &["default"], 5), 12);
    back_up(&disk, &server).unwrap();
    let context = server.contexts.get_mut("default").unwrap();
    context.transform(0);
    context.transform(1);
    back_up(&disk, &grown(&server, 2)).unwrap();
    disk
}

/// What a backup left that was killed while it wrote a pack, and that a power loss does not take away.
const LEFT: &str = "staging/99.new";

fn leave(disk: &CrashDisk) {
    let mut left = disk.create_new(LEFT).unwrap();
    left.write_all(b"events").unwrap();
    left.sync().unwrap();
    disk.sync_directory("staging").unwrap();
}

/// Nothing is damaged; and what was said is so.
fn nothing_lost(is_so: impl Fn(&Repository) -> bool) -> impl Fn(&CrashDisk, &Said) -> Result<(), String> {
    move |disk, said| {
        let repository = opened(disk)?;
        let options = VerifyOptions { data: true, remember: Remember::Nothing, ..VerifyOptions::default() };
        let report = verify::verify(&repository, &options, &At(0)).map_err(|error| error.to_string())?;
        let bad: Vec<_> = report.findings.iter().filter(|finding| finding.class > Class::Note).collect();
        if !bad.is_empty() {
            return Err(format!("{bad:?}"));
        }
        if said.is_empty() || is_so(&repository) { Ok(()) } else { Err("what was said is not so".to_owned()) }
    }
}

fn erasing() -> Deed {
    let run = |disk: &CrashDisk| {
        let options = EraseOptions {
            source: "node".to_owned(),
            context: "default".to_owned(),
            snapshots: false,
            reason: "test".to_owned(),
            prove: true,
        };
        let alone = Alone::open(Arc::new(disk.clone()), OpenOptions::default());
        let alone = alone.map_err(|error| error.to_string())?;
        let report = erase::erase(&alone, &options, &At(0)).map_err(|error| error.to_string())?;
        let proof = report.proof.unwrap();
        if proof.is_clean() && proof.hashes > 0 { Ok(0) } else { Err(format!("{proof:?}")) }
    };
    let is_gone = |repository: &Repository| {
        let erased = erase::prove::Erased::by_acts(repository, "node", "default").unwrap();
        let proof = erase::prove::prove(repository, &erased, &At(0)).unwrap();
        let left = repository.disk().list("staging").unwrap();
        proof.is_clean() && proof.hashes > 0 && left.iter().all(|left| !LEFT.ends_with(&left.name))
    };
    let start = transformed();
    leave(&start);
    deed("erase", start, run, nothing_lost(is_gone))
}

fn dropping() -> Deed {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    back_up(&disk, &grown(&Server::new("node", &["default"], 5), 14)).unwrap();
    let options = |confirmed| DropOptions {
        source: None,
        context: "default".to_owned(),
        before: Before::Token(15),
        reason: "test".to_owned(),
        confirmed,
    };
    let is_dropped = move |repository: &Repository| {
        drop_history::drop_history(repository, &options(None), &At(0)).unwrap().logs.is_empty()
    };
    let run = move |disk: &CrashDisk| {
        let repository = opened(disk)?;
        let plan = drop_history::drop_history(&repository, &options(None), &At(0));
        let plan = plan.map_err(|error| error.to_string())?;
        // What stopped half-way has nothing left to confirm.
        let words = plan.confirmation.unwrap_or_else(|| "default@0".to_owned());
        done(drop_history::drop_history(&repository, &options(Some(words)), &At(0)))
    };
    assert!(!is_dropped(&open(&disk).unwrap()));
    deed("drop-history", disk, run, nothing_lost(is_dropped))
}

/// All copied points are whole; and where that was said, all are there.
fn copied(points: usize) -> impl Fn(&CrashDisk, &Said) -> Result<(), String> {
    move |disk, said| {
        let repository = opened(disk)?;
        check(&repository, &[])?;
        let there = repository.journal().map_err(|error| error.to_string())?.points.len();
        if said.is_empty() || there == points { Ok(()) } else { Err(format!("{there} points are there")) }
    }
}

fn copying() -> Deed {
    let (from, _) = lab(3);
    deed("copy", another('c'), move |to| done(copy_all(&from.reboot(Image::ProcessKilled), to)), copied(3))
}

/// What two backups brought since the last copy is lost, and the history has forked behind it.
fn copying_what_is_left() -> Deed {
    let (from, _) = lab(1);
    let to = another('c');
    copy_all(&from, &to).unwrap();
    let before = from.files();
    [2, 3].iter().for_each(|backup| _ = back_up_on(&from, *backup).unwrap());
    let lost: Vec<String> = from.files().into_iter().filter(|file| !before.contains(file)).collect();
    back_up_forked(&from).unwrap();
    lost.iter().filter(|file| file.starts_with("packs/")).for_each(|pack| from.remove(pack).unwrap());
    let run = move |to: &CrashDisk| {
        let report = copy_all(&from.reboot(Image::ProcessKilled), to).map_err(|error| error.to_string())?;
        let left_out = report.left_out.iter().map(|left| left.point.from);
        assert!(left_out.eq([2, 3]) && !report.history_left_out.is_empty(), "{report:?}");
        Ok(0)
    };
    let holds = |disk: &CrashDisk, said: &Said| {
        whole_logs(disk);
        let there = opened(disk)?.journal().map_err(|error| error.to_string())?.points.len();
        if said.is_empty() || there == 2 { Ok(()) } else { Err(format!("{there} points are there")) }
    };
    deed("copy of what is left", to, run, holds)
}

/// The repository that is copied remembers it: its disk crashes.
fn copying_from() -> Deed {
    let (from, points) = lab(2);
    let run = |from: &CrashDisk| {
        let report = copy_all(from, &another('c')).map_err(|error| error.to_string())?;
        // That it is not remembered is said.
        if let Some(why) = report.not_noted { Err(why) } else { Ok(0) }
    };
    let is_noted = |repository: &Repository| has_act(repository, |act| matches!(act, Act::Copied { .. }));
    deed("copy, remembered", from, run, points_and(points, is_noted))
}

fn mending() -> Deed {
    let (disk, mirror) = damaged();
    let before = whole(&disk).unwrap();
    let run = move |disk: &CrashDisk| {
        if mend(disk, &mirror)? { Ok(0) } else { Err("not whole".to_owned()) }
    };
    deed("repair from", disk, run, healed(before, |disk| Ok(whole(disk)?.len() == 3)))
}

fn healed(
    before: Said,
    is_so: impl Fn(&CrashDisk) -> Result<bool, String>,
) -> impl Fn(&CrashDisk, &Said) -> Result<(), String> {
    move |disk, said| {
        let after = whole(disk)?;
        if !after.is_superset(&before) {
            return Err(format!("{before:?} were whole, {after:?} are"));
        }
        if said.is_empty() || is_so(disk)? { Ok(()) } else { Err("what was said is not so".to_owned()) }
    }
}

fn marking() -> Deed {
    let (disk, mirror) = damaged();
    let good = mirror.read("points/2.json", u64::MAX).unwrap();
    disk.damage("points/2.json", |bytes| *bytes = good);
    let before = whole(&disk).unwrap();
    let run = |disk: &CrashDisk| {
        let report = repair::points(&opened(disk)?, false, &At(0)).map_err(|error| error.to_string())?;
        if report.unreadable.is_empty() { Ok(0) } else { Err(format!("{:?}", report.unreadable)) }
    };
    let is_marked = |disk: &CrashDisk| {
        let whole = whole(disk)?;
        let journal = opened(disk)?.journal().map_err(|error| error.to_string())?;
        let of = |number: &u64| whole.contains(number);
        Ok(journal.points.iter().all(|listed| of(&listed.point.number) || !listed.is_complete()))
    };
    deed("repair points", disk, run, healed(before, is_marked))
}

/// The newest point, act and record are damaged, and there is no copy.
fn giving_up() -> Deed {
    let (disk, _) = damaged();
    let newest = |top: &str| disk.files().iter().rfind(|file| file.starts_with(top)).unwrap().clone();
    let files = ["points/3.json".to_owned(), newest("logs/")];
    files.iter().for_each(|file| disk.damage(file, Vec::clear));
    let act = Act::Copied { to: "00".repeat(16), place: "elsewhere".to_owned() };
    opened(&disk).unwrap().session().unwrap().publish_act(Moment(0), act).unwrap();
    disk.damage("acts/1.json", Vec::clear);
    let before = whole(&disk).unwrap();
    let run = |disk: &CrashDisk| done(repair::give_up(&opened(disk)?, "a test", false, &At(0)));
    let is_given_up = |disk: &CrashDisk| {
        let (repository, journal) =
            (opened(disk)?, opened(disk)?.journal().map_err(|error| error.to_string())?);
        let left = repair::give_up(&repository, "a test", true, &At(0)).map_err(|error| error.to_string())?;
        Ok(journal.unreadable.is_empty() && left.files.is_empty())
    };
    deed("repair give-up", disk, run, healed(before, is_given_up))
}

/// Of the newest pack only its head is left, and another one is gone.
fn giving_up_chunks() -> Deed {
    let (_, disk) = damaged();
    let packs: Vec<String> = disk.files().into_iter().filter(|file| file.starts_with("packs/")).collect();
    disk.damage(&packs[0], |bytes| bytes.truncate(16));
    disk.remove(&packs[1]).unwrap();
    let before = whole(&disk).unwrap();
    let run = |disk: &CrashDisk| done(repair::give_up(&opened(disk)?, "a test", false, &At(0)));
    let is_given_up = |disk: &CrashDisk| {
        let left =
            repair::give_up(&opened(disk)?, "a test", true, &At(0)).map_err(|error| error.to_string())?;
        let given_up =
            has_act(&opened(disk)?, |act| matches!(act, Act::Lost { chunks, .. } if !chunks.is_empty()));
        prune_at(disk, 3 * DAY, 0).map_err(|error| error.to_string())?;
        if given_up && !left.is_any() { Ok(true) } else { Err(format!("{given_up}, {left:?}")) }
    };
    deed("repair give-up of chunks", disk, run, healed(before, is_given_up))
}
