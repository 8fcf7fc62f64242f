//! What is listed: every point, every window, and everything of one point.

use crate::support::archive::Archive;
use crate::support::program::{Room, SERVER, backup, flip};
use crate::support::segments::SegmentImage;
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::points::{self, Changed, SegmentState, Window, overview, show};
use segvault::repo::format::point::StepKind;
use std::path::Path;
use std::sync::Arc;

fn server() -> Server {
    let mut server = Server::new("node", &["default"], 1);
    let context = server.contexts.get_mut("default").unwrap();
    context.append(Store::Events, 20);
    context.append(Store::Snapshots, 5);
    server
}

fn events(windows: &[Window]) -> Vec<(u64, u64)> {
    windows
        .iter()
        .filter(|window| window.store == "events")
        .map(|window| (window.first, window.last))
        .collect()
}

#[test]
fn points_tell_what_is_new_and_windows_what_is_there() {
    let archive = Archive::new();
    let mut server = server();
    archive.backup(&mut server);
    let context = server.contexts.get_mut("default").unwrap();
    let before = (context.events.next_token(), context.events.sealed().count());
    context.append(Store::Events, 12);
    let after = (context.events.next_token(), context.events.sealed().count());
    archive.backup(&mut server);

    let overview = overview(&archive.open()).unwrap();
    assert!(overview.problems.is_empty());
    let [first, second] = overview.points.as_slice() else { panic!("two points") };
    assert_eq!((first.number, second.number, first.contexts[0].events.changed), (1, 2, None));
    let Changed { events: new, segments, bytes } = second.contexts[0].events.changed.unwrap();
    assert_eq!((new as u64, segments as usize), (after.0 - before.0, after.1 - before.1));
    assert!(bytes > 0 && second.complete && !second.control_db.present);
    assert_eq!(events(&overview.windows), [(0, after.0 - 1)]);
    assert!(
        overview.windows.iter().all(|window| window.times.is_some_and(|times| times.least <= times.greatest))
    );
}

