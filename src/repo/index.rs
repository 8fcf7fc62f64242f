//! The index: a cache in SQLite of which chunk lies where. Missing, stale or damaged, it is rebuilt unasked from the packs.
