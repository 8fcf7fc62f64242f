//! Another source, a context that was made anew, another node of the same cluster.

use crate::sees::lab::{
    Lab, blocks, context, image_of, incarnation, open_segment, says, segment, server, show, whole,
};
use crate::support::segments::{SegmentImage, StoreImage};
use crate::support::server::{Context, Server};
use segvault::axon::name::Store;
use segvault::engine::Error;
use segvault::engine::backup;
use segvault::repo::format::point::Weight;

fn two_contexts(seed: u64) -> Server {
    let mut server = Server::new("node", &["default", "other"], seed);
    for context in server.contexts.values_mut() {
        context.append(Store::Events, 12);
        context.append(Store::Snapshots, 2);
    }
    server
}

fn refused_as_another(result: Result<backup::BackupReport, Error>) {
    match result {
        Err(Error::Backup(backup::Error::OtherHistory { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_source_that_shares_no_transaction_is_refused_and_taken_if_the_user_insists() {
    let lab = Lab::new();
    lab.complete(&mut two_contexts(1));
    let published = lab.published();
    refused_as_another(lab.try_backup(&mut two_contexts(100)));
    assert_eq!(lab.published(), published);
    let report = lab.try_with(&mut two_contexts(100), |options| options.new_incarnation = true).unwrap();
    assert!(!report.complete && incarnation(&report) == 2);
}

#[test]
fn no_token_in_common_proves_nothing() {
    let lab = Lab::new();
    let mut first = server(2);
    lab.complete(&mut first);
    // All that is archived was purged at the source since: nothing can be compared.
    let mut purged = first.clone();
    let next = context(&mut purged).events.next_token();
    context(&mut purged).events = StoreImage::starting_at(next, 1_500);
    context(&mut purged).snapshots = StoreImage::starting_at(50, 1_500);
    context(&mut purged).append(Store::Events, 3);
    refused_as_another(lab.try_backup(&mut purged));
    // An empty one, neither.
    refused_as_another(lab.try_backup(&mut Server::new("node", &["default"], 2)));
}

#[test]
fn a_context_that_was_made_anew_beside_others_that_fit_is_a_fork_at_its_first_token() {
    for with_tokens_in_common in [true, false] {
        let lab = Lab::new();
        let mut first = two_contexts(3);
        lab.complete(&mut first);
        let mut anew = Context::seeded(77);
        if !with_tokens_in_common {
            anew.events = StoreImage::starting_at(1_000, 1_500);
            anew.snapshots = StoreImage::starting_at(1_000, 1_500);
        }
        anew.append(Store::Events, 5);
        first.contexts.insert("default".to_owned(), anew);
        let published = lab.published();
        match lab.try_with(&mut first, |options| options.no_fork = true) {
            Err(Error::Backup(backup::Error::Fork { .. })) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(lab.published(), published);
        let report = lab.incomplete(&mut first, "fork");
        assert_eq!((incarnation(&report), lab.events(&report)), (2, whole(&first)));
        assert_eq!(lab.record(2).branch.unwrap().token, None);
        let other = report.contexts.iter().find(|context| context.name == "other").unwrap();
        assert_eq!(other.incarnation, 1);
        lab.complete(&mut first);
    }
}

#[test]
fn a_context_that_is_left_out_can_prove_the_source() {
    let lab = Lab::new();
    let mut first = two_contexts(4);
    lab.complete(&mut first);
    let mut anew = Context::seeded(78);
    anew.append(Store::Events, 5);
    first.contexts.insert("default".to_owned(), anew);
    let report = lab.try_with(&mut first, |options| options.excluded = vec!["other".to_owned()]).unwrap();
    assert_eq!(incarnation(&report), 2);
    assert_eq!(report.left_out, ["other"]);
    assert_eq!(lab.body(&report).left_out, ["other"]);
}

/// That it is there says nothing: it has to be the one that is archived.
#[test]
fn a_context_that_is_left_out_and_is_another_one_proves_nothing() {
    let without = |name: &'static str| {
        move |options: &mut backup::BackupOptions| options.excluded = vec![name.to_owned()]
    };
    let lab = Lab::new();
    lab.complete(&mut two_contexts(4));
    refused_as_another(lab.try_with(&mut two_contexts(100), without("other")));
    // Of the context that is read nothing is archived, so that nothing speaks against it, but nothing for it, either.
    let lab = Lab::new();
    lab.try_with(&mut two_contexts(4), without("default")).unwrap();
    refused_as_another(lab.try_with(&mut two_contexts(100), without("other")));
}

/// Damage proves nothing: not that a history is another one, either.
#[test]
fn a_context_of_which_all_that_is_archived_is_damaged_was_not_made_anew() {
    let (lab, mut server) = (Lab::new(), Server::new("node", &["default", "other"], 5));
    for context in server.contexts.values_mut() {
        context.append(Store::Events, 2);
    }
    lab.complete(&mut server);
    let image = open_segment(&server);
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 3);
    let garbage =
        image.bytes().into_iter().enumerate().map(|(at, byte)| if at < 5 { byte } else { byte ^ 0x55 });
    show(&mut server, image.name(), garbage.collect());
    let report = lab.incomplete(&mut server, "damage");
    assert!(!says(&report, "fork"), "{:?}", report.findings);
    assert_eq!((incarnation(&report), lab.events(&report).contains_key(&image.name())), (1, true));
    context(&mut server).damaged.clear();
    assert_eq!(lab.events(&lab.complete(&mut server)), whole(&server));
}

/// The same transactions, cut into segments of another size.
fn cut_elsewhere(server: &Server, size: usize) -> Server {
    let mut node = server.clone();
    let mut store = StoreImage::new(size);
    for image in server.contexts["default"].events.segments.values() {
        for block in blocks(image) {
            let mut open = store.open().clone();
            if open.end() as usize + crate::support::segments::block(&block).len() + 4 > size {
                open.roll();
                store.insert(open.clone());
                open = SegmentImage::new(open.next_token(), size);
            }
            open.append_raw(&block);
            store.insert(open);
        }
    }
    context(&mut node).events = store;
    node
}

#[test]
fn a_node_of_the_same_cluster_that_cuts_its_segments_elsewhere_needs_a_name_of_its_own() {
    for size in [900, 1_100, 2_500, 1 << 20] {
        let lab = Lab::new();
        let mut one = server(5);
        lab.complete(&mut one);
        let published = lab.published();
        let mut other = cut_elsewhere(&one, size);
        context(&mut other).append(Store::Events, 2);
        match lab.try_backup(&mut other) {
            Err(Error::Backup(backup::Error::CutElsewhere { .. })) => {}
            other => panic!("{size}: {:?}", other.map(|report| report.findings)),
        }
        assert_eq!(lab.published(), published);
        let named = lab.try_with(&mut other, |options| options.source = Some("node-2".to_owned())).unwrap();
        assert!(named.complete);
        // What both hold is stored once, as far as chunks are cut alike.
        assert!(named.source == "node-2");
    }
}

#[test]
fn an_empty_source_is_backed_up_and_goes_on() {
    let lab = Lab::new();
    let mut server = Server::new("node", &["default"], 6);
    let report = lab.complete(&mut server);
    assert_eq!(lab.body(&report).contexts["default"].events.head, None);
    lab.complete(&mut server);
    context(&mut server).append(Store::Events, 7);
    let report = lab.complete(&mut server);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
}

/// A server makes the file of the next segment before anything is in it: that is no reason to wake anybody.
#[test]
fn a_segment_that_holds_nothing_yet_is_only_noted() {
    let lab = Lab::new();
    let mut server = server(61);
    let open = open_segment(&server);
    let events: usize = blocks(&open).iter().map(Vec::len).sum();
    let image = SegmentImage::new(open.name().number.get() + events as u64, 1_000);
    show(&mut server, image.name(), vec![0; 1_000]);
    context(&mut server).events.segments.insert(image.name(), image);
    let report = lab.complete(&mut server);
    assert!(says(&report, "empty"), "{:?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.weight == Weight::Note), "{:?}", report.findings);
}

#[test]
fn a_first_token_above_0_is_a_history_like_any() {
    let lab = Lab::new();
    let mut server = Server::new("node", &["default"], 7);
    context(&mut server).events = StoreImage::starting_at(5_000, 1_500);
    context(&mut server).append(Store::Events, 20);
    let report = lab.complete(&mut server);
    assert_eq!(lab.body(&report).contexts["default"].events.first, Some(5_000));
    context(&mut server).append(Store::Events, 5);
    let report = lab.complete(&mut server);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
    assert!(!says(&report, "gap"));
}

#[test]
fn a_context_that_is_restored_to_where_it_was_is_no_other_history() {
    let lab = Lab::new();
    let mut server = server(8);
    lab.complete(&mut server);
    let image = segment(&server, 1);
    let same = {
        let mut same = image_of(image.name(), image.bytes().len(), &blocks(&image));
        same.roll();
        same
    };
    context(&mut server).events.insert(same);
    assert_eq!(incarnation(&lab.complete(&mut server)), 1);
}

#[test]
fn a_context_that_vanishes_is_missed_until_it_is_left_out_on_purpose() {
    let lab = Lab::new();
    let both = two_contexts(11);
    lab.complete(&mut both.clone());
    let mut one = both.clone();
    one.contexts.remove("other");
    for _ in 0..2 {
        let report = lab.incomplete(&mut one, "gone");
        let gone = report.findings.iter().find(|finding| finding.what == "gone").unwrap();
        assert_eq!((gone.weight, gone.context.as_deref()), (Weight::Incomplete, Some("other")));
        assert!(gone.text.contains("--exclude-context other"), "{}", gone.text);
    }
    let unknown = |options: &mut backup::BackupOptions| options.excluded = vec!["another".to_owned()];
    assert!(lab.try_with(&mut one, unknown).is_err(), "it was never there");
    let report = lab.try_with(&mut one, |options| options.excluded = vec!["other".to_owned()]).unwrap();
    assert!(report.complete, "{:?}", report.findings);
    lab.complete(&mut one);
    lab.complete(&mut both.clone());
    assert!(says(&lab.backup(&mut one), "gone"), "it was there again");
}

#[test]
fn a_context_that_was_not_asked_for_is_not_missed() {
    let lab = Lab::new();
    let both = two_contexts(12);
    lab.complete(&mut both.clone());
    let mut one = both.clone();
    one.contexts.remove("other");
    let report = lab.try_with(&mut one, |options| options.contexts = vec!["default".to_owned()]).unwrap();
    assert!(report.complete, "{:?}", report.findings);
    lab.complete(&mut one);
}

#[test]
fn a_directory_that_was_archived_with_a_slash_at_its_end_is_the_same_source() {
    let lab = Lab::new();
    let mut with_slash = Server { name: "host-1:/data/".to_owned(), ..server(13) };
    lab.complete(&mut with_slash);
    let mut without = Server { name: "host-1:/data".to_owned(), ..with_slash };
    assert_eq!(lab.complete(&mut without).source, "host-1:/data/");
    let named = |options: &mut backup::BackupOptions| options.source = Some("host-1:/data".to_owned());
    assert_eq!(lab.try_with(&mut without, named).unwrap().source, "host-1:/data", "who names it means it");
    assert_eq!(lab.complete(&mut without).source, "host-1:/data");
}
