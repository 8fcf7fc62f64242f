//! `drop-history`, on the real data.

use super::{bytes, open, transformed};
use crate::support::program::{Room, SERVER, backup, backup_data, flip, segments};
use crate::support::segments::{Event, StoreImage};
use segvault::axon::name::Store;
use std::fs;
use std::path::PathBuf;

/// The numbers of the event segments in a directory.
fn numbers(directory: &std::path::Path) -> Vec<u64> {
    let events = segments(directory).into_keys().filter(|(store, _)| *store == Store::Events);
    events.map(|(_, name)| name.number.get()).collect()
}

#[test]
fn the_oldest_segments_go_for_good_after_a_confirmation() {
    let room = Room::new();
    let root = room.server(SERVER);
    let data = room.path("early");
    crate::support::fixtures::copy_tree(&root.join("data"), &data);
    // Point 1 saw the first segments only.
    let all = numbers(&data.join("default"));
    for ((store, name), path) in segments(&data.join("default")) {
        if store == Store::Snapshots || name.number.get() >= all[2] {
            fs::remove_file(path).unwrap();
        }
    }
    room.ends(0, &backup_data(&data));
    room.ends(0, &backup(&root));
    room.ends(0, &backup(&root));
    assert!(all.len() > 4, "{all:?}");
    let (kept, inside) = (all[3], all[3] + 1);
    let line = format!("drop-history --context default --before {inside}");
    let plan = room.document(0, "drop-history", &line);
    assert_eq!(plan["confirmation"], format!("default@{kept}"), "whole segments");
    assert_eq!((&plan["gone"], &plan["later"]), (&serde_json::json!([1]), &serde_json::json!([2, 3])));
    let before = bytes(&room);
    room.refused(2, &format!("{line} --confirm default@0"), &["confirmed"]);
    room.ends(0, "hold add 3 --reason audit");
    room.refused(2, &line, &["held", "audit"]);
    room.ends(0, "hold remove 3");
    assert_eq!(bytes(&room), before);
    let (said, _) = room.ends(0, &format!("{line} --confirm default@{kept} --reason ten-years"));
    assert!(said.contains("'segvault prune' frees the room"), "{said}");
    assert_eq!(room.points(), [2, 3]);
    for _ in 0..2 {
        room.ends(0, "prune --grace 0 --max-unused 0%");
    }
    assert!(bytes(&room) < before);
    room.ends(0, "verify --data");
    for point in ["2", "3"] {
        let restored = room.restore(0, point, &format!("restored-{point}"));
        assert!(restored["notes"].to_string().contains("ten-years"));
        assert_eq!(numbers(&room.path(&format!("restored-{point}/data/default"))), all[3..]);
    }
    // The source still has them: they do not come back.
    let again = room.document(0, "backup", &backup(&root));
    assert!(again.to_string().contains("were dropped here"), "{again}");
    room.restore(0, "latest", "restored-again");
    assert_eq!(numbers(&room.path("restored-again/data/default")), all[3..]);
    room.ends(0, "verify --data");
    let (nothing, _) = room.ends(0, &line);
    assert!(nothing.contains("nothing to drop"), "{nothing}");
}

#[test]
fn a_time_is_one_before_which_all_events_of_a_segment_were_written() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    let (nothing, _) = room.ends(0, "drop-history --context default --before 2020-01-01");
    assert!(nothing.contains("nothing to drop"), "{nothing}");
    let plan = room.document(0, "drop-history", "drop-history --context default --before 2100-01-01");
    let all = numbers(&root.join("data/default"));
    assert_eq!(plan["logs"][0]["before"], *all.last().unwrap(), "the last segment stays");
    room.refused(2, "drop-history --context nowhere --before 5", &["nowhere"]);
}

/// Times need not rise: none of the events of that moment or later may go.
#[test]
fn a_segment_goes_by_its_latest_event() {
    let room = Room::new();
    let (data, begin) = (room.path("data"), 1_700_000_000_000);
    let mut store = StoreImage::new(1 << 14);
    for seconds in [&[0, 2, 1][..], &[3], &[4]] {
        let events = seconds.iter().map(|at| Event::of("bike", *at).at(begin + at * 1_000));
        store.append(&events.collect::<Vec<_>>());
        store.roll_now();
    }
    store.write_to(&data.join("default"), Store::Events);
    room.ends(0, &backup_data(&data));
    for (second, before) in [(22, None), (23, Some(3)), (24, Some(4))] {
        let line = format!("drop-history --context default --before 2023-11-14T22:13:{second}Z");
        let plan = room.document(0, "drop-history", &line);
        assert_eq!(plan["logs"][0]["before"].as_u64(), before, "{second}");
    }
}

