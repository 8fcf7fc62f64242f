//! File names inside a context's directory, and the two stores.

use crate::axon::token::Token;
use std::fmt;

/// One of the two stores of a context. Snapshots come first: that is the order in which a backup reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// Aggregate states (`.snapshots`).
    Snapshots,
    /// Events (`.events`).
    Events,
}

impl Store {
    /// Both stores, in the order of a backup.
    pub const ALL: [Self; 2] = [Self::Snapshots, Self::Events];

    /// `"snapshots"` or `"events"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Events => "events",
        }
    }

    /// The suffixes of the index and of the bloom file of a segment.
    pub const fn index_suffixes(self) -> [&'static str; 2] {
        match self {
            Self::Snapshots => ["sindex", "sbloom"],
            Self::Events => ["index", "bloom"],
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What names a segment within its store: its first token, and the version that transformations count up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The first token of the segment; the number in its file name.
    pub number: Token,
    /// 0 as first written; higher after event transformations.
    pub version: u32,
}

impl SegmentName {
    /// The name of the data file in `store`: 20 digits, `_` and 5 digits of a version above 0, the store's suffix.
    pub fn file_name(self, store: Store) -> String {
        format!("{}.{store}", self.stem())
    }

    /// The names of its index and its bloom file in `store`.
    pub fn index_names(self, store: Store) -> [String; 2] {
        store.index_suffixes().map(|suffix| format!("{}.{suffix}", self.stem()))
    }

    fn stem(self) -> String {
        let number = self.number.get();
        match self.version {
            0 => format!("{number:020}"),
            version => format!("{number:020}_{version:05}"),
        }
    }
}

impl fmt::Display for SegmentName {
    /// `805`, or `805_1` for a transformed one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        if self.version > 0 { write!(f, "_{}", self.version) } else { Ok(()) }
    }
}

/// What a file in a context's directory is, told by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A segment; `digits` is 20, or 14 as Axon Server 4.0 wrote it.
    Data {
        /// The store it belongs to, told by the suffix.
        store: Store,
        /// Its first token and its version.
        name: SegmentName,
        /// How many digits its number is written with.
        digits: u8,
    },
    /// An index or bloom file of a segment (`.index`, `.bloom`, `.sindex`, `.sbloom`): rebuilt by the server.
    Index {
        /// The store it belongs to, told by the suffix.
        store: Store,
        /// The segment that it indexes.
        name: SegmentName,
    },
    /// `.nindex`, `.snindex`, `global-index-*`: never archived.
    GlobalIndex,
    /// `.transformed`, `.temp`: a transformation or an index being written.
    InProgress,
    /// A name that ends like a data file but has no number as a server writes it in front: a server refuses to start on it.
    Misnamed,
    /// Anything else.
    Other,
}

/// Digits of a number in a file name, and as Axon Server 4.0 wrote it.
const DIGITS: usize = 20;
const OLD_DIGITS: usize = 14;
/// Least digits of a version in a file name.
const VERSION_DIGITS: usize = 5;

/// Tells what a file is by its name. Every name that is [`FileKind::Data`] with 20 digits is the one that
/// [`SegmentName::file_name`] gives: two names never stand for the same segment, but for those with 14 digits.
pub fn classify(file_name: &str) -> FileKind {
    if file_name.starts_with("global-index-") {
        return FileKind::GlobalIndex;
    }
    // By bytes: names of stores come by the ten thousands.
    let Some(dot) = file_name.bytes().rposition(|byte| byte == b'.') else { return FileKind::Other };
    let (stem, suffix) = file_name.split_at(dot);
    match suffix {
        ".events" => data(Store::Events, stem),
        ".snapshots" => data(Store::Snapshots, stem),
        ".index" | ".bloom" => index(Store::Events, stem),
        ".sindex" | ".sbloom" => index(Store::Snapshots, stem),
        ".nindex" | ".snindex" | ".xref" | ".sxref" => FileKind::GlobalIndex,
        ".transformed" | ".temp" => FileKind::InProgress,
        _ => FileKind::Other,
    }
}

fn data(store: Store, stem: &str) -> FileKind {
    match segment_name(stem) {
        Some((name, digits)) => FileKind::Data { store, name, digits },
        None => FileKind::Misnamed,
    }
}

fn index(store: Store, stem: &str) -> FileKind {
    match segment_name(stem) {
        Some((name, _)) => FileKind::Index { store, name },
        None => FileKind::Other,
    }
}

/// The name of a segment and the digits of its number. Versions came long after names of 14 digits.
fn segment_name(stem: &str) -> Option<(SegmentName, u8)> {
    // Nearly all are names of 20 digits.
    if stem.len() == DIGITS
        && let Some(number) = decimal(stem)
    {
        return Some((SegmentName { number: Token::new(number)?, version: 0 }, 20));
    }
    let (number, version) = match stem.split_once('_') {
        Some((number, version)) => (number, version_of(version)?),
        None => (stem, 0),
    };
    let digits = match number.len() {
        DIGITS => 20,
        OLD_DIGITS if version == 0 => 14,
        _ => return None,
    };
    let number = Token::new(decimal(number)?)?;
    Some((SegmentName { number, version }, digits))
}

