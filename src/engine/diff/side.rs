//! One side of a comparison: a point, or a directory as it is now.

use crate::axon::control_db::{Contents, contents, take_apart};
use crate::axon::event::Event;
use crate::axon::name::{SegmentName, Store};
use crate::axon::segment::Transaction;
use crate::engine::content;
use crate::engine::diff::ControlDbFacts;
use crate::engine::error::Error;
use crate::engine::history::History;
use crate::engine::observe::{Event as Seen, Observer};
use crate::engine::pieces::Piece;
use crate::engine::proof::Prover;
use crate::engine::restore::cut::log::Log;
use crate::engine::span::{self, Span, Standing};
use crate::repo::format::id::{ContentHash, Naming};
use crate::repo::format::limits::CONTROL_DB_MAX;
use crate::repo::format::point::ControlDb;
use crate::repo::store::{ListedPoint, Repository};
use crate::source::Source;
use crate::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use crate::source::listing::StoreFile;
use std::collections::BTreeMap;
use std::ops::ControlFlow::Continue;
use std::path::Path;

/// Events by their payload type.
pub type Types = BTreeMap<String, u64>;

/// Bytes of a file that are read at once.
const WINDOW: usize = 1 << 20;

/// What stands for events that can't be read.
const UNREADABLE: &str = "(not readable)";

/// A segment.
pub struct Segment {
    /// Number and version.
    pub name: SegmentName,
    /// Bytes of its valid prefix.
    pub length: u64,
    /// Events in it.
    pub events: u64,
    /// Hash of the prefix.
    pub content: Option<ContentHash>,
    from: Origin,
}

/// Where its events are counted.
enum Origin {
    Archive(Box<Piece>),
    Counted(Types),
}

impl Segment {
    fn span(&self) -> Span {
        Span { name: self.name, standing: Standing::Sealed, events: self.events }
    }

    /// Its events by type: read only now, if it lies in the archive.
    pub fn types(&self, repository: &Repository) -> Result<Types, Error> {
        let piece = match &self.from {
            Origin::Counted(types) => return Ok(types.clone()),
            Origin::Archive(piece) => piece,
        };
        let mut types = Types::new();
        let log = Log { repository, context: "the point", pieces: std::slice::from_ref(piece), point: None };
        log.visit(0, u64::MAX, &mut |_, bytes| {
            count(&mut types, bytes);
            Ok(Continue(()))
        })?;
        Ok(types)
    }
}

fn count(types: &mut Types, bytes: &[u8]) {
    let event = Event::parse(bytes);
    let name = event.as_ref().map_or(UNREADABLE, |event| event.payload_type);
    match types.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(types.insert(name.to_owned(), 1)),
    }
}

/// Both stores of a context.
#[derive(Default)]
pub struct Context {
    /// The incarnation; none in a directory.
    pub incarnation: Option<u32>,
    /// The segments of snapshots that count, by number.
    pub snapshots: Vec<Segment>,
    /// The segments of events that count, by number.
    pub events: Vec<Segment>,
}

impl Context {
    /// The segments of a store.
    pub fn store(&self, store: Store) -> &[Segment] {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }
}

/// One side.
pub struct Side {
    /// What it is called.
    pub name: String,
    /// The contexts.
    pub contexts: BTreeMap<String, Context>,
    /// The control database.
    pub control_db: Option<ControlDbFacts>,
}

/// A point.
pub fn of_point(repository: &Repository, listed: &ListedPoint) -> Result<Side, Error> {
    let body = &listed.point.body;
    let mut contexts = BTreeMap::new();
    for (name, context) in &body.contexts {
        let history = History::of_point(repository, listed, name, context)?;
        let of = |pieces: Vec<Piece>| pieces.into_iter().map(of_piece).collect();
        let incarnation = Some(context.incarnation);
        contexts.insert(
            name.clone(),
            Context { incarnation, snapshots: of(history.snapshots), events: of(history.events) },
        );
    }
    let control_db = control_db_of_point(repository, &body.control_db)?;
    Ok(Side { name: format!("point {}", listed.point.number), contexts, control_db })
}

fn of_piece(piece: Piece) -> Segment {
    let (name, events) = (piece.span.name, piece.span.events);
    Segment {
        name,
        length: piece.prefix(),
        events,
        content: piece.content(),
        from: Origin::Archive(Box::new(piece)),
    }
}

