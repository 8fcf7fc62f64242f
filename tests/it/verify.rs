//! Verify: what is well is well, what is damaged is named, and what it calls well restores.

use crate::support::archive::{Archive, WithControlDb, tree};
use crate::support::asked;
use crate::support::fixtures;
use crate::support::server::Server;
use segvault::axon::control_db::{rebuild, take_apart};
use segvault::axon::name::Store;
use segvault::axon::segment::Reason;
use segvault::axon::token::Token;
use segvault::engine::observe::{Observer, Unobserved};
use segvault::engine::prune::{self, PruneOptions};
use segvault::engine::restore::RestoreOptions;
use segvault::engine::verify::{self, Class, Finding, Report, VerifyOptions};
use segvault::repo::format::act::{self, Act, Deed, PointRef};
use segvault::repo::format::entry::{Flaw, SegmentEntry};
use segvault::repo::format::id::ChunkId;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::{CodecId, PackKind};
use segvault::repo::format::pack_builder::PackBuilder;
use segvault::repo::format::point::{ControlDb, StepKind};
use segvault::repo::format::record::{Branch, LogKey, LogState, Record};
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::paths;
use segvault::repo::store::{Alone, OpenOptions, Repository};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

/// Three points of a growing server: sealed segments, tails, a transformation, control databases.
fn archive(seed: u64) -> (Archive, Server) {
    let archive = Archive::new();
    let zips = [small_control_db(8192), small_control_db(40_960)];
    let mut server = Server::new("node", &["default", "billing"], seed);
    for round in 0..3 {
        for context in server.contexts.values_mut() {
            context.append(Store::Events, 15);
            context.append(Store::Snapshots, 7);
        }
        if round == 2 {
            server.contexts.get_mut("default").unwrap().transform(0);
        }
        let zip = &zips[round.min(1)];
        let name = format!("controldb{round}.zip");
        let mut source = WithControlDb { server: server.clone(), name, zip: zip.clone() };
        archive.backup(&mut source);
    }
    (archive, server)
}

/// A zip of the beginning of a real control database.
fn small_control_db(length: usize) -> Vec<u8> {
    let zip = fs::read(fixtures::control_db_zips("se-4.6.11-json").remove(0)).unwrap();
    let apart = take_apart(&zip, 1 << 30).unwrap();
    rebuild(&apart.recipe.unwrap(), &apart.inner[..length])
}

fn bad(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.class > Class::Note).collect()
}

fn whats(report: &Report) -> Vec<&str> {
    bad(report).iter().map(|finding| finding.what).collect()
}

/// What each point restores to; none if it fails.
fn restored(archive: &Archive, tag: &str) -> BTreeMap<u64, Option<BTreeMap<String, Vec<u8>>>> {
    let restore = |point: u64| {
        let name = format!("{tag}-{point}");
        let result = archive.restore(point, &name).ok().map(|_| tree(&archive.beside(&name)));
        let _ = fs::remove_dir_all(archive.beside(&name));
        (point, result)
    };
    (1..=3).map(restore).collect()
}

#[test]
fn a_good_repository_is_well_and_its_figures_are_told() {
    let (archive, server) = archive(1);
    for data in [false, true] {
        let report = archive.verify(data);
        assert_eq!(report.findings, vec![], "data: {data}");
        assert_eq!((report.worst(), report.act), (None, None));
        let counts = report.counts;
        assert_eq!((counts.points, counts.acts, counts.logs), (3, 0, 4));
        assert_eq!(counts.control_dbs, 2, "the second and the third are the same");
        assert_eq!(
            counts.packs,
            archive.files().iter().filter(|file| file.starts_with("packs/")).count() as u64
        );
        assert_eq!(
            counts.pages,
            archive.files().iter().filter(|file| file.starts_with("pages/")).count() as u64
        );
        assert!(counts.debris_files < counts.packs, "only packs of tails that have grown since: {counts:?}");
        assert_eq!(counts.bytes_read, if data { counts.pack_bytes } else { 0 });
        if data {
            let events: u64 = server
                .contexts
                .values()
                .flat_map(|context| Store::ALL.map(|store| context.store(store)))
                .flat_map(|store| store.segments.values())
                .map(|image| image.events())
                .sum();
            assert!(counts.proven_events >= events, "every version counts: {counts:?}");
            assert_eq!(counts.proven_segments, counts.segments);
        }
    }
    assert!(serde_json::to_string(&archive.verify(true)).unwrap().contains("\"findings\":[]"));
}

