//! Between two points: what is more of the same is archived, all else makes a point; a point that changes nothing is not made again.

use crate::sees::lab::{Lab, blocks, context, image_of, incarnation, open_segment, server};
use crate::support::archive::quick;
use crate::support::segments::StoreImage;
use crate::support::server::{Context, Server};
use segvault::axon::name::Store;
use segvault::engine::backup::BackupReport;
use segvault::engine::observe::Unobserved;
use segvault::engine::watch::{Round, Watch};
use segvault::source::Source;

/// A repository, and the points and rounds of a watch.
struct Watching<'o> {
    lab: Lab,
    options: &'o segvault::engine::backup::BackupOptions,
    watch: Option<Watch<'o>>,
}

impl Watching<'_> {
    fn point(&mut self, server: &mut Server) -> BackupReport {
        let before = server.listing().unwrap();
        let report = self.lab.backup(server);
        let watch = Watch::begin(&report, &before, self.options).unwrap();
        self.watch = Some(watch.after(self.watch.take()));
        report
    }

    fn round(&mut self, server: &mut Server) -> Round {
        let repository = self.lab.archive.open();
        self.watch.as_mut().unwrap().round(&repository, server, &Unobserved).unwrap()
    }

    fn needs_point(&mut self, server: &mut Server, why: &str) {
        let round = self.round(server);
        assert!(matches!(&round, Round::NeedsPoint(said) if said == why), "{round:?}");
    }

    fn waits(&mut self, server: &mut Server, why: &str) -> usize {
        match self.round(server) {
            Round::Waits { why: said, archived } if said == why => archived.len(),
            other => panic!("{other:?}"),
        }
    }

    fn archives(&mut self, server: &mut Server) {
        let round = self.round(server);
        assert!(matches!(&round, Round::Archived(_)), "{round:?}");
    }
}

/// The last snapshot that an incarnation of `default` has.
fn last_snapshot(watching: &Watching<'_>, incarnation: u32) -> Option<u64> {
    let newest = watching.lab.record_of(incarnation, Store::Snapshots).tails.pop();
    newest.and_then(|tail| tail.last_token()).map(segvault::axon::token::Token::get)
}

fn watched(server: &mut Server, then: impl FnOnce(&mut Watching<'_>, &mut Server)) {
    let options = quick("test");
    let mut watching = Watching { lab: Lab::new(), options: &options, watch: None };
    assert!(watching.point(server).complete);
    then(&mut watching, server);
}

/// The server loses the end of the open segment of `default`: the first transaction is left.
fn loses_the_end(server: &mut Server) {
    let image = open_segment(server);
    let shorter = image_of(image.name(), image.bytes().len(), &blocks(&image)[..1]);
    context(server).events.insert(shorter);
}

/// A server whose open segment has a few transactions.
fn with_an_open_segment(seed: u64) -> Server {
    let mut server = server(seed);
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 3);
    server
}

#[test]
fn each_segment_that_is_sealed_between_two_looks_makes_a_point() {
    watched(&mut with_an_open_segment(1), |watching, server| {
        for _ in 0..3 {
            context(server).store_mut(Store::Events).roll_now();
            context(server).append(Store::Events, 1);
            watching.needs_point(server, "the events of default have other segments");
            watching.point(server);
        }
        context(server).append(Store::Events, 1);
        watching.archives(server);
        assert_eq!(watching.round(server), Round::Quiet);
    });
}

#[test]
fn a_point_that_changes_nothing_is_made_again_when_the_source_changes() {
    let ends_before = "the events of default end before what is archived of them";
    watched(&mut with_an_open_segment(2), |watching, server| {
        loses_the_end(server);
        watching.needs_point(server, ends_before);
        watching.point(server);
        watching.waits(server, ends_before);
        watching.waits(server, ends_before);
        watching.point(server);
        watching.waits(server, ends_before);
        // It goes on, with something else: names, lengths and times stay as they are.
        context(server).history.reseed(99);
        let image = open_segment(server);
        context(server).append(Store::Events, 1);
        assert_eq!(open_segment(server).name(), image.name());
        assert!(matches!(watching.round(server), Round::NeedsPoint(_)));
        assert_eq!(incarnation(&watching.point(server)), 2);
        context(server).append(Store::Events, 1);
        watching.archives(server);
    });
}