/// A point of many contexts is not a screen of nothing; the newest says how all of them stand.
#[test]
fn contexts_in_which_nothing_is_new_share_a_line() {
    let (archive, room) = (Archive::new(), Room::empty());
    let names: Vec<String> = (0..10).map(|number| format!("context-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut server = Server::new("node", &names, 1);
    server.contexts.values_mut().for_each(|context| context.append(Store::Events, 3));
    for _ in 0..3 {
        server.contexts.get_mut("context-4").unwrap().append(Store::Events, 2);
        archive.backup(&mut server);
    }
    let points = |more: &str| format!("points -r {}{more}", archive.repository_path().display());
    let (text, _) = room.ends(0, &points(""));
    let list = text.split("what the archive holds").next().unwrap();
    let lines = |words: &str| list.lines().filter(|line| line.contains(words)).count();
    assert_eq!((lines("context-4"), lines("context-5"), lines("9 contexts")), (3, 2, 1), "{text}");
    let quiet = list.lines().find(|line| line.contains("9 contexts")).unwrap();
    assert!(quiet.contains("nothing") && !quiet.contains("complete"), "{quiet}");
    let last = room.document(0, "points", &points(" --last 2"))["points"].as_array().unwrap().clone();
    assert_eq!(last.iter().map(|point| point["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(last[0]["contexts"].as_array().unwrap().len(), 10);
    room.ends(2, &points(" --last 0"));
}

#[test]
fn what_points_say_alike_is_held_once() {
    let archive = Archive::new();
    let mut server = server();
    archive.backup(&mut server);
    archive.backup(&mut server);
    archive.backup(&mut server);
    server.contexts.get_mut("default").unwrap().append(Store::Events, 1);
    archive.backup(&mut server);
    let points = archive.points();
    let context = |at: usize| &points[at].point.body.contexts["default"];
    assert!(Arc::ptr_eq(context(1), context(2)));
    assert!(context(2) != context(3));
}

#[test]
fn a_point_shows_every_segment_it_stands_on() {
    let archive = Archive::new();
    let mut server = server();
    server.contexts.get_mut("default").unwrap().transform(0);
    archive.backup(&mut server);
    let detail = show(&archive.open(), "latest", None).unwrap();
    assert!(detail.problems.is_empty());
    assert_eq!(detail.steps[0].step, StepKind::Versions);
    let shown = &detail.contexts[0].events.segments;
    let images: Vec<&SegmentImage> = server.contexts["default"].events.segments.values().collect();
    assert_eq!(shown.len(), images.len(), "old versions too");
    for (row, image) in shown.iter().zip(images) {
        assert_eq!(row.file, image.name().file_name(Store::Events));
        assert_eq!((row.events, row.bytes), (image.events(), image.end()));
        assert_eq!(row.last.map(|last| last + 1), Some(image.next_token()));
        let state = if image.is_rolled() { SegmentState::Sealed } else { SegmentState::Open };
        assert_eq!((row.state, row.found), (state, true));
    }
    assert_eq!(shown.iter().filter(|row| !row.current).count(), 1);
    assert!(serde_json::to_string(&detail).unwrap().contains("\"state\":\"sealed\""));
}

#[test]
fn an_open_segment_that_has_grown_is_shown_as_the_point_claims_it() {
    let archive = Archive::new();
    let mut server = server();
    archive.backup(&mut server);
    let open = server.contexts["default"].events.open().clone();
    server.contexts.get_mut("default").unwrap().append(Store::Events, 30);
    archive.backup(&mut server);
    let detail = show(&archive.open(), "1", None).unwrap();
    let row = detail.contexts[0].events.segments.last().unwrap();
    assert_eq!((row.number, row.bytes, row.events), (open.name().number.get(), open.end(), open.events()));
    assert_eq!(
        (row.state, row.transactions),
        (SegmentState::Open, None),
        "the record knows more than the point claims"
    );
}

#[test]
fn damaged_files_are_named_and_hide_nothing_else() {
    let archive = Archive::new();
    let mut server = server();
    archive.backup(&mut server);
    server.contexts.get_mut("default").unwrap().append(Store::Events, 30);
    archive.backup(&mut server);
    let whole = overview(&archive.open()).unwrap();
    for file in archive.files() {
        let is_meta = ["points/", "pages/", "logs/"].iter().any(|top| file.starts_with(top));
        if !is_meta {
            continue;
        }
        let bytes = archive.read(&file);
        archive.write(&file, b"damaged");
        let found = overview(&archive.open()).unwrap();
        let lost =
            whole.points.len() - found.points.len() + whole.windows.len().abs_diff(found.windows.len());
        assert!(lost == 0 || !found.problems.is_empty(), "{file}: {lost} are missing and nothing is said");
        assert!(found.points.len() + 1 >= whole.points.len(), "{file} hides more than itself");
        assert!(found.windows.len() + 1 >= whole.windows.len(), "{file} hides more than its log");
        for point in found.points {
            let detail: points::PointDetail = show(&archive.open(), &point.number.to_string(), None).unwrap();
            let rows: usize =
                detail.contexts[0].events.segments.len() + detail.contexts[0].snapshots.segments.len();
            assert!(rows > 1 || !detail.problems.is_empty(), "{file}");
        }
        archive.write(&file, &bytes);
    }
}

/// Two points of a real server; then the file of the newer one is changed.
fn with_a_newest_point_that(change: impl Fn(&Path)) -> Room {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, &backup(&root));
    change(&room.repository().join("points/2.json"));
    room
}

const CHOOSING: [&str; 8] = [
    "restore --target t",
    "restore 2 --target t",
    "restore latest~1 --target t",
    "restore --to-token default=5 --target t",
    "show",
    "drill",
    "verify latest",
    "diff 1 latest",
];

#[test]
fn no_older_point_stands_in_for_a_newest_one_that_is_damaged() {
    let room = with_a_newest_point_that(|file| flip(file, 100));
    for line in CHOOSING {
        room.refused(20, line, &["points/2.json", "name an older point by its number", "segvault verify"]);
    }
    assert!(!room.path("t").exists());
    let (listed, _) = room.ends(20, "points");
    assert!(listed.contains("points/2.json"), "what lists goes on: {listed}");
    room.restore(0, "1", "t");
    room.ends(0, "show 1");
}

#[test]
fn nor_for_one_that_a_newer_program_wrote() {
    let newer = |file: &Path| {
        let point = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, point.replace("\"version\":1}", "\"version\":99}")).unwrap();
    };
    let room = with_a_newest_point_that(newer);
    for line in CHOOSING {
        room.refused(13, line, &["points/2.json", "99", "use a newer segvault"]);
    }
    room.restore(0, "1", "t");
}
