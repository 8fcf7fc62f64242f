//! The zips that real servers made, taken apart and rebuilt: the build that can't do this is broken, whatever switched its zlib.

use crate::support::fixtures;
use segvault::axon::control_db;
use segvault::axon::control_db::TakenApart;
use std::fs;
use std::path::PathBuf;

/// Far above any of the fixtures.
const LIMIT: u64 = 64 << 20;

fn all_zips() -> Vec<PathBuf> {
    fixtures::SERVERS.into_iter().flat_map(fixtures::control_db_zips).collect()
}

fn taken_apart() -> Vec<(PathBuf, Vec<u8>, TakenApart)> {
    let apart = |path: PathBuf| {
        let zip = fs::read(&path).unwrap();
        let apart = control_db::take_apart(&zip, LIMIT).unwrap();
        (path, zip, apart)
    };
    all_zips().into_iter().map(apart).collect()
}

#[test]
fn all_nine_zips_of_real_servers_are_rebuilt_bit_by_bit() {
    let zips = taken_apart();
    assert_eq!(zips.len(), 9);
    for (path, zip, apart) in zips {
        let recipe = apart.recipe.unwrap_or_else(|| panic!("{} has no recipe", path.display()));
        assert_eq!(recipe.zip_length, zip.len() as u64);
        assert!(
            control_db::rebuild(&recipe, &apart.inner) == zip,
            "{} is rebuilt differently",
            path.display()
        );
    }
}

#[test]
fn the_file_inside_is_the_database() {
    for (path, _, apart) in taken_apart() {
        assert_eq!(apart.entry_name, "axonserver-controldb.mv.db");
        assert_eq!(apart.inner.len() % 4096, 0, "{}", path.display());
        let facts = control_db::facts(&apart.inner).unwrap();
        assert_eq!(facts.format, 1, "{}", path.display());
        let zipped = path.file_stem().unwrap().to_str().unwrap().strip_prefix("controldb").unwrap();
        assert!(
            (0..600_000).contains(&(zipped.parse::<i64>().unwrap() - facts.created)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_recipe_needs_its_own_name_and_time() {
    let (_, zip, apart) = taken_apart().remove(0);
    let recipe = apart.recipe.unwrap();
    let mut other = recipe.clone();
    other.dos_time ^= 1;
    assert!(control_db::rebuild(&other, &apart.inner) != zip);
    let mut other = recipe;
    other.entry_name = "axonserver-configdb.mv.db".to_owned();
    assert!(control_db::rebuild(&other, &apart.inner) != zip);
}

#[test]
fn a_torn_or_altered_zip_is_refused() {
    let (_, zip, _) = taken_apart().remove(0);
    for length in [0, 1, 100, zip.len() / 2, zip.len() - 1] {
        assert!(control_db::take_apart(&zip[..length], LIMIT).is_err(), "{length}");
    }
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..200 {
        let mut altered = zip.clone();
        let at = random.usize(60..zip.len() - 100);
        altered[at] ^= 1 << random.u8(0..8);
        assert!(control_db::take_apart(&altered, LIMIT).is_err(), "{at}");
    }
}

#[test]
fn a_limit_below_the_database_is_an_error() {
    let (_, zip, apart) = taken_apart().remove(0);
    let length = apart.inner.len() as u64;
    assert!(control_db::take_apart(&zip, length).is_ok());
    assert!(control_db::take_apart(&zip, length - 1).is_err());
}

#[test]
fn the_databases_of_real_servers_fit_together() {
    for (path, _, apart) in taken_apart() {
        let contents = control_db::contents(&apart.inner).unwrap();
        assert!(!contents.torn && contents.chunks >= 4, "{}", path.display());
        assert_eq!(contents.version, if contents.chunks == 4 { 4 } else { 11 });
        // The tables of migrations and of default rights, and their indexes: one entry for each row.
        let entries = |map: &str| contents.maps[map];
        assert!(entries("table.0") > 100, "the table of tables");
        for (table, index) in [("table.3", "index.6"), ("table.66", "index.70"), ("table.95", "index.96")] {
            assert!(entries(table) > 0);
            assert_eq!(entries(table), entries(index), "{}", path.display());
        }
    }
}

/// A cut right behind a chunk leaves an older state that fits together: then the version is lower.
#[test]
fn a_truncated_database_never_looks_like_the_whole_one() {
    for (path, _, apart) in taken_apart() {
        let version = control_db::contents(&apart.inner).unwrap().version;
        for length in (0..apart.inner.len()).step_by(1024) {
            let seen = control_db::contents(&apart.inner[..length]);
            assert!(
                seen.is_err() || seen.is_ok_and(|seen| seen.torn || seen.version < version),
                "{} {length}",
                path.display()
            );
        }
    }
}

#[test]
fn no_damage_makes_the_walk_panic() {
    let (_, _, apart) = taken_apart().remove(0);
    let mut random = fastrand::Rng::with_seed(6);
    let mut found = 0;
    for _ in 0..2_000 {
        let mut damaged = apart.inner.clone();
        for _ in 0..random.usize(1..20) {
            let at = random.usize(0..damaged.len());
            damaged[at] = random.u8(..);
        }
        found += usize::from(control_db::contents(&damaged).is_err());
    }
    assert!(found > 0);
}
