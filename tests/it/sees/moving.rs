//! Steps 0 to 6: a source that changes while it is read.

use crate::sees::lab::{
    Lab, Moving, Phases, blocks, context, image_of, incarnation, open_segment, says, server, whole,
};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::repo::format::point::StepKind;
use segvault::source::listing::{ControlDbCapture, Identity, Listing, StoreFile};
use segvault::source::segment_bytes::SegmentBytes;
use segvault::source::{Error, Source};
use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

/// Listings of one attempt: at the begin, behind the control database, at the end.
const LISTINGS: u32 = 3;

fn attempts(
    lab: &Lab,
    source: &mut dyn segvault::source::Source,
) -> (segvault::engine::backup::BackupReport, u32) {
    let phases = Phases::default();
    let report = lab.observed(source, |_| (), &phases).unwrap();
    (report, phases.reading.load(Ordering::Relaxed))
}

#[test]
fn the_order_is_in_the_manifest() {
    let lab = Lab::new();
    let body = lab.body(&lab.complete(&mut server(1)));
    let steps: Vec<StepKind> = body.steps.iter().map(|step| step.step).collect();
    use StepKind::{ControlDb, Events, Recheck, Safepoints, Snapshots, Versions};
    assert_eq!(steps, [Versions, ControlDb, Safepoints, Snapshots, Events, Recheck]);
    let log = &body.contexts["default"].events;
    assert!(log.safepoint.is_some() && log.safepoint <= log.head);
}

#[test]
fn a_version_that_comes_at_any_time_begins_the_backup_again() {
    for when in 1..LISTINGS {
        let lab = Lab::new();
        let mut source = Moving::new(server(2), |listing, server| {
            if listing == when {
                context(server).transform(0);
            }
        });
        let (report, attempts) = attempts(&lab, &mut source);
        assert_eq!((report.complete, attempts), (true, 2), "before listing {when}");
        assert_eq!(lab.events(&report), whole(&source.server));
    }
}

#[test]
fn a_version_that_goes_begins_the_backup_again() {
    for when in 1..LISTINGS {
        let lab = Lab::new();
        let mut first = server(3);
        context(&mut first).transform(0);
        let mut source = Moving::new(first, |listing, server| {
            if listing == when {
                context(server).compact();
            }
        });
        let (report, attempts) = attempts(&lab, &mut source);
        assert_eq!((report.complete, attempts), (true, 2), "before listing {when}");
    }
}

#[test]
fn what_never_settles_is_published_as_incomplete_the_third_time() {
    let lab = Lab::new();
    let mut source = Moving::new(server(4), |listing, server| {
        if listing % LISTINGS == 2 {
            context(server).transform(listing as usize / 3);
        }
    });
    let (report, attempts) = attempts(&lab, &mut source);
    assert_eq!((report.complete, attempts), (false, 3));
    assert!(says(&report, "unsettled"));
}

#[test]
fn a_head_that_goes_back_begins_the_backup_again() {
    let lab = Lab::new();
    let mut first = server(5);
    context(&mut first).store_mut(Store::Events).roll_now();
    context(&mut first).append(Store::Events, 3);
    let mut source = Moving::new(first, |listing, server| {
        if listing == 2 {
            let image = open_segment(server);
            let shorter = image_of(image.name(), 1_500, &blocks(&image)[..1]);
            context(server).events.insert(shorter);
        }
    });
    let (report, attempts) = attempts(&lab, &mut source);
    assert_eq!((report.complete, attempts), (true, 2));
    assert_eq!(lab.events(&report), whole(&source.server));
}

#[test]
fn a_server_that_goes_on_appending_is_no_change() {
    let lab = Lab::new();
    let mut source = Moving::new(server(6), |_, server| context(server).append(Store::Events, 9));
    let (report, attempts) = attempts(&lab, &mut source);
    assert_eq!((report.complete, attempts, incarnation(&report)), (true, 1, 1));
}

#[test]
fn a_context_that_comes_while_the_control_database_is_captured_is_left_out_like_the_others() {
    let lab = Lab::new();
    let mut source = Moving::new(server(7), |listing, server| {
        if listing == 1 {
            let mut new = crate::support::server::Context::seeded(1);
            new.append(Store::Events, 2);
            server.contexts.insert("new".to_owned(), new);
        }
    });
    let report = lab.try_with(&mut source, |options| options.contexts = vec!["default".to_owned()]).unwrap();
    assert_eq!(report.left_out, ["new"]);
    assert_eq!(report.contexts.len(), 1);
}

/// A server whose events roll, and that makes a snapshot of what came then, when its snapshots are opened to be read (the first time is to look at
/// their head).
struct Rolling {
    server: RefCell<Server>,
    opened: Cell<u32>,
    rolls: u32,
}

impl Rolling {
    fn roll(&self) {
        let mut server = self.server.borrow_mut();
        let context = context(&mut server);
        for _ in 0..self.rolls {
            context.store_mut(Store::Events).roll_now();
            context.append(Store::Events, 3);
        }
        context.append(Store::Snapshots, 1);
    }
}

impl Source for Rolling {
    fn identity(&self) -> Result<Identity, Error> {
        self.server.borrow().identity()
    }

    fn listing(&mut self) -> Result<Listing, Error> {
        self.server.borrow_mut().listing()
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, Error> {
        self.server.borrow_mut().control_db()
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, Error> {
        if file.store == Store::Snapshots && self.opened.replace(self.opened.get() + 1) == 1 {
            self.roll();
        }
        self.server.borrow().open(file)
    }
}

#[test]
fn events_that_roll_behind_the_listing_are_not_missed_by_snapshots_that_rely_on_them() {
    for (seed, rolls) in [(21, 1), (22, 3)] {
        let lab = Lab::new();
        let (server, opened) = (RefCell::new(server(seed)), Cell::new(0));
        let mut source = Rolling { server, opened, rolls };
        let report = lab.complete(&mut source);
        let server = source.server.into_inner();
        assert_eq!(lab.held(&report, Store::Snapshots).len(), 1);
        assert_eq!(lab.events(&report), whole(&server), "{rolls} rolls");
        assert_eq!(lab.events(&lab.complete(&mut server.clone())), whole(&server));
    }
}
