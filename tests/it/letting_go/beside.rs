//! A prune beside a backup that stands still before its commit.

use crate::prune::lab::{At, DAY, forget, is_locked, lab, options, prune_at};
use crate::store::model::{check, open, prepare};
use segvault::engine::prune;

#[test]
fn marks_are_made_beside_a_backup_and_its_point_restores_after_two_prunes() {
    let (disk, points) = lab(4);
    // An old record lets go of what its tail held; a forgotten point of its control database.
    forget(&disk, &points[..2], 0);
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let (records, body) = prepare(&mut session, 5).unwrap();
    for day in 1..3 {
        assert!(is_locked(&prune::mark(&open(&disk).unwrap(), &options(0), &At(day * DAY)).unwrap_err()));
        let marked = prune::mark_beside(&open(&disk).unwrap(), &At(day * DAY)).unwrap();
        assert_eq!(marked.marked_packs > 0, day == 1, "{marked:?}");
    }
    // What the backup wrote is not among what is marked.
    let written: Vec<String> = crate::prune::lab::marked(&disk).into_iter().collect();
    let point = session.publish_point(records, body).unwrap().point;
    drop(repository);
    let repository = open(&disk).unwrap();
    check(&repository, &[points[2], points[3], point]).unwrap();
    drop(repository);
    for day in 5..8 {
        prune_at(&disk, day * DAY, 0).unwrap();
        check(&open(&disk).unwrap(), &[points[2], points[3], point]).unwrap();
    }
    assert!(written.iter().all(|path| !disk.files().contains(path)), "what was marked beside it is gone now");
}