#[test]
fn the_real_data_of_real_servers_is_well() {
    use segvault::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
    let archive = Archive::new();
    for name in fixtures::SERVERS {
        let options = DataDirOptions {
            path: fixtures::dir(name).to_owned(),
            control_db: ControlDbFrom::Zip(fixtures::dir(name).join("backups")),
            accept_unordered: true,
            no_mmap: false,
        };
        archive.backup_with(&mut DataDir::open(options).unwrap(), |options| {
            options.source = Some(name.to_owned())
        });
    }
    assert_eq!(archive.verify(true).findings, vec![]);
}

/// What a damage does to the bytes of a file; none removes it.
type Change = fn(&[u8], usize) -> Option<Vec<u8>>;

const CHANGES: [(&str, Change); 5] = [
    ("removed", |_, _| None),
    ("cut", |bytes, at| Some(bytes[..at].to_vec())),
    ("flipped", |bytes, at| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x10;
        Some(bytes)
    }),
    ("zeroed", |bytes, at| {
        let mut bytes = bytes.to_vec();
        let end = bytes.len().min(at + 64);
        bytes[at..end].fill(0);
        Some(bytes)
    }),
    ("empty", |_, _| Some(Vec::new())),
];

/// The heart: whatever is damaged, `verify --data` names it, and every point that it does not name restores to what it was.
#[test]
fn every_damage_of_every_file_is_found_and_points_that_are_not_named_restore() {
    let (archive, _) = archive(2);
    let whole = restored(&archive, "whole");
    let mut random = fastrand::Rng::with_seed(2);
    for (number, file) in archive.files().iter().filter(|file| *file != "segvault.json").enumerate() {
        let bytes = archive.read(file);
        // Two of the changes for each file; all of them for each kind of file.
        for (change_name, change) in CHANGES.into_iter().cycle().skip(number).take(rounds()) {
            let at = random.usize(0..bytes.len());
            let changed = change(&bytes, at);
            if changed.as_ref() == Some(&bytes) {
                continue;
            }
            match &changed {
                Some(changed) => archive.write(file, changed),
                None => archive.remove(file),
            }
            let told = format!("{file} {change_name} at {at}");
            judge(&archive, &whole, &told, may_be_unseen(file, change_name));
            archive.write(file, &bytes);
        }
    }
    assert_eq!(archive.verify(true).findings, vec![]);
}

/// How many damages each file gets; `SEGVAULT_DAMAGES=50` gives them more than an ordinary test run.
fn rounds() -> usize {
    usize::try_from(asked("SEGVAULT_DAMAGES", 2)).unwrap()
}

/// Nothing vouches for the newest point; and packs of tails that have grown since are needed no more.
fn may_be_unseen(file: &str, change: &str) -> bool {
    file.starts_with("packs/") || (file == "points/3.json" && change == "removed")
}

fn judge(
    archive: &Archive,
    whole: &BTreeMap<u64, Option<BTreeMap<String, Vec<u8>>>>,
    told: &str,
    may_be_unseen: bool,
) {
    let report = archive.verify(true);
    assert!(report.worst().is_some() || may_be_unseen, "{told}: {:?}", report.findings);
    let points: Vec<u64> = archive.points().iter().map(|listed| listed.point.number).collect();
    let hit: Vec<u64> = bad(&report).iter().flat_map(|finding| finding.points.clone()).collect();
    for (point, found) in restored(archive, "after") {
        match found {
            Some(found) => assert!(
                Some(&found) == whole[&point].as_ref(),
                "{told}: point {point} restores to something else"
            ),
            None => assert!(
                hit.contains(&point) || !points.contains(&point),
                "{told}: point {point} can't be restored, and that is not told: {:?}",
                report.findings
            ),
        }
    }
    remove_acts(archive);
}

/// Takes back what verify itself wrote.
fn remove_acts(archive: &Archive) {
    archive.files().iter().filter(|file| file.starts_with("acts/")).for_each(|file| archive.remove(file));
}

