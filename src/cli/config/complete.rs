//! Completes what was typed by what is configured, as words in front of the parser: it checks both alike.

use crate::cli::args;
use crate::cli::config::error::Error;
use crate::cli::config::keys::{Section, command_of, flag};
use crate::cli::config::place::{CONFIG_VARIABLE, PROFILE_VARIABLE};
use crate::cli::config::settings::Effective;
use crate::cli::config::{Config, file, place};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;

/// Verbs that need no configuration: a broken one must not keep anybody from help.
const WITHOUT: [&str; 6] = ["help", "explain", "completions", "man", "demo", "schemas"];

/// Reads the configuration that fits what was typed, and adds the words that it stands for.
pub(in crate::cli) fn complete(mut typed: Vec<OsString>) -> Result<(Vec<OsString>, Config), Error> {
    let lenient = args::command().ignore_errors(true);
    let Ok(found) = lenient.try_get_matches_from(&typed) else { return Ok((typed, Config::default())) };
    let Some((verb, matches)) = found.subcommand() else { return Ok((typed, Config::default())) };
    if WITHOUT.contains(&verb) {
        return Ok((typed, Config::default()));
    }
    let config = load(matches)?;
    let words = words_for(&config, verb, matches)?;
    // Behind `--` there are no flags any more.
    let end = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
    typed.splice(end..end, words);
    Ok((typed, config))
}

fn load(matches: &ArgMatches) -> Result<Config, Error> {
    let named = matches.try_get_one::<PathBuf>("config").ok().flatten().cloned();
    let named = named
        .or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from))
        .filter(|path| !path.as_os_str().is_empty());
    let mut config = Config { looked_at: place::usual(), ..Config::default() };
    if let Some((path, text)) = place::read(named.as_deref())? {
        config.settings = file::read(&path, &text)?;
        config.path = Some(path);
    }
    let of_run = matches.try_get_one::<String>("run_profile").ok().flatten().cloned();
    // The parser reads the variable, too: an empty one names none. (An empty name that is typed is a mistake.)
    let is_meant = |name: &String| !name.is_empty() || is_typed(matches, "profile");
    let of_flag = matches.try_get_one::<String>("profile").ok().flatten().cloned().filter(is_meant);
    let of_environment = || std::env::var(PROFILE_VARIABLE).ok().filter(|name| !name.is_empty());
    config.profile = of_run.or(of_flag).or_else(of_environment);
    match &config.profile {
        Some(name) if !config.profiles().contains(&name.as_str()) => Err(Error::NoSuch {
            what: "profile",
            name: name.clone(),
            path: config.path.clone(),
            known: config.profiles().into_iter().map(str::to_owned).collect(),
        }),
        _ => Ok(config),
    }
}

/// The words for a verb, besides those typed.
fn words_for(config: &Config, verb: &str, matches: &ArgMatches) -> Result<Vec<OsString>, Error> {
    let mut words = of_section(config, &Section::Top, verb, matches)?;
    match verb {
        "backup" | "check-server" | "watch" => {
            // Without a source in the file the environment may name one.
            match source_of(config, matches)? {
                Some(name) => words.extend(of_source(config, &name, verb, matches)?),
                None => words.extend(of_section(config, &Section::Source(String::new()), verb, matches)?),
            }
            if verb == "watch" {
                words.extend(of_section(config, &Section::Watch, verb, matches)?);
            }
        }
        "drill" => words.extend(of_section(config, &Section::Drill, verb, matches)?),
        "forget" if !names_rules(matches) => {
            words.extend(of_section(config, &Section::Retention, verb, matches)?);
        }
        "prune" => words.extend(of_section(config, &Section::Prune, verb, matches)?),
        "status" => words.extend(of_section(config, &Section::Status, verb, matches)?),
        _ => {}
    }
    Ok(words)
}

/// Whether points, rules or a policy were typed.
fn names_rules(matches: &ArgMatches) -> bool {
    let command = command_of("forget");
    let ids = command.get_arguments().map(|arg| arg.get_id().as_str());
    let of_rules = |id: &str| id.starts_with("keep_") || ["points", "policy", "undo"].contains(&id);
    ids.filter(|id| of_rules(id)).any(|id| is_typed(matches, id))
}

