//! The configuration, and what is wrong with it.

use crate::cli::config::{Effective, Remark};
use crate::cli::describe::one_line;
use crate::cli::render::style::{BAD, GOOD, PLAIN, Text, WARNING, lines, table};
use serde::Serialize;
use std::path::Path;

/// A configuration, as it counts.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Shown {
    /// The file; none if there is none.
    pub(in crate::cli) file: Option<String>,
    /// Where it is looked for, if none is named.
    pub(in crate::cli) looked_at: Vec<String>,
    /// The profile that counts.
    pub(in crate::cli) profile: Option<String>,
    /// All profiles.
    pub(in crate::cli) profiles: Vec<String>,
    /// Each value that is set.
    pub(in crate::cli) values: Vec<ShownValue>,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct ShownValue {
    /// Its table; empty before the first one.
    pub(in crate::cli) table: String,
    /// Its key.
    pub(in crate::cli) key: String,
    /// The value, in words; an address without its path.
    pub(in crate::cli) value: String,
    /// Where it comes from: file and line, the profile, a variable, the command line.
    pub(in crate::cli) origin: String,
}

impl ShownValue {
    pub(in crate::cli) fn of(effective: &Effective) -> Self {
        let title = effective.section.title();
        Self {
            table: if title.starts_with('[') { title } else { String::new() },
            key: effective.key.clone(),
            value: one_line(&effective.shown()),
            origin: effective.origin.to_string(),
        }
    }

    pub(in crate::cli) fn typed(key: &str, value: String) -> Self {
        let origin = "command line, or its environment".to_owned();
        Self { table: String::new(), key: key.to_owned(), value, origin }
    }
}

/// A table.
pub(in crate::cli) fn text(shown: &Shown) -> String {
    let mut text = Text::default();
    match &shown.file {
        Some(file) => text.line(&format!("configuration: {file}")),
        None => text.line(&format!("no configuration; looked for it at {}", shown.looked_at.join(" and "))),
    }
    if let Some(profile) = &shown.profile {
        text.line(&format!("profile: {profile}"));
    } else if !shown.profiles.is_empty() {
        text.line(&format!("no profile; there are: {}", shown.profiles.join(", ")));
    }
    if !shown.values.is_empty() {
        let mut rows = table(&["TABLE", "KEY", "VALUE", "FROM"]);
        for value in &shown.values {
            // The file stands above already.
            let origin = match &shown.file {
                Some(file) => value.origin.replace(&format!("{file}:"), "line "),
                None => value.origin.clone(),
            };
            rows.add_row([&value.table, &value.key, &value.value, &origin]);
        }
        text.lines(&lines(&rows));
    }
    text.finish()
}

/// What is wrong, or that nothing is.
pub(in crate::cli) fn checked(file: Option<&Path>, remarks: &[Remark]) -> String {
    let mut text = Text::default();
    for remark in remarks {
        let (style, word) = if remark.is_error { (BAD, "error") } else { (WARNING, "warning") };
        text.line(&format!("{style}{word}{PLAIN}: {}", one_line(&remark.text)));
    }
    match file {
        None => text.line("no configuration, nothing to check"),
        Some(file) if remarks.is_empty() => text.line(&format!("{GOOD}ok{PLAIN}: {}", file.display())),
        Some(_) => {}
    }
    text.finish()
}
