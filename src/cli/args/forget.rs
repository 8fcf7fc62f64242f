//! `forget`, and the rules of a policy.

use crate::cli::args::{reason, tag};
use crate::cli::duration;
use clap::{Args, Command, FromArgMatches, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `forget`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    /// Forget these points: number, first digits of the hash, latest or latest~2
    #[arg(value_name = "POINT", conflicts_with = "policy")]
    pub points: Vec<String>,
    /// What is kept.
    #[command(flatten)]
    pub rules: PolicyArgs,
    /// Take the rules from a file: one a line, without the dashes, like 'keep-daily 7'; lines that begin with # are remarks
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Apply the rules to each source by itself, or to all points together
    #[arg(long, value_name = "WHAT", default_value = "source")]
    pub group_by: GroupBy,
    /// Only points of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Why, to be remembered [default: the rules]
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// List forgotten points again: those named, or all; possible until a prune has deleted them
    #[arg(long, conflicts_with_all = ["policy", "reason", "PolicyArgs"])]
    pub undo: bool,
}

/// Which points are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    /// Those of one source.
    Source,
    /// All.
    None,
}

/// Rules. Each keeps points; more rules never keep less.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyArgs {
    /// Keep the newest N points
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub keep_last: Option<u64>,
    /// Keep points made within so long (30d, 12h) before the newest one
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "Rules")]
    pub keep_within: Option<Duration>,
    /// Keep one point for each of the newest N hours that have points
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub keep_hourly: Option<u64>,
    /// Keep one point for each of the newest N days that have points
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub keep_daily: Option<u64>,
    /// Keep one point for each of the newest N weeks that have points
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub keep_weekly: Option<u64>,
    /// Keep one point for each of the newest N months that have points
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub keep_monthly: Option<u64>,
    /// Keep one point for each of the newest N years that have points
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub keep_yearly: Option<u64>,
    /// Keep points with this tag (may be repeated)
    #[arg(long = "keep-tag", value_name = "KEY=VALUE", value_parser = tag, help_heading = "Rules")]
    pub keep_tags: Vec<(String, String)>,
}

impl PolicyArgs {
    /// Whether any rule keeps a point: one that keeps the newest 0 does not.
    pub fn keeps_anything(&self) -> bool {
        let counts = [
            self.keep_last,
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
            self.keep_monthly,
            self.keep_yearly,
        ];
        counts.iter().flatten().any(|count| *count > 0)
            || self.keep_within.is_some()
            || !self.keep_tags.is_empty()
    }
}

/// Reads rules from the lines of a file, as if they had been typed. The error names the line.
pub fn policy_words(text: &str) -> Result<PolicyArgs, String> {
    let mut words = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rule = [format!("--{name}"), value.trim().to_owned()];
        // One by one first: so the error can name the line.
        read(&rule).map_err(|why| format!("line {number}: {why}"))?;
        words.extend(rule);
    }
    read(&words)
}

fn read(words: &[String]) -> Result<PolicyArgs, String> {
    let command =
        PolicyArgs::augment_args(Command::new("policy").no_binary_name(true).disable_help_flag(true));
    let found =
        command.try_get_matches_from(words).and_then(|matches| PolicyArgs::from_arg_matches(&matches));
    found.map_err(|error| {
        let text = error.render().to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}
