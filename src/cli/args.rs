//! What was typed. The help texts here are also the man pages and the completions.

pub mod at;
mod bench;
mod copy;
pub mod cut;
pub mod diff;
mod effort;
mod erase;
pub mod events;
pub mod examples;
mod forget;
mod help;
mod hold;
mod profile;
mod prune;
mod recompress;
mod repair;
mod stats;
mod verify;
mod watch;

pub use crate::cli::args::bench::{Bench, BenchWorker, Rival, SyntheticKind, Task};
pub use crate::cli::args::copy::Copy;
pub use crate::cli::args::forget::{Forget, GroupBy, PolicyArgs, policy_words};
pub use crate::cli::args::help::{Explain, Help};
pub use crate::cli::args::hold::{Hold, HoldAdd, HoldRemove, HoldVerb};
pub use crate::cli::args::profile::{Config, ConfigVerb, RunProfile, Status};
pub use crate::cli::args::prune::Prune;
use crate::cli::duration;
use crate::cli::exit::Exit;
pub use crate::cli::place_args::PlaceArgs;
pub use crate::cli::server_args::{CheckServer, ServerArgs};
pub use crate::cli::storage_args::StorageArgs;
use crate::repo::format::parity::PERCENT_MAX;
use clap::{ArgAction, ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use effort::EffortArgs;
pub use erase::{DropHistory, Erase};
pub use recompress::Recompress;
pub use repair::{AddParity, GiveUp, Repair, RepairFrom, RepairWhat};
pub use stats::{By, Stats};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
pub use verify::Verify;
pub use watch::{Drill, Watch};

/// The environment variable that names the repository.
pub const REPOSITORY_VARIABLE: &str = "SEGVAULT_REPOSITORY";

/// Archives, restores and proves the history of an Axon Server
///
/// segvault keeps the control database, the event segments and the snapshot segments of Axon Server nodes in a local, deduplicated,
/// compressed repository, lists every moment that can be restored, restores it, and proves that it can.
#[derive(Clone, Debug, Parser, PartialEq)]
#[command(
    name = "segvault",
    version,
    max_term_width = 100,
    subcommand_required = true,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What means the same in every verb.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags that mean the same in every verb.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The repository's directory
    #[arg(short, long, global = true, value_name = "DIR", env = REPOSITORY_VARIABLE, hide_env_values = true, help_heading = "Everywhere")]
    pub repository: Option<PathBuf>,
    /// The configuration [default: the user's, then the machine's segvault/segvault.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SEGVAULT_CONFIG",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub config: Option<PathBuf>,
    /// The profile of the configuration that counts
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "SEGVAULT_PROFILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub profile: Option<String>,
    /// Print one JSON document instead of text; errors and warnings are JSON objects too
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Only say what would be done
    #[arg(short = 'n', long, global = true, help_heading = "Everywhere")]
    pub dry_run: bool,
    /// Print nothing but results, warnings and errors; twice: errors only
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub quiet: u8,
    /// Say more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Everywhere")]
    pub verbose: u8,
    /// Answer every question with yes
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub yes: bool,
    /// Wait so long for a lock that another segvault holds (30s, 5m, 1h)
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration::parse, help_heading = "Everywhere")]
    pub wait: Option<Duration>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Verb {
    /// Make a repository
    Init(Init),
    /// Make a restore point from a data directory, or from a live server
    Backup(Box<Backup>),
    /// List the restore points, and what can be restored
    Points(Points),
    /// Show one point: its segments, steps and findings
    Show(Show),
    /// Restore a point into an empty directory, from which the server starts
    Restore(Box<Restore>),
    /// Print events straight from the archive, without a restore
    Events(Box<events::Events>),
    /// Compare two points, or a point and a directory
    Diff(diff::Diff),
    /// Prove that everything in the repository is there and whole
    Verify(Verify),
    /// Say what the archive saves, and where its bytes are
    Stats(Stats),
    /// Measure what the archive would save on your data, beside other tools
    Bench(Box<Bench>),
    /// What `bench` runs in processes of its own
    #[command(hide = true)]
    BenchWorker(BenchWorker),
    /// Write old packs anew, smaller
    Recompress(Recompress),
    /// Keep points whatever a policy says
    Hold(Hold),
    /// Forget points by a policy, or by name; what they held of the history stays
    ///
    /// No rule forgets what is held, the newest point of each source, its newest complete one and its newest one with a control database. A point
    /// that is named goes, if it is not held.
    Forget(Box<Forget>),
    /// Delete what nothing needs any more: mark it first, delete it in a later run
    Prune(Prune),
    /// Copy points to another repository, without the source
    Copy(Copy),
    /// Erase old versions of transformed segments at once, everywhere in the repository
    Erase(Erase),
    /// Drop the oldest events of a context for good
    DropHistory(DropHistory),
    /// Try everything that a backup of a live server needs
    CheckServer(CheckServer),
    /// Mend what is damaged; nothing is deleted, and nothing is trusted but by its hash
    Repair(Repair),
    /// Show the whole round on real data: back up, list, restore, compare, verify
    Demo(Demo),
    /// Keep running: points, and what is new every few seconds between them
    Watch(Box<Watch>),
    /// Try a restore, prove it, start a command on it; it is remembered
    Drill(Box<Drill>),
    /// Answer "am I safe?" on one screen; for monitoring, too
    Status(Status),
    /// Do what a profile of the configuration says: back up, verify a share, forget, prune; one report
    Run(RunProfile),
    /// Show or check the configuration
    Config(Config),
    /// Explain an error by its id, and what to do about it
    Explain(Explain),
    /// Print help on a verb, the exit codes, or all errors
    Help(Help),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write one for each verb
    Man(Man),
}

