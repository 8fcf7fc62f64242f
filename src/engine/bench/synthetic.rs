//! Data for those who have none: a node's directory with one context for each kind of corpus.

use crate::engine::bench::corpus::{HEADER, Kind, Telling};
use crate::engine::bench::error::Error;
use crate::engine::observe::{Event, Observer};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// The seed of every corpus: that of `cargo bench`, so the same bytes.
pub const SEED: u64 = 1;
/// Segments of each corpus.
const SEGMENTS: usize = 3;
/// The events beside a corpus of snapshots: a context has some.
const EVENTS_BESIDE: (usize, u64) = (10_000, 2);

/// A corpus that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Made {
    /// Its kind, which is also its context's name.
    pub kind: &'static str,
    /// Bytes of history.
    pub bytes: u64,
    /// Events, or snapshots.
    pub events: u64,
    /// What was drawn for it, in bytes: no compressor can go below that on average.
    pub entropy: u64,
}

/// Writes a node with `length` bytes of history of each kind into `directory`. None if it was interrupted.
pub fn write(
    kinds: &[(&'static str, Kind)],
    length: usize,
    directory: &Path,
    observer: &dyn Observer,
) -> Result<Option<Vec<Made>>, Error> {
    let mut made = Vec::new();
    for (name, kind) in kinds {
        let context = directory.join("data").join(name);
        fs::create_dir_all(&context).map_err(Error::of(&context))?;
        observer.event(&Event::Phase { name: "making data", total: Some(length as u64) });
        observer.event(&Event::File { name });
        let Some(one) = corpus(name, *kind, length, &context, observer)? else { return Ok(None) };
        made.push(one);
    }
    Ok(Some(made))
}

fn corpus(
    name: &'static str,
    kind: Kind,
    length: usize,
    context: &Path,
    observer: &dyn Observer,
) -> Result<Option<Made>, Error> {
    if kind == Kind::Snapshots {
        let mut beside = Telling::new(Kind::Json, EVENTS_BESIDE.0, EVENTS_BESIDE.1);
        let bytes: Vec<u8> = HEADER.into_iter().chain((&mut beside).flat_map(|told| told.bytes)).collect();
        let path = context.join(format!("{:020}.events", 0));
        let mut file = File::create(&path).map_err(Error::of(&path))?;
        file.write_all(&bytes).and_then(|()| file.set_len(1 << 20)).map_err(Error::of(&path))?;
    }
    let ending = if kind == Kind::Snapshots { "snapshots" } else { "events" };
    let mut telling = Telling::new(kind, length, SEED);
    let (mut token, mut part) = (0, 1);
    while part <= SEGMENTS {
        let path = context.join(format!("{token:020}.{ending}"));
        let until = if part < SEGMENTS { length.saturating_mul(part) / SEGMENTS } else { usize::MAX };
        let sealed = part < SEGMENTS;
        let Some(events) = segment(&mut telling, until, sealed, &path, observer)? else { return Ok(None) };
        if events == 0 && part > 1 {
            fs::remove_file(&path).map_err(Error::of(&path))?;
        }
        (token, part) = (token + events, part + 1);
    }
    let bits: f64 = telling.entropy().values().sum();
    Ok(Some(Made { kind: name, bytes: telling.written() as u64, events: token, entropy: whole(bits / 8.0) }))
}

/// One segment, preallocated as a server does it; gives its events.
fn segment(
    telling: &mut Telling,
    until: usize,
    sealed: bool,
    path: &Path,
    observer: &dyn Observer,
) -> Result<Option<u64>, Error> {
    let mut out = BufWriter::new(File::create(path).map_err(Error::of(path))?);
    let (mut events, mut length) = (0, HEADER.len() as u64);
    out.write_all(&HEADER).map_err(Error::of(path))?;
    while telling.written() < until {
        let Some(told) = telling.next() else { break };
        out.write_all(&told.bytes).map_err(Error::of(path))?;
        events += told.events;
        length += told.bytes.len() as u64;
        observer.event(&Event::Bytes(told.bytes.len() as u64));
        if observer.interrupted() {
            return Ok(None);
        }
    }
    out.write_all(&if sealed { [0xff; 4] } else { [0; 4] }).map_err(Error::of(path))?;
    let file = out.into_inner().map_err(|error| Error::of(path)(error.into_error()))?;
    file.set_len(length.saturating_add(1 << 20)).map_err(Error::of(path))?;
    Ok(Some(events))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of a corpus that fits on a disk"
)]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}
