//! The JSON schemas of all that `--json` prints, from the very types that are printed. They stand in `docs/schemas`; a test holds them to the
//! types, another one what the program prints to them.

use crate::cli::config::Remark;
use crate::cli::demo::Demo;
use crate::cli::explain::Explanation;
use crate::cli::progress::Standing;
use crate::cli::render::backup::BackupDocument;
use crate::cli::render::bench::BenchDocument;
use crate::cli::render::configured::Shown;
use crate::cli::render::drill::Drilled;
use crate::cli::render::profile::Ran;
use crate::cli::render::prune::Pruned;
use crate::cli::render::watch::Event;
use crate::engine::against::Against;
use crate::engine::bench::columns::Columns;
use crate::engine::bench::synthetic::Made;
use crate::engine::check_server::Check;
use crate::engine::copy::CopyReport;
use crate::engine::diff::Diff;
use crate::engine::drop_history::DropReport;
use crate::engine::erase::{EraseReport, Proof};
use crate::engine::points::{At, Overview, PointDetail};
use crate::engine::recompress::Recompressed;
use crate::engine::repair::{GivenUp, Marked, Mended, Protected};
use crate::engine::restore::{Plan, Restored};
use crate::engine::retention::{ForgetReport, Hold, HoldChange, Remembered};
use crate::engine::stats::Stats;
use crate::engine::status::Status;
use crate::engine::verify::Report;
use crate::repo::format::moment::Moment;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Set it to write the schemas anew, after a change that was meant.
const WRITE: &str = "SEGVAULT_WRITE_SCHEMAS";

/// A repository was made.
#[derive(JsonSchema)]
struct Init {
    /// Its directory.
    _repository: String,
    /// Its id; none in a dry run.
    _id: Option<String>,
}

/// Manual pages were written.
#[derive(JsonSchema)]
struct Man {
    /// Their paths.
    _files: Vec<String>,
}

/// All holds.
#[derive(JsonSchema)]
struct Holds {
    /// By point.
    _holds: Vec<Hold>,
}

/// What a backup of a live server needs.
#[derive(JsonSchema)]
struct CheckServer {
    /// The checks, in the order in which they were made.
    _checks: Vec<Check>,
}

/// The index was made anew.
#[derive(JsonSchema)]
struct RepairIndex {
    /// How many packs it knows.
    _packs: usize,
    /// Packs that can't be read, and why.
    _unreadable: Vec<String>,
    /// Whether nothing was done.
    _dry_run: bool,
}

/// A configuration was checked.
#[derive(JsonSchema)]
struct ConfigCheck {
    /// The file; none if there is none.
    _file: Option<String>,
    /// Whether it can be used.
    _good: bool,
    /// What is wrong, or may be.
    _remarks: Vec<Remark>,
}

/// The exit codes.
#[derive(JsonSchema)]
struct ExitCodes {
    /// By code.
    _exit_codes: Vec<ExitCode>,
}

/// An exit code.
#[derive(JsonSchema)]
struct ExitCode {
    /// The code.
    _code: u8,
    /// What it means.
    _meaning: String,
}

/// Data that was made.
#[derive(JsonSchema)]
struct BenchData {
    /// Where it is: a data directory like any other.
    _directory: String,
    /// The corpora in it.
    _made: Vec<Made>,
}

/// What a bench would measure.
#[derive(JsonSchema)]
struct BenchPlan {
    /// The tools.
    _tools: Vec<String>,
}

/// Errors, explained.
#[derive(JsonSchema)]
struct Errors {
    /// In the order of docs/errors.md.
    _errors: Vec<Explanation>,
}

/// Why a run ends: an object on a line of stderr.
#[derive(JsonSchema)]
struct ErrorLine {
    /// A stable word: see docs/errors.md.
    _id: String,
    /// What happened and why, in one line.
    _message: String,
    /// What to do; empty where the message says all.
    _hint: String,
    /// The code with which the run ends.
    _exit: u8,
}

/// Something that should be seen now: an object on a line of stderr.
#[derive(JsonSchema)]
struct WarningLine {
    /// One line.
    _message: String,
}

/// Events, streamed as one document.
#[derive(JsonSchema)]
#[expect(clippy::struct_field_names, reason = "they are the names of members")]
struct Events {
    /// The source.
    _source: String,
    /// The context.
    _context: String,
    /// The incarnation.
    _incarnation: u32,
    /// `events` or `snapshots`.
    _store: String,
    /// By rising token.
    _events: Vec<EventRow>,
    /// How many.
    _count: u64,
}

/// An event. One that can't be read has only its token and its bytes.
#[derive(JsonSchema)]
struct EventRow {
    /// Its token.
    _token: u64,
    /// The bytes of one that can't be read.
    _unreadable_base64: String,
    /// When it happened.
    _time: Moment,
    /// The same, milliseconds since 1970.
    _timestamp_ms: i64,
    /// Its message identifier.
    _id: String,
    /// Its payload type.
    _type: String,
    /// Its payload revision.
    _revision: String,
    /// What it carries beside its payload, by key.
    _metadata: BTreeMap<String, Value>,
    /// The type of its aggregate, if it has one.
    _aggregate_type: String,
    /// Its aggregate.
    _aggregate: String,
    /// Its sequence number.
    _sequence: i64,
    /// The payload, if it is text.
    _payload: String,
    /// The payload, if it is none.
    _payload_base64: String,
}

