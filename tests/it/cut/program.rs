//! Point in time through the real program: what is printed, what is refused, what scripts read.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup, backup_data, flip, told};
use crate::support::segments::{Event, StoreImage};
use segvault::axon::name::Store;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

fn room() -> Room {
    let room = Room::new();
    room.document(0, "backup", &backup(fixtures::dir(SERVER)));
    room
}

#[test]
fn a_dry_run_says_what_a_restore_does_and_the_restore_says_what_to_do_next() {
    let room = room();
    let plan = room.document(3, "restore-plan", "restore --to-token default=1200 --target out -n");
    let cut = &plan["cut"]["contexts"][0];
    assert_eq!((&cut["asked"], &cut["last"]["token"]), (&1200.into(), &1200.into()));
    assert_eq!(cut["behind"]["events"], 2860 - 1201);
    let segments = plan["contexts"][0]["events"]["segments"].as_array().unwrap();
    let last = segments.last().unwrap();
    assert_eq!(
        (&last["end"], &last["length"], &last["blake3"]),
        (&"open".into(), &131_072.into(), &Value::Null)
    );
    for figure in ["files", "bytes", "free"] {
        assert!(plan[figure].as_u64().is_some(), "{figure}");
    }
    let estimate = &plan["estimate"];
    assert!(estimate["decoded"].as_u64() > Some(0) && estimate["decoded_in_ms"].as_u64() > Some(0));
    let stored: u64 = ["events", "snapshots"]
        .iter()
        .flat_map(|store| plan["contexts"][0][store]["segments"].as_array().unwrap())
        .map(|segment| segment["prefix"].as_u64().unwrap())
        .sum();
    assert_eq!(estimate["to_decode"], stored);
    let (said, _) = room.ends(3, "restore --to-token default=1200 --target out -n");
    assert!(said.contains("to decode at") && said.contains("if the target does 200 MiB/s"), "{said}");
    assert!(!room.path("out").exists());
    let (told, _) = room.ends(3, "restore --to-token default=1200 --target out");
    for said in [
        "drops 1,659 events of default",
        "tokens 0 to 1200 without a gap, 1,201 events",
        "none ahead of its events",
        "java -jar /path/to/axonserver.jar",
        "new heads of default: events token 1200, snapshots token",
        "reset every token store of its event processors that is beyond token 1200",
        "no point has a control database that fits",
    ] {
        assert!(told.contains(said), "no {said:?} in:\n{told}");
    }
    // The command is pasted into a shell that knows no repository, somewhere else.
    let line = told.lines().find_map(|line| line.split_once("what was left behind: ")).unwrap().1;
    let program = env!("CARGO_BIN_EXE_segvault");
    let line = line.replace("segvault -r", &format!("{program} --json -r"));
    let pasted = Command::new("sh").arg("-c").arg(line).current_dir("/").output().unwrap();
    let left: Value = serde_json::from_slice(&pasted.stdout).unwrap();
    assert_eq!(left["count"], 1659);
    let (told, _) = room.ends(0, "restore latest --target whole");
    assert!(told.contains("java -jar") && told.contains("new heads of default: events token 2859"), "{told}");
    let (_, said) = room.ends(3, "restore --to-token default=1200 --target again -v");
    assert!(said.contains("would restore node-1") && said.contains("about "), "the plan comes first: {said}");
}

#[test]
fn names_with_spaces_come_back_quoted() {
    let room = Room::new();
    let line = backup(fixtures::dir(SERVER)).replace("node-1", "my_node");
    let mut command = room.command(&line);
    let mut words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    words.iter_mut().filter(|word| *word == "my_node").for_each(|word| *word = "my node's".into());
    command = room.command("");
    let mut named = Command::new(command.get_program());
    named.args(words).env("SEGVAULT_REPOSITORY", room.repository());
    assert!(named.output().unwrap().status.success());
    let (told, _) = room.ends(3, "restore --to-token default=1200 --target out");
    assert!(told.contains(r"--source 'my node'\''s' --context default@1"), "{told}");
}