/// `init`.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    /// Nothing is ever removed from it unless an operator says --allow-delete: not what backups supersede, not what is forgotten
    #[arg(long)]
    pub append_only: bool,
    /// Keep so much parity beside each pack (1% to 50%): damaged ranges of up to that size heal by themselves
    #[arg(long, value_name = "PERCENT", value_parser = parity)]
    pub parity: Option<u8>,
}

/// `3%`, or `3`.
pub(in crate::cli) fn parity(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>().ok();
    let allowed = number.filter(|number| (1..=PERCENT_MAX).contains(number));
    allowed.ok_or_else(|| format!("a share from 1% to {PERCENT_MAX}% is meant"))
}

/// In a repository that is append-only.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowDelete {
    /// Allow it in a repository that is append-only
    #[arg(long, global = true)]
    pub allow_delete: bool,
}

/// `backup`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(group(ArgGroup::new("captured").args(["control_db", "no_control_db", "server"]).required(true).multiple(true)))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that was typed or not")]
pub struct Backup {
    /// The directory that holds the contexts, or a server's root with data/ in it
    #[arg(long, value_name = "DIR", required_unless_present_any = ["server", "properties"])]
    pub data_dir: Option<PathBuf>,
    /// Where a stopped server, or a copy of one, has what
    #[command(flatten)]
    pub storage: StorageArgs,
    /// The live server that the data belongs to, and how to ask it
    #[command(flatten)]
    pub server: ServerArgs,
    /// The zip of the control database, or a directory of them: the newest that is not newer than the data is taken; or a stopped node's own
    /// .mv.db
    #[arg(long, value_name = "PATH", conflicts_with = "server")]
    pub control_db: Option<PathBuf>,
    /// Archive no control database; the point says so
    #[arg(long, conflicts_with = "control_db")]
    pub no_control_db: bool,
    /// Only this context (may be repeated); the point says what was left out
    #[arg(long = "context", value_name = "NAME")]
    pub contexts: Vec<String>,
    /// Not this context (may be repeated); the point says what was left out
    #[arg(long = "exclude-context", value_name = "NAME")]
    pub excluded: Vec<String>,
    /// Archive the history under this name [default: the node's name, or host name and path]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Remember a word with the point (may be repeated)
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
    /// Accept a history that shares nothing with what is archived under this name
    #[arg(long, conflicts_with = "no_fork")]
    pub new_incarnation: bool,
    /// Publish nothing if the history has forked
    #[arg(long)]
    pub no_fork: bool,
    /// Read all segments again, also those that look as they did
    #[arg(long)]
    pub reread: bool,
    /// Read sealed segments without mapping them into memory
    #[arg(long)]
    pub no_mmap: bool,
    /// Take a control database that is newer than the data; the point says so
    #[arg(long, conflicts_with = "no_control_db")]
    pub accept_unordered: bool,
    /// Publish nothing if the history has a gap
    #[arg(long)]
    pub strict: bool,
    /// How hard to compress, in how much memory
    #[command(flatten)]
    pub effort: EffortArgs,
    /// Archive index and bloom files, too; a server builds them at its start where they are missing
    #[arg(long)]
    pub with_indexes: bool,
}