#[test]
fn what_is_damaged_is_named_by_its_file_and_its_tokens() {
    let (archive, server) = archive(3);
    let sealed_pack = archive
        .files()
        .into_iter()
        .find(|file| {
            file.starts_with("packs/") && {
                let bytes = archive.read(file);
                segvault::repo::format::pack::parse_pack(&bytes).unwrap().kind
                    == segvault::repo::format::pack::PackKind::Sealed
            }
        })
        .unwrap();
    archive.flip(&sealed_pack, 400);
    let report = archive.verify(true);
    let finding = bad(&report)[0];
    assert!(finding.path.as_ref().unwrap().ends_with(&sealed_pack));
    assert_eq!(finding.what, "pack");
    assert!(!finding.points.is_empty() && !finding.tokens.is_empty() && !finding.advice.is_empty());
    for tokens in &finding.tokens {
        assert_eq!((tokens.source.as_str(), tokens.incarnation), ("node", 1));
        let store = if tokens.store == "events" { Store::Events } else { Store::Snapshots };
        let images = &server.contexts[&tokens.context].store(store).segments;
        let image = images.values().find(|image| image.name().number.get() == tokens.first).unwrap();
        assert_eq!(tokens.last + 1, image.next_token());
    }
    assert_eq!(report.worst(), Some(Class::Damage));
}

#[test]
fn a_damaged_pack_is_recorded_once_and_the_next_backup_stores_its_chunks_again() {
    let (archive, mut server) = archive(4);
    let packs: Vec<_> = archive.files().into_iter().filter(|file| file.starts_with("packs/")).collect();
    for pack in &packs {
        archive.flip(pack, 300);
    }
    let report = archive.verify(true);
    assert_eq!((report.damaged_packs.len(), report.act), (packs.len(), Some(1)));
    let acts = archive.open().journal().unwrap().acts;
    assert_eq!(acts[0].deed, Deed::Damaged { packs: report.damaged_packs.clone() });
    assert_eq!(archive.verify(true).act, None, "it is known already");
    assert!(archive.restore(3, "before").is_err());

    for context in server.contexts.values_mut() {
        context.append(Store::Events, 1);
    }
    archive.backup_with(&mut server, |options| options.reread = true);
    assert!(archive.restore(4, "after").unwrap().verified);
    let lost: Vec<u64> =
        bad(&archive.verify(true)).iter().flat_map(|finding| finding.points.clone()).collect();
    assert!(!lost.contains(&4), "{lost:?}");
}

#[test]
fn debris_is_counted_and_is_no_damage() {
    let (archive, _) = archive(5);
    let before = archive.verify(true).counts;
    let name = "ab".repeat(32);
    fs::create_dir_all(archive.repository_path().join("packs/ab")).unwrap();
    fs::create_dir_all(archive.repository_path().join("pages/ab")).unwrap();
    archive.write(&format!("packs/ab/{name}"), b"");
    archive.write(&format!("pages/ab/{name}"), b"half a page");
    archive.write("packs/ab/README", b"abc");
    archive.write("staging/x", b"12345");
    let report = archive.verify(true);
    assert_eq!(report.worst(), None, "{:?}", report.findings);
    let more = |now: u64, before: u64| now - before;
    assert_eq!(more(report.counts.debris_files, before.debris_files), 4);
    assert_eq!(more(report.counts.debris_bytes, before.debris_bytes), 11 + 3 + 5);
}

#[test]
fn the_rules_of_the_protocol_are_checked_again() {
    let (archive, _) = archive(6);
    archive.forge(|_, body| {
        let at = body.steps.iter().position(|step| step.step == StepKind::Safepoints).unwrap();
        body.steps.swap(at, at - 1);
        let log = &mut body.context_mut("default").unwrap().events;
        log.safepoint = log.head.map(|head| head + 1);
    });
    let report = archive.verify(false);
    assert_eq!(whats(&report), ["steps", "safepoint"]);
    assert!(bad(&report).iter().all(|finding| finding.points == [4]));
}

#[test]
fn a_hole_that_no_point_declares_is_a_gap_in_the_history() {
    let (archive, _) = archive(7);
    let mut tokens = (0, 0);
    archive.forge(|session, body| {
        let log = &mut body.context_mut("billing").unwrap().events;
        let mut entries = session.repository().tree(log.root).unwrap();
        let gone = entries.remove(1);
        tokens = (gone.name.number.get(), gone.last_token().unwrap().get());
        log.root = session.put_tree(&entries).unwrap();
        log.segments -= 1;
        log.bytes -= gone.logical_end;
    });
    let report = archive.verify(false);
    assert_eq!((whats(&report), report.worst()), (vec!["gap"], Some(Class::History)));
    let finding = bad(&report)[0];
    assert_eq!((finding.tokens[0].first, finding.tokens[0].last), tokens);
    assert_eq!(finding.points, [4]);
}

