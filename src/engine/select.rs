//! How a user names a point: `12`, a unique prefix of its hash, `latest`, `latest~2`.
//!
//! A name fits exactly one point or fails; nothing is guessed. Forgotten points are found by number or hash alone, never by `latest`;
//! incomplete ones are found by all. A point that can't be read may be the one that is meant: an older one never stands in for it.

use crate::engine::words::plural;
use crate::repo::store::{Journal, ListedPoint, Unreadable};
use std::collections::BTreeSet;

/// The shortest prefix of a hash that names a point.
pub const PREFIX_MIN: usize = 4;

/// Why a name fits no point. All of these are errors of usage (exit 2), but the last two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not one of the forms.
    #[error(
        "'{name}' names no point: give a number, at least {PREFIX_MIN} digits of its hash, 'latest' or 'latest~N'"
    )]
    Malformed {
        /// What was given.
        name: String,
    },
    /// There are no points at all.
    #[error("there is no point yet")]
    NoPoints,
    /// All that could be meant are forgotten.
    #[error("there is no point{}: all are forgotten", of(.source_name.as_ref()))]
    AllForgotten {
        /// The source, if one was given.
        source_name: Option<String>,
    },
    /// No point of that number or hash.
    #[error("there is no point {name}")]
    NoSuchPoint {
        /// What was given.
        name: String,
    },
    /// `latest~N` goes back further than there are points.
    #[error("only {} can be chosen from, {name} goes back further", plural(*.listed as u64, "point"))]
    TooFarBack {
        /// What was given.
        name: String,
        /// How many points are listed (of the source, if one was given).
        listed: usize,
    },
    /// Several points begin with that hash.
    #[error("{name} fits the points {}", numbers(.fitting))]
    Ambiguous {
        /// What was given.
        name: String,
        /// The numbers of the points that fit.
        fitting: Vec<u64>,
    },
    /// Several sources have points: one has to be chosen.
    #[error("{name} fits several sources, choose one with --source: {}", .sources.join(", "))]
    Sources {
        /// What was given.
        name: String,
        /// The sources.
        sources: Vec<String>,
    },
    /// No point of that source.
    #[error("there is no point of the source '{source_name}'; there are: {}", .sources.join(", "))]
    NoSuchSource {
        /// What was given.
        source_name: String,
        /// The sources that have points.
        sources: Vec<String>,
    },
    /// The point is there, but of another source than the one that was given.
    #[error("point {number} is one of the source '{is_of}', not of '{source_name}'")]
    OtherSource {
        /// The point.
        number: u64,
        /// Its source.
        is_of: String,
        /// What was given.
        source_name: String,
    },
    /// A point that can't be read may be the one that is meant (exit 20).
    #[error("{path} can't be read, and may be the point that is meant: {why}")]
    Unreadable {
        /// Its file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The same, of one that a newer program wrote (exit 13).
    #[error("{path} can't be read by this program, and may be the point that is meant: {why}")]
    Newer {
        /// Its file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

fn of(source: Option<&String>) -> String {
    source.map_or_else(String::new, |name| format!(" of the source '{name}'"))
}

fn numbers(of: &[u64]) -> String {
    of.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// What a user wrote.
enum Form<'a> {
    /// The newest but so many.
    Latest(usize),
    /// Digits only: a number, or else a prefix of a hash.
    Digits(Option<u64>, &'a str),
    /// A prefix of a hash.
    Prefix(&'a str),
}

/// Finds the point that `name` names among those of `source` (of all, without one).
pub fn point<'j>(journal: &'j Journal, name: &str, source: Option<&str>) -> Result<&'j ListedPoint, Error> {
    if let Some(source_name) = source {
        self::source(journal, source_name)?;
    }
    match form(name)? {
        Form::Latest(back) => latest(journal, name, back, source),
        Form::Digits(number, text) => {
            if let Some(found) = number.and_then(|number| numbered(journal, number)) {
                return of_source(found, source);
            }
            let is_it = |(first, last)| number.is_some_and(|number| (first..=last).contains(&number));
            no_unreadable(journal, is_it)?;
            prefixed(journal, text, source)
        }
        Form::Prefix(text) => prefixed(journal, text, source),
    }
}

fn form(name: &str) -> Result<Form<'_>, Error> {
    if let Some(rest) = name.strip_prefix("latest") {
        return back(rest).map(Form::Latest).ok_or_else(|| malformed(name));
    }
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Form::Digits(name.parse().ok(), name));
    }
    let is_hash = name.len() >= PREFIX_MIN && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hash { Ok(Form::Prefix(name)) } else { Err(malformed(name)) }
}

