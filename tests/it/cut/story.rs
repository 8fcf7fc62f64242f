//! Made-up histories with everything that real ones seldom have: many points, time ties, clocks that run backwards, forks, several contexts.

use super::plain::{Files, Store};
use super::{assert_kept, of_context, restored, to_time, to_token, to_tokens, try_restored};
use crate::support::archive::{Archive, WithControlDb, quick};
use crate::support::fixtures;
use crate::support::segments::{Event, SegmentImage, StoreImage};
use crate::support::server::Server;
use segvault::axon::name::Store as Kind;
use segvault::engine::Error;
use segvault::engine::backup;
use segvault::engine::observe::{Event as Phase, Observer};
use segvault::engine::restore;
use segvault::engine::restore::cut::request::{CutRequest, Others, Side};

/// A server whose snapshots are those of its aggregates, each taken when it was there.
#[derive(Clone)]
struct Story {
    server: Server,
    random: fastrand::Rng,
    sequences: Vec<i64>,
    now: i64,
    /// How far the clock may jump back.
    back: i64,
}

impl Story {
    fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let server = Server::new("node", &["default"], seed);
        Self { server, random, sequences: vec![0; 6], now: 1_700_000_000_000, back: 0 }
    }

    /// One transaction, and now and then a snapshot of its aggregate.
    fn act(&mut self) {
        let which = self.random.usize(0..self.sequences.len());
        // Ties are frequent: the clock often stands still.
        self.now += self.random.i64(0..3) * 1_000 - self.random.i64(0..=self.back);
        let events: Vec<Event> = (0..self.random.usize(1..=3)).map(|_| self.event(which)).collect();
        let context = self.server.contexts.get_mut("default").unwrap();
        context.events.append(&events);
        if self.random.u8(0..4) == 0 {
            let last = events.last().unwrap();
            let snapshot = Event { snapshot: true, payload_type: "State".to_owned(), ..last.clone() };
            context.snapshots.append(&[snapshot]);
        }
    }

    fn event(&mut self, which: usize) -> Event {
        let sequence = self.sequences[which];
        self.sequences[which] += 1;
        Event::of(&format!("bike-{which}"), sequence).at(self.now)
    }

    fn grow(&mut self, transactions: usize) {
        (0..transactions).for_each(|_| self.act());
    }

    fn files(&self, kind: Kind) -> Files {
        let images = self.server.contexts["default"].store(kind).segments.values();
        images.map(|image: &SegmentImage| (image.name().file_name(kind), image.bytes())).collect()
    }

    fn events(&self) -> Store {
        Store::of(&self.files(Kind::Events), "events")
    }

    fn snapshots(&self) -> Store {
        Store::of(&self.files(Kind::Snapshots), "snapshots")
    }
}

/// Cuts at every transaction, and compares with the model. `snapshots` are those that points hold.
fn check_every(archive: &Archive, events: &Store, snapshots: &Store, cut: impl Fn(u64) -> CutRequest) {
    for count in 0..=events.transactions.len() {
        let token = count.checked_sub(1).map(|last| events.transactions[last].last());
        let request = token.map_or_else(|| to_tokens(&[("default", None)]), &cut);
        let (found, files) = restored(archive, request);
        let kept = snapshots.not_ahead(events, count);
        let story = format!("{count} transactions");
        assert_kept(&of_context(&files, "default"), (events, count), (snapshots, kept), &story);
        assert_eq!(found.contexts[0].snapshot_rule.as_ref().unwrap().ahead, 0, "{story}");
    }
}

#[test]
fn every_transaction_of_a_history_with_many_points_comes_back() {
    let (archive, mut story) = (Archive::new(), Story::new(1));
    for transactions in [7, 20, 1, 0, 25] {
        story.grow(transactions);
        archive.backup(&mut story.server);
    }
    assert!(story.events().segments.len() > 4 && story.snapshots().transactions.len() > 3);
    check_every(&archive, &story.events(), &story.snapshots(), to_token);
}

