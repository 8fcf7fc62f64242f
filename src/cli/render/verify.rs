//! What a verification found.

use crate::cli::describe::one_line;
use crate::cli::render::style::{self, Text};
use crate::cli::render::tables::incarnation;
use crate::cli::render::units::{bytes, count, plural, points, time};
use crate::engine::verify::{Class, Counts, Coverage, Finding, GIVEN_UP, LogHistory, Report, Tokens};

/// So many points or runs of tokens are named for one finding; the JSON document names all.
const NAMED: usize = 8;

/// The report as people read it.
pub(in crate::cli) fn text(report: &Report) -> String {
    let mut text = Text::default();
    for finding in &report.findings {
        text.lines(&self::finding(finding));
    }
    text.line(&structure(&report.counts));
    if report.data {
        text.line(&data(&report.counts));
    }
    if let Some(coverage) = &report.coverage {
        text.line(&self::coverage(coverage, &report.counts));
    }
    for history in &report.histories {
        text.line(&self::history(history));
    }
    if report.counts.debris_files > 0 && report.point.is_none() {
        text.line(&debris(&report.counts));
    }
    if report.counts.aside_files > 0 && report.point.is_none() {
        text.line(&aside(&report.counts));
    }
    if let Some(act) = report.act {
        text.line(&format!(
            "act {act} names the damaged packs: the next backup stores again what it sees of them"
        ));
    }
    text.line(&verdict(report));
    text.finish()
}

/// One line, as a warning.
pub(in crate::cli) fn line(finding: &Finding) -> String {
    let place = finding.path.as_ref().map_or_else(String::new, |path| format!("{path}: "));
    one_line(&format!("{place}{}", finding.text))
}

fn finding(finding: &Finding) -> String {
    let plain = style::PLAIN;
    let class = match finding.class {
        Class::Note => "note:".to_owned(),
        Class::History => format!("{}history:{plain}", style::BAD),
        Class::Newer => format!("{}newer:{plain}", style::BAD),
        Class::Damage => format!("{}damage:{plain}", style::BAD),
    };
    let mut text = Text::default();
    text.line(&format!("{class} {}", line(finding)));
    if !finding.points.is_empty() {
        text.line(&format!("  not whole any more: {}", points(&finding.points, NAMED)));
    }
    if !finding.tokens.is_empty() {
        text.line(&format!("  tokens: {}", some(&finding.tokens, tokens)));
    }
    if !finding.advice.is_empty() {
        text.line(&format!("  what to do: {}", one_line(&finding.advice)));
    }
    text.finish()
}

fn tokens(tokens: &Tokens) -> String {
    let log = incarnation(&tokens.context, tokens.incarnation);
    format!("{}..{} of {log} {} ({})", tokens.first, tokens.last, tokens.store, one_line(&tokens.source))
}

/// The first of many, and how many there are more.
fn some<T>(all: &[T], text: impl Fn(&T) -> String) -> String {
    let mut words: Vec<_> = all.iter().take(NAMED).map(text).collect();
    if all.len() > NAMED {
        words.push(format!("and {} more", count((all.len() - NAMED) as u64)));
    }
    words.join(", ")
}

fn structure(counts: &Counts) -> String {
    let nouns = [
        (counts.points, "point"),
        (counts.acts, "act"),
        (counts.logs, "log"),
        (counts.records, "record"),
        (counts.pages, "page"),
        (counts.segments, "segment"),
        (counts.control_dbs, "control database"),
    ];
    let words = nouns.map(|(number, noun)| plural(number, noun)).join(", ");
    format!(
        "structure: {words}, {} with {} of {}",
        plural(counts.packs, "pack"),
        plural(counts.chunks, "chunk"),
        bytes(counts.pack_bytes)
    )
}

fn data(counts: &Counts) -> String {
    format!(
        "data: {} read, {} proven: {}, {}",
        bytes(counts.bytes_read),
        plural(counts.proven_segments, "segment"),
        plural(counts.proven_transactions, "transaction"),
        plural(counts.proven_events, "event"),
    )
}

fn coverage(coverage: &Coverage, counts: &Counts) -> String {
    let left = counts.packs.saturating_sub(coverage.packs);
    let read = format!("{} of {} packs read", count(coverage.packs), count(counts.packs));
    let oldest =
        coverage.oldest.map_or_else(String::new, |at| format!("; the others were read since {}", time(at.0)));
    match (left, coverage.never) {
        (0, _) => format!("{read}: all there are"),
        (_, 0) => format!("{read}{oldest}"),
        (_, never) => format!("{read}; {} were never read yet{oldest}", count(never)),
    }
}

