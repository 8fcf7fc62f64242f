//! Points that hold an old version: what they say from the erasure on.

use crate::engine::erase::gather::{Log, Pair};
use crate::engine::error::Error;
use crate::engine::rewrite::{Rewritten, Trees};
use crate::engine::window::{Bytes, walk};
use crate::repo;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::ContentHash;
use crate::repo::format::point::{Claim, PointLog};
use crate::repo::store::Repository;
use std::collections::BTreeMap;

/// Where prefixes of current versions end, and their hashes: by the version's content and the last token (none: the header alone).
type Prefixes = BTreeMap<(ContentHash, Option<u64>), (u64, ContentHash)>;

/// Makes logs of points anew.
pub(super) struct Views<'a> {
    repository: &'a Repository,
    trees: Trees,
    prefixes: Prefixes,
}

impl<'a> Views<'a> {
    /// Walks the current versions once, for all claims on old ones.
    pub fn new<'l>(
        repository: &'a Repository,
        log: &Log,
        of_points: impl Iterator<Item = &'l PointLog>,
    ) -> Result<Self, Error> {
        let mut wanted: BTreeMap<ContentHash, (&SegmentEntry, Vec<Claim>)> = BTreeMap::new();
        for claim in of_points.flat_map(|log| &log.open) {
            let Some(pair) = log.pair_of_claim(claim) else { continue };
            wanted.entry(pair.current.content).or_insert((&pair.current, Vec::new())).1.push(*claim);
        }
        let mut prefixes = Prefixes::new();
        for (current, claims) in wanted.into_values() {
            walk_prefixes(repository, current, &claims, &mut prefixes)?;
        }
        Ok(Self { repository, trees: Trees::default(), prefixes })
    }

    /// The log without old versions; none if it has none.
    pub fn without(&mut self, log: &Log, of_point: &PointLog) -> Result<Option<Rewritten>, Error> {
        let entries = self.trees.read(self.repository, of_point.root)?;
        let old = |entry: &SegmentEntry| log.pair(entry.key());
        let is_touched = entries.iter().any(|entry| old(entry).is_some())
            || of_point.open.iter().any(|claim| log.pair_of_claim(claim).is_some());
        if !is_touched {
            return Ok(None);
        }
        let mut kept: BTreeMap<EntryKey, SegmentEntry> = BTreeMap::new();
        for entry in entries {
            let entry = old(entry).map_or(entry, |pair| &pair.current);
            kept.insert(entry.key(), entry.clone());
        }
        let mut open = Vec::with_capacity(of_point.open.len());
        for claim in &of_point.open {
            match log.pair_of_claim(claim) {
                None => open.push(*claim),
                Some(pair) => open.push(self.claim(pair, claim)?),
            }
        }
        let entries = kept.into_values().collect();
        Ok(Some(Rewritten { entries, open, before: of_point.clone() }))
    }

    /// The same transactions in the current version.
    fn claim(&self, pair: &Pair, claim: &Claim) -> Result<Claim, Error> {
        let found = self.prefixes.get(&(pair.current.content, claim.last)).copied();
        let (length, blake3) = found.ok_or_else(|| {
            let rule = format!(
                "the current version of segment {} has no transaction that ends where a point's claim does",
                pair.old.name
            );
            repo::Error::Rule { path: self.repository.disk().display(""), rule }
        })?;
        Ok(Claim { version: pair.current.name.version, length, blake3, ..*claim })
    }
}

fn walk_prefixes(
    repository: &Repository,
    current: &SegmentEntry,
    claims: &[Claim],
    prefixes: &mut Prefixes,
) -> Result<(), Error> {
    let is_wanted = |last: u64| claims.iter().any(|claim| claim.last == Some(last));
    let mut hasher = repository.naming().hasher();
    // What is claimed of a segment without events is its header, as far as it was there.
    let empty = claims.iter().find(|claim| claim.last.is_none());
    let header = crate::axon::segment::HEADER_LENGTH;
    repository.read_extents(&current.extents, 0..header.min(current.stored_length), &mut |bytes| {
        if let Some(claim) = empty {
            let part = bytes.get(..usize::try_from(claim.length).unwrap_or(0)).unwrap_or(bytes);
            let mut of_part = repository.naming().hasher();
            of_part.update(part);
            prefixes.insert((current.content, None), (part.len() as u64, of_part.content()));
        }
        hasher.update(bytes);
        Ok(())
    })?;
    walk(Bytes::Archived(repository, current), current.name.number, &mut |transaction| {
        hasher.update(transaction.bytes);
        let last = transaction.last_token().get();
        if is_wanted(last) {
            prefixes.insert((current.content, Some(last)), (transaction.end(), hasher.content()));
        }
        Ok(())
    })?;
    Ok(())
}
