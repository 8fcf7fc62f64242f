//! From a context that was read to what the point says of it: its incarnation, its records, its trees.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::engine::backup::archived::ArchivedContext;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::assemble::Assembled;
use crate::engine::backup::assemble::Assembler;
use crate::engine::backup::belongs::about;
use crate::engine::backup::chain::Span;
use crate::engine::backup::chain::fill_holes;
use crate::engine::backup::chain::say_how_far_behind;
use crate::engine::backup::chain::span;
use crate::engine::backup::context::JudgedContext;
use crate::engine::backup::context::SeenContext;
use crate::engine::backup::context::SeenStore;
use crate::engine::backup::judge::Verdict;
use crate::engine::backup::read::SeenSegment;
use crate::engine::backup::report::ContextReport;
use crate::engine::backup::report::StoreReport;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::repo::format::entry::EntryKey;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::PageId;
use crate::repo::format::point::Finding;
use crate::repo::format::point::PointContext;
use crate::repo::format::point::PointLog;
use crate::repo::format::point::Weight;
use crate::repo::format::record::LogState;
use crate::repo::format::record::PrefixProof;
use crate::source::Source;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A context, ready for the point.
pub struct Placed {
    /// What the point says of it; the numbers of new records are entered when they are known.
    pub point: PointContext,
    /// The logs that need a new record, with the proofs that it goes on from the last one.
    pub states: Vec<(LogState, Vec<PrefixProof>)>,
    /// What must be said.
    pub findings: Vec<Finding>,
    /// The sums.
    pub report: ContextReport,
}

/// Puts contexts in their place.
pub struct Placer<'a, 's> {
    /// Where pages go.
    pub sink: &'a mut Sink<'s>,
    /// Where damaged bytes come from.
    pub source: &'a dyn Source,
    /// Who may stop it.
    pub observer: &'a dyn Observer,
    /// What the user asked for.
    pub options: &'a BackupOptions,
    /// Whether nothing is begun again any more.
    pub is_last: bool,
}

/// A store, ready for the point.
struct PlacedStore {
    log: PointLog,
    state: Option<(LogState, Vec<PrefixProof>)>,
    findings: Vec<Finding>,
    report: StoreReport,
}

impl Placer<'_, '_> {
    /// Places a context in an incarnation.
    pub fn place(
        &mut self,
        seen: &SeenContext,
        archived: &ArchivedContext,
        judged: &JudgedContext,
    ) -> Result<Placed, Error> {
        let snapshots = self.store(seen, archived, judged, Store::Snapshots)?;
        let events = self.store(seen, archived, judged, Store::Events)?;
        let report = ContextReport {
            name: seen.name.clone(),
            incarnation: archived.incarnation,
            snapshots: snapshots.report,
            events: events.report,
        };
        Ok(Placed {
            point: PointContext {
                incarnation: archived.incarnation,
                snapshots: snapshots.log,
                events: events.log,
            },
            states: [snapshots.state, events.state].into_iter().flatten().collect(),
            findings: [snapshots.findings, events.findings, self.bare(seen, archived)].concat(),
            report,
        })
    }

    /// A server makes a file for each store before anything is in it: where a directory has none of one of them, they lie elsewhere, or have other
    /// names. (A running server says itself how far it reaches; that what is archived has gone is said of the log.) Without its events a context
    /// is worth nothing; snapshots can be made anew.
    fn bare(&self, seen: &SeenContext, archived: &ArchivedContext) -> Vec<Finding> {
        let is_bare = |store: &Store| seen.store(*store).segments.is_empty();
        let is_told = |store: &Store| self.source.is_live() || archived.log(*store).has_events();
        let Some(store) = Store::ALL.into_iter().find(|store| is_bare(store) && !is_told(store)) else {
            return Vec::new();
        };
        let (weight, option) = match store {
            Store::Events => (Weight::Warning, ""),
            Store::Snapshots => (Weight::Note, ", --snapshots-dir"),
        };
        let text = format!(
            "{store} of {0}: none of their files is in the directories that were read, where a server always has one, and none is archived: if they \
             lie elsewhere say where (--properties{option}, --context-dir, --tier); files with other suffixes are not read",
            seen.name
        );
        let finding = about(&seen.name, weight, "bare-store", text);
        vec![Finding { store: Some(store.to_string()), ..finding }]
    }

