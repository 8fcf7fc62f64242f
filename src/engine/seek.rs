//! Finds transactions in archived segments and walks them, from anywhere: the time map says where to begin, so that only the neighbourhood is
//! decoded.

use crate::axon::segment::{CONTINUED_EVENTS, Ending, HEADER_LENGTH, Reason, Step, Transaction, Walker};
use crate::axon::time::Timestamp;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::pieces::Piece;
use crate::engine::window::{Bytes, Window};
use crate::repo;
use crate::repo::format::Damage;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::time_map::{Mark, TimeMap};
use crate::repo::store::Repository;
use std::cell::OnceCell;
use std::ops::ControlFlow;

/// A place in a segment, between two whole transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Token of the event behind it.
    pub next_token: Token,
    /// Transactions before it, counted as blocks.
    pub transactions: u64,
}

impl Place {
    /// At the head of a segment: before its first transaction.
    pub fn head(piece: &Piece) -> Self {
        Self { offset: 0, next_token: piece.span.name.number, transactions: 0 }
    }

    /// Whether nothing is before it but perhaps the header.
    pub fn is_head(self) -> bool {
        self.offset <= HEADER_LENGTH
    }
}

/// A segment that can be walked from anywhere.
pub struct Seeker<'a> {
    repository: &'a Repository,
    piece: &'a Piece,
    entry: &'a SegmentEntry,
    /// Read when they are needed: most segments are never walked.
    marks: OnceCell<Vec<Mark>>,
}

/// One block, and whether a whole transaction ends with it.
pub struct Block<'t, 'b> {
    /// The block.
    pub transaction: &'t Transaction<'b>,
    /// Where the next one begins.
    pub behind: Place,
    /// False if it belongs together with the block behind it.
    pub is_end: bool,
}

impl<'a> Seeker<'a> {
    /// None if nothing holds the segment's bytes. Nothing is read yet.
    pub fn new(repository: &'a Repository, piece: &'a Piece) -> Option<Self> {
        let entry = piece.entry.as_ref()?;
        Some(Self { repository, piece, entry, marks: OnceCell::new() })
    }

    fn marks(&self) -> Result<&[Mark], Error> {
        if self.marks.get().is_none() {
            let mut marks = match self.entry.time_map {
                Some(chunk) => time_map(self.repository, chunk)?.marks,
                None => Vec::new(),
            };
            marks.retain(|mark| mark.end_offset <= self.piece.prefix());
            // It was not set just now.
            let _ = self.marks.set(marks);
        }
        Ok(self.marks.get().map_or(&[], Vec::as_slice))
    }

    /// Runs of transactions: where each begins, and its least and greatest time. One run, of unknown times, where there is no map.
    pub fn runs(&self) -> Result<Vec<Run>, Error> {
        let mut begin = Place::head(self.piece);
        let mut runs = Vec::new();
        for mark in self.marks()? {
            runs.push(Run { begin, times: Some((mark.least, mark.greatest)) });
            begin = place_of(mark);
        }
        if begin.offset < self.piece.prefix() {
            runs.push(Run { begin, times: None });
        }
        Ok(runs)
    }

    /// Where to begin to walk to the event with this token.
    pub fn before(&self, token: Token) -> Result<Place, Error> {
        let is_before = |mark: &&Mark| mark.next_token <= token;
        let mark = self.marks()?.iter().rev().find(is_before);
        Ok(mark.map_or_else(|| Place::head(self.piece), place_of))
    }

    /// Where its prefix ends.
    pub fn end(&self) -> Result<Place, Error> {
        let offset = self.piece.prefix();
        let next_token = self.piece.span.next().unwrap_or(self.piece.span.name.number);
        if offset == self.entry.logical_end {
            return Ok(Place { offset, next_token, transactions: self.entry.transactions });
        }
        // Less is wanted than is held: what is behind the last mark is counted.
        let mut place = self.marks()?.last().map_or_else(|| Place::head(self.piece), place_of);
        self.walk(place, &mut |block| {
            place = block.behind;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(place)
    }

    /// Walks the blocks from `from` on, to the end of the prefix or until `visit` breaks. Gives whether it came to the end.
    pub fn walk(
        &self,
        from: Place,
        visit: &mut dyn FnMut(&Block<'_, '_>) -> Result<ControlFlow<()>, Error>,
    ) -> Result<bool, Error> {
        let prefix = self.piece.prefix();
        let mut window = Window::new(Bytes::Archived(self.repository, self.entry));
        let mut walker = Walker::resume(from.offset, from.next_token, prefix);
        let (mut transactions, mut least) = (from.transactions, HEADER_LENGTH + 4);
        while walker.offset() < prefix {
            let visible = window.at(walker.offset(), usize::try_from(least).unwrap_or(usize::MAX))?;
            match walker.step(visible) {
                Step::Transaction(transaction) => {
                    transactions += 1;
                    let (offset, next_token) = (walker.offset(), walker.next_token());
                    let behind = Place { offset, next_token, transactions };
                    let is_end = transaction.events != CONTINUED_EVENTS || offset >= prefix;
                    if visit(&Block { transaction: &transaction, behind, is_end })?.is_break() {
                        return Ok(false);
                    }
                    least = HEADER_LENGTH + 4;
                }
                Step::NeedMore(more) if more > visible.len() as u64 && more > least => least = more,
                Step::NeedMore(_) => return Err(self.damaged(walker.offset(), Reason::Truncated)),
                Step::End(Ending::Stopped(reason)) => return Err(self.damaged(walker.offset(), reason)),
                Step::End(_) => break,
            }
        }
        // A segment that was never written ends before its header.
        if walker.offset() == prefix || (prefix <= HEADER_LENGTH && from.is_head()) {
            return Ok(true);
        }
        Err(self.damaged(walker.offset(), Reason::EarlyEnd))
    }

    fn damaged(&self, at: u64, reason: Reason) -> Error {
        let what = format!("segment {} at byte {at}: {reason}", self.piece.span.name);
        repo::Error::Damaged { path: "the archive".to_owned(), source: Damage::Json(what) }.into()
    }
}

/// A run of transactions.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Where it begins.
    pub begin: Place,
    /// The least and the greatest time in it, where that is known.
    pub times: Option<(Timestamp, Timestamp)>,
}

fn place_of(mark: &Mark) -> Place {
    Place { offset: mark.end_offset, next_token: mark.next_token, transactions: mark.transactions }
}

fn time_map(repository: &Repository, chunk: crate::repo::format::id::ChunkId) -> Result<TimeMap, Error> {
    let bytes = repository.chunk(chunk)?;
    TimeMap::decode(&bytes)
        .map_err(|source| repo::Error::Damaged { path: format!("the time map {chunk}"), source }.into())
}