/// One whose last event is the first that is kept, and one that never had any.
#[test]
fn a_point_that_does_not_end_before_what_is_kept_stays() {
    let room = Room::new();
    let data = room.path("data");
    for count in [0, 10, 11, 21] {
        events_of("bike", count).write_to(&data.join("default"), Store::Events);
        room.ends(0, &backup_data(&data));
    }
    let plan = room.document(0, "drop-history", "drop-history --context default --before 10");
    assert_eq!((&plan["gone"], &plan["later"]), (&serde_json::json!([2]), &serde_json::json!([1, 3, 4])));
    room.ends(0, "drop-history --context default --before 10 --confirm default@10");
    room.ends(0, "verify --data");
    (1..=4).filter(|point| *point != 2).for_each(|point| {
        room.restore(0, &point.to_string(), &format!("restored-{point}"));
    });
}

/// The source lags behind: all that its newest point has would go.
#[test]
fn the_newest_point_stays_whatever_is_dropped() {
    let room = Room::new();
    let data = room.path("data");
    events_of("bike", 21).write_to(&data.join("default"), Store::Events);
    room.ends(0, &backup_data(&data));
    fs::remove_dir_all(&data).unwrap();
    events_of("bike", 8).write_to(&data.join("default"), Store::Events);
    room.ends(3, &backup_data(&data));
    room.refused(2, "drop-history --context default --before 10", &["point 2"]);
    room.refused(2, "drop-history --context default --before 10 --confirm default@10", &["point 2"]);
}

/// Nobody knows what is behind the damage: it may be what is to be kept.
#[test]
fn a_damaged_segment_that_may_reach_beyond_stays() {
    let room = Room::new();
    let data = room.path("data/default");
    twenty_one_events("bike").write_to(&data, Store::Events);
    let (_, damaged) = segments(&data).into_iter().nth(1).unwrap();
    flip(&damaged, fs::read(&damaged).unwrap().iter().rposition(|byte| *byte != 0).unwrap() as u64 / 2);
    room.ends(3, &backup_data(&room.path("data")));
    let before = |before: &str| {
        let line = format!("drop-history --context default --before {before}");
        room.document(0, "drop-history", &line)["logs"][0]["before"].clone()
    };
    for (token, kept) in [("9", 5), ("10", 10), ("2023-11-14T22:13:28Z", 5), ("2023-11-14T22:13:36Z", 15)] {
        assert_eq!(before(token), kept, "{token}");
    }
}

/// A tail that was never seen sealed, with a successor.
#[test]
fn a_tail_goes_too() {
    let room = Room::new();
    let data = room.path("data/default");
    twenty_one_events("bike").write_to(&data, Store::Events);
    let files: Vec<PathBuf> = segments(&data).into_values().collect();
    let behind = [3, 4].map(|at| fs::read(&files[at]).unwrap());
    (3..5).for_each(|at| fs::remove_file(&files[at]).unwrap());
    room.ends(0, &backup_data(&room.path("data")));
    fs::remove_file(&files[2]).unwrap();
    (3..5).zip(behind).for_each(|(at, bytes)| fs::write(&files[at], bytes).unwrap());
    room.ends(3, &backup_data(&room.path("data")));
    room.ends(0, "drop-history --context default --before 15 --confirm default@15");
    let repository = open(&room);
    for log in repository.logs().unwrap().into_iter().filter(|log| log.store == Store::Events) {
        let held = repository.newest_entries(&log).unwrap().unwrap();
        assert!(held.iter().all(|entry| entry.name.number.get() >= 15), "{held:?}");
    }
    room.ends(0, "verify --data");
}