fn malformed(name: &str) -> Error {
    Error::Malformed { name: name.to_owned() }
}

/// What stands behind `latest`: nothing, or `~` and a number.
fn back(rest: &str) -> Option<usize> {
    if rest.is_empty() {
        return Some(0);
    }
    let digits = rest.strip_prefix('~')?;
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Fails if there is a point that can't be read and may be the one that is meant, by its number: what source it is of is not known, nor is its
/// hash. Numbers that are missing count, too: those were points.
fn no_unreadable(journal: &Journal, may_be_meant: impl Fn((u64, u64)) -> bool) -> Result<(), Error> {
    let is_it = |file: &&Unreadable| file.points.is_some_and(&may_be_meant);
    let newest = journal.unreadable.iter().filter(is_it).max_by_key(|file| file.points);
    newest.map_or(Ok(()), |Unreadable { path, why, is_newer, .. }| {
        let (path, why) = (path.clone(), why.clone());
        Err(if *is_newer { Error::Newer { path, why } } else { Error::Unreadable { path, why } })
    })
}

/// Fails if a source has no points.
pub fn source(journal: &Journal, source_name: &str) -> Result<(), Error> {
    if journal.points.iter().any(|listed| listed.point.body.source == source_name) {
        return Ok(());
    }
    no_unreadable(journal, |_| true)?;
    let sources = sources(journal.points.iter());
    if sources.is_empty() {
        return Err(Error::NoPoints);
    }
    Err(Error::NoSuchSource { source_name: source_name.to_owned(), sources })
}

/// Fails if a source has no points that are listed.
pub fn listed_source(journal: &Journal, source_name: &str) -> Result<(), Error> {
    source(journal, source_name)?;
    let is_of = |listed: &ListedPoint| listed.point.body.source == source_name;
    if journal.listed().any(is_of) { Ok(()) } else { Err(none(journal, Some(source_name))) }
}

fn sources<'j>(points: impl Iterator<Item = &'j ListedPoint>) -> Vec<String> {
    points.map(|listed| listed.point.body.source.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn latest<'j>(
    journal: &'j Journal,
    name: &str,
    back: usize,
    source: Option<&str>,
) -> Result<&'j ListedPoint, Error> {
    let eligible: Vec<_> = journal
        .listed()
        .filter(|listed| source.is_none_or(|wanted| listed.point.body.source == wanted))
        .collect();
    let sources = sources(eligible.iter().copied());
    if sources.len() > 1 {
        return Err(Error::Sources { name: name.to_owned(), sources });
    }
    let (listed, found) = (eligible.len(), eligible.into_iter().rev().nth(back));
    let chosen = found.map_or(0, |found| found.point.number);
    no_unreadable(journal, |(_, last)| last > chosen)?;
    if listed == 0 {
        return Err(none(journal, source));
    }
    found.ok_or_else(|| Error::TooFarBack { name: name.to_owned(), listed })
}

/// Forgotten points can be listed again: that has to be said.
fn none(journal: &Journal, source: Option<&str>) -> Error {
    let is_of = |listed: &ListedPoint| source.is_none_or(|wanted| listed.point.body.source == wanted);
    if journal.points.iter().any(is_of) {
        return Error::AllForgotten { source_name: source.map(str::to_owned) };
    }
    Error::NoPoints
}

fn numbered(journal: &Journal, number: u64) -> Option<&ListedPoint> {
    journal.points.iter().find(|listed| listed.point.number == number)
}

