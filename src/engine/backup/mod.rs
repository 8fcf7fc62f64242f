//! `backup`: makes a restore point.
//!
//! The protocol is that of the design: list the versions, capture the control database, read the heads (the safepoints), then for each context
//! archive snapshots, then events; look again; commit. Whatever changes under our feet makes it begin again, and after the third time the point
//! is published as incomplete.

pub mod again;
pub mod archived;
pub mod assemble;
pub mod belongs;
pub mod branch;
pub mod chain;
pub mod context;
mod context_reader;
pub mod control_db;
pub mod error;
pub mod files;
pub mod flawed;
mod gone;
mod heads;
pub mod judge;
pub mod let_go;
pub mod live;
mod lost_records;
pub mod name;
pub mod place;
pub mod proven;
pub mod read;
pub mod report;
mod run;
pub mod scan;
pub mod selection;
pub mod sink;
pub mod sources;

pub use error::Error;
pub use report::BackupReport;
pub use run::run;

use crate::repo::store::Effort;
use std::collections::BTreeMap;

/// What the user asked for.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct BackupOptions {
    /// Program name and version, for the manifest.
    pub program: String,
    /// The source's name, if not its own.
    pub source: Option<String>,
    /// Only these contexts; all if empty.
    pub contexts: Vec<String>,
    /// Not these.
    pub excluded: Vec<String>,
    /// The user's tags.
    pub tags: BTreeMap<String, String>,
    /// Accept a history that shares nothing with what is archived under this name.
    pub new_incarnation: bool,
    /// Publish nothing if the history has forked.
    pub no_fork: bool,
    /// Read every segment again.
    pub reread: bool,
    /// Publish nothing if there is a gap.
    pub strict: bool,
    /// Archive index and bloom files, too.
    pub with_indexes: bool,
    /// Store nothing: only say what would be stored.
    pub dry_run: bool,
    /// How hard to compress, in how much memory.
    pub effort: Effort,
}

impl BackupOptions {
    /// Everything that is there, as it is by default.
    pub fn all(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            source: None,
            contexts: Vec::new(),
            excluded: Vec::new(),
            tags: BTreeMap::new(),
            new_incarnation: false,
            no_fork: false,
            reread: false,
            strict: false,
            with_indexes: false,
            dry_run: false,
            effort: Effort::default(),
        }
    }
}