#[test]
fn what_stopped_between_its_two_records_is_gone_on_with() {
    let packs_after = |finish: Option<&str>| {
        let room = Room::new();
        let root = room.server(SERVER);
        room.ends(0, &backup(&root));
        let all = numbers(&root.join("data/default"));
        let line = format!("drop-history --context default --before {}", all[3]);
        let records =
            || -> Vec<PathBuf> { room.files().into_keys().filter(|it| it.starts_with("logs")).collect() };
        let before = records();
        room.ends(0, &format!("{line} --confirm default@{}", all[3]));
        let fresh: Vec<PathBuf> = records().into_iter().filter(|path| !before.contains(path)).collect();
        assert_eq!(fresh.len(), 2, "{fresh:?}");
        if let Some(finish) = finish {
            fs::remove_file(room.repository().join(&fresh[1])).unwrap();
            room.ends(0, &finish.replace("LINE", &line));
        }
        (0..2).for_each(|_| drop(room.ends(0, "prune --grace 0 --max-unused 0%")));
        room.ends(0, "verify --data");
        let is_pack = |(path, length): (PathBuf, u64)| path.starts_with("packs").then_some(length);
        room.files().into_iter().filter_map(is_pack).sum::<u64>()
    };
    let whole = packs_after(None);
    for finish in ["LINE --confirm default@0", "prune --grace 0"] {
        assert_eq!(packs_after(Some(finish)), whole, "{finish}");
    }
}

#[test]
fn what_left_on_purpose_is_not_called_not_archived_yet() {
    let room = Room::new();
    let data = transformed(&room, "data", |_, _| true);
    let (line, against) = (backup_data(&data), format!("verify --against {}", data.display()));
    room.ends(0, &line);
    room.ends(3, "erase --source node-1 --context default --yes");
    let (text, _) = room.ends(0, &against);
    let verdict = "what both have is the same; the rest left here on purpose, and is not archived again\n";
    assert!(text.contains("erased here: ") && text.ends_with(verdict), "{text}");
    let old = room.document(0, "against", &against)["erased"].as_array().unwrap().len();
    room.ends(0, "drop-history --context default --before 404 --confirm default@404");
    let found = room.document(0, "against", &against);
    assert_eq!((&found["dropped"][0]["first"], &found["not_archived"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(found["erased"].as_array().unwrap().len(), old);
    let (text, _) = room.ends(0, &against);
    assert!(text.contains("dropped here: 0..") && !text.contains("not archived yet"), "{text}");
    assert!(text.ends_with(verdict), "{text}");
    // As it is said: nothing of that comes back.
    room.ends(3, &line);
    let again = room.document(0, "against", &against);
    assert_eq!((&again["dropped"], &again["erased"]), (&found["dropped"], &found["erased"]));
}

/// Segments at 0, 5, 10, 15 and 20, of one aggregate.
fn twenty_one_events(aggregate: &str) -> StoreImage {
    events_of(aggregate, 21)
}

/// So many events, a segment for five.
fn events_of(aggregate: &str, count: i64) -> StoreImage {
    let mut store = StoreImage::new(1 << 14);
    for sequence in 0..count {
        if sequence > 0 && sequence % 5 == 0 {
            store.roll_now();
        }
        store.append(&[Event::of(aggregate, sequence)]);
    }
    store
}

#[test]
fn another_history_with_a_segment_of_the_same_number_is_archived_from_its_beginning() {
    let room = Room::new();
    let data = room.path("data");
    for context in ["default", "other"] {
        fs::create_dir_all(data.join(context)).unwrap();
        twenty_one_events(context).write_to(&data.join(context), Store::Events);
    }
    let all = [0, 5, 10, 15, 20];
    assert_eq!(numbers(&data.join("default")), all);
    room.ends(0, &backup_data(&data));
    room.ends(0, "drop-history --context default --before 10 --confirm default@10");
    assert!(room.document(0, "backup", &backup_data(&data)).to_string().contains("were dropped here"));
    // The context is made anew, and its segments happen to begin with the same tokens.
    twenty_one_events("anew").write_to(&data.join("default"), Store::Events);
    let forked = room.document(3, "backup", &backup_data(&data));
    let again = room.document(0, "backup", &backup_data(&data));
    for (report, point) in [(&forked, "3"), (&again, "4")] {
        assert!(!report.to_string().contains("were dropped here"), "{report}");
        room.document(
            if point == "3" { 3 } else { 0 },
            "restore",
            &format!("restore {point} --target r-{point}"),
        );
        assert_eq!(numbers(&room.path(&format!("r-{point}/data/default"))), all);
    }
}
