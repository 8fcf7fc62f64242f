//! Makes a plan of a point: chooses the segments that count, resolves claims, proves names, tokens and heads, and says what is less than whole.

use crate::axon::name::Store;
use crate::axon::segment::{END_LENGTH, HEADER_LENGTH};
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::history::{self, History};
use crate::engine::observe::{Observer, Unobserved};
use crate::engine::pieces::Piece;
use crate::engine::restore::control_db;
use crate::engine::restore::cut::request::CutRequest;
use crate::engine::restore::cut::{self, CutPlan, Cutter, Prepared};
use crate::engine::restore::delta::{self, Surveyed};
use crate::engine::restore::error::Error as Refused;
use crate::engine::restore::layout::{Layout, below};
use crate::engine::restore::names;
use crate::engine::restore::plain::Chooser;
use crate::engine::restore::plan::{
    ContextPlan, ControlDbPlan, Plan, PlannedEnd, RestoreOptions, SegmentPlan, StorePlan, TokenRange,
};
use crate::engine::restore::remarks::{self, Place, Remarks};
use crate::engine::restore::running;
use crate::engine::restore::target;
use crate::engine::select;
use crate::engine::span::{self, Break, BreakKind, Span, Standing};
use crate::repo::format::entry::{End, SegmentEntry};
use crate::repo::format::point::{ControlDb, Order, PointBody, PointContext, PointLog};
use crate::repo::store::{Journal, ListedPoint, Repository};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Plans. Nothing is written. The target is proven too, so that a dry run fails where the restore would.
pub fn plan(repository: &Repository, options: &RestoreOptions) -> Result<Plan, Error> {
    plan_seen(repository, options, &Unobserved)
}

/// The same, watched: what is in a target that is not empty is read.
pub fn plan_seen(
    repository: &Repository,
    options: &RestoreOptions,
    observer: &dyn Observer,
) -> Result<Plan, Error> {
    let journal = repository.journal()?;
    let listed = select::point(&journal, &options.point, options.source.as_deref())?;
    running::refuse(&options.target, &options.layout.control_db)?;
    let own_directory = PathBuf::from(repository.disk().display(""));
    let proven = target::prove(&options.target, Some(&own_directory), options.delta)?;
    let mut basis = match &options.cut {
        Some(request) => {
            let cutter = Cutter { repository, journal: &journal, listed, request };
            cut_basis(cut::prepare(&cutter, options)?, &cutter)?
        }
        None => point_basis(repository, &journal, listed, options)?,
    };
    let body = &listed.point.body;
    let layout = &options.layout;
    let control_db = control_db::planned(&basis.database, options, &own_directory, &mut basis.remarks)?;
    check_names(&basis.histories, &control_db, layout)?;
    let contexts = basis
        .histories
        .iter()
        .map(|history| Planner { told: &basis.told, layout, remarks: &mut basis.remarks, history }.context())
        .collect::<Result<Vec<_>, Error>>()?;
    if contexts.is_empty() && matches!(control_db, ControlDbPlan::Absent { .. } | ControlDbPlan::LeftOut) {
        return Err(Refused::Nothing.into());
    }
    let plain_files =
        Chooser { repository, body, layout, remarks: &mut basis.remarks }.choose(options, &contexts)?;
    let surveyed = Surveyed {
        repository,
        observer,
        root: &proven.path,
        source: &body.source,
        incarnations: &incarnations(&journal, &body.source, &contexts),
        contexts: &contexts,
        control_db: &control_db,
        database: &basis.database,
        plain_files: &plain_files,
        options,
    };
    let is_filled = proven.place == target::Place::Filled;
    let delta = is_filled.then(|| delta::survey(&surveyed, &mut basis.remarks)).transpose()?;
    let (warnings, notes) = basis.remarks.split();
    let mut plan = Plan {
        point: listed.reference(),
        source: body.source.clone(),
        at: body.at,
        complete: listed.is_complete(),
        order: basis.order,
        target: proven.path.clone(),
        contexts,
        control_db,
        plain_files,
        files: 0,
        length: 0,
        bytes: 0,
        whole: 0,
        free: None,
        estimate: None,
        cut: basis.cut,
        delta,
        warnings,
        notes,
        access: options.access,
        control_db_directory: options.layout.control_db.clone(),
        proven,
        database: basis.database,
    };
    plan.sum();
    Ok(plan)
}