/// Of an event only its token is always there.
fn of_events() -> (String, Value) {
    let (kind, mut schema) = of::<Events>("events");
    schema["$defs"]["EventRow"]["required"] = json!(["token"]);
    (kind, schema)
}

/// A schema of a kind of document.
fn of<T: JsonSchema>(kind: &str) -> (String, Value) {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    without_defaults(&mut schema);
    let document = schema.as_object_mut().unwrap();
    document.insert("$id".to_owned(), format!("segvault.{kind}/1").into());
    document.insert("title".to_owned(), kind.into());
    let properties = object(document, "properties");
    *properties = std::mem::take(properties)
        .into_iter()
        .map(|(name, value)| (name.strip_prefix('_').map_or(name.clone(), str::to_owned), value))
        .collect();
    properties.insert("schema".to_owned(), json!({ "const": format!("segvault.{kind}/1") }));
    properties.insert("type".to_owned(), json!({ "const": kind }));
    let required = document.entry("required").or_insert_with(|| json!([])).as_array_mut().unwrap();
    required.extend(["schema".into(), "type".into()]);
    (kind.to_owned(), schema)
}

fn object<'a>(of: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    of.entry(name).or_insert_with(|| json!({})).as_object_mut().unwrap()
}

/// What only stands for "may be missing", and the names of fields that nobody reads in Rust.
fn without_defaults(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(without_defaults),
        Value::Object(members) => {
            members.remove("default");
            for (name, value) in members.iter_mut() {
                if name == "properties" {
                    let inner = std::mem::take(value.as_object_mut().unwrap());
                    *value = inner
                        .into_iter()
                        .map(|(name, value)| (name.trim_start_matches('_').to_owned(), value))
                        .collect::<Map<_, _>>()
                        .into();
                }
                if name == "required" {
                    for name in value.as_array_mut().unwrap() {
                        *name = name.as_str().unwrap().trim_start_matches('_').into();
                    }
                }
                without_defaults(value);
            }
        }
        _ => {}
    }
}

fn all() -> Vec<(String, Value)> {
    vec![
        of::<Init>("init"),
        of::<BackupDocument<'_>>("backup"),
        of::<Overview>("points"),
        of::<At>("points-at"),
        of::<PointDetail>("point"),
        of::<Plan>("restore-plan"),
        of::<Restored>("restore"),
        of::<Report>("verify"),
        of::<Against>("against"),
        of_events(),
        of::<Diff>("diff"),
        of::<Stats>("stats"),
        of::<BenchDocument<'_>>("bench"),
        of::<Columns>("bench-columns"),
        of::<BenchData>("bench-data"),
        of::<BenchPlan>("bench-plan"),
        of::<Recompressed>("recompress"),
        of::<HoldChange>("hold"),
        of::<Holds>("holds"),
        of::<ForgetReport>("forget"),
        of::<Remembered>("remember"),
        of::<Pruned<'_>>("prune"),
        of::<CopyReport>("copy"),
        of::<EraseReport>("erase"),
        of::<Proof>("erase-proof"),
        of::<DropReport>("drop-history"),
        of::<CheckServer>("check-server"),
        of::<RepairIndex>("repair-index"),
        of::<Mended>("repair"),
        of::<Marked>("repair-points"),
        of::<GivenUp>("repair-give-up"),
        of::<Protected>("repair-add-parity"),
        of::<Demo>("demo"),
        of::<Man>("man"),
        of::<Status>("status"),
        of::<Ran>("run"),
        of::<Shown>("config"),
        of::<ConfigCheck>("config-check"),
        of::<Event>("watch"),
        of::<Drilled>("drill"),
        of::<ExitCodes>("exit-codes"),
        of::<Errors>("errors"),
        of::<Standing>("progress"),
        of::<ErrorLine>("error"),
        of::<WarningLine>("warning"),
    ]
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    let write = std::env::var_os(WRITE).is_some();
    for (kind, schema) in all() {
        let path = directory().join(format!("{kind}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if write {
            fs::create_dir_all(directory()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert!(published == text, "{} is not up to date: run this test with {WRITE}=1", path.display());
    }
}

#[test]
fn every_document_that_is_printed_has_a_schema() {
    let known: Vec<String> = all().into_iter().map(|(kind, _)| kind).collect();
    let mut waiting = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/cli")];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        if path.ends_with("schemas.rs") {
            continue;
        }
        for call in [".result(", ".report("] {
            for rest in text.split(call).skip(1) {
                let Some(kind) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
                else {
                    continue;
                };
                seen += 1;
                assert!(known.iter().any(|name| name == kind), "{} prints '{kind}'", path.display());
            }
        }
    }
    assert!(seen > 25, "{seen}");
}
