//! `copy`.

use clap::Args;
use std::path::PathBuf;

/// `copy`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The points: number, first digits of the hash, latest or latest~2 [default: all]
    #[arg(value_name = "POINT")]
    pub points: Vec<String>,
    /// The repository to copy to
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Only points that are newer than the newest one of their source that was copied before; older
    /// ones that are not there are told
    #[arg(long)]
    pub since_last: bool,
    /// Only points of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
}