#[test]
fn the_other_contexts_are_followed_while_one_waits() {
    let mut both = with_an_open_segment(3);
    let mut other = Context::seeded(4);
    other.events = StoreImage::starting_at(0, 1 << 20);
    other.append(Store::Events, 2);
    both.contexts.insert("other".to_owned(), other);
    let ends_before = "the events of default end before what is archived of them";
    watched(&mut both, |watching, server| {
        loses_the_end(server);
        watching.needs_point(server, ends_before);
        watching.point(server);
        for _ in 0..2 {
            server.contexts.get_mut("other").unwrap().append(Store::Events, 1);
            assert_eq!(watching.waits(server, ends_before), 1);
        }
    });
}

/// A server whose segments are large: each store has one.
fn with_large_segments(seed: u64) -> Server {
    let mut server = Server::new("node", &["default"], seed);
    context(&mut server).events = StoreImage::starting_at(0, 1 << 20);
    context(&mut server).snapshots = StoreImage::starting_at(0, 1 << 20);
    context(&mut server).append(Store::Events, 5);
    context(&mut server).append(Store::Snapshots, 2);
    server
}

/// The events are set back and go on with something else.
fn forks(server: &mut Server) {
    loses_the_end(server);
    context(server).history.reseed(98);
    context(server).append(Store::Events, 2);
}

#[test]
fn snapshots_do_not_go_where_the_events_have_gone_from() {
    watched(&mut with_large_segments(5), |watching, server| {
        let last = last_snapshot(watching, 1);
        forks(server);
        // One of the new history; the others stay as they are.
        context(server).append(Store::Snapshots, 1);
        assert!(matches!(watching.round(server), Round::NeedsPoint(_)));
        assert_eq!(last_snapshot(watching, 1), last);
        assert_eq!(incarnation(&watching.point(server)), 2);
        assert_eq!(last_snapshot(watching, 1), last);
        assert!(last_snapshot(watching, 2) > last);
        context(server).append(Store::Snapshots, 1);
        watching.archives(server);
    });
}

#[test]
fn a_source_that_is_back_on_an_older_incarnation_is_followed_there() {
    watched(&mut with_large_segments(6), |watching, server| {
        let mut first = server.clone();
        forks(server);
        assert_eq!(incarnation(&watching.point(server)), 2);
        context(&mut first).append(Store::Events, 1);
        assert!(matches!(watching.round(&mut first), Round::NeedsPoint(_)));
        assert_eq!(incarnation(&watching.point(&mut first)), 1);
        assert_eq!(watching.round(&mut first), Round::Quiet);
        context(&mut first).append(Store::Events, 1);
        context(&mut first).append(Store::Snapshots, 1);
        watching.archives(&mut first);
        let head = open_segment(&first).prefix().len() as u64;
        assert_eq!(watching.lab.record(1).tails.last().unwrap().logical_end, head);
        assert!(last_snapshot(watching, 1) > last_snapshot(watching, 2));
    });
}

#[test]
fn a_source_with_another_name_needs_a_point_under_that_one() {
    watched(&mut with_large_segments(7), |watching, server| {
        server.name = "node-2".to_owned();
        context(server).append(Store::Events, 1);
        watching.needs_point(server, "the source calls itself node-2 now");
        assert_eq!(watching.point(server).source, "node-2");
        context(server).append(Store::Events, 1);
        watching.archives(server);
        assert_eq!(watching.round(server), Round::Quiet);
    });
}
