//! To which incarnations what was seen belongs: all contexts of a source together.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup::BackupOptions;
use crate::engine::backup::archived::Incarnations;
use crate::engine::backup::archived::incarnations;
use crate::engine::backup::context::Comparer;
use crate::engine::backup::context::SeenContext;
use crate::engine::backup::context_reader::ContextReader;
use crate::engine::backup::proven::Known;
use crate::engine::backup::read::Proven;
use crate::engine::backup::read::Reader;
use crate::engine::backup::read::SeenSegment;
use crate::engine::backup::sources::Decision;
use crate::engine::backup::sources::begin;
use crate::engine::backup::sources::branches;
use crate::engine::backup::sources::decide;
use crate::engine::backup::sources::is_made_anew;
use crate::engine::backup::sources::prove_same_source;
use crate::engine::backup::sources::refuse_other_cut;
use crate::engine::draft::ContextRead;
use crate::engine::draft::DraftWithSafepoints;
use crate::engine::error::Error;
use crate::engine::window::Bytes;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::repo::store::Repository;
use crate::source::Source;
use crate::source::listing::ContextListing;
use crate::source::listing::Listing;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What is needed to tell where contexts belong.
pub struct Belonging<'a> {
    /// What the repository knew when the backup began to write.
    pub known: Known,
    /// The repository.
    pub repository: &'a Repository,
    /// The source's name.
    pub name: &'a str,
    /// What the user asked for.
    pub options: &'a BackupOptions,
    /// Everything that the source shows, what is left out included.
    pub everything: &'a Listing,
    /// Whether it is not begun again: a file that vanishes now is borne.
    pub is_last: bool,
    /// What the archive holds of contexts, as far as it was read.
    pub read: RefCell<HashMap<String, Rc<Incarnations>>>,
}

