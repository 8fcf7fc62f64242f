//! Event times: milliseconds since 1970, from the clients' clocks.

/// Milliseconds since 1970-01-01T00:00:00Z, as an event carries them. Nothing guarantees that they rise with the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The times of a run of events: of the first and the last one, and the least and the greatest of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Of the first event.
    pub first: Timestamp,
    /// Of the last event.
    pub last: Timestamp,
    /// The least of all.
    pub least: Timestamp,
    /// The greatest of all.
    pub greatest: Timestamp,
}

impl Times {
    /// The times of one event.
    pub const fn of(at: Timestamp) -> Self {
        Self { first: at, last: at, least: at, greatest: at }
    }

    /// These times with those of the events right behind.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            first: self.first,
            last: next.last,
            least: self.least.min(next.least),
            greatest: self.greatest.max(next.greatest),
        }
    }
}
