//! Verify in parts: packs in turn, one point, histories.

use crate::support::archive::Archive;
use crate::support::program::Room;
use crate::support::segments::Event;
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::verify::{Class, Finding, Remember, Report, Rotation, VerifyOptions};
use segvault::repo::format::act::Deed;
use std::collections::BTreeSet;

/// Four points of a growing server.
fn archive(seed: u64) -> (Archive, Server) {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], seed);
    for _ in 0..4 {
        for context in server.contexts.values_mut() {
            context.append(Store::Events, 12);
            context.append(Store::Snapshots, 3);
        }
        archive.backup(&mut server);
    }
    (archive, server)
}

fn part(rotation: Rotation) -> VerifyOptions {
    VerifyOptions { data: true, rotation, remember: Remember::Verdicts, ..VerifyOptions::default() }
}

fn packs(archive: &Archive) -> Vec<String> {
    archive.files().into_iter().filter(|file| file.starts_with("packs/")).collect()
}

fn whats(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.what).collect()
}

fn bad(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.class > Class::Note).collect()
}

#[test]
fn runs_that_read_a_part_each_have_read_all_after_some_of_them() {
    let (archive, _) = archive(1);
    let all = packs(&archive).len() as u64;
    let options = part(Rotation { percent: Some(34), ..Rotation::default() });
    let (mut segments, mut runs) = (0, 0);
    let mut named = BTreeSet::new();
    loop {
        let report = archive.verify_with(&options);
        assert_eq!(report.findings, vec![]);
        segments += report.counts.proven_segments;
        runs += 1;
        let act = report.verified_act.unwrap();
        let acts = archive.open().journal().unwrap().acts;
        let Deed::Verified { packs } = &acts[act as usize - 1].deed else { panic!("an act of another kind") };
        let fresh = packs.iter().filter(|pack| named.insert(**pack)).count();
        assert!(fresh > 0, "what was never read comes first");
        if report.coverage.unwrap().never == 0 {
            break;
        }
        assert!(report.counts.bytes_read < report.counts.pack_bytes);
    }
    assert!(runs > 1 && named.len() as u64 == all, "{runs} runs, {} of {all} packs", named.len());
    let whole = archive.verify(true).counts;
    assert!(segments >= whole.proven_segments, "every segment was proven with its pack");

    let since = archive.verify_with(&part(Rotation { since_last: true, ..Rotation::default() }));
    assert_eq!((since.counts.bytes_read, since.verified_act), (0, None), "nothing is new");
}

#[test]
fn damage_is_found_by_the_run_that_reads_it_and_told_by_every_run_behind_it() {
    let (archive, _) = archive(2);
    let some = part(Rotation { percent: Some(1), ..Rotation::default() });
    let all = packs(&archive);
    all.iter().for_each(|pack| archive.flip(pack, 300));
    let report = archive.verify_with(&some);
    assert_eq!((report.damaged_packs.len(), report.act, report.verified_act), (1, Some(1), None));
    for _ in 1..all.len() {
        archive.verify_with(&some);
    }
    let report = archive.verify_with(&part(Rotation { since_last: true, ..Rotation::default() }));
    assert_eq!(report.damaged_packs.len(), all.len(), "{:?}", report.findings);
    assert_eq!(report.worst(), Some(Class::Damage));
}

#[test]
fn one_point_is_judged_by_what_it_needs_alone() {
    let (archive, _) = archive(3);
    for pack in packs(&archive) {
        archive.flip(&pack, 300);
        let whole = archive.verify(true);
        for number in 1..=4_u64 {
            let options =
                VerifyOptions { data: true, point: Some(number.to_string()), ..VerifyOptions::default() };
            let report = archive.verify_with(&options);
            let is_hit = bad(&whole).iter().any(|finding| finding.points.contains(&number));
            assert_eq!(report.worst().is_some(), is_hit, "{pack}, point {number}: {:?}", report.findings);
            let restored = archive.restore(number, &format!("{}-{number}", pack.replace('/', "-")));
            assert_eq!(restored.is_err(), is_hit, "{pack}, point {number}");
        }
        archive.flip(&pack, 300);
    }
}

