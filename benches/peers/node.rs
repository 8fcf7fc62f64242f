//! A node's directory: a corpus as segments in files of one length, the last one open.

use segvault::engine::bench::corpus::{self, Corpus, Kind};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A node that grows and shrinks.
pub struct Node {
    root: PathBuf,
    open: PathBuf,
    /// The open segment, at first and grown: files beside the node.
    short: PathBuf,
    long: PathBuf,
    bytes: u64,
}

impl Node {
    /// The node that [`write()`] wrote into a directory.
    pub fn read(room: &Path) -> Self {
        let note = fs::read_to_string(room.join("open")).unwrap();
        let (bytes, open) = note.split_once(' ').unwrap();
        Self {
            root: room.join("node"),
            open: PathBuf::from(open),
            short: room.join("short"),
            long: room.join("long"),
            bytes: bytes.parse().unwrap(),
        }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Bytes of history.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As it was at first.
    pub fn shrink(&self) {
        fs::copy(&self.short, &self.open).unwrap();
    }

    /// As it has become.
    pub fn grow(&self) {
        fs::copy(&self.long, &self.open).unwrap();
    }
}

/// Writes three segments: two sealed ones, and an open one, of which a sixteenth of all is still to come.
pub fn write(corpus: &Corpus, kind: Kind, room: &Path) {
    let directory = room.join("node/data/default");
    fs::create_dir_all(&directory).unwrap();
    let ending = if kind == Kind::Snapshots { "snapshots" } else { "events" };
    let length = corpus.data.len();
    let file_length = (length as u64).div_ceil(3) + (1 << 20);
    let (mut from, mut token) = (5, 0_u64);
    for part in 1..=3 {
        let to = cut_at(corpus, length * part / 3);
        let path = directory.join(format!("{token:020}.{ending}"));
        let mut bytes = vec![2, 0, 0, 0, 0];
        bytes.extend_from_slice(&corpus.data[from..to]);
        token += events(&corpus.data[from..to]);
        if part < 3 {
            bytes.extend([0xff; 4]);
            write_preallocated(&path, &bytes, file_length);
        } else {
            let less = cut_at(corpus, length - length / 16);
            write_preallocated(&room.join("short"), &bytes[..5 + less - from], file_length);
            write_preallocated(&room.join("long"), &bytes, file_length);
            fs::write(room.join("open"), format!("{length} {}", path.display())).unwrap();
        }
        from = to;
    }
    if kind == Kind::Snapshots {
        let few = corpus::corpus(Kind::Json, 10_000, 2);
        write_preallocated(&directory.join(format!("{:020}.events", 0)), &few.data, 1 << 20);
    }
}

/// Writes so many small segments, all sealed, and an open one; gives how long that one is.
pub fn write_small(sealed: usize, room: &Path) -> usize {
    let directory = room.join("node/data/default");
    fs::create_dir_all(&directory).unwrap();
    let corpus = corpus::corpus(Kind::Json, (sealed + 1) << 12, 1);
    let (mut from, mut token) = (5, 0_u64);
    for part in 1..=sealed + 1 {
        let to = cut_at(&corpus, (corpus.data.len() * part / (sealed + 1)).max(from + 1));
        let history = &corpus.data[from..to];
        // As the server leaves them: rolled, or with zeros to come.
        let end: &[u8] = if part <= sealed { &[0xff; 4] } else { &[0; 4096] };
        let bytes = [&[2, 0, 0, 0, 0], history, end].concat();
        fs::write(directory.join(format!("{token:020}.events")), &bytes).unwrap();
        token += events(history);
        from = to;
        if part > sealed {
            return bytes.len();
        }
    }
    0
}

/// The first end of a transaction from there on.
fn cut_at(corpus: &Corpus, length: usize) -> usize {
    corpus.cuts.iter().copied().find(|cut| *cut >= length).unwrap_or(corpus.data.len())
}

/// How many events these transactions have.
fn events(mut bytes: &[u8]) -> u64 {
    let mut events = 0;
    while let Some(head) = bytes.first_chunk::<7>() {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        events += u64::from(u16::from_be_bytes([head[5], head[6]]));
        bytes = &bytes[size + 11..];
    }
    events
}

/// A file as the server preallocates it: zeros behind the history, on the disk too.
fn write_preallocated(path: &Path, bytes: &[u8], length: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    let zeros = usize::try_from(length).unwrap().saturating_sub(bytes.len());
    file.write_all(&vec![0; zeros]).unwrap();
    file.sync_all().unwrap();
}

/// Unpacks a fixture.
pub fn unpack(fixture: &str, into: &Path) {
    let path = format!("{}/fixtures/axon/{fixture}.tar.zst", env!("CARGO_MANIFEST_DIR"));
    let mut decoder = zstd::Decoder::new(File::open(path).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).unwrap();
    tar::Archive::new(&bytes[..]).unpack(into).unwrap();
}
