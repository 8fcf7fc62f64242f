//! Asks for the listing of a context and looks at its directory until both go together: a few times, with growing pauses.

use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::source::error::Error;
use crate::source::listing::{ContextListing, StoreListing};
use crate::source::live::LiveSource;
use crate::source::live::together::{
    Doubt, compare, mark_volatile, numbers, tokens, unlisted, unlisted_versions,
};
use crate::source::scan;
use crate::source::server;
use crate::source::server::answers::Listed;
use crate::source::server::exchange::{Ask, LISTING_MAX};
use crate::source::server::path_map::{Located, ServerPath};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pauses before it is looked again, milliseconds.
pub(super) const PAUSES_MS: [u64; 4] = [100, 300, 900, 2_700];

/// How often it is looked at most.
pub(super) const ATTEMPTS: usize = PAUSES_MS.len() + 1;

/// Both listings of a context.
struct Answers {
    snapshots: Listed,
    events: Listed,
}

impl Answers {
    fn store(&self, store: Store) -> &Listed {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }
}

/// A doubt, and which store it is about.
type Doubted = (Store, Doubt);

impl LiveSource {
    /// A context as server and directory show it together.
    pub(super) fn context(&mut self, name: &str) -> Result<ContextListing, Error> {
        let mut attempt = 0;
        loop {
            let answers = self.answers(name)?;
            let (seen, doubt) = match self.look(name, &answers) {
                Ok(mut seen) => match self.put_together(name, &answers, &mut seen) {
                    Ok(()) => return Ok(seen),
                    Err(Trouble::Doubt(doubt)) => (seen, doubt),
                    Err(Trouble::Error(error)) => return Err(error),
                },
                Err(Error::Vanished { path }) => (ContextListing::default(), restless(&path)),
                Err(error) => return Err(error),
            };
            if !self.pause(attempt) {
                return Err(self.refusal(name, &seen, doubt));
            }
            attempt += 1;
        }
    }

    /// Waits before the next look; false if there shall be none.
    pub(super) fn pause(&self, attempt: usize) -> bool {
        let Some(pause) = PAUSES_MS.get(attempt) else { return false };
        (self.surroundings.pause)(Duration::from_millis(*pause));
        true
    }

    fn answers(&mut self, context: &str) -> Result<Answers, Error> {
        Ok(Answers {
            snapshots: self.ask(context, Store::Snapshots)?,
            events: self.ask(context, Store::Events)?,
        })
    }

    /// Asks for one listing. Never with a `last…` parameter: the difference is made here.
    fn ask(&mut self, context: &str, store: Store) -> Result<Listed, Error> {
        let kind = match store {
            Store::Snapshots => "SNAPSHOT",
            Store::Events => "EVENT",
        };
        if !self.lists_older {
            let ask = Ask::get("/v1/backup/eventstore").with("type", kind).with("targetContext", context);
            let answer = self.client.ask(&ask.of_context(context).at_most(LISTING_MAX))?;
            if answer.status != 404 {
                return Ok(Listed::read(&answer.success()?, store)?);
            }
        }
        let ask = Ask::get("/v1/backup/filenames").with("type", kind).with("context", context);
        let answer = self.client.ask(&ask.of_context(context).at_most(LISTING_MAX))?.success()?;
        self.lists_older = true;
        Ok(Listed::read_older(&answer, store)?)
    }

    /// Looks at the directories of a context.
    fn look(&mut self, context: &str, answers: &Answers) -> Result<ContextListing, Error> {
        if let Some(data) = &self.directory {
            return Ok(scan::context(&data.directory().join(context))?.unwrap_or_default());
        }
        let mut found = ContextListing::default();
        for store in Store::ALL {
            let own = self.places(answers.store(store));
            let places = if own.is_empty() { self.places(answers.store(other(store))) } else { own };
            if places.is_empty() {
                return Err(nowhere(context));
            }
            let listing = look_in(&places, store)?;
            for (named, here) in &places {
                self.remember_root(context, named, here);
            }
            match store {
                Store::Snapshots => found.snapshots = listing,
                Store::Events => found.events = listing,
            }
        }
        Ok(found)
    }

    /// The directories of the listed files, here, in the order in which they are named first.
    fn places(&self, listed: &Listed) -> Vec<(ServerPath, PathBuf)> {
        let (mut places, mut known) = (Vec::new(), BTreeSet::new());
        for parent in listed.files.values().flatten().filter_map(ServerPath::parent) {
            if known.insert(parent.clone()) {
                let Located { path, .. } = self.options.path_map.locate(&parent);
                places.push((parent, path));
            }
        }
        places
    }

    fn put_together(
        &mut self,
        name: &str,
        answers: &Answers,
        seen: &mut ContextListing,
    ) -> Result<(), Trouble> {
        for store in Store::ALL {
            let listed = answers.store(store);
            let doubted = |doubt| Trouble::Doubt((store, doubt));
            self.of_this_context(name, listed).map_err(doubted)?;
            compare(listed, seen.store(store)).map_err(doubted)?;
            self.nothing_unlisted((name, store), listed, seen.store(store))?;
            self.note_bare((name, store), seen.store(store));
        }
        mark_volatile(&answers.snapshots, &mut seen.snapshots);
        mark_volatile(&answers.events, &mut seen.events);
        Ok(())
    }

    fn note_bare(&mut self, (name, store): (&str, Store), seen: &StoreListing) {
        let key = (name.to_owned(), store);
        if seen.segments.is_empty() {
            self.bare.insert(key);
        } else {
            self.bare.remove(&key);
        }
    }

