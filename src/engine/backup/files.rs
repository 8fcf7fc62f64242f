//! Plain files of a point: index and bloom files, and what else a source wants to be archived beside its stores.
//!
//! They are no history: what can't be had of them is said and makes no point incomplete.

use crate::axon::bloom::is_whole_bloom;
use crate::axon::name::Store;
use crate::engine::backup::control_db::put_chunks;
use crate::engine::backup::proven::Known;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::{content, files};
use crate::repo::format::entry::{Extent, encode_extents};
use crate::repo::format::files::{FileList, FileSet, INDEX, ListedFile};
use crate::repo::format::limits::{FILE_CHUNK, SMALL_FILE_MAX};
use crate::repo::format::pack::PackKind;
use crate::repo::format::point::{Content, Finding, Weight};
use crate::source::Source;
use crate::source::listing::{FileFacts, Listing, PlainFiles};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes that are read at once: a whole number of chunks.
const BATCH: usize = 32 * FILE_CHUNK;

/// The index and bloom files that sealed segments should have, store by store.
pub fn indexes(listing: &Listing) -> Vec<PlainFiles> {
    let stores =
        listing.contexts.iter().flat_map(|(name, context)| Store::ALL.map(|store| (name, context, store)));
    let sets = stores.map(|(name, context, store)| {
        let sealed = context.store(store).segments.iter().filter(|file| !file.is_volatile);
        let of_segment = |file: &crate::source::listing::StoreFile| {
            let paths = store.index_suffixes().map(|suffix| file.path.with_extension(suffix));
            file.name.index_names(store).into_iter().zip(paths).collect::<Vec<_>>()
        };
        PlainFiles {
            kind: INDEX,
            context: Some(name.clone()),
            store: Some(store),
            group: None,
            files: sealed.flat_map(of_segment).collect(),
            may_change: false,
        }
    });
    sets.filter(|set| !set.files.is_empty()).collect()
}

/// Archives plain files.
pub struct Archiver<'a, 's> {
    /// Where chunks go.
    pub sink: &'a mut Sink<'s>,
    /// Where the files are.
    pub source: &'a dyn Source,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// The newest set of the same files that an earlier point has: what looks the same is not read again. None to read all.
    pub known: Option<&'a Known>,
    /// The source's name.
    pub name: &'a str,
}

/// What became of one file.
enum Outcome {
    Taken(ListedFile),
    Missing,
    Changed,
}

impl Archiver<'_, '_> {
    /// Archives sets; what is not there or changes meanwhile is told.
    pub fn archive(&mut self, found: &[PlainFiles]) -> Result<(Vec<FileSet>, Vec<Finding>), Error> {
        let (mut sets, mut findings) = (Vec::new(), Vec::new());
        for wanted in found {
            sets.extend(self.set(wanted, &mut findings)?);
        }
        Ok((sets, findings))
    }

    fn set(&mut self, wanted: &PlainFiles, findings: &mut Vec<Finding>) -> Result<Option<FileSet>, Error> {
        let known = self.known_files(wanted);
        let (mut files, mut missing) = (Vec::new(), Vec::new());
        for (name, path) in &wanted.files {
            match self.file(wanted, (name, path), known.get(name)) {
                Ok(Outcome::Taken(file)) => files.push(file),
                Ok(Outcome::Missing) => missing.push(name.as_str()),
                Ok(Outcome::Changed) => findings.push(changed(wanted, path)),
                Err(Error::Source(error)) => findings.push(unreadable(wanted, path, &error.to_string())),
                Err(error) => return Err(error),
            }
        }
        findings.extend(missing_finding(wanted, &missing));
        if files.is_empty() { Ok(None) } else { self.list(wanted, files).map(Some) }
    }

