//! From verdicts to what is published: the next state of a log, the point's own tree, its claims, and what must be said.

use crate::axon::name::Store;
use crate::axon::segment::Ending;
use crate::axon::segment::Reason;
use crate::axon::token::Token;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::context::SeenStore;
use crate::engine::backup::flawed::keep_flawed;
use crate::engine::backup::judge::Verdict;
use crate::engine::backup::read::SeenSegment;
use crate::engine::backup::report::StoreReport;
use crate::engine::backup::scan::Scan;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::window::Bytes;
use crate::engine::words::{count, plural};
use crate::repo::format::entry::EntryKey;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::point::Claim;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::repo::format::record::PrefixProof;
use crate::source;
use crate::source::Source;
use crate::source::listing::StoreFile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A store, ready to be published.
pub struct Assembled {
    /// All sealed segments and damaged copies of the log, by key.
    pub sealed: BTreeMap<EntryKey, Arc<SegmentEntry>>,
    /// All tails of the log, by key.
    pub tails: BTreeMap<EntryKey, SegmentEntry>,
    /// Why longer tails and sealed entries are what the archived tails were.
    pub proofs: Vec<PrefixProof>,
    /// The point's own tree.
    pub tree: BTreeMap<EntryKey, Arc<SegmentEntry>>,
    /// The point's claims, with the entry each is about (cut to the claim).
    pub claims: Vec<(Claim, SegmentEntry)>,
    /// What must be said.
    pub findings: Vec<Finding>,
    /// The sums.
    pub report: StoreReport,
}

/// Puts a store together.
pub struct Assembler<'a, 's> {
    /// Where damaged bytes go.
    pub sink: &'a mut Sink<'s>,
    /// Where they come from.
    pub source: &'a dyn Source,
    /// Who may stop it.
    pub observer: &'a dyn Observer,
    /// The log that the store belongs to.
    pub log: &'a ArchivedLog,
    /// Its context's name.
    pub context: &'a str,
    /// Which store.
    pub store: Store,
}

/// A segment that was not read is in the tree as it is archived. Mostly that is nearly all of them: a tree that is made of all at once is
/// made sooner than one of them at a time.
fn skipped(segment: &SeenSegment) -> Option<(EntryKey, Arc<SegmentEntry>)> {
    match segment {
        SeenSegment::Skipped(_, entry) => Some((entry.key(), Arc::clone(entry))),
        SeenSegment::Unreadable(..) | SeenSegment::Scanned(_) => None,
    }
}

impl Assembler<'_, '_> {
    /// Puts the segments together, each by its verdict.
    pub fn assemble(&mut self, seen: &SeenStore, verdicts: &[Verdict]) -> Result<Assembled, Error> {
        let mut out = Assembled {
            sealed: self.log.sealed.iter().map(|entry| (entry.key(), Arc::clone(entry))).collect(),
            tails: self.log.tails.iter().map(|entry| (entry.key(), entry.clone())).collect(),
            proofs: self.log.proofs.clone(),
            tree: seen.segments.iter().filter_map(skipped).collect(),
            claims: Vec::new(),
            findings: Vec::new(),
            report: StoreReport::default(),
        };
        for (segment, verdict) in seen.segments.iter().zip(verdicts) {
            self.segment(&mut out, segment, verdict)?;
        }
        Ok(out)
    }

    fn segment(
        &mut self,
        out: &mut Assembled,
        segment: &SeenSegment,
        verdict: &Verdict,
    ) -> Result<(), Error> {
        match segment {
            SeenSegment::Skipped(..) => {
                out.report.known_segments += 1;
                out.report.skipped_segments += 1;
            }
            SeenSegment::Unreadable(file, why) => self.unreadable(out, file, why),
            SeenSegment::Scanned(scan) => {
                out.report.read_bytes += scan.entry.logical_end;
                if let Verdict::Damaged { reason, .. } = verdict {
                    self.damaged(out, scan, *reason)?;
                } else if scan.file.is_volatile {
                    self.open(out, scan, verdict);
                } else {
                    self.sealed(out, scan, verdict)?;
                }
                self.look_behind(out, scan, verdict);
            }
        }
        Ok(())
    }

