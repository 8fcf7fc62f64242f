//! `run`, `config` and `status`: what a configuration is for.

use crate::cli::duration;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `run`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct RunProfile {
    /// The profile of the configuration [default: what stands outside of all profiles]
    #[arg(id = "run_profile", value_name = "PROFILE")]
    pub profile: Option<String>,
}

/// `config`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What to do with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigVerb {
    /// Show each value that is set, and where it comes from
    Show,
    /// Check it, all profiles, without doing anything
    Check,
}

/// `status`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Be alarmed when the newest complete point of a source is older
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "26h")]
    pub max_age: Duration,
    /// Warn when some pack was not read for so long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "35d")]
    pub max_verify_age: Duration,
    /// Warn when no restore was tried for so long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "100d")]
    pub max_drill_age: Duration,
    /// Don't look at the configured sources: how far the archive is behind them is not told then
    #[arg(long)]
    pub offline: bool,
    /// One line for Nagios and its kin, and their exit codes: 0 ok, 1 warning, 2 critical, 3 unknown
    #[arg(long, conflicts_with = "json")]
    pub nagios: bool,
    /// Also write figures for Prometheus into this file (for the node exporter's textfile collector); it is replaced in one step
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}