fn prefixed<'j>(journal: &'j Journal, text: &str, source: Option<&str>) -> Result<&'j ListedPoint, Error> {
    let none = || Error::NoSuchPoint { name: text.to_owned() };
    if text.len() < PREFIX_MIN {
        return Err(none());
    }
    let none = || no_unreadable(journal, |_| true).err().unwrap_or_else(none);
    let prefix = text.to_ascii_lowercase();
    let mut fitting = journal
        .points
        .iter()
        .filter(|listed| listed.hash.to_string().starts_with(&prefix))
        .collect::<Vec<_>>();
    let found = fitting.pop().ok_or_else(none)?;
    if fitting.is_empty() {
        return of_source(found, source);
    }
    let fitting = fitting.into_iter().chain([found]).map(|listed| listed.point.number).collect();
    Err(Error::Ambiguous { name: text.to_owned(), fitting })
}

fn of_source<'j>(found: &'j ListedPoint, source: Option<&str>) -> Result<&'j ListedPoint, Error> {
    let is_of = &found.point.body.source;
    match source {
        Some(wanted) if wanted != is_of => Err(Error::OtherSource {
            number: found.point.number,
            is_of: is_of.clone(),
            source_name: wanted.to_owned(),
        }),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, point};
    use crate::repo::format::id::FileHash;
    use crate::repo::format::moment::Moment;
    use crate::repo::format::point::{ControlDb, Order, Point, PointBody};
    use crate::repo::store::{Journal, ListedPoint, Unreadable};
    use std::collections::BTreeMap;

    fn listed(number: u64, source: &str, hash: [u8; 2]) -> ListedPoint {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&hash);
        let body = PointBody {
            program: "segvault".into(),
            source: source.into(),
            at: Moment(0),
            tags: BTreeMap::new(),
            order: Order::None,
            unordered: false,
            complete: true,
            steps: vec![],
            facts: BTreeMap::new(),
            control_db: ControlDb::Absent { reason: "none".into() },
            contexts: BTreeMap::new(),
            files: vec![],
            left_out: vec![],
            findings: vec![],
        };
        let point = Point {
            kind: "segvault.point".into(),
            version: 1,
            number,
            previous: None,
            repository: String::new(),
            body,
        };
        let hash = FileHash(bytes);
        ListedPoint { point, hash, forgotten: false, held: None, marked_incomplete: None }
    }

    fn journal(points: Vec<ListedPoint>) -> Journal {
        Journal { points, ..Journal::default() }
    }

    fn three() -> Journal {
        journal(vec![
            listed(1, "a", [0xab, 0x01]),
            listed(2, "a", [0xab, 0x02]),
            listed(12, "a", [0x12, 0x34]),
        ])
    }

    fn number(journal: &Journal, name: &str) -> Result<u64, Error> {
        point(journal, name, None).map(|found| found.point.number)
    }

    #[test]
    fn a_number_a_prefix_and_latest_name_points() {
        let journal = three();
        assert_eq!(number(&journal, "12"), Ok(12));
        assert_eq!(number(&journal, "012"), Ok(12));
        assert_eq!(number(&journal, "ab01"), Ok(1));
        assert_eq!(number(&journal, "AB02"), Ok(2));
        assert_eq!(number(&journal, "latest"), Ok(12));
        assert_eq!(number(&journal, "latest~0"), Ok(12));
        assert_eq!(number(&journal, "latest~2"), Ok(1));
    }

    #[test]
    fn digits_are_a_number_first_and_a_prefix_only_where_no_point_has_that_number() {
        let mut journal = three();
        assert_eq!(number(&journal, "1234"), Ok(12));
        journal.points.push(listed(1234, "a", [0xff, 0xff]));
        assert_eq!(number(&journal, "1234"), Ok(1234));
        assert_eq!(number(&journal, "12340"), Ok(12), "no point has that number, one has that hash");
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let journal = three();
        let twins = self::journal(vec![listed(1, "a", [0xab, 0xcd]), listed(2, "a", [0xab, 0xcd])]);
        let name = |text: &str| text.to_owned();
        assert_eq!(number(&twins, "abcd"), Err(Error::Ambiguous { name: name("abcd"), fitting: vec![1, 2] }));
        assert_eq!(number(&journal, "ab"), Err(Error::Malformed { name: name("ab") }));
        assert_eq!(number(&journal, ""), Err(Error::Malformed { name: name("") }));
        for odd in ["latest~", "latest~x", "latest~+1", "latest2", "-1", "1.5", "xyzw"] {
            assert_eq!(number(&journal, odd), Err(Error::Malformed { name: name(odd) }), "{odd}");
        }
        assert_eq!(number(&journal, "7"), Err(Error::NoSuchPoint { name: name("7") }));
        assert_eq!(
            number(&journal, "99999999999999999999999"),
            Err(Error::NoSuchPoint { name: name("99999999999999999999999") })
        );
        assert_eq!(
            number(&journal, "latest~3"),
            Err(Error::TooFarBack { name: name("latest~3"), listed: 3 })
        );
        assert_eq!(number(&Journal::default(), "latest"), Err(Error::NoPoints));
    }

    #[test]
    fn latest_wants_one_source_and_a_filter_is_believed() {
        let mut journal = three();
        journal.points.push(listed(13, "b", [0xcc, 0x00]));
        let sources = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            number(&journal, "latest"),
            Err(Error::Sources { name: "latest".into(), sources: sources.clone() })
        );
        let of = |name, source| point(&journal, name, Some(source)).map(|found| found.point.number);
        assert_eq!(of("latest", "a"), Ok(12));
        assert_eq!(of("latest", "b"), Ok(13));
        assert_eq!(of("latest", "c"), Err(Error::NoSuchSource { source_name: "c".into(), sources }));
        let other = Error::OtherSource { number: 13, is_of: "b".into(), source_name: "a".into() };
        assert_eq!(of("13", "a"), Err(other));
        assert_eq!(number(&journal, "13"), Ok(13), "a number is unique over all sources");
    }

    fn unreadable(points: Option<(u64, u64)>, is_newer: bool) -> Unreadable {
        let (path, why) = ("points/13.json".to_owned(), "cut off".to_owned());
        Unreadable { path, why, points, numbers: points.unwrap_or_default(), is_newer }
    }

    #[test]
    fn no_older_point_stands_in_for_one_that_can_not_be_read() {
        let mut journal = three();
        let refused = Err(Error::Unreadable { path: "points/13.json".into(), why: "cut off".into() });
        journal.unreadable.push(unreadable(Some((13, 14)), false));
        for name in ["latest", "latest~1", "latest~7", "13", "14", "013", "ffff"] {
            assert_eq!(number(&journal, name), refused, "{name}");
        }
        for (name, found) in [("12", 12), ("1", 1), ("ab02", 2), ("1234", 12)] {
            assert_eq!(number(&journal, name), Ok(found), "{name}");
        }
        assert_eq!(number(&journal, "15"), Err(Error::NoSuchPoint { name: "15".into() }));
        let of = |name, source| point(&journal, name, Some(source)).map(|found| found.point.number);
        assert_eq!([of("latest", "a"), of("latest", "c")], [refused.clone(), refused.clone()]);
        journal.points.clear();
        assert_eq!(number(&journal, "latest"), refused, "it is not true that there is none");
        journal.unreadable = vec![unreadable(Some((13, 13)), true)];
        assert!(matches!(number(&journal, "latest"), Err(Error::Newer { .. })));
    }

    #[test]
    fn what_is_older_than_the_point_or_is_none_is_in_nobodys_way() {
        let mut journal = three();
        journal.unreadable = vec![unreadable(Some((3, 11)), false), unreadable(None, false)];
        assert_eq!(number(&journal, "latest"), Ok(12));
        assert!(matches!(number(&journal, "latest~1"), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn forgotten_points_are_not_the_latest_but_can_be_named() {
        let mut journal = three();
        journal.points[2].forgotten = true;
        assert_eq!(number(&journal, "latest"), Ok(2));
        assert_eq!(number(&journal, "12"), Ok(12));
        journal.points.iter_mut().for_each(|listed| listed.forgotten = true);
        assert_eq!(number(&journal, "latest"), Err(Error::AllForgotten { source_name: None }));
        journal.points.push(listed(13, "b", [0xcc, 0x00]));
        let of_a = point(&journal, "latest", Some("a")).map(|found| found.point.number);
        assert_eq!(of_a, Err(Error::AllForgotten { source_name: Some("a".into()) }));
    }
}
