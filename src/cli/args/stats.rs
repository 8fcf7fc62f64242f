//! `stats`.

use clap::{Args, ValueEnum};

/// `stats`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_long_help = "\
Examples:
  segvault stats                       what is saved, and what each log takes
  segvault stats --by point            what each point added, and what forgetting it frees
  segvault stats --by month --csv      growth, for a spreadsheet")]
pub struct Stats {
    /// Which rows the table has
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub by: By,
    /// Print that table as comma-separated values, bytes as plain numbers
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// The rows of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A row a log, and one for the control databases of each source
    #[default]
    Log,
    /// A row a source
    Source,
    /// A row a context of a source
    Context,
    /// A row for events, one for snapshots, one for control databases
    Store,
    /// A row a point: what it added, and what forgetting it frees
    Point,
    /// A row a month
    Month,
    /// A row a kind of file: they add up to the repository
    File,
}
