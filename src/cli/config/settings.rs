//! What counts: the environment before the profile, the profile before the file.

use crate::cli::config::Config;
use crate::cli::config::error::Error;
use crate::cli::config::file::{Setting, Value};
use crate::cli::config::keys::{Section, command_of, flag, is_switch};
use clap::Command;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Origin {
    /// A line of the file.
    File(PathBuf, usize),
    /// A line of the profile.
    Profile(String, PathBuf, usize),
    /// A variable.
    Environment(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Profile(name, path, line) => write!(f, "profile {name}, {}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment, {name}"),
        }
    }
}

/// A value that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Effective {
    /// Its table.
    pub(in crate::cli) section: Section,
    /// Its key.
    pub(in crate::cli) key: String,
    /// The value.
    pub(in crate::cli) value: Value,
    /// Where it comes from.
    pub(in crate::cli) origin: Origin,
}

/// The variable of a key.
pub(in crate::cli) fn variable(key: &str) -> String {
    format!("SEGVAULT_{}", key.to_uppercase().replace('-', "_"))
}

impl Config {
    /// The value of a key, if it is set.
    pub(in crate::cli) fn one(&self, section: &Section, key: &str) -> Option<Effective> {
        // Hooks are commands: what runs them reads the file alone. So are the lists of a profile.
        let has_variable = section.verb().is_some() && !["sources", "steps"].contains(&key);
        if has_variable && let Some(found) = of_environment(section, key) {
            return Some(found);
        }
        let all = self.settings.iter().filter(|setting| &setting.section == section && setting.key == key);
        let own = all.clone().find(|setting| setting.profile.is_some() && setting.profile == self.profile);
        let found = own.or_else(|| all.clone().find(|setting| setting.profile.is_none()))?;
        Some(self.effective(found))
    }

    fn effective(&self, setting: &Setting) -> Effective {
        let path = self.path.clone().unwrap_or_default();
        let origin = match &setting.profile {
            Some(profile) => Origin::Profile(profile.clone(), path, setting.line),
            None => Origin::File(path, setting.line),
        };
        let (section, key, value) = (setting.section.clone(), setting.key.clone(), setting.value.clone());
        Effective { section, key, value, origin }
    }

    /// All that counts in a section.
    pub(in crate::cli) fn all_of(&self, section: &Section) -> Vec<Effective> {
        section.keys(self.profile.is_some()).iter().filter_map(|key| self.one(section, key)).collect()
    }

    /// All that counts.
    pub(in crate::cli) fn everything(&self) -> Vec<Effective> {
        let sources = self.sources().into_iter().map(|name| Section::Source(name.to_owned()));
        let others = [
            Section::Retention,
            Section::Verification,
            Section::Prune,
            Section::Watch,
            Section::Drill,
            Section::Status,
            Section::Hooks,
        ];
        let sections = [Section::Top].into_iter().chain(sources).chain(others);
        sections.flat_map(|section| self.all_of(&section)).collect()
    }
}

fn of_environment(section: &Section, key: &str) -> Option<Effective> {
    let name = variable(key);
    // What is no text is not passed over: nothing is called like that, and that is said then.
    let text = std::env::var_os(&name)?.to_string_lossy().into_owned();
    if text.is_empty() {
        return None;
    }
    let value = match text.as_str() {
        "true" | "yes" | "1" if is_switch_key(section, key) => Value::Flag(true),
        "false" | "no" | "0" if is_switch_key(section, key) => Value::Flag(false),
        _ if text.contains('\n') => Value::Many(text.lines().map(str::to_owned).collect()),
        _ => Value::One(text),
    };
    Some(Effective {
        section: section.clone(),
        key: key.to_owned(),
        value,
        origin: Origin::Environment(name),
    })
}

fn is_switch_key(section: &Section, key: &str) -> bool {
    section.verb().is_some_and(|verb| flag(&command_of(verb), key).is_some_and(is_switch))
}

impl Effective {
    /// The words that say the same on the command line.
    pub(super) fn words(&self, command: &Command) -> Result<Vec<OsString>, Error> {
        let wrong = |why: &str| Error::Value {
            origin: self.origin.to_string(),
            key: self.key.clone(),
            why: why.to_owned(),
        };
        let Some(arg) = flag(command, &self.key) else { return Ok(Vec::new()) };
        let word = |text: &str| OsString::from(format!("--{}={text}", self.key));
        match (&self.value, is_switch(arg)) {
            (Value::Flag(false), true) => Ok(Vec::new()),
            (Value::Flag(true), true) => Ok(vec![OsString::from(format!("--{}", self.key))]),
            (_, true) => Err(wrong("give true or false")),
            (Value::One(text), false) => Ok(vec![word(text)]),
            (Value::Many(texts), false) if matches!(arg.get_action(), clap::ArgAction::Append) => {
                Ok(texts.iter().map(|text| word(text)).collect())
            }
            (Value::Many(_), false) => Err(wrong("give one value, not a list")),
            (Value::Flag(_), false) => Err(wrong("it takes a value, not true or false")),
        }
    }

    /// As it is shown. An address may hold a secret in its path: only where it leads is shown.
    pub(in crate::cli) fn shown(&self) -> String {
        match &self.value {
            Value::Flag(truth) => truth.to_string(),
            Value::One(text) if self.key.starts_with("heartbeat") => place_of(text),
            Value::One(text) => text.clone(),
            Value::Many(texts) => texts.join(", "),
        }
    }
}

/// Scheme and host of an address.
fn place_of(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "...".to_owned() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}/...", host.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        assert_eq!(place_of("https://user:pw@hc.example/uuid?x"), "https://hc.example/...");
        assert_eq!(place_of("nonsense"), "...");
    }
}