    /// What is there and not listed has to be in the next answer: then it was made in between.
    fn nothing_unlisted(
        &mut self,
        (name, store): (&str, Store),
        listed: &Listed,
        seen: &StoreListing,
    ) -> Result<(), Trouble> {
        let versions = unlisted_versions(listed, seen);
        if unlisted(&[listed], seen).is_empty() && versions.is_empty() {
            return Ok(());
        }
        let again = self.ask(name, store).map_err(Trouble::Error)?;
        let left = unlisted(&[listed, &again], seen);
        if !left.is_empty() {
            return Err(Trouble::Doubt((store, Doubt::Unlisted(left))));
        }
        let left: Vec<SegmentName> =
            versions.into_iter().filter(|version| !again.files.contains_key(version)).collect();
        self.remark_versions((name, store), &left, &again);
        Ok(())
    }

    /// Versions that the server does not name belong to the history all the same: they are archived, and said. A higher one than the
    /// server serves is what a server without its control database would serve: somebody should look.
    fn remark_versions(&mut self, (context, store): (&str, Store), left: &[SegmentName], listed: &Listed) {
        if left.is_empty() {
            return;
        }
        let is_above = |version: &SegmentName| {
            let highest = SegmentName { version: u32::MAX, ..*version };
            listed.files.range(*version..=highest).next().is_none()
        };
        let names: Vec<String> = left.iter().map(ToString::to_string).collect();
        let text = format!("{store}: {} in the directory, and the server does not list it", names.join(", "));
        self.remark("unlisted-version", left.iter().any(is_above), Some(context), text);
    }

    /// A file in the directory of another context belongs to that one.
    fn of_this_context(&self, name: &str, listed: &Listed) -> Result<(), Doubt> {
        for path in listed.files.values().flatten() {
            let parent = path.parent();
            let other = parent.as_ref().and_then(ServerPath::file_name).filter(|other| *other != name);
            if let Some(other) = other.filter(|other| self.contexts.contains(*other)) {
                return Err(Doubt::Nonsense(format!("it names {path}, which belongs to context {other}")));
            }
        }
        Ok(())
    }

    /// The error for a doubt that stays.
    fn refusal(&self, context: &str, seen: &ContextListing, (store, doubt): Doubted) -> Error {
        let here = numbers(seen.store(store));
        let (context, directory) = (context.to_owned(), self.place_of(context, seen.store(store)));
        let count = here.len();
        let missing = |missing: &_, place: String| server::Error::Missing {
            context: context.clone(),
            store: store.to_string(),
            tokens: tokens(missing, &here),
            place,
            attempts: ATTEMPTS,
        };
        let error = match doubt {
            Doubt::Empty(_) => server::Error::Empty { context, store: store.to_string(), directory, count },
            Doubt::Elsewhere(path) => self.not_here(&path, directory),
            Doubt::Gone(gone) => missing(&gone, format!("in {}", directory.display())),
            Doubt::Unlisted(left) => missing(&left, "in the server's listing".to_owned()),
            Doubt::Nonsense(why) => server::Error::Listing { context, store: store.to_string(), why },
            Doubt::Restless(path) => {
                let why = format!("{path} vanished while the directory was looked at");
                server::Error::Listing { context, store: store.to_string(), why }
            }
        };
        error.into()
    }

    fn not_here(&self, path: &ServerPath, directory: PathBuf) -> server::Error {
        let why = match &self.directory {
            Some(_) => "none of the listed segments is in it",
            None => "no listed segment is there",
        };
        server::Error::NotHere { named: path.to_string(), looked_for: directory, why: why.to_owned() }
    }

    /// Where the segments of a context are looked for.
    fn place_of(&self, context: &str, seen: &StoreListing) -> PathBuf {
        let known = seen.segments.first().and_then(|file| file.path.parent()).map(Path::to_path_buf);
        known
            .or_else(|| self.directory.as_ref().map(|data| data.directory().join(context)))
            .unwrap_or_default()
    }
}

fn other(store: Store) -> Store {
    match store {
        Store::Snapshots => Store::Events,
        Store::Events => Store::Snapshots,
    }
}

fn restless(path: &Path) -> Doubted {
    (Store::Events, Doubt::Restless(path.display().to_string()))
}

fn nowhere(context: &str) -> Error {
    let why = "the server names no path: give --data-dir".to_owned();
    server::Error::Listing { context: context.to_owned(), store: "every store".to_owned(), why }.into()
}

/// Why a context is not put together.
enum Trouble {
    /// Another look may help.
    Doubt(Doubted),
    /// It won't.
    Error(Error),
}

/// One store, looked for in several directories (tiers). What is in two of them is being moved: the one that is named first counts.
fn look_in(places: &[(ServerPath, PathBuf)], store: Store) -> Result<StoreListing, Error> {
    let mut files = BTreeMap::new();
    let mut in_progress = Vec::new();
    for (named, path) in places {
        let found = scan::context(path).map_err(|error| unreadable(named, path, error))?.unwrap_or_default();
        let listing = found.store(store);
        in_progress.extend(listing.in_progress.iter().cloned());
        for file in &listing.segments {
            files.entry(file.name).or_insert_with(|| file.clone());
        }
    }
    Ok(StoreListing { segments: files.into_values().collect(), in_progress })
}

/// A directory that can't be read here: most often the server sees other roots.
fn unreadable(named: &ServerPath, path: &Path, error: Error) -> Error {
    let why = match error {
        Error::Io { path: place, source } if place == path => source.to_string(),
        Error::Vanished { path: place } if place == path => "it is not there".to_owned(),
        other => return other,
    };
    server::Error::NotHere { named: named.to_string(), looked_for: path.to_path_buf(), why }.into()
}
