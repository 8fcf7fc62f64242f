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

/// A database whose map of maps is a node that names the same leaf `children` times. The leaf has `room` bytes, and one entry.
fn going_in_circles(children: usize, room: usize) -> Vec<u8> {
    let leaf_at = 1024_u64;
    let leaf = [b"\x05map.1\x06name:x".as_slice(), &vec![0; room]].concat();
    let leaf_position = 1 << 38 | leaf_at << 6;
    let node_at = leaf_at + leaf.len() as u64 + 64;
    let node: Vec<u8> = std::iter::repeat_n(u64::to_be_bytes(leaf_position), children).flatten().collect();
    let root = 1_u64 << 38 | node_at << 6 | 1;
    let mut chunk = vec![0; 1024];
    chunk.extend(page(leaf_at, 1, 0, &leaf));
    chunk.resize(usize::try_from(node_at).unwrap(), 0);
    chunk.extend(page(node_at, children as u64 - 1, 1, &[node, vec![1; children]].concat()));
    chunk.resize((chunk.len() + 128).next_multiple_of(4096), 0);
    let begin = format!("chunk:1,block:2,len:{:x},root:{root:x},version:1\n", chunk.len() / 4096);
    chunk[..begin.len()].copy_from_slice(begin.as_bytes());
    let end = line("chunk:1,version:1");
    let from = chunk.len() - 128;
    chunk[from..from + end.len()].copy_from_slice(end.as_bytes());
    let mut head = line("H:2,block:2,chunk:1,format:1,version:1").into_bytes();
    head.resize(4096, 0);
    [head.clone(), head, chunk].concat()
}

/// A page of chunk 1.
fn page(at: u64, keys: u64, kind: u8, body: &[u8]) -> Vec<u8> {
    let varint = |mut number: u64| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        [bytes, number.to_le_bytes()[..1].to_vec()].concat()
    };
    let behind = [&[0], varint(keys).as_slice(), &[kind], body].concat();
    let length = behind.len() as u64 + 6;
    let check = [1, at, length].into_iter().fold(0, |check, number| check ^ number ^ number >> 16);
    [&length.to_be_bytes()[4..], &check.to_be_bytes()[6..], &behind].concat()
}

/// A line with its Fletcher-32.
fn line(text: &str) -> String {
    let (mut low, mut high) = (0_u32, 0_u32);
    for pair in text.as_bytes().chunks(2) {
        let word = u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
        low = (low + word) % 0xffff;
        high = (high + low) % 0xffff;
    }
    format!("{text},fletcher:{:08x}\n", high << 16 | low)
}

#[test]
fn a_walk_takes_as_long_as_the_file_and_no_longer() {
    let whole = control_db::contents(&going_in_circles(1, 100)).unwrap();
    assert_eq!(whole.maps, [("x".to_owned(), 0)].into());
    let circles = control_db::contents(&going_in_circles(100, 20_000)).unwrap_err();
    assert_eq!(circles.to_string(), "it does not fit together: its pages go in circles");
}

#[test]
fn a_map_of_maps_without_end_is_left_alone() {
    let long = control_db::contents(&going_in_circles(1, 5 << 20)).unwrap_err();
    assert_eq!(long.to_string(), "a form that is not read: its map of maps is too long");
}
