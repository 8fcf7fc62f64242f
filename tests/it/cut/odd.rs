//! Histories that are not as they should be: holes, damage, times that are all the same, what can't be read.

use super::plain::{Files, Store};
use super::{assert_kept, of_context, restored, to_time, to_token, to_tokens, try_restored};
use crate::support::archive::{Archive, refused};
use crate::support::segments::{Event, SegmentImage, StoreImage};
use crate::support::server::Server;
use segvault::axon::name::Store as Kind;
use segvault::engine::restore;
use segvault::engine::restore::cut::request::{CutRequest, Side};
use segvault::engine::restore::cut::snapshots;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::point::{Finding, Weight};
use segvault::repo::format::time_map::TimeMap;

/// One context whose events happened one second after the other.
fn server(events: i64) -> Server {
    let mut server = Server::new("node", &["default"], 21);
    let store = &mut server.contexts.get_mut("default").unwrap().events;
    for at in 0..events {
        store.append(&[Event::of("bike", at).at(1_000_000 + at * 1_000)]);
    }
    server
}

fn images(server: &mut Server) -> &mut StoreImage {
    &mut server.contexts.get_mut("default").unwrap().events
}

fn model(store: &StoreImage) -> Store {
    let files: Files =
        store.segments.values().map(|image| (image.name().file_name(Kind::Events), image.bytes())).collect();
    Store::of(&files, "events")
}

/// Of the files of the context its events.
fn events_of(files: &Files) -> Files {
    let mut events = of_context(files, "default");
    events.retain(|name, _| name.ends_with(".events"));
    events
}

#[test]
fn a_gap_behind_the_cut_is_nobody_s_business_and_one_before_it_is_said() {
    let (archive, mut server) = (Archive::new(), server(100));
    let names: Vec<_> = images(&mut server).segments.keys().copied().collect();
    assert!(names.len() > 4);
    let (hole, behind) = (names[2].number.get(), names[3].number.get());
    images(&mut server).segments.remove(&names[2]);
    archive.backup(&mut server);
    let events = model(images(&mut server));
    for token in [0, hole - 2, hole - 1] {
        let (found, files) = restored(&archive, to_token(token));
        let count = events.up_to(token);
        assert_kept(&events_of(&files), (&events, count), (&Store::default(), 0), "before");
        assert!(found.verified && found.warnings.iter().all(|warning| warning.what != "gap"), "{token}");
    }
    for token in [behind, behind + 1, 99] {
        let (found, files) = restored(&archive, to_token(token));
        let missing = found.contexts[0].events.missing[0];
        assert_eq!((missing.first, missing.last), (hole, behind - 1));
        assert!(!found.verified && found.warnings.iter().any(|warning| warning.what == "gap"), "{token}");
        let count = events.up_to(token);
        assert_kept(&events_of(&files), (&events, count), (&Store::default(), 0), "behind");
    }
    for token in [hole, behind - 1] {
        let refusal = refused(try_restored(&archive, to_token(token), |_| ()));
        assert!(matches!(refusal, restore::Error::NoSuchToken { .. }), "{refusal}");
    }
    // A moment within the hole keeps what is before it.
    let within = 1_000_000 + (hole as i64 + 1) * 1_000;
    assert_eq!(restored(&archive, to_time(within)).0.contexts[0].events.head, Some(hole - 1));
}

#[test]
fn of_a_damaged_last_segment_all_before_the_damage_can_be_cut() {
    let (archive, mut server) = (Archive::new(), server(30));
    images(&mut server).roll_now();
    let (name, image) = {
        let last = images(&mut server).sealed().last().unwrap().clone();
        (last.name(), last)
    };
    let whole = model(images(&mut server));
    let of_last: Vec<_> =
        whole.transactions.iter().filter(|at| at.segment == name.number.get()).cloned().collect();
    let bad = &of_last[of_last.len() / 2];
    let mut bytes = image.bytes();
    bytes[bad.end - 6] ^= 1;
    server.contexts.get_mut("default").unwrap().damaged.insert((Kind::Events, name), bytes);
    archive.backup(&mut server);
    for transaction in whole.transactions.iter().filter(|transaction| transaction.last() < bad.first) {
        let (found, files) = restored(&archive, to_token(transaction.last()));
        let count = whole.up_to(transaction.last());
        assert_kept(&events_of(&files), (&whole, count), (&Store::default(), 0), "before");
        assert!(found.verified, "what is kept is whole");
    }
    let refusal = refused(try_restored(&archive, to_token(bad.last()), |_| ()));
    assert!(matches!(refusal, restore::Error::NoSuchToken { .. }), "{refusal}");
}