    /// The files of the newest point of this source that has such a set.
    fn known_files(&self, wanted: &PlainFiles) -> BTreeMap<String, ListedFile> {
        let Some(known) = self.known else { return BTreeMap::new() };
        let bodies = known.journal.points.iter().rev().map(|listed| &listed.point.body);
        let mut sets = bodies.filter(|body| body.source == self.name).flat_map(|body| &body.files);
        let Some(set) = sets.find(|set| is_same(set, wanted)) else { return BTreeMap::new() };
        // A list that can't be read only costs that all files are read again.
        let listed = files::list(self.sink.repository(), set).map(|list| list.files).unwrap_or_default();
        listed.into_iter().map(|file| (file.name.clone(), file)).collect()
    }

    fn file(
        &mut self,
        wanted: &PlainFiles,
        (name, path): (&str, &Path),
        known: Option<&ListedFile>,
    ) -> Result<Outcome, Error> {
        let Some(before) = self.source.look_at(path)? else { return Ok(Outcome::Missing) };
        if let Some(known) = known.filter(|known| looks_like(known, before))
            && !wanted.may_change
            && self.has_chunks(&known.content)?
        {
            return Ok(Outcome::Taken(known.clone()));
        }
        let (content, zeros) = self.read(path)?;
        let is_still = self.source.look_at(path)? == Some(before) && content.length + zeros == before.length;
        let is_whole = self.is_whole(name, path, before.length)?;
        if !(wanted.may_change || is_still && is_whole) {
            return Ok(Outcome::Changed);
        }
        Ok(Outcome::Taken(ListedFile {
            name: name.to_owned(),
            content,
            modified_ns: before.modified_ns,
            zeros,
        }))
    }