#[test]
fn points_say_what_a_restore_to_a_moment_would_give() {
    let room = room();
    let at = room.document(0, "points-at", "points --at default=1200 --count-aggregates");
    let cut = &at["cut"]["contexts"][0];
    assert_eq!((&cut["last"]["token"], &cut["next"]["token"]), (&1200.into(), &1201.into()));
    assert!(at["aggregates"][0].as_u64().unwrap() > 1 && at["cut"]["control_db"].is_null());
    let time = cut["last"]["at"].as_str().unwrap();
    let by_time = room.document(0, "points-at", &format!("points --at {time}"));
    let found = &by_time["cut"]["contexts"][0];
    assert!(found["last"]["token"].as_u64().unwrap() >= 1200 && found["distance_ms"] == 0, "{found}");
    let head = room.document(0, "points-at", "points --at 2100-01-01T00:00:00Z");
    assert_eq!(head["cut"]["contexts"][0]["behind"]["events"], 0);
    assert_eq!(head["cut"]["control_db"]["point"], 1);
    let (told, _) = room.ends(0, "points --at default=1200");
    assert!(told.contains("1200") && told.contains("no point has one that fits"), "{told}");
    let windows = room.document(0, "points", "points")["windows"].clone();
    let events = windows.as_array().unwrap().iter().find(|window| window["store"] == "events").unwrap();
    assert_eq!(events["control_dbs"][0]["point"], 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let room = room();
    let out = room.path("out");
    room.refused(
        30,
        "restore --to-token default=9999 --target out",
        &["the archive has no event 9999", "0 to 2859"],
    );
    room.refused(
        30,
        "restore 1 --to-token default=9999 --target out",
        &["point 1 has no event 9999", "0 to 2859"],
    );
    let (_, said) = room.ends(30, "restore --to-token default=9999 --target out");
    assert_eq!(said.matches("'segvault points'").count(), 1, "{said}");
    room.refused(2, "restore --to-token other=1 --target out", &["other", "default"]);
    room.refused(2, "restore --to-token default@7=1 --target out", &["incarnation 7"]);
    room.refused(2, "restore --control-db 99 --target out", &["99"]);
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("AxonIQ.pid"), std::process::id().to_string()).unwrap();
    room.refused(31, "restore --target out", &["AxonIQ.pid", "server runs"]);
    for odd in ["--to-token default", "--to-token default=x", "--to-time soon", "--others head"] {
        room.ends(2, &format!("restore {odd} --target other"));
    }
    room.ends(2, "restore --to-token default=1 --to-time 2026-01-01T00:00:00Z --target other");
    assert!(!room.path("other").exists());
}

#[test]
fn two_places_for_one_context_are_refused() {
    let room = room();
    let both = ["default=200", "default=20"];
    room.refused(2, "restore --to-token default=200 --to-token default=20 --target out", &both);
    room.refused(
        2,
        "restore --to-token default@1=200 --to-token default=20 --target out",
        &["default@1=200"],
    );
    room.refused(2, "points --at default=200 --at default=20", &both);
    room.document(0, "points-at", "points --at default=200 --at default=200");
    assert!(!room.path("out").exists());
}

#[test]
fn a_history_with_a_gap_is_not_said_to_have_none() {
    let room = Room::new();
    let root = room.server(SERVER);
    std::fs::remove_file(root.join("data/default/00000000000000000805.events")).unwrap();
    room.ends(3, &backup_data(&root.join("data")));
    let (told, _) = room.ends(3, "restore --to-token default=1300 --target out");
    assert!(told.contains("tokens 0 to 1300 with gaps, "), "{told}");
    assert!(!told.contains("without a gap"), "{told}");
    room.refused(30, "restore --to-token default=900 --target other", &["0 to 2859, with a gap there"]);
}

