//! What a point's log consists of, and where the bytes are: entries of its own tree, and claims, resolved in the log's newest record.

use crate::axon::name::SegmentName;
use crate::axon::token::Token;
use crate::engine::span::{Span, Standing, current};
use crate::repo::Error;
use crate::repo::format::Damage;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ContentHash;
use crate::repo::format::point::{Claim, PointLog};
use crate::repo::format::record::{LogKey, Record};
use crate::repo::paths;
use crate::repo::store::{LostFiles, Repository};

/// One segment of a point.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its tokens.
    pub span: Span,
    /// Where its bytes are. For a claim, at least those that are claimed; none if no record holds them.
    pub entry: Option<SegmentEntry>,
    /// Set if the point only claims a prefix.
    pub claim: Option<Claim>,
    /// Set if less of it is wanted: how many bytes of the prefix.
    pub cut: Option<u64>,
}

impl Piece {
    /// A segment of a tree.
    pub fn of_entry(entry: SegmentEntry) -> Self {
        Self { span: span_of(&entry), entry: Some(entry), claim: None, cut: None }
    }

    /// A claim, with what holds its bytes. None if its tokens are impossible.
    pub fn of_claim(claim: Claim, entry: Option<SegmentEntry>) -> Option<Self> {
        let name = claim_name(&claim)?;
        let events = match claim.last {
            Some(last) => last.checked_sub(claim.number)?.checked_add(1)?,
            None => 0,
        };
        Some(Self {
            span: Span { name, standing: Standing::Open, events },
            entry,
            claim: Some(claim),
            cut: None,
        })
    }

    /// The first `length` bytes of it, which end behind a whole transaction, with `events` events: open, as if they were all.
    #[must_use]
    pub fn cut(self, length: u64, events: u64) -> Self {
        let span = Span { standing: Standing::Open, events, ..self.span };
        Self { span, cut: Some(length), ..self }
    }

    /// Bytes of its valid prefix, as far as they are wanted.
    pub fn prefix(&self) -> u64 {
        match (self.cut, &self.claim, &self.entry) {
            (Some(length), ..) => length,
            (None, Some(claim), _) => claim.length,
            (None, None, entry) => entry.as_ref().map_or(0, |entry| entry.logical_end),
        }
    }

    /// Hash of its valid prefix; of all stored bytes, if it is damaged. None if nothing says so: of what was cut nobody does.
    pub fn content(&self) -> Option<ContentHash> {
        if self.cut.is_some() {
            return None;
        }
        self.claim.map(|claim| claim.blake3).or(self.entry.as_ref().map(|entry| entry.content))
    }
}

/// The tokens of an entry.
pub fn span_of(entry: &SegmentEntry) -> Span {
    let standing = if entry.flaw.is_some() { Standing::Damaged } else { Standing::Sealed };
    Span { name: entry.name, standing, events: entry.events }
}

/// Number and version of a claim. None if no segment can have that number.
pub fn claim_name(claim: &Claim) -> Option<SegmentName> {
    Token::new(claim.number).map(|number| SegmentName { number, version: claim.version })
}

/// Whether a segment may hold what is claimed: it is good, and long enough. A damaged copy holds nothing that a restore takes.
pub fn holds(entry: &SegmentEntry, claim: &Claim) -> bool {
    entry.flaw.is_none() && Some(entry.name) == claim_name(claim) && entry.logical_end >= claim.length
}

/// Whether these hold all that a point claims of a log.
pub fn hold(held: &[SegmentEntry], log: &PointLog) -> bool {
    log.open.iter().all(|claim| held.iter().any(|entry| holds(entry, claim)))
}

/// All segments of a point's log that count: for each number the highest version, sorted. `path` is the point's file, for errors.
pub fn of_point(
    repository: &Repository,
    key: &LogKey,
    log: &PointLog,
    path: &str,
) -> Result<Vec<Piece>, Error> {
    let mut pieces: Vec<_> = repository.tree(log.root)?.into_iter().map(Piece::of_entry).collect();
    let mut records = Records::new(repository, key);
    for claim in &log.open {
        let entry = records.resolve(claim)?;
        let piece = Piece::of_claim(*claim, entry).ok_or_else(|| impossible(path))?;
        pieces.push(piece);
    }
    Ok(current(pieces, |piece| piece.span))
}

/// All segments of a log that count, with all that the archive holds of them: the newest record says so. None if the log has no record.
pub fn of_log(repository: &Repository, key: &LogKey) -> Result<Option<(Record, Vec<Piece>)>, Error> {
    let Some((record, entries)) = repository.newest_whole(key)? else { return Ok(None) };
    let pieces = entries.into_iter().map(Piece::of_entry).collect();
    Ok(Some((record, current(pieces, |piece: &Piece| piece.span))))
}

