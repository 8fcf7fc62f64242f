//! Point in time: where a history is cut.

use crate::cli::when;
use crate::engine::restore::cut::request::TokenCut;
use crate::repo::format::moment::Moment;
use clap::{Args, ValueEnum};

/// Under which its options stand. Said of each: said of all, it would go on to what stands behind them.
const HEADING: &str = "Point in time";

/// Where a restore cuts the history, and what goes with it.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Keep the events of CONTEXT up to this token, in whole transactions (may be repeated); -1 keeps none
    #[arg(long, value_name = "CONTEXT[@INCARNATION]=TOKEN", conflicts_with = "to_time", help_heading = HEADING)]
    pub to_token: Vec<TokenCut>,
    /// Keep what happened up to this moment (a date: its first one, UTC): the longest run of whole transactions without a later event
    #[arg(long, value_name = "TIME", value_parser = when::parse, help_heading = HEADING)]
    pub to_time: Option<Moment>,
    /// Contexts without a --to-token: cut at the time of the last event kept of those that have one, or left whole [default: time]
    #[arg(long, value_name = "HOW", requires = "to_token", help_heading = HEADING)]
    pub others: Option<Others>,
    /// Where clocks ran backwards: before the first later event, or behind the last one that is not later [default: first-later]
    #[arg(long, value_name = "SIDE", help_heading = HEADING)]
    pub cut: Option<Side>,
    /// Restore no snapshots: aggregates load more slowly until there are new ones
    #[arg(long, help_heading = HEADING)]
    pub no_snapshots: bool,
    /// Take the control database of this point, or none [default: of the newest point that fits]
    #[arg(long, value_name = "POINT|none", conflicts_with = "no_control_db", help_heading = HEADING)]
    pub control_db: Option<String>,
    /// Take a control database that does not know the highest version of a segment
    #[arg(long, help_heading = HEADING)]
    pub accept_version_reuse: bool,
}

/// What becomes of contexts that are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Others {
    /// Cut at the same moment
    Time,
    /// Left whole
    Head,
}

/// Which side of a moment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Before the first transaction with a later event
    FirstLater,
    /// Behind the last transaction without a later event
    LastNotLater,
}