#[test]
fn tokens_that_a_point_has_twice_are_an_overlap() {
    let (archive, _) = archive(22);
    archive.forge(|session, body| {
        let log = &mut body.context_mut("billing").unwrap().events;
        let mut entries = session.repository().tree(log.root).unwrap();
        entries[1].name.number = entries[1].name.number.before().unwrap();
        log.root = session.put_tree(&entries).unwrap();
    });
    let report = archive.verify(false);
    // The newest record does not hold such a segment, either.
    let (of_record, of_point): (Vec<_>, Vec<_>) =
        bad(&report).into_iter().partition(|finding| finding.what == "not-a-superset");
    assert_eq!((of_record.len(), of_point.iter().any(|finding| finding.what == "overlap")), (1, true));
    assert!(of_point.iter().all(|finding| finding.points == [4]), "{of_point:?}");
}

#[test]
fn claims_are_compared_with_the_bytes() {
    let (archive, _) = archive(8);
    archive.forge(|_, body| body.context_mut("default").unwrap().events.open[0].blake3.0[0] ^= 1);
    assert_eq!(archive.verify(false).worst(), None, "the structure can't tell");
    let report = archive.verify(true);
    assert_eq!(whats(&report), ["claim"]);
    assert_eq!(bad(&report)[0].points, [4]);

    let (archive, _) = self::archive(9);
    archive.forge(|_, body| body.context_mut("default").unwrap().events.open[0].length += 1);
    let report = archive.verify(false);
    assert!(whats(&report).contains(&"claim"), "{:?}", report.findings);
}

/// What verify calls well restores: a restore takes no damaged copy for what a point claims.
#[test]
fn a_claim_that_only_a_damaged_copy_holds_is_told() {
    let (archive, _) = archive(18);
    forge_record(&archive, 3, |record| {
        record.state.tails[0].flaw = Some(Flaw { reason: Reason::Checksum });
    });
    let report = archive.verify(false);
    assert!(whats(&report).contains(&"claim"), "{:?}", report.findings);
    assert!(archive.restore(3, "flawed").is_err());
}

#[test]
fn a_point_that_ends_before_its_safepoint_is_not_restored_without_a_word() {
    let (archive, _) = archive(19);
    let forged = archive.forge(|_, body| {
        let log = &mut body.context_mut("default").unwrap().events;
        log.safepoint = log.head.map(|head| head + 1);
    });
    let said = |point| {
        let restored = archive.restore(point, &format!("said-{point}")).unwrap();
        restored.warnings.iter().any(|warning| warning.what == "safepoint")
    };
    assert_eq!([said(3), said(forged)], [false, true]);
}

#[test]
fn sums_that_do_not_fit_are_told() {
    let (archive, _) = archive(10);
    archive.forge(|_, body| {
        let log = &mut body.context_mut("default").unwrap().events;
        (log.segments, log.bytes) = (log.segments + 1, log.bytes + 1);
    });
    assert_eq!(whats(&archive.verify(false)), ["sum", "sum"]);
}

/// Nothing but the point itself tells that the record of its log once held more.
#[test]
fn a_record_that_lacks_a_segment_of_a_point_is_told() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 20);
    server.contexts.get_mut("default").unwrap().append(Store::Events, 30);
    archive.backup(&mut server);
    let repository = archive.open();
    let is_events = |key: &LogKey| key.store == Store::Events;
    let key = repository.logs().unwrap().into_iter().find(is_events).unwrap();
    let mut record = repository.record(&key, 1).unwrap();
    let mut entries = repository.tree(record.state.root).unwrap();
    let gone = entries.remove(0);
    let mut session = repository.session().unwrap();
    record.state.root = session.put_tree(&entries).unwrap();
    drop(session.barrier().unwrap());
    drop(session);
    archive.write(&format!("logs/{}/1", key.directory()), &record.encode());
    let report = archive.verify(false);
    assert_eq!(whats(&report), ["not-a-superset"], "{:?}", report.findings);
    let found = bad(&report)[0];
    assert!(found.text.contains(&format!("segment {}, which point 1 names", gone.name)), "{found:?}");
    let tokens = &found.tokens[0];
    assert_eq!((tokens.first, Some(tokens.last)), (0, gone.last_token().map(Token::get)));
    assert!(found.points.is_empty(), "it has a tree of its own: {found:?}");
    assert!(archive.restore(1, "whole").unwrap().verified);
}