/// A version above 0, padded to five digits and no more.
fn version_of(digits: &str) -> Option<u32> {
    let version = u32::try_from(decimal(digits)?).ok()?;
    let padded =
        digits.len() == VERSION_DIGITS || (digits.len() > VERSION_DIGITS && !digits.starts_with('0'));
    (padded && version > 0).then_some(version)
}

/// A number of ASCII digits only: no sign, no space.
fn decimal(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64, version: u32) -> SegmentName {
        SegmentName { number: Token::new(number).unwrap(), version }
    }

    #[test]
    fn file_names_are_those_of_the_server() {
        assert_eq!(name(805, 0).file_name(Store::Events), "00000000000000000805.events");
        assert_eq!(name(805, 1).file_name(Store::Events), "00000000000000000805_00001.events");
        assert_eq!(name(0, 0).file_name(Store::Snapshots), "00000000000000000000.snapshots");
        assert_eq!(name(7, 123_456).file_name(Store::Events), "00000000000000000007_123456.events");
        assert_eq!(name(i64::MAX as u64, 0).file_name(Store::Events), "09223372036854775807.events");
    }

    #[test]
    fn index_files_are_named_like_their_segment() {
        let names = ["00000000000000000805_00001.index", "00000000000000000805_00001.bloom"];
        assert_eq!(name(805, 1).index_names(Store::Events), names);
        assert_eq!(name(0, 0).index_names(Store::Snapshots)[1], "00000000000000000000.sbloom");
        for file in name(805, 1).index_names(Store::Snapshots) {
            assert_eq!(classify(&file), FileKind::Index { store: Store::Snapshots, name: name(805, 1) });
        }
    }

    #[test]
    fn what_is_named_is_read_back() {
        for store in Store::ALL {
            for number in [0, 1, 805, 99_999_999_999_999, i64::MAX as u64] {
                for version in [0, 1, 99_999, 100_000, u32::MAX] {
                    let name = name(number, version);
                    assert_eq!(classify(&name.file_name(store)), FileKind::Data { store, name, digits: 20 });
                }
            }
        }
    }

    #[test]
    fn axon_server_4_0_wrote_fourteen_digits() {
        let data = FileKind::Data { store: Store::Events, name: name(805, 0), digits: 14 };
        assert_eq!(classify("00000000000805.events"), data);
        assert_eq!(classify("00000000000805_00001.events"), FileKind::Misnamed);
    }

    #[test]
    fn a_data_suffix_without_the_servers_number_is_misnamed() {
        let stems = [
            "",
            "copy",
            "805",
            "0000000000000000805",
            "000000000000000000805",
            "09223372036854775808",
            "99999999999999999999",
            "0000000000000000080x",
            "+0000000000000000805",
            "-0000000000000000001",
            "._00000000000000000805",
            "00000000000000000805_",
            "00000000000000000805_00000",
            "00000000000000000805_1",
            "00000000000000000805_0001",
            "00000000000000000805_000001",
            "00000000000000000805_+0001",
            "00000000000000000805_4294967296",
            "00000000000000000805_00001_00001",
            "00000000000000000805 (1)",
            "\u{661}0000000000000000805",
        ];
        for stem in stems {
            assert_eq!(classify(&format!("{stem}.events")), FileKind::Misnamed, "{stem}");
            assert_eq!(classify(&format!("{stem}.snapshots")), FileKind::Misnamed, "{stem}");
        }
    }

    #[test]
    fn index_files_name_their_segment_and_store() {
        let events = FileKind::Index { store: Store::Events, name: name(805, 1) };
        assert_eq!(classify("00000000000000000805_00001.index"), events);
        assert_eq!(classify("00000000000000000805_00001.bloom"), events);
        let snapshots = FileKind::Index { store: Store::Snapshots, name: name(0, 0) };
        assert_eq!(classify("00000000000000000000.sindex"), snapshots);
        assert_eq!(classify("00000000000000000000.sbloom"), snapshots);
        assert_eq!(classify("copy.index"), FileKind::Other);
    }

    #[test]
    fn what_is_never_archived_is_told_apart() {
        for file in ["00000000000000000805.nindex", "00000000000000000805.snindex", "global-index-00000.xref"]
        {
            assert_eq!(classify(file), FileKind::GlobalIndex, "{file}");
        }
        assert_eq!(classify("global-index-00000.xref.wal.0"), FileKind::GlobalIndex);
        for file in ["00000000000000000805.index.temp", "00000000000000000805_00001.events.transformed"] {
            assert_eq!(classify(file), FileKind::InProgress, "{file}");
        }
        for file in
            ["", ".", "AxonIQ.pid", "events", "00000000000000000805", "00000000000000000805.events.part"]
        {
            assert_eq!(classify(file), FileKind::Other, "{file}");
        }
    }

    #[test]
    fn no_name_but_the_written_one_is_read_as_it() {
        let mut random = fastrand::Rng::with_seed(1);
        let letters: Vec<char> = "0019_.eventsx".chars().collect();
        for _ in 0..20_000 {
            let mut file = name(random.u64(0..1 << 40), random.u32(0..3)).file_name(Store::Events);
            let at = random.usize(0..file.len());
            file.replace_range(at..=at, &random.choice(&letters).unwrap().to_string());
            if let FileKind::Data { store, name, digits: 20 } = classify(&file) {
                assert_eq!(name.file_name(store), file);
            }
        }
    }
}
