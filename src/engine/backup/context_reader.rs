//! Reading contexts: of each its snapshots first, then its events, those included that came after it was listed.
//!
//! A context may be read hours after it was listed. Its snapshots are read as they are then, and may rely on events in segments that no list had:
//! so the events are listed once more, after the snapshots were read, where the last segment that was listed has been rolled since.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup::belongs::Belonging;
use crate::engine::backup::chain::refuse_overlaps;
use crate::engine::backup::context::{SeenContext, SeenStore};
use crate::engine::backup::heads::Heads;
use crate::engine::backup::let_go::LetGoFiles;
use crate::engine::backup::read::{Reader, SeenSegment};
use crate::engine::backup::sink::Sink;
use crate::engine::draft::{ContextRead, DraftWithSafepoints};
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::repo::format::entry::End;
use crate::repo::format::moment::Moment;
use crate::source::Source;
use crate::source::listing::{ContextListing, Listing};

/// What reads contexts.
pub struct ContextReader<'a, 's> {
    /// Where chunks go.
    pub sink: &'a mut Sink<'s>,
    /// Where segments come from.
    pub source: &'a mut dyn Source,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Whether nothing is begun again any more: then a file that vanished is one that can't be read.
    pub is_last: bool,
    /// What was erased or dropped here.
    pub let_go: &'a LetGoFiles<'a>,
}

impl<'s> ContextReader<'_, 's> {
    fn now(&self) -> Moment {
        Moment(self.observer.now_ms())
    }

    fn reader(&mut self) -> Reader<'_, 's> {
        let Self { sink, source, observer, is_last, .. } = self;
        Reader { sink, source: &**source, observer: *observer, is_last: *is_last }
    }

    /// Reads all contexts.
    pub fn read_all(
        &mut self,
        draft: &mut DraftWithSafepoints,
        heads: &Heads,
        (listing, belonging): (&Listing, &Belonging<'_>),
    ) -> Result<Vec<(ContextRead, SeenContext)>, Error> {
        self.announce(listing);
        let mut read = Vec::new();
        for (name, context) in &listing.contexts {
            let unread = |safepoint| SeenStore { segments: Vec::new(), safepoint };
            let [snapshots, events] = heads.get(name).copied().unwrap_or_default().map(unread);
            let mut seen = SeenContext { name: name.clone(), snapshots, events };
            let proof = self.read(belonging, draft, (context, &mut seen), false)?;
            read.push((proof, seen));
        }
        Ok(read)
    }

    fn announce(&self, listing: &Listing) {
        let stores = || listing.contexts.values().flat_map(|of| [&of.snapshots, &of.events]);
        let total = stores().flat_map(|store| &store.segments).map(|file| file.length).sum();
        self.observer.event(&Event::Phase { name: "reading", total: Some(total) });
        let files: usize = stores().map(|store| store.segments.len()).sum();
        self.observer.event(&Event::Files(files as u64));
    }

    /// Reads both stores of a context, in the order that snapshots need: those that are newer than the events would rely on events that are not
    /// there. What is proven to be unchanged is not read again, unless all is wanted `anew`.
    pub fn read(
        &mut self,
        belonging: &Belonging<'_>,
        draft: &mut DraftWithSafepoints,
        (listing, seen): (&ContextListing, &mut SeenContext),
        anew: bool,
    ) -> Result<ContextRead, Error> {
        let name = seen.name.clone();
        let of =
            |reader: &mut Reader<'_, '_>, store| belonging.read_store(reader, &name, (store, listing), anew);
        seen.snapshots.segments = of(&mut self.reader(), Store::Snapshots)?;
        let proof = draft.snapshots_read(&name, self.now());
        seen.events.segments = of(&mut self.reader(), Store::Events)?;
        let newer = self.newer_events(&name, listing, &seen.events)?;
        let newer = belonging.read_store(&mut self.reader(), &name, (Store::Events, &newer), true)?;
        seen.events.segments.extend(newer);
        let proof = draft.events_read(proof, self.now());
        refuse_overlaps(&seen.snapshots)?;
        refuse_overlaps(&seen.events)?;
        Ok(proof)
    }

    /// The segments of events that came behind those that were listed. Once is enough: this list is made after the snapshots were read.
    fn newer_events(
        &mut self,
        name: &str,
        listed: &ContextListing,
        seen: &SeenStore,
    ) -> Result<ContextListing, Error> {
        if seen.segments.last().is_some_and(is_open) {
            return Ok(ContextListing::default());
        }
        let newest: Option<Token> = listed.events.segments.last().map(|file| file.name.number);
        let mut events = self.source.events_now(name)?;
        events.segments.retain(|file| Some(file.name.number) > newest);
        let context = ContextListing { events, ..ContextListing::default() };
        let mut newer = Listing { contexts: [(name.to_owned(), context)].into(), ..Listing::default() };
        // What there is to say of that was said of the whole list.
        self.let_go.take_out(&*self.source, &mut newer)?;
        Ok(newer.contexts.remove(name).unwrap_or_default())
    }
}

/// Whether a segment was still written to when its end was read: then none follows it yet.
fn is_open(segment: &SeenSegment) -> bool {
    match segment {
        SeenSegment::Scanned(scan) => scan.is_clean() && !scan.noise && scan.entry.end == End::Open,
        SeenSegment::Skipped(..) | SeenSegment::Unreadable(..) => false,
    }
}