#[test]
fn a_tail_with_tokens_that_another_segment_has_is_told() {
    let (archive, _) = archive(21);
    let mut tokens = 0;
    forge_record(&archive, 3, |record| {
        let mut tail = record.state.tails[0].clone();
        assert!(tail.events > 0);
        tail.name.number = tail.name.number.before().unwrap();
        record.state.tails.insert(0, tail);
    });
    let report = archive.verify(false);
    assert_eq!(
        (whats(&report)[0], report.worst()),
        ("overlap", Some(Class::History)),
        "{:?}",
        report.findings
    );
    tokens += bad(&report).iter().map(|found| found.tokens.len()).sum::<usize>();
    assert!(tokens > 0 && bad(&report)[0].path.as_ref().unwrap().ends_with("/3"));
}

#[test]
fn times_of_a_point_that_its_events_do_not_have_are_told() {
    // The next event goes into the segment that the newest point claims a part of.
    let grows = |(_, server): &(Archive, Server)| {
        let mut next = server.contexts["default"].clone();
        let open = next.events.open().name();
        next.append(Store::Events, 1);
        next.events.open().name() == open
    };
    let (archive, mut server) = (22..).map(self::archive).find(grows).unwrap();
    let forged = archive.forge(|_, body| {
        let log = &mut body.context_mut("default").unwrap().events;
        log.times.as_mut().unwrap().greatest += 1;
    });
    let report = archive.verify(false);
    assert_eq!(
        (whats(&report), bad(&report)[0].points.as_slice()),
        (vec!["point-times"], [forged].as_slice())
    );
    server.contexts.get_mut("default").unwrap().append(Store::Events, 1);
    archive.backup(&mut server);
    assert_eq!(whats(&archive.verify(false)), [""; 0], "what it claims lies in segments that have grown");
    let report = archive.verify(true);
    assert_eq!(
        (whats(&report), bad(&report)[0].points.as_slice()),
        (vec!["point-times"], [forged].as_slice())
    );
    assert!(archive.restore(forged, "whole").unwrap().verified);
}

/// The record before the newest is there for the day when the newest is damaged; what it holds is no history of its own.
#[test]
fn a_tail_that_only_the_record_before_the_newest_needs_is_no_lost_history() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 23);
    let mut grow = |events: usize| {
        server.contexts.get_mut("default").unwrap().append(Store::Events, events);
        archive.backup(&mut server)
    };
    let is_tail = |file: &String| {
        file.starts_with("packs/")
            && segvault::repo::format::pack::parse_pack(&archive.read(file)).unwrap().kind == PackKind::Tail
    };
    grow(1);
    grow(1);
    let tails: Vec<String> = archive.files().into_iter().filter(is_tail).collect();
    grow(1);
    let whole: Vec<_> =
        (1..=3).map(|point| archive.restore(point, &format!("a{point}")).unwrap().verified).collect();
    let mut told = 0;
    for pack in tails {
        let bytes = archive.read(&pack);
        archive.remove(&pack);
        let report = archive.verify(true);
        for found in bad(&report).into_iter().filter(|found| found.what == "chunk-lost") {
            if found.points.is_empty() {
                told += 1;
                assert_eq!(found.tokens, vec![], "{found:?}");
                assert!(found.text.contains("the newest holds its tokens"), "{found:?}");
            }
        }
        archive.write(&pack, &bytes);
        remove_acts(&archive);
    }
    assert!(told > 0 && whole.len() == 3);
}

#[test]
fn an_interrupt_ends_it() {
    struct Now;
    impl Observer for Now {
        fn interrupted(&self) -> bool {
            true
        }
    }
    let (archive, _) = archive(11);
    let result =
        verify::verify(&archive.open(), &VerifyOptions { data: true, ..VerifyOptions::default() }, &Now);
    assert!(matches!(result, Err(segvault::engine::Error::Interrupted)));
}

#[test]
fn a_repository_that_is_locked_for_writing_is_verified_all_the_same() {
    let (archive, _) = archive(12);
    let pack = archive.files().into_iter().find(|file| file.starts_with("packs/")).unwrap();
    archive.flip(&pack, 300);
    let writer = archive.open();
    let _session = writer.session().unwrap();
    let disk = Arc::new(LocalDisk::new(archive.repository_path()));
    let reader = Repository::open(disk, OpenOptions::default()).unwrap();
    let report =
        verify::verify(&reader, &VerifyOptions { data: true, ..VerifyOptions::default() }, &Unobserved)
            .unwrap();
    assert_eq!((report.act, report.damaged_packs.len()), (None, 1));
    assert!(report.findings.iter().any(|finding| finding.what == "not-recorded"));
}

