//! `recompress`: writes old packs anew with the compression asked for.
//!
//! Chunks keep their names, so that no page, record or point changes: they only lie elsewhere, in larger blocks, with the neighbours that their
//! history gives them. It goes group by group. Each group's new packs are durable and were read back before an act marks the old ones dead;
//! whatever is interrupted leaves both, and the next run goes on with what is not yet elsewhere. Deleting what is marked is for `prune`.
//!
//! First what was compressed less than asked for is written anew; then small packs are joined, those among them that came of it.

mod joining;
mod plan;
mod rewrite;
mod run;
mod small;

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::recompress::plan::OldPack;
use crate::engine::recompress::run::Run;
use crate::repo::codec::Compression;
use crate::repo::store::{Effort, Repository};
use serde::Serialize;

/// What the user asked for.
#[derive(Clone, Copy, Debug)]
pub struct RecompressOptions {
    /// How hard to compress, in how much memory.
    pub effort: Effort,
    /// Begin nothing more after so many milliseconds. What is begun is finished: packs of half a gibibyte of chunks, or of one pack that has more.
    pub max_ms: Option<i64>,
    /// Only say what would be written anew.
    pub dry_run: bool,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Recompressed {
    /// The compression asked for.
    pub compression: Compression,
    /// Packs that gain by being written anew. One that came of it in this run, and was small beside others, counts as any other: here, as a new
    /// one, and as one that is marked.
    pub planned_packs: u64,
    /// Their bytes.
    pub planned_bytes: u64,
    /// Of them, those whose chunks all lie elsewhere now, and that are marked dead.
    pub marked_packs: u64,
    /// Their bytes: what `prune` frees, as far as nothing else needs them.
    pub marked_bytes: u64,
    /// Of them, those that came out just as they were, and stay.
    pub same_packs: u64,
    /// New packs.
    pub new_packs: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// Chunks that were written anew.
    pub chunks: u64,
    /// Their bytes.
    pub raw_bytes: u64,
    /// Packs that would have been written anew, and stay as they are, since chunks of theirs can't be read: their names. Others may be damaged, too:
    /// that is for `verify` to find.
    pub damaged_packs: Vec<String>,
    /// Whether there was time to look at all small packs that might be joined.
    pub all_looked_at: bool,
    /// Whether all that gains by it is done; else the next run goes on.
    pub finished: bool,
    /// Milliseconds from begin to end.
    pub milliseconds: i64,
}

impl Recompressed {
    /// Nothing was done yet.
    fn nothing(compression: Compression) -> Self {
        Self {
            compression,
            planned_packs: 0,
            planned_bytes: 0,
            marked_packs: 0,
            marked_bytes: 0,
            same_packs: 0,
            new_packs: 0,
            new_bytes: 0,
            chunks: 0,
            raw_bytes: 0,
            damaged_packs: Vec::new(),
            all_looked_at: true,
            finished: true,
            milliseconds: 0,
        }
    }

    fn plan(&mut self, packs: &[OldPack]) {
        self.planned_packs += packs.len() as u64;
        self.planned_bytes += packs.iter().map(|pack| pack.length).sum::<u64>();
    }
}

/// Writes old packs anew.
pub fn run(
    repository: &Repository,
    options: &RecompressOptions,
    observer: &dyn Observer,
) -> Result<Recompressed, Error> {
    let begun = observer.now_ms();
    let mut report = Run::new(repository, options, observer, begun).all()?;
    if report.finished && !options.dry_run {
        repository.settle()?;
    }
    report.milliseconds = observer.now_ms().saturating_sub(begun);
    Ok(report)
}