/// The highest incarnation of each context: of the points, or what is restored.
fn incarnations(journal: &Journal, source: &str, contexts: &[ContextPlan]) -> BTreeMap<String, u32> {
    let mut highest = history::incarnations(journal, source);
    for context in contexts {
        let held = highest.entry(context.context.clone()).or_default();
        *held = context.incarnation.max(*held);
    }
    highest
}

/// What a plan is made of.
struct Basis<'j> {
    histories: Vec<History>,
    database: ControlDb,
    order: Order,
    remarks: Remarks,
    cut: Option<CutPlan>,
    /// The points whose findings may say why tokens are missing.
    told: Vec<&'j PointBody>,
}

/// A point, as it is.
fn point_basis<'j>(
    repository: &Repository,
    journal: &'j Journal,
    listed: &'j ListedPoint,
    options: &RestoreOptions,
) -> Result<Basis<'j>, Error> {
    let body = &listed.point.body;
    let wanted = wanted_contexts(body, &options.contexts)?;
    let mut remarks = remarks::of_point(listed, &wanted.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let mut histories = Vec::new();
    for (name, context) in wanted {
        let mut history = History::of_point(repository, listed, name, context)?;
        check_head(name, Store::Snapshots, &history.snapshots, &context.snapshots)?;
        check_head(name, Store::Events, &history.events, &context.events)?;
        if !options.snapshots {
            history.snapshots = Vec::new();
        }
        histories.push(history);
    }
    let (database, order) = match &options.control_db_of {
        Some(name) => {
            other_control_db(repository, journal, (listed, name), &histories, options, &mut remarks)?
        }
        None => (body.control_db.clone(), body.order),
    };
    Ok(Basis { histories, database, order, remarks, cut: None, told: vec![body] })
}

/// The control database of another point.
fn other_control_db(
    repository: &Repository,
    journal: &Journal,
    (listed, name): (&ListedPoint, &str),
    histories: &[History],
    options: &RestoreOptions,
    remarks: &mut Remarks,
) -> Result<(ControlDb, Order), Error> {
    let request = CutRequest { of_point: true, ..CutRequest::nowhere() };
    let cutter = Cutter { repository, journal, listed, request: &request };
    let other = select::point(journal, name, Some(&listed.point.body.source))?;
    cut::other_control_db(&cutter, other, histories, options.accept_version_reuse, remarks)?;
    named_database(other)
}

/// The control database of a point that was named for it.
fn named_database(listed: &ListedPoint) -> Result<(ControlDb, Order), Error> {
    let (body, point) = (&listed.point.body, listed.point.number);
    if let ControlDb::Absent { reason } = &body.control_db {
        return Err(Refused::NoControlDb { point, reason: reason.clone() }.into());
    }
    Ok((body.control_db.clone(), body.order))
}

/// A history that is cut. What the newest point says of its own end says nothing of what is before the cut.
fn cut_basis<'j>(prepared: Prepared<'j>, cutter: &Cutter<'j>) -> Result<Basis<'j>, Error> {
    let Prepared { histories, plan, control_db, remarks: of_cut } = prepared;
    let names: Vec<_> = histories.iter().map(|history| history.context.as_str()).collect();
    let mut remarks = Remarks::default();
    if cutter.request.of_point {
        remarks = remarks::of_point(cutter.listed, &names);
    }
    remarks.append(of_cut);
    let (database, order) = match control_db {
        Some(listed) => named_database(listed)?,
        None => (ControlDb::Absent { reason: "none that fits the cut".to_owned() }, Order::None),
    };
    let is_of_source = |body: &&PointBody| body.source == cutter.listed.point.body.source;
    let told = cutter.journal.points.iter().map(|listed| &listed.point.body).filter(is_of_source).collect();
    Ok(Basis { histories, database, order, remarks, cut: Some(plan), told })
}

