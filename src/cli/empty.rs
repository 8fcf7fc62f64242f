//! Variables that are set and empty. The parser names the option that they stand for, which nobody typed.

use crate::cli::args::{self, REPOSITORY_VARIABLE};
use crate::cli::config::CONFIG_VARIABLE;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Option, its short form, and its variable.
const VARIABLES: [(&str, &str, &str); 2] =
    [("--repository", "-r", REPOSITORY_VARIABLE), ("--config", "--config", CONFIG_VARIABLE)];

/// The parser's error, naming the variable if that is what is wrong.
pub(super) fn named(error: clap::Error, typed: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return error };
    let is_typed = |option: &str, short: &str| {
        let starts = |word: &str| word.starts_with(option) || word.starts_with(short);
        typed.iter().any(|word| starts(&word.to_string_lossy()))
    };
    let is_empty = |variable: &str| std::env::var_os(variable).is_some_and(|value| value.is_empty());
    let found = VARIABLES.iter().find(|(option, short, variable)| {
        arg.starts_with(option) && !is_typed(option, short) && is_empty(variable)
    });
    match found {
        Some((_, _, variable)) if error.kind() == ErrorKind::InvalidValue => args::command().error(
            ErrorKind::InvalidValue,
            format!("a value is required for '{arg}', and {variable}, which stands for it, is empty"),
        ),
        _ => error,
    }
}
