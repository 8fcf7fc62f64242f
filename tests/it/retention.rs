//! Holds and policies: what is kept and why, and what can be undone.

use crate::support::program::{Room, SERVER, backup};
use segvault::engine::retention::{Decision, Period, Policy, decide};
use segvault::repo::format::act::PointRef;
use segvault::repo::format::id::{ChunkId, ContentHash, FileHash};
use segvault::repo::format::moment::Moment;
use segvault::repo::format::point::{Content, ControlDb, Order, Point, PointBody};
use segvault::repo::store::ListedPoint;
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000;

fn database() -> ControlDb {
    let inner = Content { length: 1, blake3: ContentHash([0; 32]), list: ChunkId([0; 32]) };
    ControlDb::Inner { entry: "db".to_owned(), inner, zip: None }
}

/// A complete point of `node` with a control database.
fn point(number: u64, at: i64) -> ListedPoint {
    let body = PointBody {
        program: "segvault".to_owned(),
        source: "node".to_owned(),
        at: Moment(at),
        tags: BTreeMap::new(),
        order: Order::Claimed,
        unordered: false,
        complete: true,
        steps: vec![],
        facts: BTreeMap::new(),
        control_db: database(),
        contexts: BTreeMap::new(),
        left_out: vec![],
        findings: vec![],
        files: vec![],
    };
    let (kind, repository) = ("segvault.point".to_owned(), String::new());
    let point = Point { kind, version: 1, number, previous: None, repository, body };
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    ListedPoint { point, hash: FileHash(hash), forgotten: false, held: None, marked_incomplete: None }
}

/// A point every hour.
fn hourly(hours: u64) -> Vec<ListedPoint> {
    (0..hours).map(|hour| point(hour + 1, NEW_YEAR + HOUR * hour as i64)).collect()
}

fn far() -> Moment {
    Moment(NEW_YEAR + 3650 * DAY)
}

fn decided(points: &[ListedPoint], policy: &Policy) -> Vec<Decision> {
    decide(&points.iter().collect::<Vec<_>>(), &BTreeSet::new(), policy, true, far())
}

fn kept(points: &[ListedPoint], policy: &Policy) -> Vec<u64> {
    decided(points, policy).into_iter().filter(|one| one.keep).map(|one| one.number).collect()
}

fn reasons(points: &[ListedPoint], policy: &Policy, number: u64) -> String {
    let found = decided(points, policy).into_iter().find(|one| one.number == number).unwrap();
    format!("{} {}", if found.keep { "keep" } else { "forget" }, found.reasons.join("; "))
}

fn last(count: u64) -> Policy {
    Policy { last: count, ..Policy::default() }
}

fn periods(periods: &[(Period, u64)]) -> Policy {
    Policy { periods: periods.to_vec(), ..Policy::default() }
}

