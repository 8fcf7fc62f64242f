//! One backup from begin to end.

use crate::axon::name::Store;
use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::engine::backup::belongs::Belonging;
use crate::engine::backup::context::SeenContext;
use crate::engine::backup::context_reader::ContextReader;
use crate::engine::backup::control_db;
use crate::engine::backup::control_db::ArchivedControlDb;
use crate::engine::backup::files;
use crate::engine::backup::gone;
use crate::engine::backup::heads::{Heads, furthest, headless_finding, went_back};
use crate::engine::backup::let_go::LetGoFiles;
use crate::engine::backup::live;
use crate::engine::backup::name;
use crate::engine::backup::place::Placed;
use crate::engine::backup::place::Placer;
use crate::engine::backup::proven::{Known, contexts_of};
use crate::engine::backup::read::head;
use crate::engine::backup::report::BackupReport;
use crate::engine::backup::selection;
use crate::engine::backup::sink::Sink;
use crate::engine::backup::sources::Decision;
use crate::engine::draft::CompleteDraft;
use crate::engine::draft::ContextRead;
use crate::engine::draft::Draft;
use crate::engine::draft::DraftWithSafepoints;
use crate::engine::draft::Opening;
use crate::engine::error::Error;
use crate::engine::observe::Event;
use crate::engine::observe::Observer;
use crate::repo;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::repo::format::record::LogState;
use crate::repo::format::record::PrefixProof;
use crate::repo::store::Repository;
use crate::repo::store::Tally;
use crate::source;
use crate::source::Source;
use crate::source::listing::Listing;
use std::cell::RefCell;

/// So often a backup begins again when versions, heads or files change under it.
const ATTEMPTS: usize = 3;