impl Belonging<'_> {
    fn comparer<'c>(&'c self, source: &'c dyn Source) -> Comparer<'c> {
        Comparer { repository: self.repository, source, is_last: self.is_last }
    }

    /// What the archive holds of a context. Read once: the writer's lock is held, so it stays true.
    fn archived(&self, context: &str) -> Result<Rc<Incarnations>, Error> {
        if let Some(read) = self.read.borrow().get(context) {
            return Ok(Rc::clone(read));
        }
        let read = Rc::new(incarnations(self.repository, &self.known, self.name, context)?);
        self.read.borrow_mut().insert(context.to_owned(), Rc::clone(&read));
        Ok(read)
    }

    /// Reads a store of a context; what is proven to be unchanged is not read again, unless all is wanted `anew`.
    pub fn read_store(
        &self,
        reader: &mut Reader<'_, '_>,
        context: &str,
        (store, listing): (Store, &ContextListing),
        anew: bool,
    ) -> Result<Vec<SeenSegment>, Error> {
        let archived = self.archived(context)?;
        let files = &listing.store(store).segments;
        let Some(newest) = archived.existing.first().filter(|_| !self.options.reread && !anew) else {
            return reader.store(files, &Proven::nothing(), &archived.existing);
        };
        let twice = self.known.twice_read(self.repository, newest.log(store))?;
        let proven = Proven { log: Some(newest.log(store)), twice };
        let mut seen = reader.store(files, &proven, &archived.existing)?;
        // Each one that is read may not fit the next one that was not.
        while reader.doubtful(&mut seen, &archived.existing)? {}
        Ok(seen)
    }

    /// Decides for all contexts; refuses what is the history of another source.
    pub fn decide_all(&self, source: &dyn Source, seen: &[&SeenContext]) -> Result<Vec<Decision>, Error> {
        let comparer = self.comparer(source);
        let mut decisions = Vec::with_capacity(seen.len());
        for context in seen {
            let archived = self.archived(&context.name)?;
            decisions.push(decide(&comparer, self.name, context, &archived)?);
        }
        for (context, decision) in seen.iter().zip(&decisions) {
            refuse_other_cut(&comparer, self.name, context, decision)?;
        }
        if !self.options.new_incarnation {
            let others = self.left_out_share(&comparer, seen)?;
            prove_same_source(self.name, &found(seen), &decisions, others)?;
        }
        for (context, decision) in seen.iter().zip(&mut decisions) {
            let is_made_anew = is_made_anew(context, decision.had_events, &decision.judged);
            decision.is_another_history = decision.is_forked() || is_made_anew;
            if self.options.no_fork && decision.is_another_history {
                return Err(Comparer::refuse(context, decision.judged.fork()));
            }
        }
        Ok(decisions)
    }

    /// Whether a context that is archived, but not part of this backup, shows that the source is the same. None if there is no such context.
    fn left_out_share(&self, comparer: &Comparer<'_>, seen: &[&SeenContext]) -> Result<Option<bool>, Error> {
        let mut answer = None;
        for name in self.known.contexts_of(self.name) {
            if seen.iter().any(|context| context.name == name) {
                continue;
            }
            let archived = self.archived(name)?;
            let Some(newest) = archived.existing.iter().find(|context| context.has_events()) else {
                continue;
            };
            answer = Some(answer.unwrap_or(false));
            let Some(listing) = self.everything.contexts.get(name) else { continue };
            for store in Store::ALL {
                if comparer.files_share(&listing.store(store).segments, newest.log(store))? {
                    return Ok(Some(true));
                }
            }
        }
        Ok(answer)
    }

    /// Reads again, whole, each context that is not simply the newest incarnation's: what was not read was believed to be that one's. True if any
    /// was.
    pub fn read_doubtful(
        &self,
        reader: &mut ContextReader<'_, '_>,
        draft: &mut DraftWithSafepoints,
        read: &mut [(ContextRead, SeenContext)],
        decisions: &[Decision],
    ) -> Result<bool, Error> {
        let mut any = false;
        for ((proof, seen), decision) in read.iter_mut().zip(decisions) {
            let has_skipped = has_skipped(&seen.snapshots.segments) || has_skipped(&seen.events.segments);
            let is_doubtful = has_skipped && (decision.is_another_history || decision.is_older);
            if let Some(listing) = self.everything.contexts.get(&seen.name).filter(|_| is_doubtful) {
                *proof = reader.read(self, draft, (listing, seen), true)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Begins a new incarnation for a context.
    pub fn branch_off(
        &self,
        source: &dyn Source,
        seen: &SeenContext,
        decision: &mut Decision,
    ) -> Result<(), Error> {
        let archived = self.archived(&seen.name)?;
        let comparer = self.comparer(source);
        let left = branches(&comparer, seen, decision)?;
        let number = archived.highest.saturating_add(1);
        decision.fork_text = Some(fork_text(decision, left[1].and_then(|branch| branch.token)));
        decision.archived = begin(self.name, &seen.name, number, left);
        decision.judged = comparer.judge(seen, &decision.archived)?;
        Ok(())
    }

    /// What must be said about the incarnation of a context.
    pub fn findings(&self, context: &str, decision: &Decision) -> Vec<Finding> {
        let number = decision.archived.incarnation;
        let mut findings = Vec::new();
        let is_branch = decision.archived.events.branch.is_some();
        if is_branch && !self.known.is_named(self.name, context, number) {
            let why = decision.fork_text.clone().unwrap_or_else(|| "another history than before".to_owned());
            let text = format!("{context} has forked: {why}; it goes on as {context}@{number}");
            findings.push(about(context, Weight::Incomplete, "fork", text));
        }
        if decision.is_older {
            let text = format!("{context} goes on an older incarnation, {context}@{number}");
            findings.push(about(context, Weight::Warning, "older-incarnation", text));
        }
        findings
    }
}

fn has_skipped(seen: &[SeenSegment]) -> bool {
    seen.iter().any(|segment| matches!(segment, SeenSegment::Skipped(..)))
}

/// Says something of a context.
pub fn about(context: &str, weight: Weight, what: &str, text: String) -> Finding {
    Finding { context: Some(context.to_owned()), ..Finding::new(weight, what, text) }
}

fn fork_text(decision: &Decision, shared: Option<Token>) -> String {
    let shared = shared.map_or_else(
        || "no event is the archived one".to_owned(),
        |token| format!("events are the archived ones up to token {token}"),
    );
    match decision.judged.fork() {
        Some((store, fork)) => format!("{shared}; in {store}, segment {}: {}", fork.name, fork.why),
        None => shared,
    }
}

fn found(seen: &[&SeenContext]) -> String {
    let names: Vec<&str> = seen.iter().map(|context| context.name.as_str()).collect();
    let file = seen
        .iter()
        .flat_map(|context| context.events.segments.iter().chain(&context.snapshots.segments))
        .next();
    let place = file.map(|segment| segment.file().path.display().to_string()).unwrap_or_default();
    format!("what was read ({}; {place} and others)", names.join(", "))
}

impl Comparer<'_> {
    /// Whether files hold at least one archived transaction.
    pub fn files_share(
        &self,
        files: &[crate::source::listing::StoreFile],
        log: &crate::engine::backup::archived::ArchivedLog,
    ) -> Result<bool, Error> {
        for file in files {
            let Some(archived) = log.best(file.name) else { continue };
            let bytes = self.source.open(file)?;
            let seen = (file.name, Bytes::Source(bytes.as_ref()));
            if crate::engine::backup::branch::begin_alike(self.repository, seen, archived)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
