//! Reads answers: what the server is, what it lists, how far it says it has come. Nothing in an answer is believed to be well-formed.

use crate::axon::name::FileKind;
use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::axon::name::classify;
use crate::axon::token::Token;
use crate::source::server::error::Error;
use crate::source::server::exchange::Answer;
use crate::source::server::path_map::ServerPath;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a server says of itself: `/v1/public/me`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The node's name.
    pub name: String,
    /// The contexts that it stores.
    pub contexts: BTreeSet<String>,
    /// Whether it asks who asks.
    pub authentication: bool,
    /// Whether it is a node of a cluster.
    pub clustered: bool,
}

impl Me {
    /// Reads it.
    pub fn read(answer: &Answer) -> Result<Self, Error> {
        let wrong = || answer.unexpected("JSON that names the node and its contexts");
        let value = json(answer).ok_or_else(wrong)?;
        let name = value.get("name").and_then(Value::as_str).ok_or_else(wrong)?.to_owned();
        let names = value.get("storageContextNames").and_then(Value::as_array).ok_or_else(wrong)?;
        let contexts = names.iter().map(context_name).collect::<Option<_>>().ok_or_else(wrong)?;
        let is = |key| value.get(key).and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { name, contexts, authentication: is("authentication"), clustered: is("clustered") })
    }
}

fn context_name(value: &Value) -> Option<String> {
    value.as_str().filter(|name| is_plain(name)).map(str::to_owned)
}

/// Whether the name of a context or group is one part of a path, and nothing that leads elsewhere.
pub fn is_plain(name: &str) -> bool {
    let is_one = !name.is_empty() && name.len() < 256 && !name.contains('/') && name != "." && name != "..";
    is_one && !name.chars().any(char::is_control)
}