/// Makes a restore point (or, in a dry run, says what it would store).
pub fn run(
    repository: &Repository,
    source: &mut dyn Source,
    options: &BackupOptions,
    observer: &dyn Observer,
) -> Result<BackupReport, Error> {
    let mut attempt = 1;
    loop {
        let one =
            Attempt { repository, source: &mut *source, options, observer, is_last: attempt >= ATTEMPTS };
        match one.run() {
            Err(error) if attempt < ATTEMPTS && is_unsettled(&error, source.is_live()) => {
                observer.event(&Event::Warning(&format!("{error}; beginning again")));
                source.begin_again(attempt - 1);
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// Whether what went wrong may go right when it is begun again: at a live server a hole may be one of a moment.
fn is_unsettled(error: &Error, is_live: bool) -> bool {
    let may_pass =
        matches!(error, Error::Backup(backup::Error::Gap { .. } | backup::Error::BehindServer { .. }));
    (is_live && may_pass)
        || matches!(
            error,
            Error::Unsettled { .. }
                | Error::Shrank { .. }
                | Error::Repo(repo::Error::Overtaken { .. })
                | Error::Source(source::Error::Vanished { .. })
        )
}

struct Attempt<'a, 'o> {
    repository: &'a Repository,
    source: &'o mut dyn Source,
    options: &'o BackupOptions,
    observer: &'o dyn Observer,
    is_last: bool,
}

/// What is ready to be published.
struct Finished {
    draft: CompleteDraft,
    states: Vec<(LogState, Vec<PrefixProof>)>,
    report: BackupReport,
}

impl<'a> Attempt<'a, '_> {
    fn now(&self) -> Moment {
        Moment(self.observer.now_ms())
    }

    fn run(mut self) -> Result<BackupReport, Error> {
        let at = self.now();
        let identity = self.source.identity()?;
        let logs = self.repository.logs()?;
        let name = name::archived(&logs, identity.name, self.options)?;
        let let_go = LetGoFiles::load(self.repository, &name)?;
        let first = self.names(&let_go)?;
        let archived = contexts_of(&logs, &name);
        selection::left_out(&first, self.options, &archived)?;
        let (program, tags) = (self.options.program.clone(), self.options.tags.clone());
        let draft = Draft::begin(
            Opening { program, source: name.clone(), tags, facts: identity.facts },
            at,
            self.now(),
        );

        let mut sink = self.sink()?;
        let captured = self.source.control_db()?;
        let control_db = control_db::archive(&mut sink, captured)?;
        let draft = draft.control_db(control_db.manifest.clone(), self.now());

        let (everything, of_let_go) = self.listing(&let_go)?;
        let left_out = selection::left_out(&everything, self.options, &archived)?;
        let listing = selection::keep(&everything, &left_out);
        let (heads, unread) = self.heads(&listing)?;
        let mut draft = draft.safepoints(self.now());

        let belonging = Belonging {
            known: Known::load(self.repository)?,
            repository: self.repository,
            name: &name,
            options: self.options,
            everything: &everything,
            is_last: self.is_last,
            read: RefCell::default(),
        };
        let mut reader = self.reader(&mut sink, &let_go);
        let mut read = reader.read_all(&mut draft, &heads, (&listing, &belonging))?;
        let decisions = decide_all(&mut reader, &belonging, &mut draft, &mut read)?;
        let placed = self.place_all(&mut sink, &belonging, &read, decisions)?;
        live::refuse_behind(&*self.source, &placed)?;
        let left_behind = self.plain_files(&mut sink, &mut draft, &listing, &belonging)?;
        let furthest = furthest(heads, all_seen(&read).into_iter());
        let unsettled = self.recheck([&selection::keep(&first, &left_out), &listing], &furthest, &let_go)?;
        let unsettled = unsettled.as_deref().map(unsettled_finding).into_iter().collect();
        let skipped = selection::skipped(&everything, self.options);
        let gone = gone::findings(&belonging.known, &name, &everything, self.options);
        let findings = [gone, skipped, unread, unsettled, left_behind, of_let_go].concat();
        let proofs = read.into_iter().map(|(proof, _)| proof).collect();
        draft.know(self.source.facts());
        let finished = self.finish(draft, proofs, placed, (left_out, findings), &control_db);
        self.publish(sink, finished, at)
    }

    /// What the source shows, but for what was erased or dropped here; and what must be said of that.
    fn listing(&mut self, let_go: &LetGoFiles<'_>) -> Result<(Listing, Vec<Finding>), Error> {
        let mut listing = self.source.listing()?;
        let findings = let_go.take_out(&*self.source, &mut listing)?;
        Ok((listing, findings))
    }

    /// The same by names alone, without what must be said.
    fn names(&mut self, let_go: &LetGoFiles<'_>) -> Result<Listing, Error> {
        let mut names = self.source.names()?;
        let_go.take_out(&*self.source, &mut names)?;
        Ok(names)
    }

    fn sink(&self) -> Result<Sink<'a>, Error> {
        if self.options.dry_run {
            return Ok(Sink::Counted(self.repository, Tally::default()));
        }
        let mut session = self.repository.session()?;
        session.may_publish_point()?;
        session.set_effort(self.options.effort);
        Ok(Sink::Stored(Box::new(session)))
    }

    /// The last token of each store's longest valid prefix, as it is now; and those stores whose head can't be read: nothing says how far their
    /// history must reach, so that no point with them is complete.
    fn heads(&self, listing: &Listing) -> Result<(Heads, Vec<Finding>), Error> {
        let (mut heads, mut unread) = (Heads::new(), Vec::new());
        for (name, context) in &listing.contexts {
            let mut of = |store: Store| match head(&*self.source, &context.store(store).segments) {
                Err(Error::Source(error)) if self.is_borne(&error) => {
                    unread.push(headless_finding(name, store, &error));
                    Ok(None)
                }
                result => result,
            };
            heads.insert(name.clone(), [of(Store::Snapshots)?, of(Store::Events)?]);
        }
        Ok((heads, unread))
    }

    /// Whether an error of the source makes the point incomplete, no more.
    fn is_borne(&self, error: &source::Error) -> bool {
        match error {
            source::Error::Io { .. } => true,
            source::Error::Vanished { .. } => self.is_last,
            _ => false,
        }
    }

    fn reader<'r, 's>(
        &'r mut self,
        sink: &'r mut Sink<'s>,
        let_go: &'r LetGoFiles<'r>,
    ) -> ContextReader<'r, 's> {
        let Self { source, observer, is_last, .. } = self;
        ContextReader { sink, source: &mut **source, observer: *observer, is_last: *is_last, let_go }
    }

    /// Puts each context into its incarnation.
    fn place_all(
        &self,
        sink: &mut Sink<'_>,
        belonging: &Belonging<'_>,
        read: &[(ContextRead, SeenContext)],
        mut decisions: Vec<Decision>,
    ) -> Result<Vec<Placed>, Error> {
        let source = &*self.source;
        let mut placed = Vec::new();
        for (seen, decision) in all_seen(read).into_iter().zip(&mut decisions) {
            if decision.is_another_history {
                belonging.branch_off(source, seen, decision)?;
            }
            let Self { options, observer, is_last, .. } = *self;
            let mut room = Placer { sink, source, observer, options, is_last };
            let mut one = room.place(seen, &decision.archived, &decision.judged)?;
            one.findings.extend(belonging.findings(&seen.name, decision));
            one.findings.extend(selection::in_progress(belonging.everything, &seen.name));
            placed.push(one);
        }
        Ok(placed)
    }

    /// Archives what is wanted beside stores and control database; what could not be had of it is said.
    fn plain_files(
        &mut self,
        sink: &mut Sink<'_>,
        draft: &mut DraftWithSafepoints,
        listing: &Listing,
        belonging: &Belonging<'_>,
    ) -> Result<Vec<Finding>, Error> {
        let mut wanted = if self.options.with_indexes { files::indexes(listing) } else { Vec::new() };
        wanted.extend(self.source.plain_files()?);
        let known = Some(&belonging.known).filter(|_| !self.options.reread);
        let (source, observer, name) = (&*self.source, self.observer, belonging.name);
        let (sets, findings) = files::Archiver { sink, source, observer, known, name }.archive(&wanted)?;
        draft.add_files(sets);
        Ok(findings)
    }

    /// Step 6: versions and heads again. What changed, if something did.
    fn recheck(
        &mut self,
        before: [&Listing; 2],
        heads: &Heads,
        let_go: &LetGoFiles<'_>,
    ) -> Result<Option<String>, Error> {
        let mut now = self.names(let_go)?;
        now.contexts.retain(|name, _| heads.contains_key(name));
        let changed = match before.into_iter().find_map(|before| selection::changed(before, &now)) {
            Some(what) => Some(what),
            None => went_back(heads, &self.heads(&now)?.0),
        };
        match changed {
            Some(what) if !self.is_last => Err(Error::Unsettled { what }),
            changed => Ok(changed),
        }
    }

    fn finish(
        &mut self,
        mut draft: DraftWithSafepoints,
        proofs: Vec<ContextRead>,
        placed: Vec<Placed>,
        (left_out, mut findings): (Vec<String>, Vec<Finding>),
        control_db: &ArchivedControlDb,
    ) -> Finished {
        let mut remarks = self.source.remarks();
        let is_wanted = |name: &String| selection::is_wanted(name, self.options);
        remarks.retain(|remark| remark.context.as_ref().is_none_or(is_wanted));
        findings.extend(live::findings(remarks));
        findings.extend(control_db.findings.iter().cloned());
        let (mut states, mut reports) = (Vec::new(), Vec::new());
        for (proof, placed) in proofs.into_iter().zip(placed) {
            draft.place(proof, placed.point);
            states.extend(placed.states);
            findings.extend(placed.findings);
            reports.push(placed.report);
        }
        let draft = draft.complete(self.now(), left_out, findings);
        let compression = self.options.effort.compression;
        let report = BackupReport::new(draft.body(), control_db.report.clone(), reports, compression);
        Finished { draft, states, report }
    }

    /// The commit: packs and pages, then records, then the point.
    fn publish(&mut self, sink: Sink<'_>, finished: Finished, at: Moment) -> Result<BackupReport, Error> {
        let Finished { mut draft, states, mut report } = finished;
        let Sink::Stored(mut session) = sink else {
            report.count(sink.tally(), self.now(), at);
            return Ok(report);
        };
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        self.observer.event(&Event::Phase { name: "committing", total: None });
        let durable = session.barrier()?;
        for file in session.mended() {
            let text = format!(
                "{file} was damaged, and was written again: what stood there lies in damaged/; is the disk well?"
            );
            report.findings.push(Finding::new(Weight::Warning, "mended", text));
        }
        let logs: Vec<_> = states.iter().map(|(state, _)| state.key.clone()).collect();
        let (records, numbers) = session.publish_records(durable, states)?;
        for (log, number) in logs.iter().zip(numbers) {
            draft.set_record(&log.context, log.store, number);
        }
        let (published, body) = draft.publish(*session, records)?;
        report.count(published.tally, self.now(), at);
        report.point = Some(published.point);
        report.complete = body.complete;
        report.findings.extend(live::findings(self.source.published()));
        Ok(report)
    }
}

/// Finds the incarnation of each context; what was not read, and may be of another one, is read first.
fn decide_all(
    reader: &mut ContextReader<'_, '_>,
    belonging: &Belonging<'_>,
    draft: &mut DraftWithSafepoints,
    read: &mut [(ContextRead, SeenContext)],
) -> Result<Vec<Decision>, Error> {
    let decisions = belonging.decide_all(&*reader.source, &all_seen(read))?;
    if belonging.read_doubtful(reader, draft, read, &decisions)? {
        return belonging.decide_all(&*reader.source, &all_seen(read));
    }
    Ok(decisions)
}

fn all_seen(read: &[(ContextRead, SeenContext)]) -> Vec<&SeenContext> {
    read.iter().map(|(_, seen)| seen).collect()
}

fn unsettled_finding(what: &str) -> Finding {
    let text = format!("the source kept changing while it was read: {what}");
    Finding::new(Weight::Incomplete, "unsettled", text)
}