#[test]
fn times_that_tie_and_run_backwards_lead_where_the_model_says() {
    for (seed, back) in [(2, 0), (3, 4_000), (4, 60_000)] {
        let (archive, mut story) = (Archive::new(), Story::new(seed));
        story.back = back;
        story.grow(40);
        archive.backup(&mut story.server);
        let (events, snapshots) = (story.events(), story.snapshots());
        let mut times: Vec<_> = events.transactions.iter().map(|at| at.events[0].timestamp).collect();
        times.sort_unstable();
        times.dedup();
        let mut ran_backwards = false;
        for time in times.iter().flat_map(|at| [at - 1, *at]) {
            let both = [events.first_later(time), events.last_not_later(time)];
            for (side, count) in [(Side::FirstLater, both[0]), (Side::LastNotLater, both[1])] {
                let (found, files) = restored(&archive, CutRequest { side, ..to_time(time) });
                let kept = snapshots.not_ahead(&events, count);
                let story = format!("seed {seed}, {time}, {side:?}");
                assert_kept(&of_context(&files, "default"), (&events, count), (&snapshots, kept), &story);
                let cut = &found.cut.as_ref().unwrap().contexts[0];
                assert_eq!(cut.backwards.is_some(), both[0] != both[1], "{story}");
                assert_eq!(
                    found.notes.iter().any(|note| note.what == "clocks"),
                    both[0] != both[1],
                    "{story}"
                );
                ran_backwards |= both[0] != both[1];
            }
        }
        assert_eq!(ran_backwards, back > 0);
    }
}

#[test]
fn both_incarnations_of_a_forked_history_come_back() {
    let (archive, mut before) = (Archive::new(), Story::new(5));
    before.grow(30);
    while before.server.contexts["default"].events.open().transactions() < 4 {
        before.act();
    }
    archive.backup(&mut with_control_db(&before, before.now));
    // The power loss takes the open segment's last transactions, and all snapshots that were ahead.
    let (whole, context) = (before.events(), before.server.contexts["default"].clone());
    let kept = whole.transactions.len() - 2;
    let mut after = before.clone();
    let image = context.events.open();
    let last = &whole.transactions[kept - 1];
    assert_eq!(last.segment, image.name().number.get());
    let mut shorter = SegmentImage::new(last.segment, image.bytes().len());
    for transaction in segvault::axon::segment::walk(&image.bytes()[..last.end + 4], image.name().number) {
        shorter.append_raw(&transaction.event_bytes().map(<[u8]>::to_vec).collect::<Vec<_>>());
    }
    let snapshots = before.snapshots();
    let mut fewer = StoreImage::new(crate::support::server::SEGMENT);
    for snapshot in &snapshots.transactions[..snapshots.not_ahead(&whole, kept)] {
        let event = &snapshot.events[0];
        let name = event.aggregate.as_ref().unwrap();
        let state =
            Event { snapshot: true, payload_type: "State".to_owned(), ..Event::of(name, event.sequence) };
        fewer.append(&[state.at(event.timestamp)]);
    }
    let restarted = after.server.contexts.get_mut("default").unwrap();
    restarted.events.insert(shorter);
    restarted.snapshots = fewer;
    for which in 0..after.sequences.len() {
        let name = format!("bike-{which}");
        let of = whole.transactions[..kept].iter().flat_map(|transaction| &transaction.events);
        let last =
            of.filter(|event| event.aggregate.as_deref() == Some(&name)).map(|event| event.sequence).max();
        after.sequences[which] = last.map_or(0, |last| last + 1);
    }
    after.random = fastrand::Rng::with_seed(77);
    after.grow(12);
    archive.backup(&mut after.server);
    archive.backup(&mut after.server);
    assert_eq!(archive.points()[1].point.body.contexts["default"].incarnation, 2);
    let of = |incarnation: u32| {
        move |token| to_tokens(&[(format!("default@{incarnation}").as_str(), Some(token))])
    };
    for count in [1, kept - 1, kept, kept + 1, whole.transactions.len()] {
        let token = whole.transactions[count - 1].last();
        let (found, files) = restored(&archive, of(1)(token));
        let kept = snapshots.not_ahead(&whole, count);
        assert_kept(&of_context(&files, "default"), (&whole, count), (&snapshots, kept), "incarnation 1");
        assert_eq!(found.contexts[0].incarnation, 1);
        assert_eq!(found.cut.unwrap().control_db.is_some(), count == whole.transactions.len());
    }
    let (events, snapshots) = (after.events(), after.snapshots());
    for count in [1, kept - 1, kept, kept + 1, events.transactions.len()] {
        let token = events.transactions[count - 1].last();
        for request in [of(2)(token), to_token(token)] {
            let (found, files) = restored(&archive, request);
            let kept = snapshots.not_ahead(&events, count);
            assert_kept(
                &of_context(&files, "default"),
                (&events, count),
                (&snapshots, kept),
                "incarnation 2",
            );
            assert_eq!(found.contexts[0].incarnation, 2);
            assert!(found.control_db.is_none(), "that of the other incarnation knows other events");
        }
    }
    let refused = try_restored(&archive, of(3)(1), |_| ());
    assert!(matches!(refused, Err(Error::Restore(restore::Error::NoSuchIncarnation { incarnation: 3, .. }))));
}

