//! Events as they stream past: as lines, as one JSON document, as comma-separated values.

use crate::axon::event::{Event, MetadataValue, SerializedObject, metadata};
use crate::axon::name::Store;
use crate::cli::describe::one_line;
use crate::cli::failure::Failure;
use crate::engine::events::{EventSink, Origin};
use crate::repo::format::moment::Moment;
use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::GeneralPurpose;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Stdout, Write};
use std::ops::ControlFlow::{self, Break, Continue};

/// How they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// A line each.
    Text,
    /// One document, written as it goes.
    Json,
    /// A line each, with a head line.
    Csv,
}

/// What a line has none of.
const BREAKS: [char; 3] = ['\n', '\r', '\t'];

const COLUMNS: &str =
    "token,time,aggregate_type,aggregate,sequence,id,type,revision,payload,payload_base64,metadata";

/// Prints each event when it comes; nothing is held.
pub(in crate::cli) struct Printer {
    out: BufWriter<Stdout>,
    form: Form,
    store: Store,
    count: u64,
    failed: Option<io::Error>,
}

impl Printer {
    /// Nothing is printed yet.
    pub(in crate::cli) fn new(form: Form, store: Store) -> Self {
        Self { out: BufWriter::new(io::stdout()), form, store, count: 0, failed: None }
    }

    /// The end of the document. Whoever reads stdout may have closed it: that is no failure.
    pub(in crate::cli) fn finish(mut self) -> Result<(), Failure> {
        if self.failed.is_none() {
            let end = if self.form == Form::Json {
                format!("],\"count\":{}}}\n", self.count)
            } else {
                String::new()
            };
            self.failed = self.out.write_all(end.as_bytes()).and_then(|()| self.out.flush()).err();
        }
        match self.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
            _ => Ok(()),
        }
    }

    fn put(&mut self, write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>) -> ControlFlow<()> {
        match write(&mut self.out) {
            Ok(()) => Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Break(())
            }
        }
    }
}

impl EventSink for Printer {
    fn begin(&mut self, origin: &Origin) {
        let head = match self.form {
            Form::Text => String::new(),
            Form::Csv => format!("{COLUMNS}\n"),
            Form::Json => {
                let Origin { source, context, incarnation } = origin;
                let head = json!({
                    "schema": "segvault.events/1", "type": "events", "source": source, "context": context,
                    "incarnation": incarnation, "store": self.store.as_str(),
                });
                format!("{},\"events\":[", head.to_string().trim_end_matches('}'))
            }
        };
        // A failure here shows itself again with the first event, or at the end.
        let _ = self.put(|out| out.write_all(head.as_bytes()));
    }

    fn event(&mut self, token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> ControlFlow<()> {
        self.count += 1;
        let (form, is_first) = (self.form, self.count == 1);
        self.put(|out| match form {
            Form::Text => line(out, token, bytes, event),
            Form::Csv => csv(out, token, bytes, event),
            Form::Json => {
                out.write_all(if is_first { b"\n" } else { b",\n" })?;
                object(out, token, bytes, event)
            }
        })
    }
}

/// Text, or none where it is none: not UTF-8, or with control characters that no text has.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains(is_odd))
}

/// Bytes in base 64, as they are written: no second copy of them is made, since an event may be large.
fn base64(bytes: &[u8]) -> Base64Display<'_, '_, GeneralPurpose> {
    Base64Display::new(bytes, &BASE64_STANDARD)
}

/// Pieces, with something between each two.
fn joined<'t>(out: &mut dyn Write, pieces: impl Iterator<Item = &'t str>, between: &str) -> io::Result<()> {
    for (at, piece) in pieces.enumerate() {
        if at > 0 {
            out.write_all(between.as_bytes())?;
        }
        out.write_all(piece.as_bytes())?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> io::Result<()> {
    let Some(event) = event else {
        return writeln!(out, "{token}  not readable  {}", base64(bytes));
    };
    let of = if event.aggregate_type.is_empty() {
        "-".to_owned()
    } else {
        format!("{}/{}#{}", event.aggregate_type, event.aggregate_identifier, event.aggregate_sequence_number)
    };
    let head = format!("{of}  {}", event.payload_type);
    write!(out, "{token}  {}  {}  ", Moment(event.timestamp), one_line(&head.replace(BREAKS, " ")))?;
    match as_text(event.payload) {
        Some(text) => joined(out, text.split(BREAKS), " ")?,
        None => write!(out, "base64:{}", base64(event.payload))?,
    }
    out.write_all(b"\n")
}

/// An event, its members in the order of their names.
#[derive(Serialize)]
struct Object<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_type: Option<&'e str>,
    id: &'e str,
    metadata: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<Base64<'e>>,
    revision: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    time: String,
    timestamp_ms: i64,
    token: u64,
    r#type: &'e str,
}

/// Bytes that are no event.
#[derive(Serialize)]
struct Unreadable<'e> {
    token: u64,
    unreadable_base64: Base64<'e>,
}

