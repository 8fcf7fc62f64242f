//! What is not as it should be. Pure.

use crate::engine::status::StatusOptions;
use crate::engine::status::report::{SourceStatus, Status};
use crate::engine::words::plural;
use crate::repo::format::moment::Moment;
use serde::Serialize;

/// A disk that is full so soon is worth a warning.
const SOON_FULL_DAYS: u64 = 14;

/// Clocks of two machines may be apart by so much: a point that is dated further in the future was made under a wrong clock, or ours is wrong.
const AHEAD_S: i64 = 10 * 60;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Ok,
    /// Look at this.
    Warning,
    /// History may be lost if something happens now.
    Critical,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Concern {
    /// How bad.
    pub level: Level,
    /// A stable word: `no-point`, `old-point`, `future-point`, `incomplete`, `gap`, `unreachable`, `unreadable`, `damaged`, `lost`,
    /// `not-verified`, `not-drilled`, `drill-failed`, `disk-full`, `put-aside`.
    pub what: &'static str,
    /// The source, if it concerns one.
    pub source: Option<String>,
    /// What is wrong.
    pub text: String,
}

/// When to be alarmed, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The newest complete point is older.
    pub max_age_ms: i64,
    /// Some pack was not read for so long.
    pub max_verify_age_ms: i64,
    /// No restore was tried for so long.
    pub max_drill_age_ms: i64,
}

fn no_point(options: &StatusOptions) -> String {
    let of = options.source.as_ref().map_or_else(String::new, |source| format!(" of the source '{source}'"));
    format!("there is no restore point{of}")
}

/// All concerns, the worst first.
pub(super) fn concerns(status: &Status, options: &StatusOptions) -> Vec<Concern> {
    let mut found = Vec::new();
    if status.sources.is_empty() {
        found.push(concern(Level::Critical, "no-point", None, no_point(options)));
    }
    for source in &status.sources {
        found.extend(of_source(source, options));
    }
    found.extend(of_repository(status, options));
    found.sort_by_key(|concern| std::cmp::Reverse(concern.level));
    found
}

fn concern(level: Level, what: &'static str, source: Option<&str>, text: String) -> Concern {
    Concern { level, what, source: source.map(str::to_owned), text }
}

fn of_source(source: &SourceStatus, options: &StatusOptions) -> Vec<Concern> {
    let name = source.source.as_str();
    let mut found = Vec::new();
    let mut say = |level, what, text: String| found.push(concern(level, what, Some(name), text));
    match source.last_complete {
        None if source.points == 0 => {
            say(Level::Critical, "no-point", format!("{name} has no restore point"));
        }
        None => say(Level::Critical, "no-point", format!("{name} has no complete restore point")),
        Some(last) if last.seconds.saturating_mul(1_000) >= options.limits.max_age_ms => {
            say(
                Level::Critical,
                "old-point",
                format!("the newest complete point of {name} is {} old", span(last.seconds)),
            );
        }
        Some(_) => {}
    }
    if let (Some(last), Some(why)) = (source.last_complete, &source.lacks) {
        say(
            Level::Critical,
            "lost",
            format!(
                "point {} of {name}, its newest complete one, can't be restored: {why}; see 'segvault verify'",
                last.point
            ),
        );
    }
    if let Some(last) = source.last.filter(|last| !last.complete) {
        say(
            Level::Warning,
            "incomplete",
            format!("point {} of {name}, its newest, is incomplete", last.point),
        );
    }
    if let Some(why) = &source.unreachable {
        say(Level::Warning, "unreachable", format!("{name} can't be looked at: {why}"));
    }
    for context in &source.contexts {
        for (store, log) in [("events", &context.events), ("snapshots", &context.snapshots)] {
            if log.gaps > 0 {
                let gaps = if log.gaps == 1 { "a gap".to_owned() } else { format!("{} gaps", log.gaps) };
                say(
                    Level::Warning,
                    "gap",
                    format!("the {store} of {} ({name}) have {gaps}", context.context),
                );
            }
        }
    }
    found.extend(ahead(source));
    found
}

