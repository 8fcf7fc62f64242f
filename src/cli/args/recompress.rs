//! `recompress`.

use crate::cli::args::{AllowDelete, EffortArgs};
use crate::cli::duration;
use clap::Args;
use std::time::Duration;

/// `recompress`.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recompress {
    /// Begin nothing more after so long (30m, 2h); the next run goes on
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub max_duration: Option<Duration>,
    /// How hard to compress, in how much memory
    #[command(flatten)]
    pub effort: EffortArgs,
    /// What an append-only repository asks for.
    #[command(flatten)]
    pub allow: AllowDelete,
}
