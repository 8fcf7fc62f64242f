//! `hold`.

use crate::cli::args::reason;
use crate::cli::when;
use crate::repo::format::moment::Moment;
use clap::{Args, Subcommand};

/// `hold`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Hold {
    /// What to do.
    #[command(subcommand)]
    pub verb: HoldVerb,
}

/// What to do with holds.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum HoldVerb {
    /// Hold a point: no policy forgets it, no prune deletes it
    Add(HoldAdd),
    /// List all holds
    List,
    /// End a hold
    Remove(HoldRemove),
}

/// `hold add`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct HoldAdd {
    /// The point: its number, the first digits of its hash, latest or latest~2
    pub point: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Until when (2027-01-01 or 2027-01-01T12:00:00Z) [default: for good]
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub until: Option<Moment>,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
}

/// `hold remove`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct HoldRemove {
    /// The point: its number, the first digits of its hash, latest or latest~2
    pub point: String,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
}