/// The age of a point that is dated in the future says nothing, and would not for as long as it lies there.
fn ahead(source: &SourceStatus) -> Option<Concern> {
    let newest = [source.last_complete, source.last].into_iter().flatten();
    let ahead = newest.min_by_key(|age| age.seconds).filter(|age| age.seconds < -AHEAD_S)?;
    let text = format!(
        "point {} of {} is dated {} in the future: the clock was wrong when it was made, or is wrong now, and how old it is is not known",
        ahead.point,
        source.source,
        span(ahead.seconds.saturating_neg())
    );
    Some(concern(Level::Warning, "future-point", Some(&source.source), text))
}

fn of_repository(status: &Status, options: &StatusOptions) -> Vec<Concern> {
    let mut found = Vec::new();
    let mut say = |level, what, text: String| found.push(concern(level, what, None, text));
    for problem in &status.problems {
        say(Level::Critical, "unreadable", format!("{} can't be read: {}", problem.path, problem.why));
    }
    let verification = &status.verification;
    if verification.damaged_packs > 0 {
        let packs = plural(verification.damaged_packs, "pack");
        let are = if verification.damaged_packs == 1 { "is" } else { "are" };
        say(Level::Critical, "damaged", format!("{packs} {are} damaged; see 'segvault verify --data'"));
    }
    let age = |since: Option<Moment>| options.now.0.saturating_sub(since.unwrap_or(options.now).0);
    let is_whole = verification.verified_bytes == verification.bytes;
    let unread_since = if is_whole {
        verification.oldest
    } else {
        verification.oldest.min(status.first_point).or(status.first_point)
    };
    if age(unread_since) > options.limits.max_verify_age_ms {
        say(
            Level::Warning,
            "not-verified",
            format!(
                "some packs were not read for {}; 'segvault verify --data' reads them",
                span(age(unread_since) / 1_000)
            ),
        );
    }
    match status.drill {
        Some(drill) if !drill.passed => {
            say(
                Level::Critical,
                "drill-failed",
                format!("the last restore that was tried, of point {}, failed", drill.point),
            );
        }
        drill => {
            let since = drill.map(|drill| drill.at).or(status.first_point);
            if age(since) > options.limits.max_drill_age_ms {
                say(
                    Level::Warning,
                    "not-drilled",
                    format!("no restore was tried for {}; 'segvault drill' does", span(age(since) / 1_000)),
                );
            }
        }
    }
    if let Some(days) = status.repository.full_in_days.filter(|days| *days < SOON_FULL_DAYS) {
        say(
            Level::Warning,
            "disk-full",
            format!("the repository's disk is full in about {}", plural(days, "day")),
        );
    }
    found.extend(aside(status));
    found
}

/// Each was told once, perhaps to nobody, by the run that put it there.
fn aside(status: &Status) -> Option<Concern> {
    let files = status.repository.aside_files;
    let (lie, were) = if files == 1 { ("lies", "was") } else { ("lie", "were") };
    let text = format!(
        "{} {lie} in damaged/ that {were} damaged, and made again since, or given up: is the disk well? Once 'segvault verify --data' ends with 0, what lies there may \
         be removed by hand",
        plural(files, "file")
    );
    (files > 0).then(|| concern(Level::Warning, "put-aside", None, text))
}