    /// A sealed segment, whole.
    fn sealed(&mut self, out: &mut Assembled, scan: &Scan, verdict: &Verdict) -> Result<(), Error> {
        let mut entry = Arc::clone(&scan.entry);
        if let (Verdict::Known, Some(archived)) = (verdict, self.log.good(entry.name)) {
            // The archived extents stay: they are what older points read. Only the hints are renewed.
            let (modified_ns, file_length) = (entry.modified_ns, entry.file_length);
            let renewed = SegmentEntry { file_length, modified_ns, ..archived.clone() };
            if self.has_chunks(&renewed)? {
                entry = Arc::new(renewed);
            }
            out.report.known_segments += 1;
        } else {
            out.report.new_segments += 1;
            out.report.replaced_segments += u64::from(matches!(verdict, Verdict::Extends { .. }));
            self.prove(out, scan, verdict);
            out.tails.remove(&entry.key());
        }
        out.sealed.insert(entry.key(), Arc::clone(&entry));
        out.tree.insert(entry.key(), entry);
        Ok(())
    }

    fn has_chunks(&mut self, entry: &SegmentEntry) -> Result<bool, Error> {
        for extent in &entry.extents {
            if !self.sink.knows(extent.chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A segment that may still be written: a replaceable entry.
    fn open(&self, out: &mut Assembled, scan: &Scan, verdict: &Verdict) {
        let entry = SegmentEntry::clone(&scan.entry);
        if entry.logical_end == 0 {
            // Nothing but zeros: a server makes the file of the next segment before anything is in it.
            let weight = if scan.noise { Weight::Warning } else { Weight::Note };
            out.findings.push(self.finding(weight, "empty", &scan.file, None, "holds nothing yet"));
            return;
        }
        if matches!(verdict, Verdict::New | Verdict::Extends { .. }) {
            self.prove(out, scan, verdict);
            out.report.replaced_segments += 1;
            out.tails.insert(entry.key(), entry.clone());
        }
        if let Verdict::Lags { archived } = verdict {
            let text = format!(
                "holds {} of history, the archive {}: {} more",
                plural(entry.logical_end, "byte"),
                count(*archived),
                count(archived.saturating_sub(entry.logical_end))
            );
            out.findings.push(self.finding(Weight::Warning, "lag", &scan.file, Some(&entry), &text));
        }
        out.claims.push((claim_on(&entry), entry));
    }

    fn prove(&self, out: &mut Assembled, scan: &Scan, verdict: &Verdict) {
        if let (Verdict::Extends { .. }, Some(tail)) = (verdict, self.log.tail(scan.file.name)) {
            out.proofs.push(PrefixProof { name: tail.name, length: tail.logical_end, content: tail.content });
        }
    }

    /// A damaged segment: its bytes are kept as they are; the point names the good copy, if there is one that reaches further.
    fn damaged(&mut self, out: &mut Assembled, scan: &Scan, reason: Reason) -> Result<(), Error> {
        out.report.damaged_segments += 1;
        let flawed = self.flawed(scan, reason)?;
        if let Some(flawed) = &flawed {
            out.sealed.insert(flawed.key(), Arc::new(flawed.clone()));
        }
        self.keep_prefix(out, scan);
        let in_header = reason == Reason::HeaderChanged;
        let reaches = |good: &&SegmentEntry| {
            let is_kept = scan.begins_with(good.logical_end, good.content);
            // A tail of the same length is no more than the prefix of what is damaged.
            let is_whole = good.logical_end == scan.entry.logical_end && self.log.good(good.name).is_some();
            in_header || is_whole || good.logical_end > scan.entry.logical_end || !is_kept
        };
        let good = self.log.best(scan.file.name).filter(reaches).cloned();
        let instead = if good.is_some() { "the point names the archived good copy" } else { "kept as it is" };
        let at = if in_header { 0 } else { scan.entry.logical_end };
        let token = scan.entry.next_token().map_or(0, Token::get);
        let why = scan.unreadable.clone().unwrap_or_else(|| reason.to_string());
        let text = format!("is damaged at byte {at}, from token {token} on: {why}; {instead}");
        let mut finding = self.finding(Weight::Incomplete, "damage", &scan.file, good.as_ref(), &text);
        finding.offset = Some(at);
        finding.first = scan.entry.next_token().map(Token::get);
        out.findings.push(finding);
        match good {
            Some(good) => self.name_archived(out, &good),
            None => name_flawed(out, scan, flawed),
        }
        Ok(())
    }

    /// The damaged bytes as they were found. None if they can't be read again.
    fn flawed(&mut self, scan: &Scan, reason: Reason) -> Result<Option<SegmentEntry>, Error> {
        let kept = match self.source.open(&scan.file) {
            Ok(bytes) => keep_flawed(self.sink, scan, Bytes::Source(bytes.as_ref()), (reason, self.observer)),
            Err(error) => Err(error.into()),
        };
        match kept {
            Ok(flawed) => Ok(Some(flawed)),
            Err(Error::Source(source::Error::Io { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The valid prefix of a damaged segment is the longest one seen, unless more is archived.
    fn keep_prefix(&self, out: &mut Assembled, scan: &Scan) {
        let archived = self.log.best(scan.file.name);
        let goes_on = archived.is_none_or(|archived| {
            scan.entry.logical_end > archived.logical_end
                && scan.begins_with(archived.logical_end, archived.content)
        });
        if goes_on && scan.entry.logical_end > 0 {
            if let Some(tail) = self.log.tail(scan.file.name) {
                out.proofs.push(PrefixProof {
                    name: tail.name,
                    length: tail.logical_end,
                    content: tail.content,
                });
            }
            out.tails.insert(scan.entry.key(), SegmentEntry::clone(&scan.entry));
        }
    }

    /// Names an archived copy in the point.
    pub fn name_archived(&self, out: &mut Assembled, entry: &SegmentEntry) {
        if let Some(good) = self.log.shared(entry.name).filter(|good| good.as_ref() == entry) {
            out.tree.insert(entry.key(), Arc::clone(good));
        } else {
            out.claims.push((claim_on(entry), entry.clone()));
        }
    }

    fn unreadable(&self, out: &mut Assembled, file: &StoreFile, why: &str) {
        out.report.damaged_segments += 1;
        let good = self.log.best(file.name).cloned();
        out.findings.push(self.finding(Weight::Incomplete, "unreadable", file, good.as_ref(), why));
        if let Some(good) = good {
            self.name_archived(out, &good);
        }
    }

    /// What stands behind a valid prefix without being damage: said, and not archived.
    fn look_behind(&self, out: &mut Assembled, scan: &Scan, verdict: &Verdict) {
        if verdict.is_damaged() {
            return;
        }
        let at = scan.entry.logical_end;
        let (weight, text) = match scan.ending {
            Ending::Stopped(reason) => {
                (Weight::Warning, format!("ends in a torn transaction at byte {at} ({reason}); cut there"))
            }
            _ if scan.noise => (
                Weight::Note,
                format!("has bytes behind its end at byte {at} that are no history; cut there"),
            ),
            _ => return,
        };
        let mut finding = self.finding(weight, "noise", &scan.file, None, &text);
        finding.offset = Some(at);
        out.findings.push(finding);
    }

    /// A finding about a file.
    pub fn finding(
        &self,
        weight: Weight,
        what: &str,
        file: &StoreFile,
        entry: Option<&SegmentEntry>,
        text: &str,
    ) -> Finding {
        Finding {
            weight,
            what: what.to_owned(),
            context: Some(self.context.to_owned()),
            store: Some(self.store.to_string()),
            file: Some(file.path.display().to_string()),
            offset: None,
            first: entry.map(|entry| entry.name.number.get()),
            last: entry.and_then(SegmentEntry::last_token).map(Token::get),
            text: format!("{} {text}", file.path.display()),
        }
    }
}

/// Names what there is of a damaged segment: its bytes if it is sealed, else its valid prefix.
fn name_flawed(out: &mut Assembled, scan: &Scan, flawed: Option<SegmentEntry>) {
    match flawed {
        Some(flawed) if !scan.file.is_volatile => {
            out.tree.insert(flawed.key(), Arc::new(flawed));
        }
        _ if scan.entry.logical_end > 0 => {
            out.claims.push((claim_on(&scan.entry), SegmentEntry::clone(&scan.entry)));
        }
        _ => {}
    }
}

/// The claim on the whole valid prefix of an entry.
fn claim_on(entry: &SegmentEntry) -> Claim {
    Claim {
        number: entry.name.number.get(),
        version: entry.name.version,
        length: entry.logical_end,
        last: entry.last_token().map(Token::get),
        blake3: entry.content,
    }
}