fn control_db_of_point(
    repository: &Repository,
    database: &ControlDb,
) -> Result<Option<ControlDbFacts>, Error> {
    let (entry, stored, is_zip) = match database {
        ControlDb::Absent { .. } => return Ok(None),
        ControlDb::Inner { entry, inner, .. } => (entry, inner, false),
        ControlDb::Zip { entry, zip, .. } => (entry, zip, true),
    };
    let mut bytes = Vec::new();
    content::stream(repository, stored, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    // What can't be taken apart is compared as it is.
    let inner = if is_zip { take_apart(&bytes, CONTROL_DB_MAX).map(|apart| apart.inner).ok() } else { None };
    Ok(Some(facts(repository.naming(), entry, inner.as_deref().unwrap_or(&bytes))))
}

fn facts(naming: Naming, file: &str, bytes: &[u8]) -> ControlDbFacts {
    let found: Option<Contents> = contents(bytes).ok();
    ControlDbFacts {
        file: file.to_owned(),
        length: bytes.len() as u64,
        blake3: naming.content(bytes),
        rows: found.map(|found| found.maps).unwrap_or_default(),
    }
}

/// A directory: every segment that counts is read.
pub fn of_directory(naming: Naming, path: &Path, observer: &dyn Observer) -> Result<Side, Error> {
    let control_db = ControlDbFrom::None("only compared".to_owned());
    let options =
        DataDirOptions { path: path.to_path_buf(), control_db, accept_unordered: false, no_mmap: true };
    let mut source = DataDir::open(options)?;
    let listing = source.listing()?;
    let mut contexts = BTreeMap::new();
    for (name, context) in &listing.contexts {
        let read = |store: Store| {
            let files = span::current(context.store(store).segments.clone(), span_of_file);
            files
                .iter()
                .map(|file| of_file(&source, naming, file, observer))
                .collect::<Result<Vec<_>, Error>>()
        };
        let (snapshots, events) = (read(Store::Snapshots)?, read(Store::Events)?);
        contexts.insert(name.clone(), Context { incarnation: None, snapshots, events });
    }
    let control_db = control_db_of_directory(naming, source.directory())?;
    Ok(Side { name: path.display().to_string(), contexts, control_db })
}

fn span_of_file(file: &StoreFile) -> Span {
    Span { name: file.name, standing: Standing::Sealed, events: 0 }
}

fn of_file(
    source: &DataDir,
    naming: Naming,
    file: &StoreFile,
    observer: &dyn Observer,
) -> Result<Segment, Error> {
    observer.event(&Seen::File { name: &file.path.display().to_string() });
    let bytes = source.open(file)?;
    let mut prover = Prover::new(naming, file.name.number, bytes.length());
    let mut types = Types::new();
    let mut see = |transaction: &Transaction<'_>| {
        transaction.event_bytes().for_each(|bytes| count(&mut types, bytes));
    };
    let (mut buffer, mut at) = (vec![0; WINDOW], 0);
    loop {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let got = bytes.read_at(at, &mut buffer)?;
        prover.feed_seeing(buffer.get(..got).unwrap_or_default(), &mut see);
        at += got as u64;
        if got == 0 {
            break;
        }
    }
    let found = prover.finish_seeing(&mut see);
    let (length, events, content) = (found.logical_end, found.events, Some(found.content));
    Ok(Segment { name: file.name, length, events, content, from: Origin::Counted(types) })
}

fn control_db_of_directory(naming: Naming, directory: &Path) -> Result<Option<ControlDbFacts>, Error> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::from(crate::source::Error::Io { path, source })
    };
    let entries = std::fs::read_dir(directory).map_err(io(directory))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let Some(path) = paths.iter().find(|path| path.to_string_lossy().ends_with(".mv.db")) else {
        return Ok(None);
    };
    let bytes = std::fs::read(path).map_err(io(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some(facts(naming, &name, &bytes)))
}

/// First token and head of a store; none if it is empty.
pub fn ends(segments: &[Segment]) -> (Option<u64>, Option<u64>) {
    let spans: Vec<_> = segments.iter().map(Segment::span).collect();
    let first = span::first(&spans).map(crate::axon::token::Token::get);
    (first, first.and(span::head(&spans)).map(crate::axon::token::Token::get))
}
