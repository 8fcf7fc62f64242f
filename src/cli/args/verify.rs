//! `verify`.

use crate::cli::duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `verify`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Only this point: its number, the first digits of its hash, latest or latest~2
    pub point: Option<String>,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Compare what is archived with a data directory, or with another repository; nothing else is verified
    #[arg(long, value_name = "PATH", conflicts_with_all = ["point", "data", "history", "since_last", "max_age", "max_duration", "percent"])]
    pub against: Option<PathBuf>,
    /// Read all data too: every pack, every chunk, every transaction
    #[arg(long)]
    pub data: bool,
    /// Follow each aggregate through the events: its sequence numbers, and its snapshots
    #[arg(long)]
    pub history: bool,
    /// Read the packs that no verification has read yet
    #[arg(long)]
    pub since_last: bool,
    /// Read the packs that were not read for so long (30d), the least recently read first
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub max_age: Option<Duration>,
    /// Stop after that time (10m); the least recently read packs come first
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub max_duration: Option<Duration>,
    /// Read that part of all packs, the least recently read first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: Option<u8>,
}