    fn store(
        &mut self,
        seen: &SeenContext,
        archived: &ArchivedContext,
        judged: &JudgedContext,
        store: Store,
    ) -> Result<PlacedStore, Error> {
        let (log, verdicts) = (archived.log(store), &judged.store(store).verdicts);
        let (mut out, span) = self.assemble(seen, log, verdicts, store)?;
        self.refuse_gaps((seen, store), verdicts, &span)?;
        let point = PointLog {
            record: log.record,
            root: self.root(log, &out.tree)?,
            segments: out.tree.len() as u64,
            bytes: span.bytes,
            on_disk: Some(seen.store(store).on_disk()),
            first: span.first,
            head: span.head,
            safepoint: seen.store(store).safepoint.map(Token::get),
            times: span.times,
            open: out.claims.into_iter().map(|(claim, _)| claim).collect(),
        };
        let state = LogState {
            key: log.key.clone(),
            branch: log.branch,
            root: self.root(log, &out.sealed)?,
            tails: out.tails.into_values().collect(),
        };
        let state = (log.state.as_ref() != Some(&state)).then_some((state, out.proofs));
        fill_report(&mut out.report, &point, &span);
        Ok(PlacedStore { log: point, state, findings: out.findings, report: out.report })
    }

    /// The root of the pages that hold these entries. Those of the newest record are there, and durable: they need not be made again.
    fn root(
        &mut self,
        log: &ArchivedLog,
        entries: &BTreeMap<EntryKey, Arc<SegmentEntry>>,
    ) -> Result<PageId, Error> {
        match &log.state {
            Some(state) if log.sealed.iter().eq(entries.values()) => Ok(state.root),
            _ => {
                let entries: Vec<SegmentEntry> = entries.values().map(|entry| (**entry).clone()).collect();
                self.sink.put_tree(&entries)
            }
        }
    }

    fn assemble(
        &mut self,
        seen: &SeenContext,
        log: &ArchivedLog,
        verdicts: &[Verdict],
        store: Store,
    ) -> Result<(Assembled, Span), Error> {
        let Self { source, observer, .. } = *self;
        let mut assembler = Assembler { sink: self.sink, source, observer, log, context: &seen.name, store };
        let seen: &SeenStore = seen.store(store);
        let mut out = assembler.assemble(seen, verdicts)?;
        fill_holes(&assembler, &mut out, seen);
        let span = span(&assembler, &mut out);
        say_how_far_behind(&assembler, &mut out, span.head);
        Ok((out, span))
    }

    /// A server's history has no gap. Where a segment that is there can't be read whole, and no more of it is archived, that stays so: the last
    /// attempt takes what there is, and says what is damaged.
    fn refuse_gaps(
        &self,
        (seen, store): (&SeenContext, Store),
        verdicts: &[Verdict],
        span: &Span,
    ) -> Result<(), Error> {
        let is_borne = |gap: &(u64, u64)| self.is_last && is_of_damage(seen.store(store), verdicts, gap.0);
        let refused = match (self.options.strict, self.source.is_live()) {
            (true, _) => span.gaps.first(),
            (false, true) => span.gaps.iter().find(|gap| !is_borne(gap)),
            (false, false) => None,
        };
        let Some(&(first, last)) = refused else { return Ok(()) };
        let (context, store) = (seen.name.clone(), store.to_string());
        Err(Error::Backup(backup::Error::Gap { context, store, first, last }))
    }
}

/// Whether a gap that begins with this token is what a damaged or unreadable segment should hold.
fn is_of_damage(seen: &SeenStore, verdicts: &[Verdict], first: u64) -> bool {
    let before = |(segment, _): &(&SeenSegment, &Verdict)| segment.name().number.get() <= first;
    let last = seen.segments.iter().zip(verdicts).take_while(before).last();
    last.is_some_and(|(_, verdict)| verdict.is_damaged())
}

fn fill_report(report: &mut StoreReport, point: &PointLog, span: &Span) {
    report.bytes = span.bytes;
    report.first = point.first;
    report.head = point.head;
    report.safepoint = point.safepoint;
    report.new_events = span.new_events;
}
