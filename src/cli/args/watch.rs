//! `watch` and `drill`.

use crate::cli::args::{Backup, cut};
use crate::cli::duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `watch`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What a backup is told.
    #[command(flatten)]
    pub backup: Backup,
    /// Look for new transactions so often
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s", help_heading = "Watching")]
    pub interval: Duration,
    /// Make a point so often, and when a segment was sealed
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1h", help_heading = "Watching")]
    pub point_every: Duration,
}

/// `drill`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// The point: its number, the first digits of its hash, latest or latest~2 [default: latest]
    #[arg(value_name = "POINT")]
    pub point: Option<String>,
    /// Any of the complete points, chosen by chance
    #[arg(long, conflicts_with_all = ["point", "to_token", "to_time"])]
    pub random: bool,
    /// Cut at any token of any context that is archived, chosen by chance
    #[arg(long, conflicts_with_all = ["point", "random", "to_token", "to_time"])]
    pub random_token: bool,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Restore no control database
    #[arg(long)]
    pub no_control_db: bool,
    /// Where to cut
    #[command(flatten)]
    pub cut: cut::Cut,
    /// Restore into a new directory in this one; it is removed afterwards [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Start this command on what was restored, in its directory, with sh -c: it has to end well, or, with --health-url, to get healthy
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// Wait until this address answers with 200 to 299; then the command is ended
    #[arg(long, value_name = "URL", requires = "exec")]
    pub health_url: Option<String>,
    /// How long the command may take
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10m")]
    pub time_limit: Duration,
}