/// `90 s`, `26 min`, `3 h`, `12 d`.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Limits, concerns};
    use crate::engine::status::report::{Age, DrillStatus, Size, SourceStatus, Status, Verification};
    use crate::engine::status::{ContextStatus, LogStatus, StatusOptions};
    use crate::repo::format::moment::Moment;
    use std::collections::BTreeMap;

    const DAY: i64 = 86_400_000;

    fn options() -> StatusOptions {
        StatusOptions {
            now: Moment(400 * DAY),
            source: None,
            limits: Limits { max_age_ms: DAY, max_verify_age_ms: 30 * DAY, max_drill_age_ms: 100 * DAY },
            heads: BTreeMap::new(),
            free: None,
            growth: false,
        }
    }

    fn good() -> Status {
        let now = options().now;
        let age = Some(Age { point: 3, at: Moment(now.0 - DAY / 2), seconds: 43_200, complete: true });
        let source = SourceStatus {
            source: "orders".to_owned(),
            points: 3,
            last: age,
            last_complete: age,
            lacks: None,
            unreachable: None,
            contexts: Vec::new(),
        };
        Status {
            at: now,
            level: Level::Ok,
            sources: vec![source],
            verification: Verification {
                last: Some(now),
                seconds: Some(0),
                oldest: Some(Moment(now.0 - DAY)),
                packs: 1,
                bytes: 10,
                verified_bytes: 10,
                damaged_packs: 0,
            },
            drill: Some(DrillStatus {
                point: 3,
                at: Moment(now.0 - DAY),
                seconds: 86_400,
                took_seconds: 1,
                passed: true,
            }),
            first_point: Some(Moment(0)),
            repository: Size {
                bytes: 1,
                files: 1,
                free: None,
                per_day: None,
                full_in_days: None,
                aside_files: 0,
            },
            holds: Vec::new(),
            concerns: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn words(change: impl FnOnce(&mut Status)) -> Vec<(Level, &'static str)> {
        let mut status = good();
        change(&mut status);
        concerns(&status, &options()).iter().map(|concern| (concern.level, concern.what)).collect()
    }

    #[test]
    fn all_is_well() {
        assert_eq!(words(|_| ()), []);
    }

    #[test]
    fn each_trouble_has_its_word_and_its_weight() {
        use Level::{Critical, Warning};
        assert_eq!(words(|s| s.sources.clear()), [(Critical, "no-point")]);
        assert_eq!(words(|s| s.sources[0].last_complete = None), [(Critical, "no-point")]);
        assert_eq!(
            words(|s| s.sources[0].last_complete.as_mut().unwrap().seconds = 90_000),
            [(Critical, "old-point")]
        );
        let ahead = |seconds: i64| {
            move |s: &mut Status| s.sources[0].last_complete.as_mut().unwrap().seconds = -seconds
        };
        assert_eq!(words(ahead(600)), [], "clocks are never quite the same");
        assert_eq!(words(ahead(601)), [(Warning, "future-point")]);
        assert_eq!(
            words(|s| s.sources[0].last.as_mut().unwrap().complete = false),
            [(Warning, "incomplete")]
        );
        assert_eq!(words(|s| s.sources[0].lacks = Some("x".into())), [(Critical, "lost")]);
        assert_eq!(words(|s| s.sources[0].unreachable = Some("x".into())), [(Warning, "unreachable")]);
        assert_eq!(words(|s| s.verification.damaged_packs = 1), [(Critical, "damaged")]);
        assert_eq!(words(|s| s.verification.oldest = Some(Moment(0))), [(Warning, "not-verified")]);
        assert_eq!(words(|s| s.verification.verified_bytes = 9), [(Warning, "not-verified")]);
        assert_eq!(words(|s| s.drill = None), [(Warning, "not-drilled")]);
        assert_eq!(words(|s| s.drill.as_mut().unwrap().passed = false), [(Critical, "drill-failed")]);
        assert_eq!(words(|s| s.repository.full_in_days = Some(3)), [(Warning, "disk-full")]);
        assert_eq!(words(|s| s.repository.aside_files = 2), [(Warning, "put-aside")]);
        let log = LogStatus {
            first: None,
            last: None,
            from: None,
            to: None,
            gaps: 0,
            source_head: None,
            behind: None,
        };
        let events = LogStatus { gaps: 2, ..log };
        let context = ContextStatus { context: "c".into(), incarnation: 1, events, snapshots: log };
        assert_eq!(words(|s| s.sources[0].contexts.push(context)), [(Warning, "gap")]);
    }
}
