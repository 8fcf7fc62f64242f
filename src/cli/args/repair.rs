//! `repair`.

use crate::cli::args::{AllowDelete, parity, reason};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `repair`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What to mend.
    #[command(subcommand)]
    pub what: RepairWhat,
    /// What an append-only repository asks for.
    #[command(flatten)]
    pub allow: AllowDelete,
}

/// What to mend.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum RepairWhat {
    /// Make the index anew from the packs
    Index,
    /// Store again what is good in damaged packs
    Packs,
    /// Also fetch what is lost from a data directory or from another repository; everything is proven by its hash
    From(RepairFrom),
    /// Mark the points that can't be restored whole as incomplete
    Points,
    /// Say what is lost for good: points, acts and records that can't be read, chunks in no pack, and no copy that has them; all else goes on
    GiveUp(GiveUp),
    /// Write parity for packs that have none, or whose parity is damaged
    AddParity(AddParity),
}

/// `repair give-up`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// Why: it is kept with the act that says so
    #[arg(long, value_name = "TEXT", value_parser = reason, default_value = "damaged, and no copy has it")]
    pub reason: String,
}

/// `repair add-parity`.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddParity {
    /// How much, in hundredths of each pack (1% to 50%) [default: as the repository was made with, or 3%]
    #[arg(long, value_name = "PERCENT", value_parser = parity)]
    pub parity: Option<u8>,
}

/// `repair from`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct RepairFrom {
    /// A data directory (or a server's root), live or old; or another repository
    pub path: PathBuf,
    /// Control databases to look in: a zip, or a directory of them [default: PATH and PATH/backups]
    #[arg(long, value_name = "PATH")]
    pub control_db: Option<PathBuf>,
}
