//! A clock for what is bounded by time.

use segvault::engine::observe::Observer;
use std::sync::atomic::{AtomicI64, Ordering};

/// Goes on by a millisecond each time it is asked.
#[derive(Default)]
pub struct Ticks(AtomicI64);

impl Ticks {
    /// Begins then, milliseconds since 1970.
    pub fn from(begin: i64) -> Self {
        Self(AtomicI64::new(begin))
    }
}

impl Observer for Ticks {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
