//! Errors, explained.

use crate::cli::explain::Explanation;
use crate::cli::render::style::{HEAD, PLAIN, Text, lines, table};

/// Where lines are broken.
const WIDTH: usize = 100;

/// All ids, each with its code and its first sentence.
pub(in crate::cli) fn list(errors: &[Explanation]) -> String {
    let mut rows = table(&["ID", ">EXIT", "MEANING"]);
    for one in errors {
        let first = one.text.split_inclusive(". ").next().unwrap_or(&one.text);
        rows.add_row([one.id, &one.exit.to_string(), first.trim_end()]);
    }
    lines(&rows)
}

/// Each in full.
pub(in crate::cli) fn each(errors: &[Explanation]) -> String {
    let mut text = Text::default();
    for (at, one) in errors.iter().enumerate() {
        if at > 0 {
            text.line("");
        }
        text.line(&format!("{HEAD}{}{PLAIN}", one.id));
        text.line(&format!("exit code {}: {}", one.exit, one.exit_means));
        for line in wrapped(&one.text) {
            text.line(&line);
        }
    }
    text.finish()
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let room = lines.last().map_or(0, |line| line.chars().count());
        if room > 0 && room + 1 + word.chars().count() > WIDTH {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
