//! Holds a time map against the transactions that it tells of.
//!
//! A cut at a moment begins where the map says: one that says too little of a run would let later events through without a word.

use crate::axon::segment::Transaction;
use crate::axon::time::Times;
use crate::axon::token::Token;
use crate::repo::format::time_map::{Mark, TimeMap};
use std::vec::IntoIter;

/// A time map, and how far the transactions agree with it.
#[derive(Debug)]
pub struct Runs {
    next: Option<Mark>,
    later: IntoIter<Mark>,
    run: Option<Times>,
    transactions: u64,
    fits: bool,
}

impl Runs {
    /// Before the first transaction of the segment.
    pub fn of(map: TimeMap) -> Self {
        let mut later = map.marks.into_iter();
        Self { next: later.next(), later, run: None, transactions: 0, fits: true }
    }

    /// The next block, with the times of its events; none where one can't be read.
    pub fn block(&mut self, block: &Transaction<'_>, times: Option<Times>) {
        self.transactions += 1;
        let (Some(mark), Some(times)) = (self.next, times) else {
            self.fits = false;
            return;
        };
        let run = self.run.map_or(times, |before| before.then(times));
        self.run = Some(run);
        if block.end() < mark.end_offset {
            return;
        }
        self.next = self.later.next();
        self.run = None;
        // What belongs together with the block behind it is no place to begin at.
        let is_between = !block.is_continued() || self.next.is_none();
        self.fits &= is_between && Some(mark) == self.mark_behind(block, run);
    }

    /// What a mark behind this block has to say.
    fn mark_behind(&self, block: &Transaction<'_>, run: Times) -> Option<Mark> {
        let next_token: Token = block.last_token().plus(1)?;
        let (least, greatest) = (run.least, run.greatest);
        Some(Mark { end_offset: block.end(), next_token, transactions: self.transactions, least, greatest })
    }

    /// Whether all that it says is so, when all blocks were shown: the last mark stands behind the last of them.
    pub fn fit(&self) -> bool {
        self.fits && self.next.is_none() && self.run.is_none()
    }
}