#[test]
fn a_year_of_hourly_backups_under_a_usual_policy() {
    let points = hourly(365 * 24);
    let policy = periods(&[
        (Period::Hourly, 24),
        (Period::Daily, 7),
        (Period::Weekly, 4),
        (Period::Monthly, 12),
        (Period::Yearly, 5),
    ]);
    let all = decided(&points, &policy);
    let kept: Vec<&Decision> = all.iter().filter(|one| one.keep).collect();
    let said: Vec<String> = kept
        .iter()
        .filter(|one| one.reasons.iter().any(|reason| !reason.starts_with("hourly")))
        .map(|one| format!("{} {}", one.at, one.reasons.join("; ")))
        .collect();
    assert_eq!(
        said,
        [
            "2026-01-31T23:00:00.000Z monthly 2026-01",
            "2026-02-28T23:00:00.000Z monthly 2026-02",
            "2026-03-31T23:00:00.000Z monthly 2026-03",
            "2026-04-30T23:00:00.000Z monthly 2026-04",
            "2026-05-31T23:00:00.000Z monthly 2026-05",
            "2026-06-30T23:00:00.000Z monthly 2026-06",
            "2026-07-31T23:00:00.000Z monthly 2026-07",
            "2026-08-31T23:00:00.000Z monthly 2026-08",
            "2026-09-30T23:00:00.000Z monthly 2026-09",
            "2026-10-31T23:00:00.000Z monthly 2026-10",
            "2026-11-30T23:00:00.000Z monthly 2026-11",
            "2026-12-13T23:00:00.000Z weekly 2026-W50",
            "2026-12-20T23:00:00.000Z weekly 2026-W51",
            "2026-12-25T23:00:00.000Z daily 2026-12-25",
            "2026-12-26T23:00:00.000Z daily 2026-12-26",
            "2026-12-27T23:00:00.000Z daily 2026-12-27; weekly 2026-W52",
            "2026-12-28T23:00:00.000Z daily 2026-12-28",
            "2026-12-29T23:00:00.000Z daily 2026-12-29",
            "2026-12-30T23:00:00.000Z daily 2026-12-30",
            "2026-12-31T23:00:00.000Z last; hourly 2026-12-31 23h; daily 2026-12-31; weekly 2026-W53; monthly 2026-12; yearly 2026",
        ]
    );
    assert_eq!(kept.len(), 19 + 24, "and the other 23 hours");
    let (_, gone) = (kept, all.iter().find(|one| !one.keep).unwrap());
    assert_eq!(gone.reasons, ["point 744 stands for monthly 2026-01"]);
}

/// The same year, thinned every hour as it goes by: each rule has its points whenever one looks.
#[test]
fn thinning_every_hour_ends_where_thinning_once_ends() {
    let policy = periods(&[(Period::Hourly, 6), (Period::Daily, 7), (Period::Monthly, 3)]);
    let all = hourly(120 * 24);
    let mut points = Vec::new();
    for one in &all {
        points.push(one.clone());
        let kept = kept(&points, &policy);
        points.retain(|one| kept.contains(&one.point.number));
    }
    let numbers: Vec<u64> = points.iter().map(|one| one.point.number).collect();
    assert_eq!(numbers, kept(&all, &policy));
}

#[test]
fn what_is_newest_held_tagged_tried_or_the_only_one_of_its_kind_stays() {
    let mut points = hourly(10);
    points[0].held = Some(("audit".to_owned(), Some(Moment(far().0 + DAY))));
    points[1].held = Some(("over".to_owned(), Some(Moment(far().0))));
    points[2].point.body.tags.insert("why".to_owned(), "upgrade".to_owned());
    points[9].point.body.complete = false;
    points[9].point.body.control_db = ControlDb::Absent { reason: "none".to_owned() };
    points[8].marked_incomplete = Some("found later".to_owned());
    let policy = Policy { tags: vec![("why".to_owned(), "upgrade".to_owned())], ..last(1) };
    assert_eq!(kept(&points, &policy), [1, 3, 8, 9, 10]);
    assert_eq!(reasons(&points, &policy, 1), format!("keep hold: audit until {}", Moment(far().0 + DAY)));
    assert_eq!(reasons(&points, &policy, 2), "forget no rule keeps it");
    assert_eq!(reasons(&points, &policy, 3), "keep tag why=upgrade");
    assert_eq!(reasons(&points, &policy, 8), "keep newest complete one");
    assert_eq!(reasons(&points, &policy, 9), "keep newest one with a control db");
    assert_eq!(reasons(&points, &policy, 10), "keep last; last 1");
    let tried: BTreeSet<PointRef> = [points[3].reference(), points[4].reference()].into();
    let all: Vec<&ListedPoint> = points.iter().collect();
    let kept: Vec<u64> = decide(&all, &tried, &policy, true, far())
        .into_iter()
        .filter(|one| one.keep)
        .map(|one| one.number)
        .collect();
    assert_eq!(kept, [1, 3, 5, 8, 9, 10], "the last one that was tried");
}