/// Whatever happens to a server, what its backups leave is well, and every point can be restored.
#[test]
fn random_lives_of_servers_leave_repositories_that_are_well() {
    let (mut made, mut incomplete) = (0, 0);
    for seed in 0..lives() {
        let mut random = fastrand::Rng::with_seed(seed);
        let archive = Archive::new();
        let mut server = Server::new("node", &["default", "billing"], seed);
        let mut points = Vec::new();
        for _ in 0..8 {
            let older = server.clone();
            for _ in 0..random.usize(1..4) {
                live(&mut server, &mut random);
            }
            if random.u8(..) < 40 {
                server = older;
                server.restored += 1;
                server.contexts.values_mut().for_each(|context| context.history.reseed(random.u64(..)));
            }
            points.extend(archive.try_backup(&mut server));
        }
        let report = archive.verify(true);
        assert_eq!(report.worst(), None, "seed {seed}: {:#?}\n{}", bad(&report), server.describe());
        for (at, point) in points.iter().enumerate() {
            match archive.restore(point.number, &format!("out{at}")) {
                Ok(restored) => incomplete += usize::from(!restored.verified),
                Err(error) => panic!("seed {seed}: point {}: {error:?}\n{}", point.number, server.describe()),
            }
            made += 1;
        }
    }
    assert!(
        made > 150 && incomplete > 10,
        "{made} points, {incomplete} of them with damage or holes: too tame"
    );
}

/// How many lives; `SEGVAULT_LIVES=1000` tries more than an ordinary test run.
fn lives() -> u64 {
    asked("SEGVAULT_LIVES", 25)
}

fn live(server: &mut Server, random: &mut fastrand::Rng) {
    let name = if random.bool() { "default" } else { "billing" };
    let context = server.contexts.get_mut(name).unwrap();
    match random.u8(0..10) {
        0 => context.transform(random.usize(0..4)),
        1 => context.compact(),
        2 => context.purge(),
        3 => {
            context.events.roll_now();
        }
        4 => context.damaged.clear(),
        5 => {
            let images: Vec<_> = context.events.segments.values().cloned().collect();
            let image = &images[random.usize(0..images.len())];
            let mut bytes = image.bytes();
            let at = random.usize(0..image.end() as usize);
            bytes[at] ^= 8;
            context.damaged.insert((Store::Events, image.name()), bytes);
        }
        6 => {
            let gone =
                *context.events.segments.keys().nth(random.usize(0..context.events.segments.len())).unwrap();
            if context.events.open().name() != gone {
                context.events.segments.remove(&gone);
            }
        }
        _ => {
            context.append(Store::Events, random.usize(1..10));
            context.append(Store::Snapshots, random.usize(1..4));
        }
    }
}

#[test]
fn a_bit_that_no_chunk_needs_is_found_all_the_same() {
    let (archive, _) = archive(13);
    for pack in archive.files().into_iter().filter(|file| file.starts_with("packs/")) {
        // In the header of the pack, and in that of its first block: directories repeat both.
        for at in [3, 20] {
            archive.flip(&pack, at);
            let report = archive.verify(true);
            assert!(
                report
                    .findings
                    .iter()
                    .any(|finding| finding.path.as_ref().is_some_and(|path| path.ends_with(&pack)))
            );
            archive.flip(&pack, at);
            remove_acts(&archive);
        }
    }
}

/// Writes a pack that is what its name says, with one block of one chunk, and of this name.
fn forge_pack(archive: &Archive, bytes: &[u8], chunk: ChunkId) -> String {
    let (mut builder, mut pack) = PackBuilder::begin(PackKind::Tail);
    let length = u32::try_from(bytes.len()).unwrap();
    pack.extend(builder.block(CodecId::Raw, bytes, &[(chunk, length)]).unwrap());
    pack.extend(builder.finish().unwrap().0);
    let mut hasher = archive.open().naming().hasher();
    hasher.update(&pack);
    let file = paths::pack(hasher.pack());
    let path = archive.repository_path().join(&file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, pack).unwrap();
    file
}

