//! Tokens: the position of an event in its store.

use std::fmt;

/// The position of an event in its store, counted from 0; never above `i64::MAX` (Axon Server's tokens are signed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// The first token there can be.
    pub const ZERO: Self = Self(0);

    /// A token, if `position` is one that Axon Server can write (at most `i64::MAX`).
    pub const fn new(position: u64) -> Option<Self> {
        if position <= i64::MAX as u64 { Some(Self(position)) } else { None }
    }

    /// The position as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The token `events` further on.
    pub const fn plus(self, events: u64) -> Option<Self> {
        match self.0.checked_add(events) {
            Some(position) => Self::new(position),
            None => None,
        }
    }

    /// The token before this one; none before the first.
    pub const fn before(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(position) => Some(Self(position)),
            None => None,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
