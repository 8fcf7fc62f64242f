//! `diff`.

use clap::Args;
use std::path::PathBuf;

/// `diff`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// A point: its number, the first digits of its hash, latest or latest~2
    pub a: String,
    /// The point that it is compared with; or a directory, as with --data-dir
    #[arg(required_unless_present = "data_dir", conflicts_with = "data_dir")]
    pub b: Option<String>,
    /// The directory that it is compared with: one that holds contexts, or a server's root with data/ in it
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
}