/// Bytes in base 64.
struct Base64<'b>(&'b [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64(self.0))
    }
}

fn object(out: &mut dyn Write, token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> io::Result<()> {
    let Some(event) = event else {
        let unreadable = Unreadable { token, unreadable_base64: Base64(bytes) };
        return Ok(serde_json::to_writer(out, &unreadable)?);
    };
    let of_aggregate = !event.aggregate_type.is_empty();
    let payload = as_text(event.payload);
    let object = Object {
        aggregate: of_aggregate.then_some(event.aggregate_identifier),
        aggregate_type: of_aggregate.then_some(event.aggregate_type),
        id: event.message_identifier,
        metadata: metadata_of(bytes),
        payload,
        payload_base64: payload.is_none().then_some(Base64(event.payload)),
        revision: event.payload_revision,
        sequence: of_aggregate.then_some(event.aggregate_sequence_number),
        time: Moment(event.timestamp).to_string(),
        timestamp_ms: event.timestamp,
        token,
        r#type: event.payload_type,
    };
    Ok(serde_json::to_writer(out, &object)?)
}

/// All that can be read of it. Of a key that comes twice the last value counts.
fn metadata_of(bytes: &[u8]) -> Map<String, Value> {
    metadata(bytes).flatten().map(|(key, value)| (key.to_owned(), value_of(value))).collect()
}

fn value_of(value: MetadataValue<'_>) -> Value {
    match value {
        MetadataValue::None => Value::Null,
        MetadataValue::Text(text) => text.into(),
        MetadataValue::Number(number) => number.into(),
        MetadataValue::Boolean(truth) => truth.into(),
        MetadataValue::Double(number) => number.into(),
        MetadataValue::Bytes(object) => value_of_object(&object),
    }
}

fn value_of_object(object: &SerializedObject<'_>) -> Value {
    if let Some(text) = as_text(object.data) {
        return json!({ "type": object.r#type, "revision": object.revision, "data": text });
    }
    let data = BASE64_STANDARD.encode(object.data);
    json!({ "type": object.r#type, "revision": object.revision, "data_base64": data })
}

fn csv(out: &mut dyn Write, token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> io::Result<()> {
    let Some(event) = event else {
        return write!(out, "{token},,,,,,,,,{},\r\n", base64(bytes));
    };
    let text = as_text(event.payload);
    let (number, time) = (token.to_string(), Moment(event.timestamp).to_string());
    let sequence = event.aggregate_sequence_number.to_string();
    let of_aggregate = !event.aggregate_type.is_empty();
    let before = [
        number.as_str(),
        time.as_str(),
        event.aggregate_type,
        event.aggregate_identifier,
        if of_aggregate { sequence.as_str() } else { "" },
        event.message_identifier,
        event.payload_type,
        event.payload_revision,
        text.unwrap_or_default(),
    ];
    for text in before {
        cell(out, text)?;
        out.write_all(b",")?;
    }
    if text.is_none() {
        write!(out, "{}", base64(event.payload))?;
    }
    out.write_all(b",")?;
    cell(out, &Value::Object(metadata_of(bytes)).to_string())?;
    out.write_all(b"\r\n")
}

/// A cell as RFC 4180 says.
fn cell(out: &mut dyn Write, text: &str) -> io::Result<()> {
    if !text.contains([',', '"', '\n', '\r']) {
        return out.write_all(text.as_bytes());
    }
    out.write_all(b"\"")?;
    joined(out, text.split('"'), "\"\"")?;
    out.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use super::{as_text, cell};

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        let written = |text| {
            let mut out = Vec::new();
            cell(&mut out, text).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(["1", "", "plain text"].map(written), ["1", "", "plain text"]);
        assert_eq!(written("a,b"), "\"a,b\"");
        assert_eq!(written("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(written("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn text_is_what_people_can_read() {
        assert_eq!(as_text(b"{\"a\":\n1}"), Some("{\"a\":\n1}"));
        assert_eq!((as_text(b"a\0b"), as_text(&[0xff])), (None, None));
    }
}