fn impossible(path: &str) -> Error {
    Error::Damaged { path: path.to_owned(), source: Damage::Json("a claim has impossible tokens".to_owned()) }
}

/// The records of a log, newest first, read as they are needed.
struct Records<'r> {
    repository: &'r Repository,
    key: &'r LogKey,
    read: Vec<Held>,
    /// The highest number when they were listed.
    newest: Option<u64>,
    /// Numbers not read yet, the newest last; none before they were listed.
    left: Option<Vec<u64>>,
    /// The first one that could not be read.
    failed: Option<Error>,
}

/// A record, and its tree once that was needed.
struct Held {
    record: Record,
    tree: Option<Vec<SegmentEntry>>,
}

impl<'r> Records<'r> {
    fn new(repository: &'r Repository, key: &'r LogKey) -> Self {
        Self { repository, key, read: Vec::new(), newest: None, left: None, failed: None }
    }

    /// What holds the bytes of a claim. Where something is missing, somebody may have deleted what newer records replace: they are listed again.
    fn resolve(&mut self, claim: &Claim) -> Result<Option<SegmentEntry>, Error> {
        let mut found = self.resolve_listed(claim);
        if matches!(found, Err(Error::Missing { .. })) && self.list_again()? {
            found = self.resolve_listed(claim);
        }
        match found {
            Err(error) if error.is_lost() && self.leave_out_lost()? => self.resolve_listed(claim),
            found => found,
        }
    }

    /// Begins anew without those that acts call lost: what is wrong with one of these is no reason any more. False if there is none.
    fn leave_out_lost(&mut self) -> Result<bool, Error> {
        let (acts, directory) = (self.repository.acts()?.0, paths::log(self.key));
        let lost = LostFiles::by(&acts);
        let listed = self.repository.record_numbers(self.key)?;
        let is_left = |number: &u64| !lost.has(&directory, *number);
        let left: Vec<u64> = listed.iter().copied().filter(is_left).collect();
        let is_any = left.len() < listed.len();
        if is_any {
            (self.newest, self.left, self.failed) = (listed.last().copied(), Some(left), None);
            self.read.clear();
        }
        Ok(is_any)
    }

    /// Begins anew with the records that are there now; false if the newest one is the same as before.
    fn list_again(&mut self) -> Result<bool, Error> {
        let now = self.repository.record_numbers(self.key)?;
        let is_another = now.last() != self.newest.as_ref();
        if is_another {
            (self.newest, self.left, self.failed) = (now.last().copied(), Some(now), None);
            self.read.clear();
        }
        Ok(is_another)
    }

    /// The newest record's tail or sealed segment; an older record's, where the newest ones can't be read (the hash of what is restored
    /// proves it).
    fn resolve_listed(&mut self, claim: &Claim) -> Result<Option<SegmentEntry>, Error> {
        let mut at = 0;
        while self.reach(at)? {
            let found = self.find(at, claim);
            match found {
                Ok(Some(entry)) => return Ok(Some(entry)),
                Ok(None) if self.failed.is_none() => return Ok(None),
                Ok(None) => {}
                Err(error) => self.fail(error)?,
            }
            at += 1;
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Reads on until there is a record at `at`; false if there are no more.
    fn reach(&mut self, at: usize) -> Result<bool, Error> {
        while self.read.len() <= at {
            if self.left.is_none() {
                self.list_again()?;
            }
            let Some(number) = self.left.as_mut().and_then(Vec::pop) else { return Ok(false) };
            match self.repository.record(self.key, number) {
                Ok(record) => self.read.push(Held { record, tree: None }),
                Err(error) => self.fail(error)?,
            }
        }
        Ok(true)
    }

    /// Damage is remembered, so that older records are asked; anything else ends it.
    fn fail(&mut self, error: Error) -> Result<(), Error> {
        if !matches!(error, Error::Damaged { .. } | Error::Missing { .. }) {
            return Err(error);
        }
        self.failed.get_or_insert(error);
        Ok(())
    }

    fn find(&mut self, at: usize, claim: &Claim) -> Result<Option<SegmentEntry>, Error> {
        let Some(held) = self.read.get_mut(at) else { return Ok(None) };
        let is_it = |entry: &&SegmentEntry| holds(entry, claim);
        if let Some(entry) = held.record.state.tails.iter().find(is_it) {
            return Ok(Some(entry.clone()));
        }
        let tree = match held.tree.as_mut() {
            Some(tree) => tree,
            None => held.tree.insert(self.repository.tree(held.record.state.root)?),
        };
        Ok(tree.iter().find(is_it).cloned())
    }
}