#[test]
fn a_transformed_segment_comes_in_the_version_of_today_or_of_the_point() {
    let (archive, mut story) = (Archive::new(), Story::new(6));
    story.grow(30);
    archive.backup(&mut story.server);
    let before = story.events();
    story.server.contexts.get_mut("default").unwrap().transform(0);
    story.server.contexts.get_mut("default").unwrap().compact();
    archive.backup(&mut story.server);
    let (after, snapshots) = (story.events(), story.snapshots());
    assert!(after.segments[&0].0.contains("_00001"));
    for count in [2, before.transactions.len() / 2, before.transactions.len() - 1] {
        let token = before.transactions[count - 1].last();
        let kept = snapshots.not_ahead(&before, count);
        let accept = |options: &mut restore::RestoreOptions| options.accept_version_reuse = true;
        let (found, files) = try_restored(&archive, to_token(token), accept).unwrap();
        assert_kept(&of_context(&files, "default"), (&after, count), (&snapshots, kept), "today");
        assert!(found.warnings.iter().any(|warning| warning.what == "version-reuse"));
        let of_point = CutRequest { of_point: true, ..to_token(token) };
        let (_, files) = try_restored(&archive, of_point, |options| options.point = "1".to_owned()).unwrap();
        assert_kept(&of_context(&files, "default"), (&before, count), (&snapshots, kept), "of the point");
    }
}

/// Two contexts, one busier than the other; the clocks are the same.
fn two_contexts() -> (Archive, Server) {
    let mut server = Server::new("node", &["default", "billing"], 7);
    for second in 0..20 {
        for (name, every) in [("default", 1), ("billing", 3)] {
            if second % every == 0 {
                let event = Event::of(name, second).at(1_000_000 + second * 1_000);
                server.contexts.get_mut(name).unwrap().events.append(&[event]);
            }
        }
    }
    let archive = Archive::new();
    archive.backup(&mut server);
    (archive, server)
}

#[test]
fn contexts_that_are_not_named_follow_in_time_or_stay_whole() {
    let (archive, _) = two_contexts();
    let heads = |others, tokens: &[(&str, Option<u64>)]| {
        let (found, _) = restored(&archive, CutRequest { others, ..to_tokens(tokens) });
        found
            .contexts
            .iter()
            .map(|context| (context.context.clone(), context.events.head))
            .collect::<Vec<_>>()
    };
    let expected = |billing, default| vec![("billing".to_owned(), billing), ("default".to_owned(), default)];
    // Events of billing happened at seconds 0, 3, 6, ...
    assert_eq!(heads(Others::Time, &[("default", Some(7))]), expected(Some(2), Some(7)));
    assert_eq!(heads(Others::Head, &[("default", Some(7))]), expected(Some(6), Some(7)));
    assert_eq!(heads(Others::Time, &[("billing", Some(2))]), expected(Some(2), Some(6)));
    assert_eq!(heads(Others::Time, &[("billing", Some(2)), ("default", None)]), expected(Some(2), None));
    assert_eq!(heads(Others::Head, &[("billing", None)]), expected(None, Some(19)));
    let nothing = try_restored(
        &archive,
        CutRequest { others: Others::Time, ..to_tokens(&[("billing", None)]) },
        |_| (),
    );
    assert!(matches!(nothing, Err(Error::Restore(restore::Error::NoTime { .. }))));
    let (found, _) = try_restored(&archive, to_time(1_004_500), |options| {
        options.contexts = vec!["billing".to_owned()];
    })
    .unwrap();
    assert_eq!((found.contexts.len(), found.contexts[0].events.head), (1, Some(1)));
    let distance = found.cut.as_ref().unwrap().contexts[0].distance_ms;
    assert_eq!(distance, Some(-1_500));
}