/// A member of a JSON answer, found by the names on its way, if it is a text.
pub fn text_at(answer: &Answer, way: &[&str]) -> Option<String> {
    let value = json(answer)?;
    let found = way.iter().try_fold(&value, |value, name| value.get(name))?;
    found.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// No answer has more values: each takes far more room than the two bytes that it may be long.
const VALUES_MAX: usize = 1 << 20;

/// An answer as JSON; none if it is not, or has more values than any answer.
pub fn json(answer: &Answer) -> Option<Value> {
    let values = answer.body.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{'));
    let is_too_much = values.count() > VALUES_MAX;
    if is_too_much { None } else { serde_json::from_str(&answer.body).ok() }
}

/// The heads that a server says it has, by context and store; none for an empty store. What it does not say is not there.
pub type ClaimedHeads = BTreeMap<(String, Store), Option<Token>>;

/// Reads the heads out of `/actuator/health`, where the server gives them: it may have no such page, or not show it to us. A server that is
/// not well says so with 503, and tells its heads all the same.
pub fn heads(answer: &Answer) -> Result<ClaimedHeads, Error> {
    let value = match (answer.status, json(answer)) {
        (401 | 403 | 404 | 405, _) => return Ok(ClaimedHeads::new()),
        (200 | 503, Some(value)) => value,
        (200, None) => return Err(answer.unexpected("JSON that tells the server's health")),
        _ => answer.clone().success().and_then(|answer| Err(answer.unexpected("the server's health")))?,
    };
    // "details" instead of "components" before 4.5.
    let store = ["components", "details"].iter().find_map(|part| value.get(part)?.get("localEventStore"));
    let Some(details) = store.and_then(|store| store.get("details")?.as_object()) else {
        return Ok(ClaimedHeads::new());
    };
    let mut heads = ClaimedHeads::new();
    for (key, value) in details {
        let Some((context, store)) = head_key(key) else { continue };
        let head = value.as_i64().and_then(|number| head_of(number).ok());
        heads.insert(
            (context.to_owned(), store),
            head.ok_or_else(|| answer.unexpected("a token in every head"))?,
        );
    }
    Ok(heads)
}

fn head_key(key: &str) -> Option<(&str, Store)> {
    let events = key.strip_suffix(".lastEvent").map(|context| (context, Store::Events));
    events.or_else(|| key.strip_suffix(".lastSnapshot").map(|context| (context, Store::Snapshots)))
}

/// -1 says that the store is empty.
fn head_of(number: i64) -> Result<Option<Token>, NoToken> {
    match number {
        -1 => Ok(None),
        _ => u64::try_from(number).ok().and_then(Token::new).map(Some).ok_or(NoToken),
    }
}

/// A number that is no token, and not -1.
struct NoToken;

/// The listing of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The newest segment that is closed; none if there is none.
    pub last_closed: Option<Token>,
    /// Whether open segments are listed too. The older way to list leaves them out.
    pub lists_open: bool,
    /// The data files, each under all paths that were named, in their order.
    pub files: BTreeMap<SegmentName, Vec<ServerPath>>,
}

impl Listed {
    /// Reads `/v1/backup/eventstore`.
    pub fn read(answer: &Answer, store: Store) -> Result<Self, Error> {
        let wrong = || answer.unexpected("JSON with lastClosedSegment and filenames");
        let value = json(answer).ok_or_else(wrong)?;
        let last =
            value.get("lastClosedSegment").and_then(Value::as_i64).and_then(|number| head_of(number).ok());
        let names = value.get("filenames").and_then(Value::as_array).ok_or_else(wrong)?;
        let files = files(answer, names, store)?;
        Ok(Self { last_closed: last.ok_or_else(wrong)?, lists_open: true, files })
    }

    /// Reads `/v1/backup/filenames`: closed segments only.
    pub fn read_older(answer: &Answer, store: Store) -> Result<Self, Error> {
        let value = json(answer);
        let names = value.as_ref().and_then(Value::as_array);
        let names = names.ok_or_else(|| answer.unexpected("a JSON list of file names"))?;
        let files = files(answer, names, store)?;
        let last_closed = files.keys().next_back().map(|name| name.number);
        Ok(Self { last_closed, lists_open: false, files })
    }

    /// The numbers of all segments.
    pub fn numbers(&self) -> BTreeSet<Token> {
        self.files.keys().map(|name| name.number).collect()
    }
}

/// The data files among the names. Index files are left out: servers name some that are not there.
fn files(
    answer: &Answer,
    names: &[Value],
    store: Store,
) -> Result<BTreeMap<SegmentName, Vec<ServerPath>>, Error> {
    let mut files: BTreeMap<SegmentName, Vec<ServerPath>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for name in names {
        let path = name.as_str().and_then(ServerPath::parse);
        let path = path.ok_or_else(|| answer.unexpected("a list of absolute paths"))?;
        match classify(path.file_name().unwrap_or_default()) {
            FileKind::Data { store: other, name, .. } if other == store => {
                if known.insert(path.clone()) {
                    files.entry(name).or_default().push(path);
                }
            }
            FileKind::Data { .. } => return Err(answer.unexpected("the segments of one store")),
            FileKind::Misnamed => return Err(answer.unexpected("the names of segments")),
            FileKind::Index { .. } | FileKind::GlobalIndex | FileKind::InProgress | FileKind::Other => {}
        }
    }
    Ok(files)
}

/// The files of a replication log: a JSON list of absolute paths, each of a file that is named like one of a log. Once each.
pub fn log_files(answer: &Answer) -> Result<BTreeMap<String, ServerPath>, Error> {
    let wrong = || answer.unexpected("a JSON list of the files of a replication log");
    let value = json(answer).ok_or_else(wrong)?;
    let one = |name: &Value| {
        let path = ServerPath::parse(name.as_str()?)?;
        let file = path.file_name().filter(|file| is_log_file(file))?.to_owned();
        Some((file, path))
    };
    value.as_array().ok_or_else(wrong)?.iter().map(one).collect::<Option<_>>().ok_or_else(wrong)
}

/// `00000000000000000001.log`; versions before 4.5.18 had an index of it.
fn is_log_file(name: &str) -> bool {
    let stem = name.strip_suffix(".log").or_else(|| name.strip_suffix(".index"));
    stem.is_some_and(|stem| stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The path of a zip: one line, nothing around it but quotes.
pub fn zip_path(answer: &Answer) -> Result<ServerPath, Error> {
    let text = answer.body.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let path = ServerPath::parse(text);
    // What goes up is a path all the same, and refused for that.
    if path.is_none() && text.starts_with('/') && text.split('/').any(|part| part == "..") {
        return Err(Error::ZipRefused { named: one_line(text), why: "its path goes up ('..')".to_owned() });
    }
    let is_zip =
        |path: &ServerPath| path.file_name().is_some_and(|name| name.to_ascii_lowercase().ends_with(".zip"));
    path.filter(is_zip).ok_or_else(|| answer.unexpected("the path of a zip"))
}

fn one_line(text: &str) -> String {
    text.chars().take(256).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The transformations of a context: `id status`, joined; empty if there are none. None if the answer is none.
pub fn transformations(answer: &Answer) -> Option<Vec<(String, String)>> {
    let value = json(answer).filter(|_| answer.status == 200)?;
    let text = |item: &Value, key: &str| match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "unknown".to_owned(),
    };
    Some(value.as_array()?.iter().map(|item| (text(item, "id"), text(item, "status"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        let (body, said) = (body.to_owned(), body.to_owned());
        let request = "GET x".to_owned();
        Answer { request, status: 200, code: None, location: None, server_ms: None, body, said }
    }

    fn token(number: u64) -> Token {
        Token::new(number).unwrap()
    }

    #[test]
    fn a_listing_is_read_in_both_path_forms_and_without_its_index_files() {
        let body = r#"{"lastClosedSegment":0,"filenames":["/a/data/default/00000000000000000203.events",
            "/a/./data/default/00000000000000000000.bloom","/a/./data/default/00000000000000000000.events",
            "/a/data/default/00000000000000000000.events","/a/data/default/00000000000000000000_00001.events"]}"#;
        let listed = Listed::read(&answer(body), Store::Events).unwrap();
        assert_eq!((listed.last_closed, listed.lists_open), (Some(Token::ZERO), true));
        let names: Vec<_> =
            listed.files.iter().map(|(name, paths)| (name.to_string(), paths.len())).collect();
        assert_eq!(names, [("0".to_owned(), 1), ("0_1".to_owned(), 1), ("203".to_owned(), 1)]);
    }

    #[test]
    fn one_segment_under_very_many_paths_is_soon_read() {
        let paths: Vec<String> = (0..100_000).map(|n| format!("/{n}/{:020}.events", 0)).collect();
        let body = serde_json::to_string(&[paths.clone(), paths].concat()).unwrap();
        let listed = Listed::read_older(&answer(&body), Store::Events).unwrap();
        let counts: Vec<usize> = listed.files.values().map(Vec::len).collect();
        assert_eq!(counts, [100_000]);
    }

    #[test]
    fn what_takes_far_more_room_than_its_bytes_is_no_answer() {
        let of = |count: usize| json(&answer(&format!("[{}0]", "0,".repeat(count))));
        assert!(of(VALUES_MAX - 1).is_some() && of(VALUES_MAX).is_none());
    }

    #[test]
    fn the_older_listing_tells_the_last_closed_one_by_its_names() {
        let listed =
            Listed::read_older(&answer(r#"["/d/00000000000000000007.snapshots"]"#), Store::Snapshots)
                .unwrap();
        assert_eq!((listed.last_closed, listed.lists_open), (Some(token(7)), false));
        assert_eq!(Listed::read_older(&answer("[]"), Store::Events).unwrap().last_closed, None);
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        let odd = [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"lastClosedSegment":-2,"filenames":[]}"#,
            r#"{"lastClosedSegment":"0","filenames":[]}"#,
            r#"{"lastClosedSegment":0}"#,
            r#"{"lastClosedSegment":0,"filenames":[7]}"#,
            r#"{"lastClosedSegment":0,"filenames":["data/00000000000000000000.events"]}"#,
            r#"{"lastClosedSegment":0,"filenames":["/data/../00000000000000000000.events"]}"#,
            r#"{"lastClosedSegment":0,"filenames":["/data/00000000000000000000.snapshots"]}"#,
            r#"{"lastClosedSegment":0,"filenames":["/data/copy.events"]}"#,
        ];
        for body in odd {
            assert!(
                matches!(Listed::read(&answer(body), Store::Events), Err(Error::Unexpected { .. })),
                "{body}"
            );
        }
    }

    #[test]
    fn heads_are_read_wherever_the_server_gives_them() {
        let details =
            r#"{"localEventStore":{"details":{"a.b.lastEvent":7,"a.b.lastSnapshot":-1,"a.b.waiting":0}}}"#;
        for part in ["components", "details"] {
            let heads = heads(&answer(&format!("{{\"status\":\"UP\",\"{part}\":{details}}}"))).unwrap();
            assert_eq!(heads[&("a.b".to_owned(), Store::Events)], Some(token(7)));
            assert_eq!(heads[&("a.b".to_owned(), Store::Snapshots)], None);
        }
        assert!(heads(&answer(r#"{"status":"UP"}"#)).unwrap().is_empty());
        let lie = r#"{"components":{"localEventStore":{"details":{"a.lastEvent":-7}}}}"#;
        assert!(matches!(heads(&answer(lie)), Err(Error::Unexpected { .. })));
    }

    #[test]
    fn heads_that_are_not_told_are_none_and_what_is_no_health_is_refused() {
        let of = |status: u16, body: &str| heads(&Answer { status, ..answer(body) });
        for status in [401, 403, 404, 405] {
            assert!(of(status, "<html>").unwrap().is_empty(), "{status}");
        }
        let down = r#"{"status":"DOWN","components":{"localEventStore":{"details":{"a.lastEvent":7}}}}"#;
        assert_eq!(of(503, down).unwrap().len(), 1, "not well, and told all the same");
        assert!(matches!(of(200, "<html>"), Err(Error::Unexpected { .. })));
        assert!(matches!(of(302, ""), Err(Error::Redirect { .. })));
        for status in [204, 500, 503] {
            assert!(matches!(of(status, "<html>"), Err(Error::Status { .. })), "{status}");
        }
        assert!(matches!(of(500, down), Err(Error::Status { .. })));
    }

    #[test]
    fn a_context_s_name_leads_nowhere_else() {
        let me =
            |name: &str| Me::read(&answer(&format!(r#"{{"name":"n","storageContextNames":["{name}"]}}"#)));
        assert!(me("default").unwrap().contexts.contains("default"));
        for name in ["", ".", "..", "../x", "a/b", "a\\u0000b"] {
            assert!(matches!(me(name), Err(Error::Unexpected { .. })), "{name}");
        }
    }

    #[test]
    fn a_replication_log_is_made_of_log_files() {
        let one = "/axonserver/./log/_admin/00000000000000000001.log";
        let files = log_files(&answer(&format!(r#"["{one}","{one}"]"#))).unwrap();
        let named: Vec<_> = files.iter().map(|(name, path)| format!("{name} {path}")).collect();
        assert_eq!(named, ["00000000000000000001.log /axonserver/log/_admin/00000000000000000001.log"]);
        assert!(log_files(&answer("[]")).unwrap().is_empty());
        for body in [
            "",
            "{}",
            "<html>",
            "[7]",
            r#"["/etc/shadow"]"#,
            r#"["/log/../00000000000000000001.log"]"#,
            r#"["/log/1.log"]"#,
        ] {
            assert!(matches!(log_files(&answer(body)), Err(Error::Unexpected { .. })), "{body}");
        }
    }

    #[test]
    fn a_path_is_a_path() {
        let path = |body: &str| zip_path(&answer(body));
        for body in ["/a/./controldb1.zip", "\"/a/controldb1.zip\"", "/a/controldb1.zip\r\n"] {
            assert_eq!(path(body).unwrap().to_string(), "/a/controldb1.zip");
        }
        for body in [
            "",
            "{\"path\":\"/a/controldb1.zip\"}",
            "<html>/a.zip",
            "controldb1.zip",
            "/a\n/b.zip",
            "/etc/passwd",
        ] {
            assert!(matches!(path(body), Err(Error::Unexpected { .. })), "{body}");
        }
        assert!(matches!(path("/a/../../b.zip"), Err(Error::ZipRefused { .. })));
    }
}