    fn has_chunks(&mut self, content: &Content) -> Result<bool, Error> {
        if !self.sink.knows(content.list)? {
            return Ok(false);
        }
        for extent in content::extents(self.sink.repository(), content).unwrap_or_default() {
            if !self.sink.knows(extent.chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A bloom file is not written beside its place and renamed: its head says how long it has to be.
    fn is_whole(&self, name: &str, path: &Path, length: u64) -> Result<bool, Error> {
        if !name.ends_with("bloom") {
            return Ok(true);
        }
        let mut head = [0; 6];
        let got = self.source.open_file(path)?.read_at(0, &mut head)?;
        Ok(is_whole_bloom(head.get(..got).unwrap_or_default(), length))
    }

    /// Stores a file, but for the chunks at its end that are all zeros; says how many zeros these are.
    fn read(&mut self, path: &Path) -> Result<(Content, u64), Error> {
        let bytes = self.source.open_file(path)?;
        let mut hasher = self.sink.naming().hasher();
        let (mut extents, mut length, mut zeros) = (Vec::new(), 0, 0_u64);
        loop {
            let batch = read_batch(bytes.as_ref(), length + zeros)?;
            if batch.is_empty() {
                break;
            }
            let last = batch.chunks(FILE_CHUNK).rposition(|chunk| chunk.iter().any(|byte| *byte != 0));
            let end = last.map_or(0, |last| (last + 1).saturating_mul(FILE_CHUNK).min(batch.len()));
            if end > 0 {
                self.put_zeros(std::mem::take(&mut zeros), &mut hasher, (&mut extents, &mut length))?;
                let data = batch.get(..end).unwrap_or_default();
                self.put(data, &mut hasher, (&mut extents, &mut length))?;
            }
            zeros += (batch.len() - end) as u64;
            self.observer.event(&Event::Bytes(batch.len() as u64));
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
        }
        let list = self.sink.put(PackKind::Files, encode_extents(&extents))?;
        Ok((Content { length, blake3: hasher.content(), list }, zeros))
    }

    fn put(
        &mut self,
        data: &[u8],
        hasher: &mut crate::repo::format::id::Hasher,
        (extents, length): (&mut Vec<Extent>, &mut u64),
    ) -> Result<(), Error> {
        hasher.update(data);
        extents.extend(put_chunks(self.sink, (PackKind::Files, FILE_CHUNK), data)?);
        *length += data.len() as u64;
        Ok(())
    }

    /// Zeros that turned out not to be the last ones.
    fn put_zeros(
        &mut self,
        mut zeros: u64,
        hasher: &mut crate::repo::format::id::Hasher,
        (extents, length): (&mut Vec<Extent>, &mut u64),
    ) -> Result<(), Error> {
        while zeros > 0 {
            let some = usize::try_from(zeros).unwrap_or(BATCH).min(BATCH);
            self.put(&vec![0; some], hasher, (extents, length))?;
            zeros -= some as u64;
        }
        Ok(())
    }

    fn list(&mut self, wanted: &PlainFiles, files: Vec<ListedFile>) -> Result<FileSet, Error> {
        let list = FileList::new(files);
        let bytes = list.encode().map_err(|source| self.impossible(source))?;
        if bytes.len() as u64 > SMALL_FILE_MAX {
            let what = format!("{} files are too many for a list", list.files.len());
            return Err(self.impossible(crate::repo::format::Damage::Json(what)));
        }
        let extents = put_chunks(self.sink, (PackKind::Files, FILE_CHUNK), &bytes)?;
        let id = self.sink.put(PackKind::Files, encode_extents(&extents))?;
        let listing =
            Content { length: bytes.len() as u64, blake3: self.sink.naming().content(&bytes), list: id };
        Ok(FileSet {
            kind: wanted.kind.to_owned(),
            context: wanted.context.clone(),
            store: wanted.store.map(|store| store.to_string()),
            group: wanted.group.clone(),
            count: list.files.len() as u64,
            bytes: list.bytes(),
            listing,
        })
    }

    fn impossible(&self, source: crate::repo::format::Damage) -> Error {
        let path = self.sink.repository().disk().display("");
        Error::Repo(crate::repo::Error::Damaged { path, source })
    }
}

fn read_batch(bytes: &dyn crate::source::segment_bytes::SegmentBytes, offset: u64) -> Result<Vec<u8>, Error> {
    let mut batch = vec![0; BATCH];
    let got = bytes.read_at(offset, &mut batch)?;
    batch.truncate(got);
    Ok(batch)
}

fn is_same(set: &FileSet, wanted: &PlainFiles) -> bool {
    set.kind == wanted.kind
        && set.context == wanted.context
        && set.store.as_deref() == wanted.store.map(Store::as_str)
        && set.group == wanted.group
}

fn looks_like(known: &ListedFile, now: FileFacts) -> bool {
    known.length() == now.length && known.modified_ns == now.modified_ns
}

fn missing_finding(wanted: &PlainFiles, missing: &[&str]) -> Option<Finding> {
    let first = missing.first()?;
    let more = match missing.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let then = if wanted.kind == INDEX {
        ": a restore of this store hands out no index file; the server builds them"
    } else {
        ""
    };
    let text = format!("{}: {first}{more} is not there{then}", title(wanted));
    Some(finding(wanted, Weight::Note, None, text))
}

fn changed(wanted: &PlainFiles, path: &Path) -> Finding {
    let text = format!("{} was being written while it was read; left out", path.display());
    finding(wanted, Weight::Note, Some(path), text)
}

fn unreadable(wanted: &PlainFiles, path: &Path, why: &str) -> Finding {
    finding(wanted, Weight::Warning, Some(path), format!("{}: {why}; left out", path.display()))
}

fn title(wanted: &PlainFiles) -> String {
    let words = [wanted.group.clone(), wanted.context.clone(), wanted.store.map(|store| store.to_string())];
    let words: Vec<String> = words.into_iter().flatten().collect();
    format!("{} of {}", wanted.kind, words.join(" "))
}

fn finding(wanted: &PlainFiles, weight: Weight, path: Option<&Path>, text: String) -> Finding {
    Finding {
        context: wanted.context.clone(),
        store: wanted.store.map(|store| store.to_string()),
        file: path.map(|path| path.display().to_string()),
        ..Finding::new(weight, wanted.kind, text)
    }
}