#[test]
fn a_date_is_its_first_moment() {
    let room = room();
    for line in ["points --at", "restore --target out -n --to-time"] {
        let [date, moment] = ["2100-01-01", "2100-01-01T00:00:00Z"].map(|time| {
            let (code, said, wrong) = told(room.command(&format!("{line} {time}")).output().unwrap());
            assert_ne!(code, Some(2), "{wrong}");
            said
        });
        let text = |said: String| {
            said.lines().filter(|line| !line.contains("decode")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(text(date), text(moment), "{line}");
    }
    let (_, said) = room.ends(2, "restore --to-time yesterday --target out");
    assert!(said.contains("'yesterday' is no time: give a date like 2027-01-01"), "{said}");
}

#[test]
fn the_repository_gets_no_zip() {
    let room = room();
    for place in ["repository/x.zip", "repository", "repository/packs"] {
        let line = format!("restore --target out --control-db-zip {place}");
        room.refused(2, &line, &["repository", "lie in one another"]);
    }
    assert!(!room.path("out").exists() && !room.path("repository/x.zip").exists());
}

#[test]
fn events_come_straight_from_the_archive_and_can_be_chosen() {
    let room = room();
    let all = room.document(0, "events", "events");
    let events = all["events"].as_array().unwrap();
    assert_eq!((events.len(), &all["count"], &all["incarnation"]), (2860, &2860.into(), &1.into()));
    assert!(events.iter().zip(0..).all(|(event, token)| event["token"] == token));
    let one = &events[1000];
    let (aggregate, kind) = (one["aggregate"].as_str().unwrap(), one["type"].as_str().unwrap());
    assert!(one["payload"].as_str().unwrap().starts_with('{'), "{one}");
    let count = |line: &str| room.document(0, "events", line)["count"].as_u64().unwrap();
    let same = |name: &str, value: &str| events.iter().filter(|event| event[name] == value).count() as u64;
    assert_eq!(count(&format!("events --aggregate {aggregate}")), same("aggregate", aggregate));
    assert_eq!(count(&format!("events --type {kind}")), same("type", kind));
    assert_eq!(count("events --from 10 --to 19"), 10);
    let (from, to) = (events[100]["time"].as_str().unwrap(), events[200]["time"].as_str().unwrap());
    let within = events.iter().filter(|event| (from..=to).contains(&event["time"].as_str().unwrap())).count();
    assert_eq!(count(&format!("events --from {from} --to {to}")), within as u64);
    assert_eq!(count("events --snapshots"), 224);
    let (csv, _) = room.ends(0, "events --csv --from 2859");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let (text, _) = room.ends(0, "events 1 --from 5 --to 7");
    assert_eq!(text.lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(), ["5", "6", "7"]);
    room.refused(2, "events --context other", &["other"]);
    // Nothing printed, and no word, looks like a history that holds nothing.
    for line in ["events --from 2861", "events --from 3000 --to 4000", "events --to 2000-01-01T00:00:00Z"] {
        let (stdout, stderr) = room.ends(3, line);
        assert_eq!(stdout, "", "{line}");
        assert!(stderr.contains("they have the tokens 0 to 2859, and the times"), "{line}: {stderr}");
    }
    let (stdout, stderr) = room.ends(3, "events --from 2861 --json");
    assert!(stdout.contains("\"events\":[],\"count\":0") && stderr.contains("warning"), "{stdout} {stderr}");
    // Who has all there is asks for the next one: there is nothing wrong.
    assert_eq!(room.ends(0, "events --from 2860"), (String::new(), String::new()));
    room.refused(2, "events --from 7 --to 5", &["--from lies behind --to"]);
}

#[test]
fn payloads_that_are_no_text_come_as_base64() {
    let room = Room::new();
    room.document(0, "backup", &backup(fixtures::dir("se-4.6.11-odd")));
    let all = room.document(0, "events", "events --to 100");
    let events = all["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["payload_base64"].is_string()));
    assert!(events.iter().any(|event| event["metadata"].as_object().is_some_and(|data| !data.is_empty())));
}

#[test]
fn two_points_or_a_point_and_a_directory_are_compared() {
    let room = Room::new();
    let root = room.server(SERVER);
    let open = root.join("data/default/00000000000000002790.events");
    let held = std::fs::read(&open).unwrap();
    std::fs::remove_file(&open).unwrap();
    room.document(0, "backup", &backup_data(&root.join("data")));
    std::fs::write(&open, &held).unwrap();
    room.document(0, "backup", &backup_data(&root.join("data")));
    let diff = room.document(0, "diff", "diff 1 2");
    let events = &diff["contexts"][0]["stores"][1];
    assert_eq!((&events["head"], &events["equal"]), (&serde_json::json!([2789, 2859]), &7.into()));
    assert_eq!(events["segments"].as_array().unwrap().len(), 1);
    assert_eq!(events["segments"][0]["sides"][1]["events"], 70);
    let of = |at: usize| -> u64 {
        events["types"].as_array().unwrap().iter().map(|of| of["events"][at].as_u64().unwrap()).sum()
    };
    assert_eq!((of(0), of(1), &diff["equal"]), (0, 70, &false.into()));
    assert_eq!(room.document(0, "diff", "diff 2 2")["equal"], true);
    // What is restored is what the point is; a changed file is not.
    room.restore(0, "2", "restored");
    assert_eq!(room.document(0, "diff", "diff 2 --data-dir restored")["equal"], true);
    assert_eq!(room.document(0, "diff", "diff 2 restored")["equal"], true, "a directory by its name alone");
    let against = room.document(0, "diff", "diff 1 --data-dir restored");
    assert_eq!(against["contexts"][0]["stores"][1]["types"], events["types"]);
    flip(&room.path("restored/data/default/00000000000000000000.events"), 1_000);
    let (told, _) = room.ends(0, "diff 2 --data-dir restored");
    assert!(told.contains("from point 2 to restored") && told.contains("7 segments equal"), "{told}");
    room.ends(2, "diff 1");
}

fn append(store: &mut StoreImage, sequences: std::ops::Range<i64>) {
    for at in sequences {
        store.append(&[Event::of("bike", at).at(1_000 + at)]);
    }
}

/// A data directory with one context.
fn data(room: &Room, name: &str, events: &StoreImage, snapshots: &StoreImage) -> PathBuf {
    let directory = room.path(name).join("default");
    events.write_to(&directory, Store::Events);
    snapshots.write_to(&directory, Store::Snapshots);
    room.path(name)
}

/// Eight events, of which five, and a snapshot, are archived.
fn archived_in_part() -> (Room, StoreImage, StoreImage) {
    let (room, mut events, mut snapshots) = (Room::new(), StoreImage::new(4096), StoreImage::new(4096));
    append(&mut events, 0..5);
    append(&mut snapshots, 0..1);
    room.ends(0, &backup_data(&data(&room, "before", &events, &snapshots)));
    append(&mut events, 5..8);
    (room, events, snapshots)
}

fn whats(done: &Value) -> Vec<&str> {
    done["warnings"].as_array().unwrap().iter().map(|warning| warning["what"].as_str().unwrap()).collect()
}

#[test]
fn what_a_source_removed_before_it_was_archived_is_missing_and_the_rest_can_be_cut() {
    let (room, mut events, snapshots) = archived_in_part();
    events.roll_now();
    append(&mut events, 8..20);
    let first = *events.segments.keys().next().unwrap();
    events.segments.remove(&first);
    room.ends(0, &backup_data(&data(&room, "after", &events, &snapshots)));
    let listed = room.document(0, "points", "points");
    let windows: Vec<_> =
        listed["windows"].as_array().unwrap().iter().filter(|one| one["store"] == "events").collect();
    assert_eq!((windows.len(), &windows[1]["first"], &windows[1]["last"]), (2, &8.into(), &19.into()));
    for token in [8, 15, 19] {
        let line = format!("restore --to-token default={token} --no-control-db --target at-{token}");
        let done = room.document(3, "restore", &line);
        let kept = &done["contexts"][0]["events"];
        assert_eq!(
            (&kept["head"], &kept["missing"][0]["first"], &kept["missing"][0]["last"]),
            (&token.into(), &5.into(), &7.into())
        );
        assert!(whats(&done).contains(&"gap"), "{done}");
    }
    let done = room.document(0, "restore", "restore --to-token default=4 --no-control-db --target at-4");
    assert_eq!(done["contexts"][0]["events"]["missing"].as_array().unwrap().len(), 0);
}

#[test]
fn a_cut_that_falls_back_over_a_gap_says_what_is_missing() {
    let room = Room::new();
    let (mut events, snapshots) = (StoreImage::new(4096), StoreImage::new(4096));
    append(&mut events, 0..5);
    events.roll_now();
    append(&mut events, 5..8);
    events.roll_now();
    events.append(&[Event::of("bike", 8).at(1_008), Event::of("bike", 9).at(1_009)]);
    let second = *events.segments.keys().nth(1).unwrap();
    events.segments.remove(&second);
    room.ends(3, &backup_data(&data(&room, "data", &events, &snapshots)));
    let cut = "--no-control-db --target";
    for (at, out) in [("--to-token default=8", "token"), ("--to-time 1970-01-01T00:00:01.008Z", "time")] {
        let done = room.document(3, "restore", &format!("restore {at} {cut} {out}"));
        assert_eq!(done["contexts"][0]["events"]["head"], 4);
        let text =
            done["warnings"].as_array().unwrap().iter().find(|one| one["what"] == "gap").unwrap()["text"]
                .to_string();
        assert!(text.contains("no events 5 to 7 of default"), "{text}");
    }
    room.document(0, "restore", &format!("restore --to-token default=4 {cut} before"));
}

#[test]
fn a_torn_point_proves_no_snapshot() {
    let (room, mut events, mut snapshots) = archived_in_part();
    let end = usize::try_from(events.open().end()).unwrap();
    append(&mut events, 8..9);
    append(&mut snapshots, 8..9);
    let source = data(&room, "torn", &events, &snapshots);
    let file = source.join("default/00000000000000000000.events");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[end + 20..].fill(0);
    std::fs::write(&file, bytes).unwrap();
    room.ends(3, &backup_data(&source));
    let done = room.document(0, "restore", "restore --to-token default=7 --no-control-db --target out");
    let kept = &done["contexts"][0];
    assert_eq!((&kept["events"]["head"], &kept["snapshots"]["head"]), (&7.into(), &0.into()), "{done}");
}
