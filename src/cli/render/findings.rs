//! Findings: what a reader of a point must know.

use crate::cli::describe::one_line;
use crate::cli::render::style::{self, Text};
use crate::repo::format::point::{Finding, Weight};

/// One line: `default events 00000000000000000406.events at 1024: text`.
pub(in crate::cli) fn line(finding: &Finding) -> String {
    let places = [&finding.context, &finding.store, &finding.file];
    let mut place = places.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    if let Some(offset) = finding.offset {
        place = format!("{place} at byte {offset}");
    }
    let place = place.trim();
    let text = if place.is_empty() { finding.text.clone() } else { format!("{place}: {}", finding.text) };
    one_line(&text)
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

    fn finding(weight: Weight, file: Option<&str>, offset: Option<u64>, text: &str) -> Finding {
        Finding {
            weight,
            what: "damage".to_owned(),
            context: Some("default".to_owned()),
            store: Some("events".to_owned()),
            file: file.map(str::to_owned),
            offset,
            first: None,
            last: None,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_weightiest_comes_first_and_each_says_where() {
        let findings = [
            finding(Weight::Note, None, None, "nothing new"),
            finding(Weight::Incomplete, Some("x.events"), Some(9), "its CRC-32 does not fit"),
        ];
        let text = anstream::adapter::strip_str(&list(&findings)).to_string();
        let expected = "  incomplete: default events x.events at byte 9: its CRC-32 does not fit\n  note: default events: nothing new\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn names_can_not_write_to_the_terminal() {
        assert!(!line(&finding(Weight::Note, Some("\x1b[2J"), None, "")).contains('\x1b'));
    }
}
