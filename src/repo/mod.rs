//! The repository: a local, content-addressed, deduplicated, compressed archive.
//!
//! `format` is pure (bytes and values, described in FORMAT.md), `chunking` and `codec` are pure too; `disk` is the one seam through which
//! everything is written; `index` is a cache in `SQLite`; `parity` makes damaged packs whole; `store` ties them together: [`store::Repository`] reads, [`store::Session`] writes.

pub mod chunking;
pub mod codec;
pub mod disk;
pub mod error;
pub mod format;
pub mod index;
pub mod local_disk;
pub mod parity;
pub mod paths;
pub mod store;

pub use error::Error;