/// `points`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// Only points of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only so many of the newest points of each source
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub last: Option<std::num::NonZeroUsize>,
    /// What a restore would give
    #[command(flatten)]
    pub at: at::At,
}

/// `show`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// The point: its number, the first digits of its hash, latest or latest~2
    #[arg(default_value = "latest")]
    pub point: String,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
}

/// `restore`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The point: its number, the first digits of its hash, latest or latest~2 [default: latest]
    #[arg(value_name = "POINT")]
    pub positional: Option<String>,
    /// The same; together with a cut: segments in the versions of then
    #[arg(long, value_name = "POINT", conflicts_with = "positional")]
    pub point: Option<String>,
    /// Where to: a directory that is not there, or empty
    #[arg(long, value_name = "DIR")]
    pub target: PathBuf,
    /// The directory may have another state of the history: what is equal stays untouched, only differences are written. Events that the archive
    /// has not go only with --yes
    #[arg(long, conflicts_with = "with_replication_log")]
    pub delta: bool,
    /// The source whose points are meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only this context (may be repeated)
    #[arg(long = "context", value_name = "NAME")]
    pub contexts: Vec<String>,
    /// Restore no control database
    #[arg(long)]
    pub no_control_db: bool,
    /// Also write the control database's zip, as the server wrote it: into this directory, or to this new file
    #[arg(long, value_name = "PATH")]
    pub control_db_zip: Option<PathBuf>,
    /// Where to cut
    #[command(flatten)]
    pub cut: cut::Cut,
    /// Where and whose the files are
    #[command(flatten)]
    pub place: PlaceArgs,
}

impl Restore {
    /// The point that was named.
    pub fn named_point(&self) -> Option<&str> {
        self.positional.as_deref().or(self.point.as_deref())
    }
}

/// `demo`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// Play it in this directory, which must be empty or not there, and leave everything there to look at
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `completions`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Completions {
    /// For which shell
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Man {
    /// Write one page for each verb into this directory
    pub directory: Option<PathBuf>,
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is no tag: give KEY=VALUE")),
    }
}

/// A reason is remembered, and shown to who asks why: an empty one is none.
fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("say why".to_owned()) } else { Ok(text.to_owned()) }
}

/// The command, as `--help`, man pages and completions need it.
pub fn command() -> clap::Command {
    examples::add_to(Cli::command()).after_long_help(format!("Exit codes:\n{}", exit_codes().trim_end()))
}

/// The exit codes, a line each.
pub fn exit_codes() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.meaning())).concat();
    format!("{codes}Unknown codes mean failure.\n")
}

