//! Rows 4 to 6: what grows, what is behind, what is gone.

use crate::sees::lab::{Lab, context, incarnation, open_segment, says, segment, server, show, whole};
use crate::support::segments::SegmentImage;
use segvault::axon::name::Store;
use segvault::engine::Error;
use segvault::engine::backup;
use segvault::repo::format::point::Weight;

#[test]
fn a_tail_is_extended_and_then_sealed_and_older_points_keep_their_prefix() {
    let (lab, mut server) = (Lab::new(), server(1));
    context(&mut server).store_mut(Store::Events).roll_now();
    let mut made = Vec::new();
    for _ in 0..12 {
        context(&mut server).append(Store::Events, 1);
        made.push((lab.complete(&mut server), whole(&server)));
    }
    assert!(made[0].0.contexts[0].events.replaced_segments == 1);
    for (report, shown) in &made {
        assert_eq!(&lab.events(report), shown);
    }
    assert_eq!(lab.record(1).tails.len(), 1, "sealed ones have left the tails");
}

#[test]
fn a_shorter_prefix_in_the_last_segment_lags_and_the_record_stays() {
    let (lab, mut server) = (Lab::new(), server(2));
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 1);
    let mut older = server.clone();
    context(&mut server).append(Store::Events, 2);
    let newest = lab.complete(&mut server);
    let record = lab.record(1);
    let report = lab.complete(&mut older);
    assert!(says(&report, "lag") && report.weight() == Some(Weight::Warning));
    assert_eq!(lab.events(&report), whole(&older));
    assert_eq!(lab.record(1), record);
    // And segments behind: the last one seen is sealed in the archive.
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 2);
    lab.complete(&mut server);
    let report = lab.complete(&mut older);
    assert!(says(&report, "lag"));
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&older)));
    assert_eq!(lab.events(&newest).len(), whole(&server).len() - 1);
    assert_eq!(lab.events(&lab.complete(&mut server)), whole(&server));
}

#[test]
fn a_last_segment_that_is_all_zeros_lags() {
    let (lab, mut server) = (Lab::new(), server(3));
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 2);
    lab.complete(&mut server);
    let name = open_segment(&server).name();
    show(&mut server, name, vec![0; 1_500]);
    let report = lab.backup(&mut server);
    assert!(says(&report, "lag"), "{:?}", report.findings);
    context(&mut server).damaged.clear();
    assert_eq!(incarnation(&lab.complete(&mut server)), 1);
}

#[test]
fn what_is_gone_below_is_kept_and_said() {
    let (lab, mut server) = (Lab::new(), server(4));
    let before = lab.complete(&mut server);
    let all = whole(&server);
    context(&mut server).purge();
    let report = lab.complete(&mut server);
    assert!(says(&report, "gone"));
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
    assert_eq!(lab.events(&before), all);
    let sealed = lab.archive.open().tree(lab.record(1).root).unwrap();
    assert_eq!(sealed.len(), all.len() - 1, "the record is the superset");
}

#[test]
fn a_hole_is_filled_from_the_archive_and_the_point_is_incomplete() {
    let (lab, mut server) = (Lab::new(), server(5));
    let all = whole(&server);
    for _ in 0..3 {
        lab.complete(&mut server);
    }
    let name = segment(&server, 1).name();
    context(&mut server).events.segments.remove(&name);
    let report = lab.incomplete(&mut server, "gone");
    assert_eq!((incarnation(&report), lab.events(&report)), (1, all));
}

#[test]
fn a_hole_that_nothing_fills_is_a_gap_and_strict_publishes_nothing() {
    let (lab, mut server) = (Lab::new(), server(6));
    let name = segment(&server, 1).name();
    context(&mut server).events.segments.remove(&name);
    let report = lab.incomplete(&mut server, "gap");
    assert_eq!(lab.events(&report), whole(&server));
    let published = lab.published();
    match lab.try_with(&mut server, |options| options.strict = true) {
        Err(Error::Backup(backup::Error::Gap { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.published(), published);
}

#[test]
fn overlapping_segments_at_the_source_are_no_history() {
    let (lab, mut server) = (Lab::new(), server(7));
    let image = segment(&server, 1);
    context(&mut server).events.insert({
        let mut inside = SegmentImage::new(image.name().number.get() + 1, 1_500);
        inside.roll();
        inside
    });
    match lab.try_backup(&mut server) {
        Err(Error::Backup(backup::Error::Overlap { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_of_which_nothing_is_left_is_said_and_kept() {
    let (lab, mut server) = (Lab::new(), server(8));
    let before = lab.complete(&mut server);
    context(&mut server).snapshots.segments.clear();
    let report = lab.incomplete(&mut server, "gone");
    assert_eq!(incarnation(&report), 1);
    assert!(lab.held(&report, Store::Snapshots).is_empty());
    assert!(!lab.held(&before, Store::Snapshots).is_empty());
}
