//! Which keys there are: the long names of the flags that they stand for.

use crate::cli::args;
use clap::{Arg, ArgAction, Command};

/// A table of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Section {
    /// Before the first table, and at the top of a profile.
    Top,
    /// `[source.NAME]`: what `backup` is told.
    Source(String),
    /// `[retention]`: the rules of `forget`.
    Retention,
    /// `[verification]`: what `run` verifies.
    Verification,
    /// `[prune]`.
    Prune,
    /// `[watch]`.
    Watch,
    /// `[drill]`.
    Drill,
    /// `[status]`: when to be alarmed.
    Status,
    /// `[hooks]`: commands and addresses around `run`.
    Hooks,
}

/// Flags of `backup` that are for one run, not for every day.
const NOT_EVERY_DAY: [&str; 4] = ["source", "new-incarnation", "reread", "accept-unordered"];
const TOP: [&str; 2] = ["repository", "wait"];
const PROFILE: [&str; 2] = ["sources", "steps"];
const HOOKS: [&str; 6] = ["before", "after", "on-failure", "timeout", "heartbeat", "heartbeat-failure"];
const VERIFICATION: [&str; 6] = ["data", "history", "since-last", "max-age", "max-duration", "percent"];

impl Section {
    /// The section that a table's name means, if it is no table of tables.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "retention" => Self::Retention,
            "verification" => Self::Verification,
            "prune" => Self::Prune,
            "watch" => Self::Watch,
            "drill" => Self::Drill,
            "status" => Self::Status,
            "hooks" => Self::Hooks,
            _ => return None,
        })
    }

    /// The names of all tables.
    pub(super) const NAMES: [&'static str; 9] =
        ["source", "profile", "retention", "verification", "prune", "watch", "drill", "status", "hooks"];

    /// The verb whose flags its keys are; none for those that are no flags.
    pub(super) fn verb(&self) -> Option<&'static str> {
        match self {
            Self::Top => Some("run"),
            Self::Source(_) => Some("backup"),
            Self::Retention => Some("forget"),
            Self::Verification => Some("verify"),
            Self::Prune => Some("prune"),
            Self::Watch => Some("watch"),
            Self::Drill => Some("drill"),
            Self::Status => Some("status"),
            Self::Hooks => None,
        }
    }

    /// As people call it.
    pub(in crate::cli) fn title(&self) -> String {
        match self {
            Self::Top => "the file itself".to_owned(),
            Self::Source(name) => format!("[source.{name}]"),
            Self::Retention => "[retention]".to_owned(),
            Self::Verification => "[verification]".to_owned(),
            Self::Prune => "[prune]".to_owned(),
            Self::Watch => "[watch]".to_owned(),
            Self::Drill => "[drill]".to_owned(),
            Self::Status => "[status]".to_owned(),
            Self::Hooks => "[hooks]".to_owned(),
        }
    }

    /// The keys that it may have.
    pub(in crate::cli) fn keys(&self, in_profile: bool) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Top if in_profile => [words(&TOP), words(&PROFILE)].concat(),
            Self::Top => words(&TOP),
            Self::Hooks => words(&HOOKS),
            Self::Verification => words(&VERIFICATION),
            Self::Retention => flags("forget", |name| name.starts_with("keep-")),
            Self::Watch => words(&["interval", "point-every"]),
            Self::Drill => words(&["scratch", "exec", "health-url", "time-limit", "random"]),
            Self::Prune => flags("prune", |_| true),
            Self::Status => flags("status", |name| !["nagios", "source"].contains(&name)),
            Self::Source(_) => flags("backup", |name| !NOT_EVERY_DAY.contains(&name)),
        }
    }
}

fn flags(verb: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let command = command_of(verb);
    let longs = command.get_arguments().filter(|arg| !arg.is_global_set()).filter_map(Arg::get_long);
    longs.filter(|name| *name != "help" && wanted(name)).map(str::to_owned).collect()
}

/// A verb's own command.
pub(in crate::cli) fn command_of(verb: &str) -> Command {
    args::command().find_subcommand(verb).cloned().unwrap_or_default()
}

/// The flag that a key stands for.
pub(super) fn flag<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(key))
}

/// Whether a flag is there or not, without a value.
pub(super) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count)
}

/// The key that looks most like a mistyped one.
pub(super) fn nearest<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let alike = |one: &&str| strsim::jaro_winkler(one, key);
    let best = known.into_iter().max_by(|one, other| alike(one).total_cmp(&alike(other)))?;
    (alike(&best) > 0.7).then(|| best.to_owned())
}
