//! A data directory as a source: what is a context, what is sealed, what is refused, which control-db zip is taken.

use crate::support::fixtures;
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::token::Token;
use segvault::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use segvault::source::listing::{ControlDbCapture, Listing, StoreFile};
use segvault::source::{Error, Source};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

const SEGMENT_0: &str = "00000000000000000000.events";
const SEGMENT_5: &str = "00000000000000000005.events";

fn options(path: &Path) -> DataDirOptions {
    let control_db = ControlDbFrom::None("the test has none".into());
    DataDirOptions { path: path.into(), control_db, accept_unordered: false, no_mmap: false }
}

fn with_zip(path: &Path, zip: &Path) -> DataDirOptions {
    DataDirOptions { control_db: ControlDbFrom::Zip(zip.into()), ..options(path) }
}

fn put(root: &Path, file: &str) -> PathBuf {
    put_bytes(root, file, b"")
}

fn put_bytes(root: &Path, file: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn set_modified(path: &Path, ms: u64) {
    let at = UNIX_EPOCH + Duration::from_millis(ms);
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

/// A directory with these (empty) files in it.
fn tree(files: &[&str]) -> TempDir {
    let root = TempDir::new().unwrap();
    for file in files {
        put(root.path(), file);
    }
    root
}

fn list(root: &Path) -> Result<Listing, Error> {
    DataDir::open(options(root))?.listing()
}

fn contexts(root: &Path) -> Vec<String> {
    list(root).unwrap().contexts.into_keys().collect()
}

/// Number, version, and whether it is volatile.
fn shape(files: &[StoreFile]) -> Vec<(u64, u32, bool)> {
    files.iter().map(|file| (file.name.number.get(), file.name.version, file.is_volatile)).collect()
}

mod contexts_are {
    use super::*;

    #[test]
    fn directories_with_a_data_file_directly_in_them() {
        let root = tree(&[
            "default/00000000000000000000.events",
            "only snapshots/00000000000000000000.snapshots",
            "ünïcode-日本/00000000000000000000.events",
            "_admin/00000000000000000000.events",
            "backups/controldb1.zip",
            "indexes/00000000000000000000.index",
            "deep/er/00000000000000000000.events",
            ".snapshot/00000000000000000000.events",
            "axonserver-controldb.mv.db",
        ]);
        fs::create_dir(root.path().join("lost+found")).unwrap();
        assert_eq!(contexts(root.path()), ["_admin", "default", "only snapshots", "ünïcode-日本"]);
    }

    #[test]
    fn found_in_the_directory_given_or_in_data_in_it_and_which_is_said() {
        let root =
            tree(&["data/default/00000000000000000000.events", "log/default/00000000000000000000.log"]);
        let taken =
            |path: &Path| DataDir::open(options(path)).unwrap().identity().unwrap().facts["taken"].clone();
        assert_eq!(taken(root.path()), "data/ in the directory given");
        assert_eq!(taken(&root.path().join("data")), "the directory given");
        assert_eq!(contexts(root.path()), ["default"]);
        assert_eq!(contexts(&root.path().join("data")), ["default"]);
    }

    #[test]
    fn also_called_data() {
        let root = tree(&["data/00000000000000000000.events"]);
        assert_eq!(contexts(root.path()), ["data"]);
    }

    #[test]
    fn not_guessed_where_both_the_directory_and_its_data_hold_some() {
        let root = tree(&[
            "copy-of-default/00000000000000000000.events",
            "data/default/00000000000000000000.events",
        ]);
        assert!(matches!(list(root.path()), Err(Error::Ambiguous { .. })));
    }

    #[test]
    fn required() {
        let root = tree(&["default/readme.txt"]);
        assert!(matches!(list(root.path()), Err(Error::NoContexts { .. })));
        assert!(matches!(list(&root.path().join("nowhere")), Err(Error::NoDirectory { .. })));
        assert!(matches!(list(&root.path().join("default/readme.txt")), Err(Error::NoDirectory { .. })));
    }

    #[test]
    fn not_silently_gone_later() {
        let root = tree(&["default/00000000000000000000.events"]);
        let mut source = DataDir::open(options(root.path())).unwrap();
        fs::remove_dir_all(root.path().join("default")).unwrap();
        assert!(matches!(source.listing(), Err(Error::NoContexts { .. })));
    }

    #[test]
    fn named_in_utf8_or_refused() {
        let root = tree(&["default/00000000000000000000.events"]);
        let odd = root.path().join(OsStr::from_bytes(b"caf\xe9"));
        fs::create_dir(&odd).unwrap();
        assert_eq!(contexts(root.path()), ["default"], "an odd directory without data files is none");
        fs::write(odd.join(SEGMENT_0), "").unwrap();
        assert!(matches!(list(root.path()), Err(Error::NotUtf8 { .. })));
    }
}

mod segments_are {
    use super::*;

    #[test]
    fn sealed_below_the_highest_number_and_below_its_highest_version() {
        let root = tree(&[
            "c/00000000000000000000.events",
            "c/00000000000000000000_00001.events",
            "c/00000000000000000007.events",
            "c/00000000000000000007_00002.events",
            "c/00000000000000000007_00001.events",
            "c/00000000000000000003.snapshots",
        ]);
        let listing = list(root.path()).unwrap();
        let expected = [(0, 0, false), (0, 1, false), (7, 0, false), (7, 1, false), (7, 2, true)];
        assert_eq!(shape(&listing.contexts["c"].events.segments), expected);
        assert_eq!(shape(&listing.contexts["c"].snapshots.segments), [(3, 0, true)]);
        assert_eq!(listing.contexts["c"].store(Store::Snapshots).segments[0].store, Store::Snapshots);
    }

    #[test]
    fn named_with_20_digits_or_14() {
        let root =
            tree(&["c/00000000000000.events", "c/00000000000012.events", "c/00000000000000000034.events"]);
        let listing = list(root.path()).unwrap();
        assert_eq!(
            shape(&listing.contexts["c"].events.segments),
            [(0, 0, false), (12, 0, false), (34, 0, true)]
        );
    }

    #[test]
    fn there_once_each() {
        let root = tree(&["c/00000000000012.events", "c/00000000000000000012.events"]);
        let Err(Error::Twice { one, other }) = list(root.path()) else { panic!("not refused") };
        assert_eq!(one.file_name().unwrap(), "00000000000000000012.events");
        assert_eq!(other.file_name().unwrap(), "00000000000012.events");
    }

    #[test]
    fn well_named() {
        let root = tree(&["c/00000000000000000000.events", "c/copy.events"]);
        assert!(
            matches!(list(root.path()), Err(Error::Misnamed { path }) if path.ends_with("c/copy.events"))
        );
    }

    #[test]
    fn not_those_of_a_transformation_or_index_being_written() {
        let root = tree(&[
            "c/00000000000000000000.events",
            "c/00000000000000000000_00001.events.transformed",
            "c/00000000000000000000.index",
            "c/00000000000000000000.index.temp",
            "c/00000000000000000000.bloom",
            "c/00000000000000000000.snapshots.transformed",
            "c/global-index-00000.xref",
        ]);
        let listing = list(root.path()).unwrap();
        let names = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        let events = &listing.contexts["c"].events;
        assert_eq!(shape(&events.segments), [(0, 0, true)]);
        let expected = ["00000000000000000000.index.temp", "00000000000000000000_00001.events.transformed"];
        assert_eq!(names(&events.in_progress), expected);
        let snapshots = &listing.contexts["c"].snapshots;
        assert_eq!(names(&snapshots.in_progress), ["00000000000000000000.snapshots.transformed"]);
        assert!(snapshots.segments.is_empty());
    }

    #[test]
    fn looked_at_anew_each_time() {
        let root = tree(&["c/00000000000000000000.events"]);
        let mut source = DataDir::open(options(root.path())).unwrap();
        let before = source.listing().unwrap();
        assert_eq!(shape(&before.contexts["c"].events.segments), [(0, 0, true)]);
        put_bytes(root.path(), "c/00000000000000000005.events", b"new");
        put_bytes(root.path(), "c/00000000000000000000.events", b"longer");
        let after = source.listing().unwrap();
        assert_eq!(shape(&after.contexts["c"].events.segments), [(0, 0, false), (5, 0, true)]);
        assert_eq!(after.contexts["c"].events.segments[0].length, 6);
    }

    #[test]
    fn told_with_length_and_time() {
        let root = tree(&[]);
        let path = put_bytes(root.path(), "c/00000000000000000000.events", &[0; 77]);
        set_modified(&path, 1_795_381_849_885);
        let listing = list(root.path()).unwrap();
        let expected = StoreFile {
            store: Store::Events,
            name: SegmentName { number: Token::ZERO, version: 0 },
            length: 77,
            on_disk: fs::metadata(&path).unwrap().blocks() * 512,
            path: path.into(),
            modified_ns: 1_795_381_849_885_000_000,
            is_volatile: true,
        };
        assert_eq!(listing.contexts["c"].events.segments, [expected]);
    }

    #[test]
    fn followed_through_symbolic_links() {
        let root = tree(&["data/one/00000000000000000000.events"]);
        let elsewhere = tree(&["00000000000000000000.events"]);
        let far = put_bytes(elsewhere.path(), SEGMENT_5, b"far away");
        symlink(&far, root.path().join("data/one").join(SEGMENT_5)).unwrap();
        symlink(elsewhere.path(), root.path().join("data/two")).unwrap();
        let listing = list(root.path()).unwrap();
        let one = &listing.contexts["one"].events.segments;
        assert_eq!(shape(one), [(0, 0, false), (5, 0, true)]);
        assert_eq!(one[1].length, 8);
        assert_eq!(shape(&listing.contexts["two"].events.segments), [(0, 0, false), (5, 0, true)]);
    }

    #[test]
    fn an_error_where_a_link_leads_nowhere_or_a_file_is_none() {
        let root = tree(&["c/00000000000000000000.events"]);
        let link = root.path().join("c").join(SEGMENT_5);
        symlink("nowhere", &link).unwrap();
        assert!(matches!(list(root.path()), Err(Error::Io { path, .. }) if path == link));
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        assert!(matches!(list(root.path()), Err(Error::Io { path, .. }) if path == link));
    }
}

mod bytes_are {
    use super::*;

    /// A sealed and a volatile segment of the same random bytes.
    fn two_segments() -> (TempDir, Vec<u8>) {
        let mut random = fastrand::Rng::with_seed(7);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(300_000).collect();
        let root = tree(&[]);
        put_bytes(root.path(), "c/00000000000000000000.events", &bytes);
        put_bytes(root.path(), "c/00000000000000000005.events", &bytes);
        (root, bytes)
    }

    #[test]
    fn mapped_where_sealed_and_plain_where_volatile_or_asked_for() {
        let (root, _) = two_segments();
        for no_mmap in [false, true] {
            let mut source = DataDir::open(DataDirOptions { no_mmap, ..options(root.path()) }).unwrap();
            let files = source.listing().unwrap().contexts["c"].events.segments.clone();
            let is_mapped = |file| source.open(file).unwrap().mapped().is_some();
            assert_eq!([is_mapped(&files[0]), is_mapped(&files[1])], [!no_mmap, false]);
        }
    }

    #[test]
    fn the_same_either_way() {
        let (root, bytes) = two_segments();
        let mut source = DataDir::open(options(root.path())).unwrap();
        for file in &source.listing().unwrap().contexts["c"].events.segments {
            let opened = source.open(file).unwrap();
            assert_eq!(opened.length(), bytes.len() as u64);
            for (offset, length) in
                [(0, 300_000), (1, 10), (299_990, 20), (300_000, 1), (u64::MAX, 1), (5, 0)]
            {
                let mut buffer = vec![0; length];
                let read = opened.read_at(offset, &mut buffer).unwrap();
                let from = usize::try_from(offset).unwrap().min(bytes.len());
                let to = from.saturating_add(length).min(bytes.len());
                assert_eq!(buffer[..read], bytes[from..to], "{offset} {length} {}", file.is_volatile);
            }
        }
    }

    #[test]
    fn none_in_an_empty_file() {
        let root = tree(&["c/00000000000000000000.events", "c/00000000000000000005.events"]);
        let mut source = DataDir::open(options(root.path())).unwrap();
        for file in &source.listing().unwrap().contexts["c"].events.segments {
            let opened = source.open(file).unwrap();
            assert_eq!((opened.length(), opened.read_at(0, &mut [0; 9]).unwrap()), (0, 0));
        }
    }

    #[test]
    fn vanished_once_the_file_is_gone() {
        let (root, _) = two_segments();
        let mut source = DataDir::open(options(root.path())).unwrap();
        let listing = source.listing().unwrap();
        fs::remove_dir_all(root.path().join("c")).unwrap();
        for file in &listing.contexts["c"].events.segments {
            assert!(matches!(source.open(file), Err(Error::Vanished { .. })));
        }
    }
}

mod the_control_db_is {
    use super::*;

    /// A data directory whose one (empty) file was written at 1,000,000 s.
    fn data() -> TempDir {
        let root = tree(&["data/c/00000000000000000000.events"]);
        set_modified(&root.path().join("data/c").join(SEGMENT_0), 1_000_000_000);
        root
    }

    fn capture(root: &Path, zip: &Path, accept_unordered: bool) -> Result<(String, Vec<u8>, bool), Error> {
        let options = DataDirOptions { accept_unordered, ..with_zip(root, zip) };
        match DataDir::open(options)?.control_db()? {
            ControlDbCapture::Claimed { name, zip, is_too_new, .. } => Ok((name, zip, is_too_new)),
            other => panic!("{other:?}"),
        }
    }

    fn captured_name(root: &Path, zip: &Path) -> String {
        capture(root, zip, false).unwrap().0
    }

    #[test]
    fn absent_for_a_reason() {
        let root = data();
        let captured = DataDir::open(options(root.path())).unwrap().control_db().unwrap();
        assert!(matches!(captured, ControlDbCapture::Absent { reason } if reason == "the test has none"));
    }

    #[test]
    fn the_zip_that_was_given() {
        let root = data();
        let zip = put_bytes(root.path(), "backups/any name.zip", b"bytes");
        assert_eq!(
            capture(root.path(), &zip, false).unwrap(),
            ("any name.zip".into(), b"bytes".into(), false)
        );
    }

    #[test]
    fn the_newest_of_a_directory_that_is_not_newer_than_the_data() {
        let root = data();
        let backups = root.path().join("backups");
        for name in [
            "controldb999999999.zip",
            "controldb1000000000.zip",
            "controldb1000000001.zip",
            "zzz.zip",
            "x.txt",
        ] {
            put(&backups, name);
        }
        assert_eq!(captured_name(root.path(), &backups), "controldb1000000000.zip");
        let mut source = DataDir::open(with_zip(root.path(), &backups)).unwrap();
        source.control_db().unwrap();
        assert_eq!(
            source.passed_over(),
            [backups.join("controldb1000000001.zip")],
            "and what was passed over is known"
        );
    }

    #[test]
    fn the_one_written_last_where_no_name_holds_a_time() {
        let root = data();
        let backups = root.path().join("backups");
        for (name, at) in [("a.zip", 30), ("b.zip", 40), ("c.zip", 20)] {
            set_modified(&put(&backups, name), at);
        }
        assert_eq!(captured_name(root.path(), &backups), "b.zip");
    }

    #[test]
    fn refused_where_it_is_newer_than_all_data_unless_told() {
        let root = data();
        let newer = put(root.path(), "controldb1000000001.zip");
        assert!(matches!(capture(root.path(), &newer, false), Err(Error::ControlDbTooNew { .. })));
        assert!(capture(root.path(), &newer, true).unwrap().2);
        let same = put(root.path(), "controldb1000000000.zip");
        assert!(!capture(root.path(), &same, true).unwrap().2, "told so, but it is in order");
    }

    #[test]
    fn the_one_least_ahead_where_all_are_newer_and_the_user_insists() {
        let root = data();
        let backups = root.path().join("backups");
        put(&backups, "controldb3000000000.zip");
        put(&backups, "controldb2000000000.zip");
        assert!(matches!(capture(root.path(), &backups, false), Err(Error::ControlDbTooNew { .. })));
        let (name, _, is_too_new) = capture(root.path(), &backups, true).unwrap();
        assert_eq!((name.as_str(), is_too_new), ("controldb2000000000.zip", true));
    }

    #[test]
    fn told_by_its_entry_time_too() {
        let root = data();
        // The data is of 1970-01-12; the entries are of 1980-01-01 and of no day at all.
        let header =
            |date: u16| [b"PK\x03\x04\x14\0\x08\x08\x08\0\0\0".as_slice(), &date.to_le_bytes()].concat();
        let newer = put_bytes(root.path(), "any.zip", &header((1 << 5) | 1));
        assert!(matches!(capture(root.path(), &newer, false), Err(Error::ControlDbTooNew { .. })));
        let unknown = put_bytes(root.path(), "other.zip", &header(0));
        assert!(!capture(root.path(), &unknown, false).unwrap().2);
    }

    /// An open segment whose only transaction holds events of these times, milliseconds.
    fn segment(times: &[u64]) -> Vec<u8> {
        let mut area = Vec::new();
        for &time in times {
            // Field 5 of an event, a varint.
            let mut event = vec![5 << 3];
            event.extend((0..9).map(|i| 0x80 | (time >> (7 * i)) as u8).chain([0]));
            area.extend((event.len() as u32).to_be_bytes());
            area.extend(event);
        }
        let mut bytes = vec![2, 0, 0, 0, 0];
        bytes.extend((area.len() as u32).to_be_bytes());
        bytes.push(2);
        bytes.extend((times.len() as u16).to_be_bytes());
        bytes.extend(&area);
        bytes.extend(crc32fast::hash(&area).to_be_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn measured_by_the_newest_event_where_the_files_look_older() {
        let root = data();
        let file =
            put_bytes(root.path(), "data/c/00000000000000000000.snapshots", &segment(&[7, 5_000_000_000, 9]));
        set_modified(&file, 0);
        set_modified(&put(root.path(), "data/c/00000000000000000003.snapshots"), 0);
        let zip = |ms: u64| put(root.path(), &format!("controldb{ms}.zip"));
        assert!(!capture(root.path(), &zip(5_000_000_000), false).unwrap().2);
        let newer = zip(5_000_000_001);
        assert!(matches!(capture(root.path(), &newer, false), Err(Error::ControlDbTooNew { .. })));
    }

    #[test]
    fn missed_where_it_was_promised() {
        let root = data();
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(matches!(capture(root.path(), &empty, false), Err(Error::NoControlDb { .. })));
        let nowhere = root.path().join("nowhere.zip");
        assert!(matches!(capture(root.path(), &nowhere, false), Err(Error::NoControlDb { .. })));
    }

    #[test]
    fn refused_above_4_gib() {
        let root = data();
        let zip = put(root.path(), "huge.zip");
        File::options().write(true).open(&zip).unwrap().set_len(1 << 32).unwrap();
        assert!(matches!(capture(root.path(), &zip, false), Err(Error::ControlDbTooLarge { .. })));
    }
}

mod its_name_is {
    use super::*;

    fn identity(path: &Path) -> segvault::source::listing::Identity {
        DataDir::open(options(path)).unwrap().with_host_name("host-1").identity().unwrap()
    }

    #[test]
    fn the_host_and_the_path_of_the_contexts() {
        let root = tree(&["data/c/00000000000000000000.events"]);
        let data = root.path().join("data");
        assert_eq!(identity(root.path()).name, format!("host-1:{}", data.display()));
        assert_eq!(identity(&data).name, identity(root.path()).name);
        assert_eq!(identity(&data.join("c/..")).name, identity(root.path()).name);
        for same in ["", ".", "./"] {
            assert_eq!(identity(&data.join(same)).name, identity(root.path()).name, "{same:?}");
        }
        assert_eq!(identity(&data).facts["directory"], data.display().to_string());
    }

    #[test]
    fn the_same_whatever_a_link_in_the_path_leads_to() {
        let root =
            tree(&["2026-11-21/c/00000000000000000000.events", "2026-11-22/c/00000000000000000000.events"]);
        let latest = root.path().join("latest");
        symlink("2026-11-21", &latest).unwrap();
        let before = identity(&latest).name;
        fs::remove_file(&latest).unwrap();
        symlink("2026-11-22", &latest).unwrap();
        assert_eq!(identity(&latest).name, before);
    }

    #[test]
    fn the_node_s_where_the_properties_beside_it_say_so() {
        let root = tree(&["data/c/00000000000000000000.events"]);
        let text = "axoniq.axonserver.name=node-7\naxoniq.axonserver.snapshot.storage=/elsewhere\nserver.port=8024\n";
        put_bytes(root.path(), "axonserver.properties", text.as_bytes());
        let identity = identity(root.path());
        assert_eq!(identity.name, "node-7");
        assert_eq!(identity.facts["axoniq.axonserver.snapshot.storage"], "/elsewhere");
        assert!(!identity.facts.contains_key("server.port"));
    }

    #[test]
    fn this_machine_s_unless_told() {
        let root = tree(&["c/00000000000000000000.events"]);
        let name = DataDir::open(options(root.path())).unwrap().identity().unwrap().name;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert!(name.starts_with(&format!("{}:/", host.trim())), "{name}");
    }
}

mod real_data {
    use super::*;

    /// The data files that `expect` names, with their length and whether they are open.
    fn expected(server: &str, store: &str) -> Vec<(String, u64, bool)> {
        let expect = fixtures::expect(server);
        let files = expect["default"][store].as_array().unwrap();
        let text = |file: &serde_json::Value, key: &str| file[key].as_str().unwrap().to_owned();
        let row =
            |file| (text(file, "file"), file["file_length"].as_u64().unwrap(), text(file, "state") == "open");
        files.iter().map(row).collect()
    }

    fn seen(listing: &Listing, store: Store) -> Vec<(String, u64, bool)> {
        let file_name = |file: &StoreFile| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        let files = &listing.contexts["default"].store(store).segments;
        files.iter().map(|file| (file_name(file), file.length, file.is_volatile)).collect()
    }

    #[test]
    fn is_listed_as_an_independent_program_saw_it() {
        for server in fixtures::SERVERS {
            let listing = list(fixtures::dir(server)).unwrap();
            for store in Store::ALL {
                assert_eq!(seen(&listing, store), expected(server, store.as_str()), "{server} {store}");
            }
        }
    }

    #[test]
    fn takes_the_newest_zip_that_was_made_before_the_newest_event() {
        // The last zip of each server was made after its last event (of the transformed one, two were), but not of the odd one.
        let servers = [
            ("se-4.6.11-json", "controldb1795381849885.zip"),
            ("core-2023.2.1-xml", "controldb1795381849929.zip"),
            ("core-2023.2.1-transformed", "controldb1795381902167.zip"),
            ("se-4.6.11-odd", "controldb1795381907116.zip"),
        ];
        for (server, newest_in_order) in servers {
            let root = fixtures::dir(server);
            let captured =
                DataDir::open(with_zip(root, &root.join("backups"))).unwrap().control_db().unwrap();
            let ControlDbCapture::Claimed { name, zip, is_too_new, .. } = captured else {
                panic!("not claimed")
            };
            assert_eq!((name.as_str(), is_too_new), (newest_in_order, false), "{server}");
            assert_eq!(zip, fs::read(root.join("backups").join(newest_in_order)).unwrap());
        }
    }

    #[test]
    fn takes_the_newest_zip_where_the_files_are_newer() {
        let copy = fixtures::copy("se-4.6.11-json");
        set_modified(&copy.path().join("data/default").join(SEGMENT_0), 1_795_381_873_164);
        let options = with_zip(copy.path(), &copy.path().join("backups"));
        let captured = DataDir::open(options).unwrap().control_db().unwrap();
        let ControlDbCapture::Claimed { name, .. } = captured else { panic!("not claimed") };
        assert_eq!(name, "controldb1795381873164.zip");
    }
}