/// The source that is meant: the one that was named, if the configuration has it, or the only one. None, if the place was typed.
fn source_of(config: &Config, matches: &ArgMatches) -> Result<Option<String>, Error> {
    let sources = config.sources();
    if let Ok(Some(named)) = matches.try_get_one::<String>("source") {
        return Ok(sources.contains(&named.as_str()).then(|| named.clone()));
    }
    if ["data_dir", "server", "properties"].iter().any(|id| is_typed(matches, id)) {
        return Ok(None);
    }
    match config.sources_of_profile().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        several => Err(Error::Sources(several.to_vec())),
    }
}

fn of_source(config: &Config, name: &str, verb: &str, matches: &ArgMatches) -> Result<Vec<OsString>, Error> {
    let mut words = of_section(config, &Section::Source(name.to_owned()), verb, matches)?;
    if !is_typed(matches, "source") && flag(&command_of(verb), "source").is_some() {
        words.push(OsString::from(format!("--source={name}")));
    }
    Ok(words)
}

fn of_section(
    config: &Config,
    section: &Section,
    verb: &str,
    matches: &ArgMatches,
) -> Result<Vec<OsString>, Error> {
    let configured = config.all_of(section);
    if configured.is_empty() {
        return Ok(Vec::new());
    }
    let command = full(verb);
    let mut words = Vec::new();
    for effective in configured {
        if is_wanted(&command, &effective, matches) {
            words.extend(checked(&command, verb, &effective)?);
        }
    }
    Ok(words)
}

/// A verb's command with the flags that mean the same everywhere.
pub(super) fn full(verb: &str) -> Command {
    let mut all = args::command();
    all.build();
    all.find_subcommand(verb).cloned().unwrap_or_default()
}

/// Not what was typed, nor what can't stand beside it.
fn is_wanted(command: &Command, effective: &Effective, matches: &ArgMatches) -> bool {
    let Some(arg) = flag(command, &effective.key) else { return false };
    let id = arg.get_id().as_str();
    let against = command.get_arguments().filter(|other| {
        command.get_arg_conflicts_with(arg).iter().any(|found| found.get_id() == other.get_id())
            || command.get_arg_conflicts_with(other).iter().any(|found| found.get_id() == arg.get_id())
    });
    !is_set(matches, id) && !against.into_iter().any(|other| is_typed(matches, other.get_id().as_str()))
}

fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).unwrap_or(false) && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// Typed, or set by a variable that the parser itself reads.
fn is_set(matches: &ArgMatches, id: &str) -> bool {
    let source = if matches.try_contains_id(id).unwrap_or(false) { matches.value_source(id) } else { None };
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// The words of a value, each of which its flag takes.
pub(super) fn checked(command: &Command, verb: &str, effective: &Effective) -> Result<Vec<OsString>, Error> {
    let words = effective.words(command)?;
    for word in &words {
        let line = [OsString::from("segvault"), OsString::from(verb), word.clone()];
        if let Err(error) = args::command().try_get_matches_from(line)
            && is_about_the_value(&error)
        {
            let text = error.render().to_string();
            let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(Error::Value {
                origin: effective.origin.to_string(),
                key: effective.key.clone(),
                why,
            });
        }
    }
    Ok(words)
}

fn is_about_the_value(error: &clap::Error) -> bool {
    use clap::error::ErrorKind::{
        InvalidUtf8, InvalidValue, TooManyValues, ValueValidation, WrongNumberOfValues,
    };
    matches!(error.kind(), InvalidUtf8 | InvalidValue | TooManyValues | ValueValidation | WrongNumberOfValues)
}

/// The line that does a step for one source, or for all: as if it had been typed.
pub(in crate::cli) fn lines_of(
    config: &Config,
    verb: &str,
    section: &Section,
    more: &[&str],
) -> Result<Vec<OsString>, Error> {
    let command = full(verb);
    let mut line: Vec<OsString> = ["segvault", verb].map(OsString::from).to_vec();
    for effective in config.all_of(section) {
        line.extend(checked(&command, verb, &effective)?);
    }
    line.extend(more.iter().map(OsString::from));
    Ok(line)
}