#[test]
fn snapshots_are_left_out_on_request_and_where_nothing_proves_them() {
    let (archive, mut story) = (Archive::new(), Story::new(8));
    story.grow(20);
    archive.backup(&mut story.server);
    let (found, files) = try_restored(&archive, to_token(12), |options| options.snapshots = false).unwrap();
    assert!(of_context(&files, "default").keys().all(|name| name.ends_with(".events")));
    assert_eq!(found.contexts[0].snapshots.head, None);
}

#[test]
fn a_store_without_events_stays_empty_whatever_is_asked() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 9);
    archive.backup(&mut server);
    let events = Store::of(
        &[("00000000000000000000.events".to_owned(), StoreImage::new(1_500).open().bytes())].into(),
        "events",
    );
    for request in [to_time(0), to_time(i64::MAX / 2), to_tokens(&[("default", None)])] {
        let (found, files) = restored(&archive, request);
        assert_eq!(found.contexts[0].events.head, None);
        let files = of_context(&files, "default");
        assert_eq!(files["00000000000000000000.events"], events.segments[&0].1);
    }
    assert!(try_restored(&archive, to_token(0), |_| ()).is_err());
}

/// A server whose points have control databases with these names; the database itself is a real one.
fn with_control_db(story: &Story, millis: i64) -> WithControlDb {
    with_zip(story, format!("controldb{millis}.zip"))
}

fn with_zip(story: &Story, name: String) -> WithControlDb {
    let zip = std::fs::read(&fixtures::control_db_zips("se-4.6.11-json")[0]).unwrap();
    WithControlDb { server: story.server.clone(), name, zip }
}

/// A clock that stands still.
struct At(i64);