/// A map that says less of its runs than is in them hides events that are later than the moment asked for.
#[test]
fn a_time_map_that_hides_later_events_is_found_out() {
    let (archive, mut server) = (Archive::new(), server(0));
    *images(&mut server) = StoreImage::new(12_000_000);
    for at in 0..150 {
        let event = Event::of("bike", at).at(1_000_000 + at * 1_000);
        images(&mut server).append(&[event.carrying(vec![7; 100_000])]);
    }
    archive.backup(&mut server);
    assert_eq!(archive.verify(true).worst(), None, "as it is it fits");
    let mut time = 0;
    let forged = archive.forge(|session, body| {
        let log = &mut body.context_mut("default").unwrap().events;
        let mut entries = session.repository().tree(log.root).unwrap();
        let bytes = session.repository().chunk(entries[0].time_map.unwrap()).unwrap();
        let mut map = TimeMap::decode(&bytes).unwrap();
        map.marks.iter_mut().for_each(|mark| mark.greatest = mark.least);
        time = map.marks[10].least.0;
        entries[0].time_map = Some(session.put(PackKind::Sealed, map.encode()).unwrap());
        log.root = session.put_tree(&entries).unwrap();
    });
    let cut = |point: u64| {
        let cut = CutRequest { of_point: true, ..to_time(time) };
        try_restored(&archive, cut, |options| options.point = point.to_string())
    };
    assert!(cut(1).is_ok());
    let refusal = refused(cut(forged));
    assert!(matches!(refusal, restore::Error::Contradiction { .. }), "{refusal}");
    let report = archive.verify(true);
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.what, &finding.points[..])).collect();
    assert_eq!(found, [("time-map", &[forged][..])]);
}

#[test]
fn events_of_one_moment_go_together() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 22);
    for at in 0..40 {
        images(&mut server).append(&[Event::of("bike", at).at(7_000)]);
    }
    archive.backup(&mut server);
    let events = model(images(&mut server));
    for side in [Side::FirstLater, Side::LastNotLater] {
        for (time, count) in [(6_999, 0), (7_000, 40), (7_001, 40)] {
            let (found, files) = restored(&archive, CutRequest { side, ..to_time(time) });
            assert_kept(&events_of(&files), (&events, count), (&Store::default(), 0), "one moment");
            assert!(found.cut.unwrap().contexts[0].backwards.is_none(), "{time}");
        }
    }
    assert_eq!(restored(&archive, to_token(17)).0.contexts[0].events.head, Some(17));
}

#[test]
fn a_context_without_snapshots_is_cut_like_any_other() {
    let (archive, mut server) = (Archive::new(), server(25));
    archive.backup(&mut server);
    let events = model(images(&mut server));
    let name = "00000000000000000000.snapshots";
    let empty: Files =
        [(name.to_owned(), StoreImage::new(crate::support::server::SEGMENT).open().bytes())].into();
    for token in [0, 12, 24] {
        let (found, files) = restored(&archive, to_token(token));
        let kept = Store::of(&empty, "snapshots");
        assert_kept(
            &of_context(&files, "default"),
            (&events, events.up_to(token)),
            (&kept, 0),
            "no snapshots",
        );
        assert_eq!((found.contexts[0].snapshots.head, found.verified), (None, true));
    }
}

/// What an encrypting server stores: blocks and tokens as ever, events that nobody can read.
#[test]
fn a_store_that_can_t_be_read_is_cut_by_token_and_keeps_no_snapshot_untested() {
    let mut random = fastrand::Rng::with_seed(23);
    let mut opaque = |bytes: usize| -> Vec<u8> { (0..bytes).map(|_| random.u8(0xf8..=0xff)).collect() };
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 23);
    let context = server.contexts.get_mut("default").unwrap();
    for store in Kind::ALL {
        let mut first = SegmentImage::new(0, 1_500);
        for _ in 0..8 {
            first.append_raw(&[opaque(90), opaque(40)]);
        }
        first.roll();
        let mut second = SegmentImage::new(16, 1_500);
        for _ in 0..5 {
            second.append_raw(&[opaque(90)]);
        }
        context.store_mut(store).insert(first);
        context.store_mut(store).insert(second);
    }
    archive.backup(&mut server);
    let (found, files) = restored(&archive, to_token(5));
    assert_eq!((found.contexts[0].events.head, found.verified), (Some(5), true));
    assert_eq!(found.contexts[0].snapshots.head, None, "nobody knows which aggregate one is of");
    assert!(found.notes.iter().any(|note| note.what == "drops-snapshots"));
    let original = server.contexts["default"].events.segments.values().next().unwrap().bytes();
    let kept = &of_context(&files, "default")["00000000000000000000.events"];
    assert!(kept.iter().rposition(|byte| *byte != 0).is_some_and(|last| kept[..=last] == original[..=last]));
    // The whole of it needs no test: its own pair has all snapshots.
    assert_eq!(restored(&archive, to_token(20)).0.contexts[0].snapshots.head, Some(20));
    assert_eq!(restored(&archive, to_tokens(&[("default", None)])).0.contexts[0].events.head, None);
    let refusal = refused(try_restored(&archive, to_time(5), |_| ()));
    assert!(matches!(refusal, restore::Error::NoTimes { .. }), "{refusal}");
}

