//! `prune`.

use crate::cli::args::AllowDelete;
use crate::cli::{duration, size};
use clap::Args;
use std::time::Duration;

/// `prune`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Delete only what was marked or forgotten so long ago, and in an earlier run
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub grace: Duration,
    /// Write packs anew until at most so much of all packs is without use; of those of tails, at most 2 %
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = size::parse_share)]
    pub max_unused: u64,
    /// Write at most so much anew (500MiB, 10GiB) [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub max_repack: Option<u64>,
    /// Begin no more packs after so long; the next run goes on
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub max_duration: Option<Duration>,
    /// What an append-only repository asks for.
    #[command(flatten)]
    pub allow: AllowDelete,
}