#[test]
fn a_period_is_stood_for_by_a_complete_point_and_by_one_with_a_control_db() {
    let mut points = hourly(24);
    for one in &mut points[10..] {
        one.point.body.complete = false;
    }
    for one in &mut points[..15] {
        one.point.body.control_db = ControlDb::Absent { reason: "none".to_owned() };
    }
    points.push(point(25, NEW_YEAR + 2 * DAY));
    let policy = periods(&[(Period::Daily, 2)]);
    assert_eq!(kept(&points, &policy), [10, 24, 25]);
    assert_eq!(reasons(&points, &policy, 10), "keep daily 2026-01-01");
    assert_eq!(reasons(&points, &policy, 24), "keep only one with a control db for daily 2026-01-01");
}

#[test]
fn clocks_that_lie_drop_nothing_that_a_right_clock_would_keep() {
    let mut points = hourly(48);
    points[30].point.body.at = Moment(far().0 + 365 * DAY);
    let policy = Policy { within_ms: Some(3 * HOUR), ..Policy::default() };
    assert_eq!(kept(&points, &policy), [31, 45, 46, 47, 48], "2042 moves no window");
    assert_eq!(reasons(&points, &policy, 31), "keep dated in the future: no rule applies");
    // Our own clock went back: everything is dated in the future, and nothing goes.
    let all: Vec<&ListedPoint> = points.iter().collect();
    let decided = decide(&all, &BTreeSet::new(), &policy, true, Moment(0));
    assert!(decided.iter().all(|one| one.keep));
    // It went forward: windows are counted from the newest point.
    let decided = decide(&all, &BTreeSet::new(), &policy, true, Moment(far().0 + 20 * 365 * DAY));
    assert!(decided.iter().filter(|one| one.keep).count() >= 1);
}

#[test]
fn each_source_is_looked_at_by_itself() {
    let mut points = hourly(10);
    for one in &mut points[..5] {
        one.point.body.source = "another".to_owned();
    }
    assert_eq!(kept(&points, &last(1)), [5, 10]);
    let all: Vec<&ListedPoint> = points.iter().collect();
    let together = decide(&all, &BTreeSet::new(), &last(2), false, far());
    let kept: Vec<u64> = together.into_iter().filter(|one| one.keep).map(|one| one.number).collect();
    assert_eq!(kept, [5, 9, 10], "the two newest of all, and the newest one of each source");
}

#[test]
fn what_is_always_kept_is_kept_of_each_source_even_if_all_are_looked_at_together() {
    let mut points = hourly(10);
    for one in &mut points[..5] {
        one.point.body.source = "another".to_owned();
    }
    points[4].point.body.complete = false;
    points[4].point.body.control_db = ControlDb::Absent { reason: "none".to_owned() };
    points[3].marked_incomplete = Some("found later".to_owned());
    let tried: BTreeSet<PointRef> = [points[1].reference(), points[7].reference()].into();
    let all: Vec<&ListedPoint> = points.iter().collect();
    let together = decide(&all, &tried, &last(1), false, far());
    let kept: Vec<(u64, String)> =
        together.into_iter().filter(|one| one.keep).map(|one| (one.number, one.reasons.join("; "))).collect();
    let said = [
        (2, "last one whose restore was tried"),
        (3, "newest complete one"),
        (4, "newest one with a control db"),
        (5, "last"),
        (8, "last one whose restore was tried"),
        (10, "last; last 1"),
    ];
    assert_eq!(kept, said.map(|(number, why)| (number, why.to_owned())));
}

