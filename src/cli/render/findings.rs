//! Findings: what a reader of a point must know.

use crate::cli::describe::one_line;
use crate::cli::render::style::{self, Text};
use crate::repo::format::point::{Finding, Weight};

/// One line: its sentence, which says where.
pub(in crate::cli) fn line(finding: &Finding) -> String {
    one_line(&finding.text)
}

/// All of them, the weightiest first, each with its weight; empty if there are none.
pub(in crate::cli) fn list(findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    let line = |finding: &Finding| format!("  {} {}", weight(finding.weight), line(finding));
    sorted.into_iter().map(line).collect::<Text>().finish()
}

fn weight(weight: Weight) -> String {
    let plain = style::PLAIN;
    match weight {
        Weight::Note => "note:".to_owned(),
        Weight::Warning => format!("{}warning:{plain}", style::WARNING),
        Weight::Incomplete => format!("{}incomplete:{plain}", style::BAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(weight: Weight, text: &str) -> Finding {
        Finding {
            weight,
            what: "damage".to_owned(),
            context: Some("default".to_owned()),
            store: Some("events".to_owned()),
            file: None,
            offset: None,
            first: None,
            last: None,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_weightiest_comes_first() {
        let findings =
            [finding(Weight::Note, "nothing new"), finding(Weight::Incomplete, "x.events is damaged")];
        let text = anstream::adapter::strip_str(&list(&findings)).to_string();
        assert_eq!(text, "  incomplete: x.events is damaged\n  note: nothing new\n");
    }

    #[test]
    fn names_can_not_write_to_the_terminal() {
        assert!(!line(&finding(Weight::Note, "\x1b[2J is damaged")).contains('\x1b'));
    }
}
