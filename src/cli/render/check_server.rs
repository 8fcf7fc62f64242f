//! What `check-server` found: one line for each check, with what to do.

use crate::cli::describe;
use crate::cli::describe::{chain, one_line};
use crate::cli::render::style;
use crate::engine::check_server::{Check, State};

/// The check, with what the error of a failed one means.
pub(in crate::cli) fn advised(check: Check) -> Check {
    match &check.error {
        Some(error) => {
            let (text, advice) = (chain(error), describe::engine(error).hint.to_owned());
            Check { text, advice, ..check }
        }
        None => check,
    }
}

/// As people read it.
pub(in crate::cli) fn text(checks: &[Check]) -> String {
    checks.iter().map(line).collect()
}

fn line(check: &Check) -> String {
    let (style, word) = match check.state {
        State::Ok => (style::GOOD, "ok  "),
        State::Warn => (style::WARNING, "warn"),
        State::Fail => (style::BAD, "fail"),
    };
    let plain = style::PLAIN;
    let advice = if check.advice.is_empty() { String::new() } else { format!(": {}", check.advice) };
    format!("{style}{word}{plain}  {:<11} {}\n", check.name, one_line(&format!("{}{advice}", check.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::source::server;

    #[test]
    fn a_failure_says_what_to_do() {
        let error = server::Error::Unauthorized { request: "GET x".to_owned() };
        let error = engine::Error::Source(error.into());
        let (name, state) = ("server", State::Fail);
        let check =
            advised(Check { name, state, text: String::new(), advice: String::new(), error: Some(error) });
        let text = anstream::adapter::strip_str(&text(&[check])).to_string();
        assert!(
            text.starts_with(
                "fail  server      GET x: the server wants to know who asks (401): give a token"
            ),
            "{text}"
        );
    }
}