/// For any points and any policy: what more rules keep is no less; the newest and the held are always kept.
#[test]
fn more_rules_never_keep_less() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut at = NEW_YEAR;
        let points: Vec<ListedPoint> = (1..=random.u64(1..60))
            .map(|number| {
                at += random.i64(-2 * HOUR..40 * HOUR);
                let mut one = point(number, at);
                one.point.body.complete = random.u8(0..4) > 0;
                if random.u8(0..3) == 0 {
                    one.point.body.control_db = ControlDb::Absent { reason: String::new() };
                }
                if random.u8(0..10) == 0 {
                    one.held = Some(("kept".to_owned(), None));
                }
                one.point.body.source = ["a", "b"][random.usize(0..2)].to_owned();
                one
            })
            .collect();
        let all = [Period::Hourly, Period::Daily, Period::Weekly, Period::Monthly, Period::Yearly];
        let mut policy = last(random.u64(0..5));
        let mut before: BTreeSet<u64> = kept(&points, &policy).into_iter().collect();
        for period in all {
            policy.periods.push((period, random.u64(1..6)));
            let now: BTreeSet<u64> = kept(&points, &policy).into_iter().collect();
            assert!(before.is_subset(&now), "seed {seed}");
            before = now;
        }
        policy.last += 3;
        policy.within_ms = Some(random.i64(0..100 * HOUR));
        let now: BTreeSet<u64> = kept(&points, &policy).into_iter().collect();
        assert!(before.is_subset(&now), "seed {seed}");
        for one in points.iter().filter(|one| one.held.is_some()) {
            assert!(now.contains(&one.point.number), "seed {seed}");
        }
        assert!(now.contains(&points.last().unwrap().point.number), "seed {seed}");
    }
}

/// A room with so many points of the real server.
fn room(points: usize) -> Room {
    let room = Room::new();
    let root = room.server(SERVER);
    (0..points).for_each(|_| drop(room.ends(0, &backup(&root))));
    room
}

#[test]
fn points_are_forgotten_and_remembered_through_the_program() {
    let room = room(3);
    let (plan, _) = room.ends(0, "forget --keep-last 1");
    assert!(plan.contains("would forget 2 points and keep 1; do it with --yes"), "{plan}");
    assert_eq!(room.points(), [1, 2, 3], "nothing goes without --yes");
    room.ends(0, "hold add 1 --reason audit --until 2999-01-01");
    let (held, _) = room.ends(0, "hold list");
    assert!(held.contains("2999-01-01 00:00:00  audit"), "{held}");
    room.refused(2, "forget 1 --yes", &["point 1 is held", "audit"]);
    let done = room.document(0, "forget", "forget --keep-last 1 --yes");
    assert_eq!((&done["kept"], &done["forgotten"], &done["act"]), (&2.into(), &1.into(), &2.into()));
    assert_eq!(room.points(), [1, 3]);
    room.ends(0, "hold remove 1");
    room.refused(2, "hold remove 1", &["not held"]);
    assert_eq!(room.ends(0, "-q forget 1 --yes").0, "", "what was done is not told to whom wants quiet");
    assert_eq!(room.points(), [3]);
    room.refused(2, "forget 1 --yes", &["forgotten"]);
    room.refused(2, "hold add 1 --reason x", &["forgotten"]);
    room.ends(0, "forget --undo 2");
    assert_eq!(room.points(), [2, 3]);
    room.refused(2, "forget --undo 2", &["not forgotten"]);
    let (again, _) = room.ends(0, "forget --undo");
    assert_eq!(again, "listed again: 1\n");
    assert_eq!(room.points(), [1, 2, 3]);
    room.restore(0, "1", "restored");
    room.ends(0, "verify");
}