type Wanted<'p> = Vec<(&'p str, &'p PointContext)>;

fn wanted_contexts<'p>(body: &'p PointBody, names: &[String]) -> Result<Wanted<'p>, Refused> {
    let known = || body.contexts.keys().cloned().collect();
    if let Some(name) = names.iter().find(|name| !body.contexts.contains_key(*name)) {
        return Err(Refused::UnknownContext { name: name.clone(), known: known() });
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let all = body.contexts.iter().map(|(name, context)| (name.as_str(), context.as_ref()));
    Ok(all.filter(|(name, _)| is_wanted(name)).collect())
}

/// Every name is a plain one, and nothing else stands where a context's directory or the database does.
fn check_names(histories: &[History], control_db: &ControlDbPlan, layout: &Layout) -> Result<(), Refused> {
    let names = || histories.iter().map(|history| history.context.as_str());
    names().try_for_each(|name| names::plain(name).map(|_| ()))?;
    let mut places = Vec::new();
    for name in names() {
        let [snapshots, events] = Store::ALL.map(|store| layout.store(name, store));
        places.extend((snapshots != events).then_some(snapshots));
        places.push(events);
    }
    let distinct = names::distinct(places.iter().map(String::as_str).chain(control_db.path()));
    distinct.map_err(|error| match error {
        // In a server's own layout only the point's names can meet.
        Refused::UnsafeName { name, .. } if *layout != Layout::default() => {
            Refused::SamePlace { place: name }
        }
        other => other,
    })
}

/// Plans one context.
struct Planner<'a> {
    told: &'a [&'a PointBody],
    layout: &'a Layout,
    remarks: &'a mut Remarks,
    history: &'a History,
}

impl Planner<'_> {
    fn context(mut self) -> Result<ContextPlan, Error> {
        let History { context, incarnation, .. } = self.history;
        let snapshots = self.store(Store::Snapshots)?;
        let events = self.store(Store::Events)?;
        Ok(ContextPlan { context: context.clone(), incarnation: *incarnation, snapshots, events })
    }

    fn store(&mut self, store: Store) -> Result<StorePlan, Error> {
        let pieces = self.history.store(store);
        let spans: Vec<_> = pieces.iter().map(|piece| piece.span).collect();
        let missing = self.breaks(store, &spans)?;
        let newest = pieces.len();
        let segments = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| self.segment(store, piece, at + 1 == newest))
            .collect::<Result<_, _>>()?;
        Ok(StorePlan {
            store,
            directory: self.layout.store(&self.history.context, store),
            first: span::first(&spans).map(Token::get),
            head: span::head(&spans).map(Token::get),
            missing,
            segments,
        })
    }

    /// Missing tokens are handed out as missing only where a point says so itself.
    fn breaks(&mut self, store: Store, spans: &[Span]) -> Result<Vec<TokenRange>, Refused> {
        let mut missing = Vec::new();
        for found in span::breaks(spans) {
            let place = Place { context: &self.history.context, store };
            let is_told = match found.kind {
                BreakKind::Damage => true,
                BreakKind::Hole => self.told.iter().any(|body| {
                    remarks::tells(body, place, found.first, found.last)
                        || self.begins_behind(body, store, &found)
                }),
                BreakKind::Overlap => false,
            };
            if !is_told {
                return Err(self.broken(store, &found));
            }
            self.remarks.missing(place, &found);
            missing.push(TokenRange { first: found.first.get(), last: found.last.get() });
        }
        Ok(missing)
    }

    /// Whether a point saw the store begin there: the source had removed what is missing before it was archived.
    fn begins_behind(&self, body: &PointBody, store: Store, found: &Break) -> bool {
        let History { context, incarnation, .. } = self.history;
        let held = body.contexts.get(context).filter(|held| held.incarnation == *incarnation);
        let first = held.and_then(|held| match store {
            Store::Snapshots => held.snapshots.first,
            Store::Events => held.events.first,
        });
        first == Some(found.before.number.get())
    }

    fn broken(&self, store: Store, found: &Break) -> Refused {
        let overlap = found.kind == BreakKind::Overlap;
        Refused::Broken {
            context: self.history.context.clone(),
            store: store.as_str(),
            what: if overlap { "two segments have the tokens" } else { "no segment has the tokens" },
            first: found.first.get(),
            last: found.last.get(),
        }
    }

    fn segment(&mut self, store: Store, piece: &Piece, is_newest: bool) -> Result<SegmentPlan, Refused> {
        let name = piece.span.name;
        let directory = self.layout.store(&self.history.context, store);
        let path = below(&directory, &name.file_name(store));
        let unresolved =
            || Refused::Unresolved { file: path.clone(), last: piece.span.last().map(Token::get) };
        let blake3 = piece.content();
        let Some(entry) = &piece.entry else { return Err(unresolved()) };
        let prefix = piece.prefix();
        let end = end_of(piece, entry, is_newest);
        if end == PlannedEnd::AsFound {
            self.remarks.damaged(Place { context: &self.history.context, store }, entry);
        }
        let stored = if end == PlannedEnd::AsFound { entry.stored_length } else { prefix };
        let length = entry.file_length.max(stored).max(least_length(prefix, end));
        Ok(SegmentPlan {
            number: name.number.get(),
            version: name.version,
            events: piece.span.events,
            prefix,
            length,
            end,
            blake3,
            name,
            is_sealed: piece.claim.is_none(),
            stored,
            extents: entry.extents.clone(),
            path,
        })
    }
}