/// Reads the arguments. The error is clap's: a usage error, or the help or version that was asked for.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(arguments)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    fn typed(line: &str) -> Result<Cli, ErrorKind> {
        let words = std::iter::once("segvault").chain(line.split(' ')).map(OsString::from);
        parse(words).map_err(|error| error.kind())
    }

    fn verb(line: &str) -> Verb {
        typed(line).unwrap().verb
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn a_backup_names_its_data_and_its_control_db() {
        let Verb::Backup(backup) =
            verb("backup --data-dir d --control-db z --tag a=b --tag c=d=e --context x --context y")
        else {
            panic!("another verb");
        };
        assert_eq!(backup.data_dir, Some(PathBuf::from("d")));
        assert_eq!(backup.control_db, Some(PathBuf::from("z")));
        let pairs = [("a", "b"), ("c", "d=e")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(backup.tags, pairs);
        assert_eq!(backup.contexts, ["x", "y"]);
        let Verb::Backup(backup) = verb("backup --data-dir d --no-control-db") else {
            panic!("another verb")
        };
        assert!(backup.no_control_db);
    }

    #[test]
    fn a_backup_says_where_the_control_db_comes_from_and_says_it_once() {
        assert_eq!(typed("backup --data-dir d"), Err(ErrorKind::MissingRequiredArgument));
        let unsaid = Cli::try_parse_from(["segvault", "backup", "--data-dir", "d"]).unwrap_err().to_string();
        assert!(unsaid.contains("<--control-db <PATH>|--no-control-db|--server <URL>>"), "{unsaid}");
        assert_eq!(typed("backup --no-control-db"), Err(ErrorKind::MissingRequiredArgument));
        assert_eq!(typed("watch --data-dir d"), Err(ErrorKind::MissingRequiredArgument));
        assert_eq!(
            typed("backup --data-dir d --control-db z --no-control-db"),
            Err(ErrorKind::ArgumentConflict)
        );
        assert_eq!(
            typed("backup --data-dir d --no-control-db --new-incarnation --no-fork"),
            Err(ErrorKind::ArgumentConflict)
        );
        assert_eq!(
            typed("backup --data-dir d --no-control-db --accept-unordered"),
            Err(ErrorKind::ArgumentConflict)
        );
        assert_eq!(typed("backup --data-dir d --no-control-db --tag =x"), Err(ErrorKind::ValueValidation));
    }

    #[test]
    fn global_flags_stand_before_or_behind_the_verb() {
        for line in
            ["-r repo --json -n -vv --yes --wait 5m points", "points -r repo --json -n -v -v --yes --wait 5m"]
        {
            let global = typed(line).unwrap().global;
            let expected = Global {
                repository: Some(PathBuf::from("repo")),
                config: None,
                profile: None,
                json: true,
                dry_run: true,
                quiet: 0,
                verbose: 2,
                yes: true,
                wait: Some(Duration::from_mins(5)),
            };
            assert_eq!(global, expected);
        }
        assert_eq!(typed("points -q -v"), Err(ErrorKind::ArgumentConflict));
        assert_eq!(typed("points --wait soon"), Err(ErrorKind::ValueValidation));
    }

    #[test]
    fn the_latest_point_is_meant_where_none_is_named() {
        let named = |line| {
            let Verb::Restore(asked) = verb(line) else { panic!("another verb") };
            asked.named_point().map(str::to_owned)
        };
        assert_eq!(named("restore --target t"), None);
        assert_eq!(named("restore 12 --target t").as_deref(), Some("12"));
        assert_eq!(named("restore --point 12 --target t").as_deref(), Some("12"));
        assert_eq!(typed("restore 12 --point 13 --target t"), Err(ErrorKind::ArgumentConflict));
        assert!(matches!(verb("show latest~2"), Verb::Show(Show { point, .. }) if point == "latest~2"));
        assert_eq!(typed("restore 12"), Err(ErrorKind::MissingRequiredArgument));
    }

    #[test]
    fn help_lists_every_exit_code() {
        let help = command().render_long_help().to_string();
        for exit in Exit::ALL {
            assert!(help.contains(&format!("{:>3}  ", exit.code())), "{exit:?}");
        }
    }
}