#[test]
fn a_point_that_is_named_goes_and_what_can_not_be_restored_then_is_said() {
    let room = room(2);
    let data = room.path(SERVER).join("data");
    room.ends(0, &format!("backup --data-dir {} --no-control-db --source B", data.display()));
    let (plan, _) = room.ends(0, "forget 3");
    let said = "nothing of 'B' can be restored then; undo with 'segvault forget --undo', before a prune\n";
    assert!(plan.ends_with(&format!("would forget 1 point and keep 2; do it with --yes\n{said}")), "{plan}");
    let done = room.document(0, "forget", "forget latest --source B --yes");
    assert_eq!((&done["kept"], &done["forgotten"], &done["bare"][0]), (&0.into(), &1.into(), &"B".into()));
    let undo = "list them again with 'segvault forget --undo'";
    room.refused(2, "restore latest --source B --target t", &["no point of the source 'B'", undo]);
    room.refused(2, "events --source B --context default", &["no point of the source 'B'", undo]);
    room.refused(2, "points --source B", &["no point of the source 'B'", undo]);
    let (told, _) = room.ends(0, "forget 1 --yes");
    assert!(told.contains("forgot 1 point, kept 1; 'segvault forget --undo' lists it again"), "{told}");
    assert!(!told.contains("nothing of"), "another point of that source is left: {told}");
    let (told, _) = room.ends(0, "forget 2 --yes");
    assert!(
        told.ends_with(
            "nothing of 'node-1' can be restored now; undo with 'segvault forget --undo', before a prune\n"
        ),
        "{told}"
    );
    room.refused(2, "restore --target t", &["there is no point: all are forgotten", undo]);
    assert!(
        room.ends(0, "points")
            .0
            .starts_with("no point is listed: all are forgotten; 'segvault forget --undo'")
    );
    room.ends(0, "forget --undo");
    room.restore(0, "latest~1 --source node-1", "t");
}

#[test]
fn a_policy_counts_no_point_that_is_forgotten_already() {
    let room = room(3);
    room.ends(0, "forget 3 --yes");
    room.ends(0, "forget --keep-last 1 --yes");
    assert_eq!(room.points(), [2]);
}

/// That a point was tried is a reason to keep it; that its drill failed is none.
#[test]
fn a_point_whose_drill_failed_is_none_that_was_tried() {
    let room = room(3);
    room.ends(0, "drill 1");
    room.ends(1, "drill 2 --exec false");
    room.ends(0, "forget --keep-last 1 --yes");
    assert_eq!(room.points(), [1, 3]);
}

#[test]
fn a_policy_for_one_source_touches_no_other() {
    let room = room(2);
    let data = room.path(SERVER).join("data");
    for _ in 0..2 {
        room.ends(0, &format!("backup --data-dir {} --no-control-db --source B", data.display()));
    }
    room.ends(0, "forget --source B --keep-last 1 --yes");
    assert_eq!(room.points(), [1, 2, 4]);
}

#[test]
fn a_hold_that_would_be_over_already_replaces_none() {
    let room = room(2);
    room.ends(0, "hold add 1 --reason audit");
    let over = "hold add 1 --reason audit --until 2016-01-01";
    room.refused(
        2,
        over,
        &["point 1 until 2016-01-01T00:00:00.000Z would be over already", "a later moment"],
    );
    room.refused(2, &format!("{over} --dry-run"), &["over already"]);
    room.refused(2, "forget 1 --yes", &["point 1 is held: audit"]);
}

#[test]
fn a_policy_comes_from_a_file_too_and_nothing_said_is_refused() {
    let room = room(2);
    room.refused(2, "forget", &["--keep-last"]);
    room.refused(2, "forget 1 --keep-last 3", &["points and rules"]);
    room.write("policy", b"# small\nkeep-last 1\n");
    let done = room.document(0, "forget", "forget --policy policy --yes");
    assert_eq!(done["points"][0]["reasons"][0], "no rule keeps it");
    assert_eq!(room.points(), [2]);
    room.write("odd", b"keep-last 1\nkeep-forever 3\n");
    room.refused(2, "forget --policy odd", &["line 2"]);
    room.refused(2, "forget --keep-last 1 --source nobody", &["nobody", "node-1"]);
}

#[test]
fn nothing_is_forgotten_while_an_act_that_might_be_a_hold_can_not_be_read() {
    let room = room(2);
    room.ends(0, "hold add 1 --reason audit");
    let act = room.repository().join("acts/1.json");
    let mut bytes = std::fs::read(&act).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&act, bytes).unwrap();
    room.refused(20, "forget --keep-last 1", &["acts/1.json"]);
    room.refused(20, "forget 1 --yes", &["acts/1.json"]);
}