/// The segments must hold exactly what the manifest says, unless the last one is damaged: then its head is what could be read.
fn check_head(context: &str, store: Store, pieces: &[Piece], log: &PointLog) -> Result<(), Refused> {
    let spans: Vec<_> = pieces.iter().map(|piece| piece.span).collect();
    let is_damaged = spans.last().is_some_and(|span| span.standing == Standing::Damaged);
    let (first, head) = (span::first(&spans).map(Token::get), span::head(&spans).map(Token::get));
    if is_damaged || (first, head) == (log.first, log.head) {
        return Ok(());
    }
    let what = format!(
        "the segments hold the tokens {} to {}, the point says {} to {}",
        text(first),
        text(head),
        text(log.first),
        text(log.head)
    );
    Err(Refused::Contradiction { file: format!("{store} of {context}"), what })
}

fn text(token: Option<u64>) -> String {
    token.map_or_else(|| "none".to_owned(), |token| token.to_string())
}

/// A claim says nothing of what stood behind it. The newest segment is opened by the server for writing, so there it must be open; one with
/// a successor was rolled, whether its end had reached the disk when it was read or not: so a point is restored to the same end before and
/// after the segment is sealed in the record. What has no header yet can have no end either: it is zeros.
fn end_of(piece: &Piece, entry: &SegmentEntry, is_newest: bool) -> PlannedEnd {
    let is_whole = piece.prefix() == entry.logical_end;
    match (entry.end, piece.claim.is_some() || piece.cut.is_some()) {
        (_, false) if entry.flaw.is_some() => PlannedEnd::AsFound,
        (_, true) if is_newest => PlannedEnd::Open,
        (End::Rolled, _) | (_, true) if piece.prefix() < HEADER_LENGTH => PlannedEnd::Open,
        (End::EndOfFile, true) if is_whole => PlannedEnd::EndOfFile,
        (End::Rolled, _) | (_, true) => PlannedEnd::Rolled,
        (End::Open, _) => PlannedEnd::Open,
        (End::EndOfFile, _) if is_newest => PlannedEnd::Open,
        (End::EndOfFile, _) => PlannedEnd::EndOfFile,
    }
}