#[test]
fn a_context_that_is_left_out_is_not_cut() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default", "billing"], 31);
    server.contexts.values_mut().for_each(|context| context.append(Kind::Events, 5));
    archive.backup(&mut server);
    let cut = to_tokens(&[("billing", Some(1))]);
    let alone = |options: &mut restore::RestoreOptions| options.contexts = vec!["default".to_owned()];
    let refusal = refused(try_restored(&archive, cut, alone));
    assert!(matches!(&refusal, restore::Error::LeftOut { name } if name == "billing"), "{refusal}");
}

/// A snapshot of an aggregate, as a server takes it.
fn snapshot(of: &str, sequence: i64) -> Event {
    Event { snapshot: true, payload_type: "State".to_owned(), ..Event::of(of, sequence) }
}

/// The last snapshot that a cut behind the first event keeps.
fn kept_snapshot(archive: &Archive) -> Option<u64> {
    restored(archive, to_token(0)).0.contexts[0].snapshots.head
}

/// Of a point that lacks something nobody knows that its snapshots rest on events that it has.
#[test]
fn a_point_that_lacks_something_proves_no_snapshot() {
    let (archive, mut server) = (Archive::new(), server(20));
    archive.backup(&mut server);
    let source = archive.points()[0].point.body.source.clone();
    archive.forge(|_, body| {
        body.findings.push(Finding::new(Weight::Warning, "unsettled", "it changed".to_owned()))
    });
    archive.forge(|_, body| {
        body.findings.clear();
        body.context_mut("default").unwrap().events.safepoint = Some(20);
    });
    archive.forge(|_, body| {
        let context = body.context_mut("default").unwrap();
        (context.events.safepoint, context.incarnation) = (Some(19), 2);
    });
    archive.forge(|_, body| body.context_mut("default").unwrap().incarnation = 1);
    let journal = archive.open().journal().unwrap();
    let pairs = snapshots::pairs(&journal, &source, ("default", 1), None);
    assert_eq!(pairs.iter().map(|pair| pair.point).collect::<Vec<_>>(), [1, 5]);
}

/// A history as no server writes it: an aggregate's events are not in their order.
#[test]
fn a_snapshot_is_ahead_of_any_event_that_is_dropped() {
    let (archive, mut server) = (Archive::new(), server(1));
    images(&mut server).append(&[Event::of("bike", 7)]).append(&[Event::of("bike", 5)]);
    server.contexts.get_mut("default").unwrap().snapshots.append(&[snapshot("bike", 5)]);
    archive.backup(&mut server);
    assert_eq!(kept_snapshot(&archive), None);
}

/// Nobody knows whether a snapshot is ahead of events that are nowhere; whatever the point says that holds it.
#[test]
fn no_snapshot_is_kept_where_events_behind_the_cut_are_missing() {
    for (has_hole, head, is_kept) in [(false, 99, true), (true, 99, false), (false, 100, false)] {
        let (archive, mut server) = (Archive::new(), server(100));
        server.contexts.get_mut("default").unwrap().snapshots.append(&[snapshot("bike", 0)]);
        let hole = *images(&mut server).segments.keys().nth(2).unwrap();
        if has_hole {
            images(&mut server).segments.remove(&hole);
        }
        archive.backup(&mut server);
        archive.forge(|_, body| {
            body.findings.clear();
            body.context_mut("default").unwrap().events.head = Some(head);
        });
        archive.remove("points/1.json");
        assert_eq!(kept_snapshot(&archive).is_some(), is_kept, "a hole: {has_hole}, head {head}");
    }
}

/// What a point vouches for is proven again, as it was written.
#[test]
fn a_snapshot_that_is_ahead_all_the_same_is_told() {
    let (archive, mut server) = (Archive::new(), server(2));
    server.contexts.get_mut("default").unwrap().snapshots.append(&[snapshot("bike", 5)]);
    archive.backup(&mut server);
    let found = restored(&archive, to_token(1)).0;
    let rule = found.contexts[0].snapshot_rule.as_ref().unwrap();
    assert_eq!((rule.ahead, rule.first_ahead.as_deref()), (1, Some("bike")));
    assert!(found.warnings.iter().any(|warning| warning.what == "snapshots-ahead"), "{:?}", found.warnings);
}