impl Observer for At {
    fn event(&self, _: &Phase<'_>) {}

    fn now_ms(&self) -> i64 {
        self.0
    }
}

/// Nothing happened between the two: only when they were captured tells them apart.
#[test]
fn no_control_database_is_newer_than_the_moment_asked_for_whatever_the_server_calls_it() {
    for called in ["controldb", "configdb"] {
        let (archive, mut story) = (Archive::new(), Story::new(13));
        story.grow(10);
        let then = |seconds: i64| story.now + seconds * 1_000;
        for (captured, taken) in [(10, 20), (60, 70)] {
            let mut source = with_zip(&story, format!("{called}{}.zip", then(captured)));
            backup::run(&archive.open(), &mut source, &quick("test"), &At(then(taken))).unwrap();
        }
        let point = |seconds: i64| {
            let found = restored(&archive, to_time(then(seconds))).0;
            assert_eq!(found.warnings.iter().any(|warning| warning.what == "no-control-db"), seconds < 10);
            found.cut.unwrap().control_db.map(|of| of.point)
        };
        assert_eq!([9, 10, 59, 60, 61].map(point), [None, Some(1), Some(1), Some(2), Some(2)], "{called}");
    }
}

#[test]
fn the_control_database_is_that_of_the_newest_point_that_fits() {
    let (archive, mut story) = (Archive::new(), Story::new(10));
    let mut heads = Vec::new();
    for _ in 0..3 {
        story.grow(10);
        archive.backup(&mut with_control_db(&story, story.now));
        heads.push((story.events().transactions.last().unwrap().last(), story.now));
    }
    let point = |request: CutRequest| {
        let (found, files) = restored(&archive, request);
        let of = found.cut.unwrap().control_db.map(|of| of.point);
        assert_eq!(files.contains_key("data/axonserver-controldb.mv.db"), of.is_some());
        (of, found.warnings.iter().any(|warning| warning.what == "no-control-db"))
    };
    for (at, (head, now)) in heads.iter().enumerate() {
        let here = Some(at as u64 + 1);
        assert_eq!(point(to_token(*head)), (here, false));
        let before = here.map(|here| here - 1).filter(|before| *before > 0);
        assert_eq!(point(to_token(head - 1)), (before, before.is_none()));
        assert_eq!(point(to_time(now - 1)), (before, before.is_none()));
    }
    let none = try_restored(&archive, to_token(heads[1].0), |options| options.control_db = false).unwrap().0;
    assert!(none.control_db.is_none() && none.warnings.is_empty(), "{:?}", none.warnings);
    let named =
        try_restored(&archive, to_token(heads[0].0), |options| options.control_db_of = Some("3".to_owned()));
    let named = named.unwrap().0;
    assert_eq!(named.cut.unwrap().control_db.unwrap().point, 3);
    assert!(named.warnings.iter().any(|warning| warning.what == "control-db-unfit"), "{:?}", named.warnings);
}

/// What could be read of the events ended before what the server had: no safepoint says what the database relies on.
#[test]
fn the_control_database_of_a_point_whose_events_end_in_damage_is_not_taken() {
    let (archive, mut story) = (Archive::new(), Story::new(14));
    story.grow(20);
    while story.server.contexts["default"].events.open().transactions() < 4 {
        story.act();
    }
    let head = story.events().transactions.last().unwrap().last();
    archive.backup(&mut with_control_db(&story, story.now));
    let context = story.server.contexts.get_mut("default").unwrap();
    let image = context.events.open().clone();
    let (whole, mut bytes) = (image.bytes(), image.bytes());
    let first = segvault::axon::segment::walk(&whole, image.name().number).next().unwrap();
    let (last, at) = (first.last_token().get(), usize::try_from(first.end()).unwrap() + 20);
    bytes[at] ^= 1;
    context.damaged.insert((Kind::Events, image.name()), bytes);
    archive.backup(&mut with_control_db(&story, story.now + 60_000));
    let body = &archive.points()[1].point.body;
    let events = &body.contexts["default"].events;
    assert_eq!((body.complete, events.safepoint, events.head), (false, Some(last), Some(head)));
    for (token, point) in [(last, None), (head - 1, None), (head, Some(1))] {
        let found = restored(&archive, to_token(token)).0;
        assert_eq!(found.cut.unwrap().control_db.map(|of| of.point), point, "{token}");
    }
}

#[test]
fn a_transaction_of_several_blocks_is_kept_whole_or_not_at_all() {
    let mut server = Server::new("node", &["default"], 11);
    // Its second block has an event that is later than those of the first.
    let at = |sequence: i64| if sequence == 32_769 { 8 } else { 7 };
    let events: Vec<Event> = (0..32_770)
        .map(|sequence| Event { payload: Vec::new(), ..Event::of("b", sequence) }.at(at(sequence)))
        .collect();
    let store = &mut server.contexts.get_mut("default").unwrap().events;
    store.append(&[Event::of("a", 0).at(5)]).append(&events).append(&[Event::of("a", 1).at(9)]);
    let archive = Archive::new();
    archive.backup(&mut server);
    for (token, head) in [(0, 0), (1, 0), (32_767, 0), (32_769, 0), (32_770, 32_770), (32_771, 32_771)] {
        assert_eq!(restored(&archive, to_token(token)).0.contexts[0].events.head, Some(head), "{token}");
    }
    for side in [Side::FirstLater, Side::LastNotLater] {
        for (time, head) in [(5, 0), (6, 0), (7, 0), (8, 32_770), (9, 32_771)] {
            let cut = CutRequest { side, ..to_time(time) };
            assert_eq!(restored(&archive, cut).0.contexts[0].events.head, Some(head), "{time}, {side:?}");
        }
    }
}
