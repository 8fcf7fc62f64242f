//! What each error means, in full: `docs/errors.md` is the one place where that stands, and is part of the program.

use crate::cli::exit::Exit;
use serde::Serialize;

const DOCUMENT: &str = include_str!("../../docs/errors.md");

/// An error, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Explanation {
    /// Its stable id.
    pub(super) id: &'static str,
    /// The code with which it ends a run.
    pub(super) exit: u8,
    /// What that code means.
    pub(super) exit_means: &'static str,
    /// What happened, what it means, and what to do.
    pub(super) text: String,
}

/// All of them, in the order of the document.
pub(super) fn all() -> Vec<Explanation> {
    DOCUMENT.split("\n### ").skip(1).filter_map(read).collect()
}

/// Those that fit: the one with that id, or all whose id begins with it and a dot.
pub(super) fn find(id: &str) -> Vec<Explanation> {
    let of_group = |found: &str| found.strip_prefix(id).is_some_and(|rest| rest.starts_with('.'));
    all().into_iter().filter(|one| one.id == id || of_group(one.id)).collect()
}

/// The id that looks most like a mistyped one.
pub(super) fn nearest(id: &str) -> Option<&'static str> {
    let alike = |one: &Explanation| strsim::jaro_winkler(one.id, id);
    let best = all().into_iter().max_by(|one, other| alike(one).total_cmp(&alike(other)))?;
    (alike(&best) > 0.75).then_some(best.id)
}

/// Reads a section: `` `id` (code) ``, then its text up to the next heading.
fn read(section: &'static str) -> Option<Explanation> {
    let (head, body) = section.split_once('\n')?;
    let (id, code) = head.strip_prefix('`')?.split_once("` (")?;
    let code: u8 = code.strip_suffix(')')?.parse().ok()?;
    let exit = Exit::ALL.into_iter().find(|exit| exit.code() == code)?;
    let body = body.split("\n## ").next()?;
    let text = body.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Explanation { id, exit: code, exit_means: exit.meaning(), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// What the program's own text says: ids, and the name of the exit that stands before them, if one does.
    fn written() -> BTreeMap<&'static str, Option<&'static str>> {
        let sources = [
            include_str!("describe.rs"),
            include_str!("describe_bench.rs"),
            include_str!("describe_retention.rs"),
            include_str!("describe_server.rs"),
            include_str!("failure.rs"),
            include_str!("bus.rs"),
        ];
        let mut found = BTreeMap::new();
        for source in sources {
            let source = source.split("#[cfg(test)]").next().unwrap();
            let parts: Vec<&str> = source.split('"').collect();
            for (at, text) in parts.iter().enumerate().skip(1).step_by(2) {
                let before = parts[at - 1].trim_end();
                let is_id = text.contains('.')
                    && text
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-')
                    && !text.starts_with(['.', '-']);
                if is_id {
                    let exit = before.strip_suffix(',').and_then(|text| text.rsplit("Exit::").next());
                    let exit = exit.filter(|name| name.chars().all(char::is_alphanumeric));
                    found.insert(*text, exit);
                }
            }
        }
        found
    }

    #[test]
    fn every_error_is_explained_with_its_own_exit_code() {
        let written = written();
        assert!(written.len() > 80, "{}", written.len());
        let explained: BTreeMap<_, _> = all().into_iter().map(|one| (one.id, one)).collect();
        for (id, exit) in &written {
            let one = explained.get(id).unwrap_or_else(|| panic!("docs/errors.md does not explain {id}"));
            if let Some(exit) = exit {
                let code = Exit::ALL.into_iter().find(|one| format!("{one:?}") == **exit).unwrap().code();
                assert_eq!(one.exit, code, "{id}");
            }
        }
        for id in explained.keys().filter(|id| id.contains('.')) {
            assert!(written.contains_key(id), "docs/errors.md explains {id}, which is no error");
        }
    }

    #[test]
    fn each_is_explained_once_in_whole_sentences() {
        let all = all();
        assert_eq!(all.len(), DOCUMENT.matches("\n### ").count(), "each heading is read");
        for one in &all {
            assert_eq!(find(one.id).iter().filter(|other| other.id == one.id).count(), 1, "{}", one.id);
            assert!(one.text.len() > 20 && one.text.ends_with(['.', '?']), "{}: {}", one.id, one.text);
        }
    }

    #[test]
    fn a_group_is_found_and_a_mistake_is_guessed() {
        assert!(find("backup").len() > 5 && find("back").is_empty());
        assert_eq!(find("repository.locked")[0].exit, 11);
        assert_eq!(nearest("repository.lockd"), Some("repository.locked"));
        assert_eq!(nearest("zzz"), None);
    }
}
