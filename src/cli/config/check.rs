//! `config check`: all that can be told without doing anything.

use crate::cli::args::{self, Verb};
use crate::cli::config::Config;
use crate::cli::config::complete::{checked, full, lines_of};
use crate::cli::config::error::Error;
use crate::cli::config::file::Value;
use crate::cli::config::keys::Section;
use crate::cli::describe::chain;
use crate::cli::duration;
use crate::cli::render::first_paragraph;
use crate::repo::format::limits::NAME_MAX;
use crate::source::server;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// The steps of a run.
const STEPS: [&str; 4] = ["backup", "verify", "forget", "prune"];

/// Something that is wrong, or may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Remark {
    /// Whether it keeps the configuration from being used.
    pub(in crate::cli) is_error: bool,
    /// What is wrong, with file and line.
    pub(in crate::cli) text: String,
}

/// What is wrong with a configuration: in any profile.
pub(in crate::cli) fn check(config: &Config) -> Vec<Remark> {
    let mut remarks = of_one(config);
    for profile in config.profiles() {
        for remark in of_one(&Config { profile: Some(profile.to_owned()), ..config.clone() }) {
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
    }
    remarks
}

fn of_one(config: &Config) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for effective in config.everything() {
        let origin = effective.origin.to_string();
        let told = match (&effective.section, effective.section.verb()) {
            (Section::Top, _) if ["sources", "steps"].contains(&effective.key.as_str()) => {
                list(config, &effective.key, &effective.value)
            }
            (Section::Hooks, _) => hook(&effective.key, &effective.value),
            (_, Some(verb)) => checked(&full(verb), verb, &effective).err().map(|error| match error {
                Error::Value { why, .. } => why,
                other => chain(&other),
            }),
            _ => None,
        };
        remarks.extend(told.map(|why| error(&format!("{origin}: {}: {why}", effective.key))));
        remarks.extend(
            missing(&effective.key, &effective.value)
                .map(|path| warning(&format!("{origin}: {}: {path} is not there now", effective.key))),
        );
    }
    if remarks.iter().all(|remark| !remark.is_error) {
        remarks.extend(together(config));
    }
    remarks
}

/// Each value is right; but what is missing beside it, or can't stand there? As `run` would find it.
fn together(config: &Config) -> Vec<Remark> {
    let of_source = |name: String| ("backup", vec![format!("--source={name}")], Section::Source(name));
    let sources = config.sources().into_iter().map(|name| of_source(name.to_owned()));
    let others = [
        ("verify", Section::Verification),
        ("forget", Section::Retention),
        ("prune", Section::Prune),
        ("drill", Section::Drill),
        ("status", Section::Status),
    ];
    let others = others.into_iter().map(|(verb, section)| (verb, Vec::new(), section));
    let refused =
        sources.chain(others).filter_map(|(verb, more, section)| refused(config, verb, &more, &section));
    refused.chain(bad_names(config)).chain(without_anything(config)).collect()
}

/// No history can be archived under these names.
fn bad_names(config: &Config) -> impl Iterator<Item = Remark> {
    let sources = config.sources().into_iter().filter(|name| !(1..=NAME_MAX).contains(&name.len()));
    sources.map(|name| {
        let title = Section::Source(name.to_owned()).title();
        error(&format!("{title}: a source's name has 1 to {NAME_MAX} bytes, this one has {}", name.len()))
    })
}

/// Steps that have nothing to do it with.
fn without_anything(config: &Config) -> Vec<Remark> {
    let steps = config.steps();
    let has = |name: &str| steps.iter().any(|step| step == name);
    let mut remarks = Vec::new();
    // Without `steps` a configuration may be for other verbs than `run`.
    if has("backup") && config.sources_of_profile().is_empty() && config.one(&Section::Top, "steps").is_some()
    {
        remarks.push(error("steps: backup: there is no source: write one, [source.NAME]"));
    }
    if has("forget") && keeps_nothing(config) {
        let text = "[retention]: no rule keeps anything, and so nothing is forgotten: write one, like keep-daily = 7";
        remarks.push(error(text));
    }
    remarks
}

fn keeps_nothing(config: &Config) -> bool {
    let line = lines_of(config, "forget", &Section::Retention, &[]).ok();
    let parsed = line.and_then(|line| args::parse(line).ok());
    matches!(parsed.map(|cli| cli.verb), Some(Verb::Forget(asked)) if !asked.rules.keeps_anything())
}

fn refused(config: &Config, verb: &str, more: &[String], section: &Section) -> Option<Remark> {
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let line = lines_of(config, verb, section, &more).ok()?;
    let refused = args::parse(line).err()?.render().to_string();
    let why = first_paragraph(&refused);
    Some(error(&format!("{}: {}", section.title(), why.trim_start_matches("error: "))))
}

fn error(text: &str) -> Remark {
    Remark { is_error: true, text: text.to_owned() }
}

fn warning(text: &str) -> Remark {
    Remark { is_error: false, text: text.to_owned() }
}

fn list(config: &Config, key: &str, value: &Value) -> Option<String> {
    let Value::Many(names) = value else { return Some("give a list of names".to_owned()) };
    if names.is_empty() {
        return Some("nothing would be done: name at least one, or leave the key out".to_owned());
    }
    let sources = config.sources();
    let is_known = |name: &&String| {
        if key == "steps" { STEPS.contains(&name.as_str()) } else { sources.contains(&name.as_str()) }
    };
    let unknown = names.iter().find(|name| !is_known(name))?;
    Some(format!("there is no {} '{unknown}'", if key == "steps" { "step" } else { "source" }))
}

fn hook(key: &str, value: &Value) -> Option<String> {
    let Value::One(text) = value else { return Some("give one text".to_owned()) };
    match key {
        "timeout" => match duration::parse(text) {
            Ok(Duration::ZERO) => Some("give more than 0: every hook would be ended at once".to_owned()),
            other => other.err(),
        },
        "heartbeat" | "heartbeat-failure"
            if !text.starts_with("http://") && !text.starts_with("https://") =>
        {
            Some("give an address that begins with http:// or https://".to_owned())
        }
        "heartbeat" | "heartbeat-failure" => server::no_address(text),
        _ => None,
    }
}

/// A place that should be there, and is not (it may be mounted later).
fn missing(key: &str, value: &Value) -> Option<String> {
    let is_place = [
        "repository",
        "data-dir",
        "control-db",
        "properties",
        "token-file",
        "password-file",
        "ca-cert",
        "snapshots-dir",
    ];
    match value {
        Value::One(path) if is_place.contains(&key) && !Path::new(path).exists() => Some(path.clone()),
        _ => None,
    }
}
