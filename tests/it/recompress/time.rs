//! `--max-duration`: nothing is begun when it is over, and each run gets on.

use super::*;
use crate::support::clock::Ticks;
use segvault::engine::recompress::{self, RecompressOptions, Recompressed};
use segvault::repo::store::Effort;

fn run_for(room: &Room, ticks: i64) -> Recompressed {
    let options = RecompressOptions { effort: Effort::default(), max_ms: Some(ticks), dry_run: false };
    recompress::run(&room.open(), &options, &Ticks::default()).unwrap()
}

#[test]
fn no_time_is_enough_for_nothing_and_the_next_run_goes_on() {
    let room = fast();
    let stopped = recompress(&room, " --max-duration 0s");
    assert_eq!((&stopped["finished"], &stopped["marked_packs"]), (&false.into(), &0.into()));
    let (text, _) = room.ends(0, "recompress --max-duration 1h");
    assert!(!text.contains("not finished"), "{text}");
    delete_dead(&room);
    verify(&room);
}

/// What came of the half of a group would be one more small pack, and the next run would begin with all of them; or with the chunks of weaker
/// packs that were written already.
#[test]
fn what_is_begun_is_finished_however_short_the_time() {
    let (weak, small) = (fast(), Room::new());
    grown(&small);
    for room in [weak, small] {
        let before = packs(&room);
        let none = run_for(&room, 1);
        assert_eq!((none.marked_packs, none.finished), (0, false));
        assert_eq!(packs(&room), before);
        let done = run_for(&room, 3);
        assert_eq!((done.marked_packs, done.new_packs, done.finished), (done.planned_packs, 1, true));
        assert_eq!(run_for(&room, 3).planned_packs, 0);
    }
}

#[test]
fn small_packs_that_there_was_no_time_for_are_not_forgotten() {
    let room = Room::new();
    grown(&room);
    let line = "backup --no-control-db --compression fast --source third --data-dir";
    room.ends(0, &format!("{line} {}", fixtures::dir("core-2023.2.1-xml").display()));
    let stopped = recompress(&room, " --max-duration 0s");
    assert_eq!((&stopped["all_looked_at"], &stopped["finished"]), (&false.into(), &false.into()));
}
