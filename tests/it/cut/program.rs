//! Point in time through the real program: what is printed, what is refused, what scripts read.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup};
use serde_json::Value;

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
    for figure in ["files", "bytes", "free", "seconds"] {
        assert!(plan[figure].as_u64().is_some(), "{figure}");
    }
    assert!(!room.path("out").exists());
    let (told, _) = room.ends(3, "restore --to-token default=1200 --target out");
    for said in [
        "drops 1659 events of default",
        "tokens 0 to 1200 without a gap, 1,201 events",
        "none ahead of its events",
        "java -jar axonserver.jar",
        "segvault events --source node-1 --context default@1 --from 1201",
        "reset every token store that is beyond token 1200",
        "no point has a control database that fits",
    ] {
        assert!(told.contains(said), "no {said:?} in:\n{told}");
    }
    let left = room.document(0, "events", "events --source node-1 --context default@1 --from 1201");
    assert_eq!(left["count"], 1659);
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
    room.refused(30, "restore --to-token default=9999 --target out", &["9999", "0 to 2859"]);
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