#[test]
fn what_no_segment_needs_is_decoded_too() {
    let (archive, _) = archive(14);
    let name = archive.open().naming().chunk(b"something");
    let honest = forge_pack(&archive, b"something", name);
    assert_eq!(whats(&archive.verify(true)), [""; 0]);
    let lying = forge_pack(&archive, b"other", name);
    let report = archive.verify(true);
    let named = |pack: &str| {
        let is_it = |finding: &&Finding| finding.path.as_ref().is_some_and(|path| path.ends_with(pack));
        report.findings.iter().find(is_it).map(|finding| finding.text.clone())
    };
    assert!(named(&lying).unwrap().contains("is not what its name says"), "{:?}", report.findings);
    assert_eq!(named(&honest), None);
}

/// Writes a record of a log of `default` anew, changed, so that it is a good record by itself.
fn forge_record(archive: &Archive, number: u64, change: impl Fn(&mut Record)) {
    let key = archive.open().logs().unwrap().into_iter().find(|key| key.context == "default").unwrap();
    forge_record_of(archive, &key, number, change);
}

fn forge_record_of(archive: &Archive, key: &LogKey, number: u64, change: impl Fn(&mut Record)) {
    let file = paths::record(key, number);
    let mut record = Record::decode(&archive.read(&file)).unwrap();
    change(&mut record);
    archive.write(&file, &record.encode());
}

#[test]
fn each_record_vouches_for_the_one_before_and_holds_all_that_it_held() {
    let (archive, _) = archive(14);
    forge_record(&archive, 1, |record| record.state.tails[0].modified_ns += 1);
    assert_eq!(whats(&archive.verify(false)), ["record-chain"]);

    let (archive, _) = self::archive(15);
    let key = archive.open().logs().unwrap().into_iter().find(|key| key.context == "default").unwrap();
    let old = archive.open().record(&key, 1).unwrap().state;
    forge_record(&archive, 3, |record| record.state = old.clone());
    let report = archive.verify(false);
    assert!(whats(&report).contains(&"not-a-superset"), "{:?}", report.findings);

    let (archive, _) = self::archive(16);
    archive.forge(|_, body| body.context_mut("default").unwrap().events.record += 9);
    assert_eq!(whats(&archive.verify(false)), ["record-lost"]);
}

/// The key of the events of `default`, which have three records.
fn events_of_default(archive: &Archive) -> LogKey {
    let is_it = |key: &LogKey| key.context == "default" && key.store == Store::Events;
    archive.open().logs().unwrap().into_iter().find(is_it).unwrap()
}

#[test]
fn what_a_record_loses_is_found_be_it_sealed_or_not() {
    let lost = |change: &dyn Fn(&Archive, &mut LogState, [&LogState; 2])| {
        let (archive, _) = archive(19);
        let key = events_of_default(&archive);
        let [first, second] = [1, 2].map(|number| archive.open().record(&key, number).unwrap().state);
        forge_record_of(&archive, &key, 3, |record| change(&archive, &mut record.state, [&first, &second]));
        archive.verify(false)
    };
    let says = |report: &Report, what: &str| {
        let text = format!("record 3 does not hold {what} ");
        assert!(report.findings.iter().any(|found| found.text.contains(&text)), "{:?}", report.findings);
    };
    let tails = lost(&|_, state, [_, second]| *state = LogState { tails: Vec::new(), ..second.clone() });
    says(&tails, "the tail of segment");
    let sealed = lost(&|_, state, [first, second]| *state = LogState { root: first.root, ..second.clone() });
    says(&sealed, "segment");
    let changes: [fn(&mut SegmentEntry); 2] = [|entry| entry.content.0[0] ^= 1, |entry| entry.events += 1];
    for change in changes {
        let changed = lost(&|archive, state, [_, second]| {
            let repository = archive.open();
            let mut entries = repository.tree(second.root).unwrap();
            change(&mut entries[0]);
            let mut session = repository.session().unwrap();
            *state = LogState { root: session.put_tree(&entries).unwrap(), ..second.clone() };
            drop(session.barrier().unwrap());
        });
        says(&changed, "segment");
    }
    let changed = lost(&|_, state, [_, second]| {
        *state = second.clone();
        changes[0](&mut state.tails[0]);
    });
    says(&changed, "the tail of segment");
}

#[test]
fn a_record_that_stands_in_another_one_s_place_is_found() {
    let (archive, _) = archive(23);
    let key = events_of_default(&archive);
    let good = archive.read(&paths::record(&key, 3));
    let elsewhere = LogKey { context: "billing".to_owned(), ..key.clone() };
    for other in [paths::record(&key, 2), paths::record(&elsewhere, 3)] {
        archive.write(&paths::record(&key, 3), &archive.read(&other));
        assert!(whats(&archive.verify(false)).contains(&"record"), "{other}");
    }
    archive.write(&paths::record(&key, 3), &good);
    assert_eq!(whats(&archive.verify(false)), Vec::<&str>::new());
}