/// A server that opens a segment for writing needs room for an end behind its last transaction, and for the header in any case.
fn least_length(prefix: u64, end: PlannedEnd) -> u64 {
    match end {
        PlannedEnd::Rolled | PlannedEnd::Open => prefix.max(HEADER_LENGTH).saturating_add(END_LENGTH),
        PlannedEnd::EndOfFile | PlannedEnd::AsFound => prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::{end_of, least_length};
    use crate::axon::name::SegmentName;
    use crate::axon::segment::Reason;
    use crate::axon::token::Token;
    use crate::engine::pieces::Piece;
    use crate::engine::restore::plan::PlannedEnd;
    use crate::repo::format::entry::{End, Flaw, SegmentEntry};
    use crate::repo::format::id::ContentHash;
    use crate::repo::format::point::Claim;

    fn entry(end: End, logical_end: u64) -> SegmentEntry {
        SegmentEntry {
            name: SegmentName { number: Token::ZERO, version: 0 },
            logical_end,
            stored_length: logical_end,
            file_length: logical_end,
            end,
            flaw: None,
            modified_ns: 0,
            events: 1,
            transactions: 1,
            times: None,
            content: ContentHash([0; 32]),
            extents: vec![],
            time_map: None,
        }
    }

    fn sealed(entry: &SegmentEntry, is_newest: bool) -> PlannedEnd {
        end_of(&Piece::of_entry(entry.clone()), entry, is_newest)
    }

    fn claimed(entry: &SegmentEntry, length: u64, is_newest: bool) -> PlannedEnd {
        let claim = Claim { number: 0, version: 0, length, last: Some(0), blake3: ContentHash([0; 32]) };
        end_of(&Piece::of_claim(claim, Some(entry.clone())).unwrap(), entry, is_newest)
    }

    #[test]
    fn a_sealed_segment_keeps_its_end_and_a_newest_one_always_has_one() {
        for is_newest in [false, true] {
            assert_eq!(sealed(&entry(End::Rolled, 100), is_newest), PlannedEnd::Rolled);
            assert_eq!(sealed(&entry(End::Open, 100), is_newest), PlannedEnd::Open);
            let flawed =
                SegmentEntry { flaw: Some(Flaw { reason: Reason::Checksum }), ..entry(End::Rolled, 100) };
            assert_eq!(sealed(&flawed, is_newest), PlannedEnd::AsFound);
        }
        assert_eq!(sealed(&entry(End::EndOfFile, 100), false), PlannedEnd::EndOfFile);
        assert_eq!(sealed(&entry(End::EndOfFile, 100), true), PlannedEnd::Open);
    }

    #[test]
    fn a_claim_is_open_where_it_is_the_newest_and_was_rolled_where_it_has_a_successor() {
        for end in [End::Rolled, End::Open, End::EndOfFile] {
            assert_eq!(claimed(&entry(end, 100), 60, true), PlannedEnd::Open);
            assert_eq!(claimed(&entry(end, 100), 100, true), PlannedEnd::Open);
            assert_eq!(claimed(&entry(end, 100), 60, false), PlannedEnd::Rolled);
        }
        // As a tail whose end had not reached the disk yet, and as the sealed segment that it became.
        assert_eq!(claimed(&entry(End::Open, 100), 100, false), PlannedEnd::Rolled);
        assert_eq!(claimed(&entry(End::Rolled, 100), 100, false), PlannedEnd::Rolled);
        assert_eq!(claimed(&entry(End::EndOfFile, 100), 100, false), PlannedEnd::EndOfFile);
    }

    #[test]
    fn what_has_no_header_has_no_end() {
        assert_eq!(sealed(&entry(End::Rolled, 0), false), PlannedEnd::Open);
        assert_eq!(claimed(&entry(End::Open, 100), 0, false), PlannedEnd::Open);
    }

    #[test]
    fn there_is_room_for_header_and_end() {
        assert_eq!(least_length(0, PlannedEnd::Open), 9);
        assert_eq!(least_length(5, PlannedEnd::Rolled), 9);
        assert_eq!(least_length(100, PlannedEnd::Open), 104);
        assert_eq!(least_length(100, PlannedEnd::EndOfFile), 100);
    }
}
