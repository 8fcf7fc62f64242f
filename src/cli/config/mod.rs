//! `segvault.toml`: what need not be typed each time.
//!
//! A key of the file is the long name of the flag that it stands for: what can be typed can be written down, with the same words, and is checked by
//! the same parser. In rising order count: the file, the profile in it, the environment (`SEGVAULT_` and the key in capitals), flags.

mod check;
mod complete;
mod error;
mod file;
mod keys;
mod place;
mod settings;

pub(super) use check::{Remark, check};
pub(super) use complete::{complete, lines_of};
pub(super) use error::Error;
pub(super) use file::{Setting, Value};
pub(super) use keys::Section;
pub(super) use place::{CONFIG_VARIABLE, PROFILE_VARIABLE};
pub(super) use settings::Effective;

use std::path::PathBuf;

/// A configuration, read. Without a file it is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    /// The file; none if there is none.
    pub(super) path: Option<PathBuf>,
    /// Where it would have been looked for.
    pub(super) looked_at: Vec<PathBuf>,
    /// What it says, in the order of its lines.
    pub(super) settings: Vec<Setting>,
    /// The profile that counts.
    pub(super) profile: Option<String>,
}

impl Config {
    /// The names of the sources, in the order of the file.
    pub(super) fn sources(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for setting in &self.settings {
            if let Section::Source(name) = &setting.section
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    /// The names of the profiles.
    pub(super) fn profiles(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.settings.iter().filter_map(|setting| setting.profile.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The sources that the profile means: those it names, or all.
    pub(super) fn sources_of_profile(&self) -> Vec<String> {
        match self.one(&Section::Top, "sources") {
            Some(Effective { value: Value::Many(names), .. }) => names,
            Some(Effective { value: Value::One(name), .. }) => vec![name],
            _ => self.sources().into_iter().map(str::to_owned).collect(),
        }
    }

    /// The steps that are configured: what is said, or a backup and whatever has a table.
    pub(super) fn steps(&self) -> Vec<String> {
        if let Some(found) = self.one(&Section::Top, "steps") {
            return match found.value {
                Value::Many(names) => names,
                Value::One(name) => vec![name],
                Value::Flag(_) => Vec::new(),
            };
        }
        let tables =
            [("verify", Section::Verification), ("forget", Section::Retention), ("prune", Section::Prune)];
        let configured = tables.into_iter().filter(|(_, section)| self.has(section)).map(|(name, _)| name);
        std::iter::once("backup").chain(configured).map(str::to_owned).collect()
    }

    /// A text that is set.
    pub(super) fn text(&self, section: &Section, key: &str) -> Option<String> {
        match self.one(section, key)?.value {
            Value::One(text) => Some(text),
            Value::Flag(_) | Value::Many(_) => None,
        }
    }

    /// Whether anything is set in a section.
    fn has(&self, section: &Section) -> bool {
        self.settings.iter().any(|setting| &setting.section == section && self.counts(setting))
    }

    /// Whether a setting belongs to no profile, or to the one that counts.
    fn counts(&self, setting: &Setting) -> bool {
        setting.profile.is_none() || setting.profile == self.profile
    }
}
