//! Real servers, cut at their transactions.

use super::plain::Store;
use super::{assert_kept, of_context, restored, some_of, to_time, to_token, to_tokens, try_restored};
use crate::support::archive::Archive;
use crate::support::fixtures;
use segvault::engine::Error;
use segvault::engine::restore;
use segvault::engine::restore::cut::request::{CutRequest, Side};
use segvault::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};

fn backed_up(fixture: &str) -> (Archive, Store, Store) {
    let archive = Archive::new();
    let path = fixtures::dir(fixture).to_path_buf();
    let control_db = ControlDbFrom::Zip(path.join("backups"));
    let mut source =
        DataDir::open(DataDirOptions { path, control_db, accept_unordered: false, no_mmap: false }).unwrap();
    archive.backup(&mut source);
    let context = fixtures::context_dir(fixture, "default");
    (archive, Store::read(&context, "events"), Store::read(&context, "snapshots"))
}

/// Cut at a token, and in the middle of the transaction behind it: both give the same.
fn check_tokens(fixture: &str, every: usize) {
    let (archive, events, snapshots) = backed_up(fixture);
    for count in some_of(&events, every) {
        let token = count.checked_sub(1).map(|last| events.transactions[last].last());
        let (found, files) = restored(&archive, to_tokens(&[("default", token)]));
        let story = format!("{fixture}, {count} transactions");
        let kept = snapshots.not_ahead(&events, count);
        assert_kept(&of_context(&files, "default"), (&events, count), (&snapshots, kept), &story);
        let context = &found.contexts[0];
        assert_eq!((context.events.head, context.events.transactions), (token, count as u64), "{story}");
        let figures = context.snapshot_rule.as_ref().unwrap();
        assert_eq!((figures.ahead, figures.left_out, figures.snapshots), (0, 0, kept as u64), "{story}");
        assert!(found.verified, "{story}");
        let cut = &found.cut.as_ref().unwrap().contexts[0];
        let behind = (events.transactions.len() - count) as u64;
        let all = events.transactions.last().unwrap().last() + 1;
        assert_eq!(
            (cut.behind.transactions, cut.behind.events),
            (behind, all - token.map_or(0, |token| token + 1))
        );
        assert_eq!(cut.last.map(|last| last.token), token, "{story}");
        assert!(cut.last.is_none_or(|last| last.at.is_some()) && cut.inside.is_none(), "{story}");
    }
}

#[test]
fn a_server_with_json_comes_back_as_of_any_transaction() {
    check_tokens("se-4.6.11-json", 200);
}

#[test]
fn a_server_with_xml_comes_back_as_of_any_transaction() {
    check_tokens("core-2023.2.1-xml", 130);
}

#[test]
fn a_server_with_odd_events_comes_back_as_of_any_transaction() {
    check_tokens("se-4.6.11-odd", 30);
}

#[test]
fn a_transformed_server_comes_back_with_the_versions_of_today() {
    let (archive, events, _) = backed_up("core-2023.2.1-transformed");
    assert!(events.segments.values().any(|(name, _)| name.contains("_00001")));
    let refused = try_restored(&archive, to_token(1_000), |_| ());
    assert!(matches!(
        refused,
        Err(Error::Restore(restore::Error::VersionReuse { version: 1, point: None, .. }))
    ));
    for count in some_of(&events, 160).into_iter().filter(|count| *count > 0) {
        let token = events.transactions[count - 1].last();
        let accept = |options: &mut restore::RestoreOptions| options.accept_version_reuse = true;
        let (_, files) = try_restored(&archive, to_token(token), accept).unwrap();
        let found = Store::of(&of_context(&files, "default"), "events");
        assert_eq!(found.segments, Store::of(&events.keep(count), "events").segments, "{count}");
    }
}

#[test]
fn any_token_inside_a_transaction_leads_before_it() {
    let (archive, events, _) = backed_up("se-4.6.11-odd");
    let long = events.transactions.iter().filter(|transaction| transaction.events.len() > 100).take(3);
    for transaction in long {
        for token in [transaction.first, transaction.first + 7, transaction.last() - 1] {
            let (found, _) = restored(&archive, to_token(token));
            assert_eq!(found.contexts[0].events.head, transaction.first.checked_sub(1));
            let cut = &found.cut.as_ref().unwrap().contexts[0];
            assert_eq!((cut.asked, cut.inside), (Some(token), Some(transaction.last())));
            assert!(found.notes.iter().any(|note| note.what == "inside-transaction"));
        }
    }
}

#[test]
fn moments_lead_to_the_last_event_that_is_not_later() {
    let (archive, events, _) = backed_up("se-4.6.11-json");
    let times: Vec<i64> = events.transactions.iter().step_by(300).map(|at| at.events[0].timestamp).collect();
    let (first, last) = (times[0], events.transactions.last().unwrap().events[0].timestamp);
    let around = times.into_iter().flat_map(|at| [at - 1, at, at + 1]);
    for time in around.chain([first - 5_000, last, last + 5_000]) {
        for side in [Side::FirstLater, Side::LastNotLater] {
            let (found, _) = restored(&archive, CutRequest { side, ..to_time(time) });
            let count = match side {
                Side::FirstLater => events.first_later(time),
                Side::LastNotLater => events.last_not_later(time),
            };
            assert_eq!(found.contexts[0].events.transactions, count as u64, "{time} {side:?}");
        }
    }
}

#[test]
fn a_token_that_is_not_there_is_refused() {
    let (archive, events, _) = backed_up("se-4.6.11-json");
    let head = events.transactions.last().unwrap().last();
    let refused = try_restored(&archive, to_token(head + 1), |_| ());
    match refused {
        Err(Error::Restore(restore::Error::NoSuchToken { first, last, .. })) => {
            assert_eq!((first, last), (Some(0), Some(head)));
        }
        other => panic!("{other:?}"),
    }
}