#[test]
fn aggregates_are_followed_through_all_segments_and_every_point_tells_its_own() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 4);
    for round in 0..4 {
        let context = server.contexts.get_mut("default").unwrap();
        context.append(Store::Events, 12);
        context.store_mut(Store::Snapshots).append(&[Event::of("bike-1", 0).at(round)]);
        archive.backup(&mut server);
    }
    let options = VerifyOptions { history: true, ..VerifyOptions::default() };
    let report = archive.verify_with(&options);
    assert_eq!(bad(&report), Vec::<&Finding>::new());
    let history = &report.histories[0];
    let segments = &server.contexts["default"].store(Store::Events).segments;
    assert_eq!(history.events, segments.values().map(|image| image.events()).sum::<u64>());
    assert_eq!((history.snapshots, history.without_aggregate), (4, 0));
    let events: Vec<_> = (1..=4)
        .map(|point: u64| {
            let options = VerifyOptions { point: Some(point.to_string()), ..options.clone() };
            archive.verify_with(&options).histories[0].events
        })
        .collect();
    assert!(events.is_sorted_by(|one, next| one < next) && events[3] == history.events, "{events:?}");
}

/// A store of events and one of snapshots, as they are.
fn of(events: &[Event], snapshots: &[Event]) -> Archive {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 1);
    let context = server.contexts.get_mut("default").unwrap();
    for (store, events) in [(Store::Events, events), (Store::Snapshots, snapshots)] {
        for event in events {
            context.store_mut(store).append(std::slice::from_ref(event));
        }
    }
    archive.backup(&mut server);
    archive
}

#[test]
fn a_sequence_that_does_not_rise_by_one_is_a_fault_of_the_history() {
    let archive = of(&[Event::of("a", 0), Event::of("b", 0), Event::of("a", 2), Event::of("b", 1)], &[]);
    let report = archive.verify_with(&VerifyOptions { history: true, ..VerifyOptions::default() });
    assert_eq!((whats(&report), report.worst()), (vec!["sequence"], Some(Class::History)));
    let finding = &report.findings[0];
    assert!(
        finding.text.contains("aggregate 'a': number 2 at token 2 follows 0 at token 0"),
        "{}",
        finding.text
    );
    assert_eq!((finding.points.as_slice(), finding.tokens[0].first), ([1].as_slice(), 2));
    assert_eq!(archive.verify(true).worst(), None, "its bytes are what was archived");
}

#[test]
fn a_snapshot_ahead_of_the_events_is_a_fault_of_the_history() {
    let archive = of(&[Event::of("a", 0), Event::of("a", 1)], &[Event::of("a", 1), Event::of("a", 5)]);
    let report = archive.verify_with(&VerifyOptions { history: true, ..VerifyOptions::default() });
    assert_eq!((whats(&report), report.worst()), (vec!["snapshot-ahead"], Some(Class::History)));
    assert_eq!(report.findings[0].tokens[0].first, 1, "the second snapshot");
}

#[test]
fn the_program_reads_in_turn_follows_real_histories_and_ends_with_the_code_of_what_it_found() {
    let room = Room::new();
    let mut expected = Vec::new();
    for (server, context, events) in [
        ("se-4.6.11-json", "default", 2_860),
        ("core-2023.2.1-xml", "default", 0),
        ("se-4.6.11-odd", "default", 0),
    ] {
        let root = room.server(server);
        let line = format!(
            "backup --data-dir {0} --control-db {0}/backups --accept-unordered --source {server}",
            root.display()
        );
        room.command(&line).output().unwrap();
        expected.push((server, context, events));
    }
    let document = room.document(0, "verify", "verify --history --data");
    let histories = document["histories"].as_array().unwrap();
    for (server, context, events) in expected {
        let found = histories.iter().find(|it| it["source"] == server && it["context"] == context).unwrap();
        assert!(found["aggregates"].as_u64().unwrap() > 0, "{found}");
        if events > 0 {
            assert_eq!(found["events"], events);
        }
    }
    assert!(document["verified_act"].is_u64());
    let (text, _) = room.ends(0, "verify --max-duration 10m --max-age 30d");
    assert!(text.contains("0 of ") && text.contains("the others were read since"), "{text}");
    let (text, _) = room.ends(0, "verify 1 --data --source se-4.6.11-json");
    assert!(text.contains("point 1 is whole"), "{text}");
    room.ends(2, "verify 99");
    room.ends(2, "verify --percent 0");
}