fn history(history: &LogHistory) -> String {
    let log = incarnation(&history.context, history.incarnation);
    let nouns = [
        (history.events, "event"),
        (history.aggregates, "aggregate"),
        (history.without_aggregate, "event without an aggregate"),
        (history.snapshots, "snapshot"),
    ];
    let words = nouns.map(|(number, noun)| of(number, noun)).join(", ");
    format!("history of {log} ({}): {words}", one_line(&history.source))
}

fn of(number: u64, noun: &str) -> String {
    match noun.split_once(' ') {
        Some((first, rest)) if number != 1 => format!("{} {first}s {rest}", count(number)),
        _ => plural(number, noun),
    }
}

fn debris(counts: &Counts) -> String {
    let files = plural(counts.debris_files, "file");
    let are = if counts.debris_files == 1 { "is" } else { "are" };
    format!(
        "{files} of {} {are} needed by nothing that is published: superseded, or left by a run that was cut short; no damage",
        bytes(counts.debris_bytes)
    )
}

fn aside(counts: &Counts) -> String {
    let files = plural(counts.aside_files, "file");
    let (lie, they) = if counts.aside_files == 1 { ("lies", "it") } else { ("lie", "they") };
    format!(
        "{files} of {} {lie} in damaged/, put aside by a backup or a repair; {they} may be removed by hand once this ends with 0",
        bytes(counts.aside_bytes)
    )
}

/// What nobody waits for any more.
fn given_up(report: &Report) -> &'static str {
    let is_any = report.findings.iter().any(|finding| finding.what == GIVEN_UP);
    if is_any { ", but for what was given up" } else { "" }
}

fn verdict(report: &Report) -> String {
    let (good, bad, plain) = (style::GOOD, style::BAD, style::PLAIN);
    if let Some(point) = report.point.filter(|_| report.worst().is_none()) {
        let proven = if report.data { "is whole" } else { "has all its parts; prove each byte with --data" };
        return format!("{good}point {point} {proven}{plain}");
    }
    if report.coverage.is_some() && report.worst().is_none() {
        return format!("{good}everything is there, and what was read is whole{plain}{}", given_up(report));
    }
    match (report.worst(), report.data) {
        (None, true) => format!("{good}everything is there and whole{plain}{}", given_up(report)),
        (None, false) => {
            let but = given_up(report);
            format!("{good}everything is there{plain}{but}; prove each byte and the history too with --data")
        }
        (Some(Class::Newer), _) => {
            format!("{bad}not everything can be judged{plain}: a newer segvault wrote some of it")
        }
        (Some(_), _) => format!("{bad}not everything is whole{plain}: see above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(points: Vec<u64>) -> Finding {
        Finding {
            class: Class::Damage,
            what: "pack",
            path: Some("packs/ab/abcd".to_owned()),
            text: "its hash is another one".to_owned(),
            points,
            tokens: vec![Tokens {
                source: "node-1".to_owned(),
                context: "default".to_owned(),
                incarnation: 2,
                store: "events",
                first: 5,
                last: 9,
            }],
            advice: "run a backup".to_owned(),
        }
    }

    fn report(findings: Vec<Finding>, data: bool) -> Report {
        Report {
            data,
            point: None,
            coverage: None,
            histories: Vec::new(),
            findings,
            counts: Counts::default(),
            damaged_packs: Vec::new(),
            act: None,
            verified_act: None,
        }
    }

    fn printed(report: &Report) -> String {
        anstream::adapter::strip_str(&text(report)).to_string()
    }

    #[test]
    fn damage_says_what_it_means_and_what_to_do() {
        let text = printed(&report(vec![damage(vec![3, 4])], true));
        let expected = "\
damage: packs/ab/abcd: its hash is another one
  not whole any more: points 3, 4
  tokens: 5..9 of default@2 events (node-1)
  what to do: run a backup
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("not everything is whole: see above\n"), "{text}");
    }

    #[test]
    fn what_nothing_needs_is_no_damage() {
        let of = |debris_files| debris(&Counts { debris_files, debris_bytes: 2048, ..Counts::default() });
        let why =
            "needed by nothing that is published: superseded, or left by a run that was cut short; no damage";
        assert_eq!(of(1), format!("1 file of 2.00 KiB is {why}"));
        assert_eq!(of(2), format!("2 files of 2.00 KiB are {why}"));
    }

    #[test]
    fn many_points_are_counted() {
        assert!(
            printed(&report(vec![damage((1..=20).collect())], true))
                .contains("points 1, 2, 3, 4, 5, 6, 7, 8, and 12 more\n")
        );
    }

    #[test]
    fn without_data_nothing_is_promised_of_bytes() {
        assert!(printed(&report(Vec::new(), false)).contains("--data"));
        assert!(printed(&report(Vec::new(), true)).ends_with("everything is there and whole\n"));
    }
}