#[test]
fn a_record_that_branches_elsewhere_than_the_one_before_is_found() {
    let (archive, mut before) = (Archive::new(), Server::new("node", &["default"], 21));
    let events = |server: &mut Server, seed: u64, count: usize| {
        let context = server.contexts.get_mut("default").unwrap();
        context.history.reseed(seed);
        context.append(Store::Events, count);
    };
    events(&mut before, 1, 15);
    let mut after = before.clone();
    events(&mut before, 2, 3);
    archive.backup(&mut before);
    for seed in [3, 4] {
        events(&mut after, seed, 2);
        archive.backup(&mut after);
    }
    assert_eq!(whats(&archive.verify(false)), Vec::<&str>::new());
    let forked = |key: &LogKey| key.incarnation == 2 && key.store == Store::Events;
    let key = archive.open().logs().unwrap().into_iter().find(forked).unwrap();
    forge_record_of(&archive, &key, 2, |record| {
        record.state.branch = Some(Branch { token: None, ..record.state.branch.unwrap() });
    });
    assert_eq!(whats(&archive.verify(false)), ["record-chain"]);
}

#[test]
fn that_one_of_the_two_newest_records_is_missing_is_damage_behind_a_prune_too() {
    let (archive, _) = archive(20);
    let key = events_of_default(&archive);
    let disk = Arc::new(LocalDisk::new(archive.repository_path()));
    let alone = Alone::open(disk, OpenOptions::default()).unwrap();
    prune::delete(&alone, &PruneOptions::default(), &Unobserved).unwrap();
    drop(alone);
    assert!(!archive.files().contains(&paths::record(&key, 1)), "an old record is gone");
    assert_eq!(whats(&archive.verify(false)), Vec::<&str>::new());
    archive.remove(&paths::record(&key, 2));
    assert_eq!(whats(&archive.verify(false)), ["record"]);
}

#[test]
fn a_zip_that_would_not_be_rebuilt_is_found() {
    let (archive, _) = archive(17);
    archive.forge(|_, body| {
        let ControlDb::Inner { zip: Some(zip), .. } = &mut body.control_db else { panic!("a zip") };
        zip.dos_time ^= 1 << 5;
        zip.blake3.0[0] ^= 1;
    });
    let report = archive.verify(true);
    assert_eq!(whats(&report), ["control-db"]);
    assert!(bad(&report)[0].points.contains(&4));

    let mut options =
        RestoreOptions { point: "4".to_owned(), ..RestoreOptions::latest(archive.beside("out")) };
    options.control_db_zip_to = Some(archive.beside("fresh.zip"));
    let restored = archive.restore_with(&options, &Unobserved).unwrap();
    assert!(!restored.control_db.unwrap().zip_is_original);
    assert!(restored.warnings.iter().any(|warning| warning.what == "control-db-zip"));
    let fresh = fs::read(archive.beside("fresh.zip")).unwrap();
    let inner = fs::read(archive.beside("out/data/axonserver-controldb.mv.db")).unwrap();
    assert_eq!(take_apart(&fresh, 1 << 30).unwrap().inner, inner);
}

#[test]
fn a_point_that_is_gone_is_vouched_for_by_the_act_that_says_so() {
    let (archive, _) = archive(18);
    let mut gone = archive.points()[0].reference();
    archive.remove("points/1.json");
    assert_eq!(whats(&archive.verify(false)), ["journal"], "it is missing");
    let say = |gone: PointRef| {
        let repository = "00112233445566778899aabbccddeeff".to_owned();
        let deed = Deed::Gone { points: vec![gone] };
        let (kind, at) = (act::TYPE.to_owned(), Moment(0));
        let act = Act { kind, version: act::VERSION, number: 1, previous: None, repository, at, deed };
        archive.write("acts/1.json", &act.encode().unwrap());
    };
    say(gone);
    assert_eq!(whats(&archive.verify(true)), Vec::<&str>::new(), "it is gone");
    gone.blake3.0[0] ^= 1;
    say(gone);
    assert_eq!(
        whats(&archive.verify(false)),
        ["journal"],
        "another point is gone than the one that was there"
    );
}
