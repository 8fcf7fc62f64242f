//! `bench`.

use crate::cli::{duration, size};
use crate::engine::bench::corpus::Kind;
use crate::engine::bench::shelf::Codec;
use crate::engine::bench::{Peer, Price};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `bench`.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(group(ArgGroup::new("measured").args(["data_dir", "synthetic"]).required(true)), after_long_help = "\
Examples:
  segvault bench --data-dir /axonserver                               all settings, compressors, and the tools found on PATH
  segvault bench --data-dir /axonserver --against restic,borg --price 0.02EUR --report bench.html
  segvault bench --data-dir /axonserver --columns                     where the bytes go
  segvault bench --synthetic json,xml --size 256MiB                   without data

The data is only read. Copies of the sample, and repositories made of them, lie in a scratch directory that is removed at the end; each tool runs
with an environment, a configuration and a cache of its own there.")]
pub struct Bench {
    /// The directory that holds the contexts, or a server's root with data/ in it
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Make data instead: a context for each kind (json, xml, binary, snapshots)
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub synthetic: Vec<SyntheticKind>,
    /// Bytes of history of each kind that are made
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "256MiB", conflicts_with = "data_dir")]
    pub size: u64,
    /// Keep what is made in this directory, which must be empty or not there: a data directory like any other
    #[arg(long, value_name = "DIR", conflicts_with = "data_dir")]
    pub into: Option<PathBuf>,
    /// Measure at most so much: the newest transactions of each store
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "256MiB")]
    pub sample: u64,
    /// The tools to compare with: restic, borg, kopia, rustic, tar.zst, none [default: all that are found on PATH, and tar.zst]
    #[arg(long, value_name = "TOOL", value_delimiter = ',', value_parser = rival)]
    pub against: Vec<Rival>,
    /// Hourly backups that are made of a month's 720, by the data's own times; 0 leaves the month out
    #[arg(long, value_name = "NUMBER", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=720))]
    pub month: u32,
    /// Say what a year costs, at this price of a GB for a month, like 0.02EUR
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub price: Option<Price>,
    /// Only show where the bytes of the default setting go, column by column
    #[arg(long, conflicts_with_all = ["against", "report", "price"])]
    pub columns: bool,
    /// Also write a page with plots (.html), or the plot of sizes alone (.svg)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Give up on a process that takes longer (30m, 2h)
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub limit: Duration,
    /// Work below this directory [default: the one for temporary files]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// A kind of synthetic data, with its name.
pub type SyntheticKind = (&'static str, Kind);

/// Something to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// A backup tool.
    Peer(Peer),
    /// One archive of everything.
    TarZst,
    /// Nothing.
    None,
}

/// `bench-worker`: what `bench` runs in processes of its own, to measure them.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct BenchWorker {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Task {
    /// Store files.
    Store {
        /// How.
        #[arg(value_parser = codec)]
        codec: Codec,
        /// The number of the backup.
        number: u32,
        /// What.
        node: PathBuf,
        /// Where to.
        repository: PathBuf,
    },
    /// Restore files.
    Restore {
        /// How they are stored.
        #[arg(value_parser = codec)]
        codec: Codec,
        /// Where.
        repository: PathBuf,
        /// Where to.
        target: PathBuf,
    },
}

fn kind(text: &str) -> Result<SyntheticKind, String> {
    let known = || Kind::ALL.map(|(name, _)| name).join(", ");
    Kind::ALL.into_iter().find(|(name, _)| *name == text).ok_or_else(|| format!("there are {}", known()))
}

fn rival(text: &str) -> Result<Rival, String> {
    match text {
        "none" => Ok(Rival::None),
        "tar.zst" => Ok(Rival::TarZst),
        other => {
            let peer = Peer::ALL.into_iter().find(|peer| peer.program() == other);
            peer.map(Rival::Peer)
                .ok_or_else(|| "there are restic, borg, kopia, rustic, tar.zst, none".to_owned())
        }
    }
}

fn codec(text: &str) -> Result<Codec, String> {
    Codec::named(text).ok_or_else(|| "no such codec".to_owned())
}

fn price(text: &str) -> Result<Price, String> {
    let wrong = || format!("'{text}' is no price: give a number and a currency, like 0.02EUR");
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, currency) = text.split_at(split);
    let amount: f64 = number.parse().map_err(|_| wrong())?;
    let is_word = currency.chars().all(|letter| letter.is_alphabetic() || matches!(letter, '€' | '$' | '£'));
    if is_word { Ok(Price { amount, currency: currency.to_owned() }) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_a_number_and_perhaps_a_currency() {
        let shown = |text| price(text).map(|price| (price.amount, price.currency));
        assert_eq!(shown("0.02EUR"), Ok((0.02, "EUR".to_owned())));
        assert_eq!(shown("1"), Ok((1.0, String::new())));
        assert_eq!(shown("0.5€"), Ok((0.5, "€".to_owned())));
        for odd in ["", "EUR", "-1", "1,5", "0.1.2", "2EUR/GB", "1e3"] {
            assert!(price(odd).unwrap_err().contains("0.02EUR"), "{odd}");
        }
    }
}
