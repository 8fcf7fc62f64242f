//! Events as they stream past: as lines, as one JSON document, as comma-separated values.

use crate::axon::event::{Event, MetadataValue, SerializedObject, metadata};
use crate::axon::name::Store;
use crate::cli::describe::one_line;
use crate::cli::failure::Failure;
use crate::engine::events::{EventSink, Origin};
use crate::repo::format::moment::Moment;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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

    fn put(&mut self, text: &str) -> ControlFlow<()> {
        match self.out.write_all(text.as_bytes()) {
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
        let _ = self.put(&head);
    }

    fn event(&mut self, token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> ControlFlow<()> {
        self.count += 1;
        let text = match self.form {
            Form::Text => line(token, bytes, event),
            Form::Csv => csv(token, bytes, event),
            Form::Json => {
                let comma = if self.count > 1 { ",\n" } else { "\n" };
                format!("{comma}{}", object(token, bytes, event))
            }
        };
        self.put(&text)
    }
}

/// Text, or none where it is none: not UTF-8, or with control characters that no text has.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains(is_odd))
}

fn line(token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> String {
    let Some(event) = event else {
        return format!("{token}  not readable  {}\n", BASE64_STANDARD.encode(bytes));
    };
    let payload = as_text(event.payload)
        .map_or_else(|| format!("base64:{}", BASE64_STANDARD.encode(event.payload)), str::to_owned);
    let of = if event.aggregate_type.is_empty() {
        "-".to_owned()
    } else {
        format!("{}/{}#{}", event.aggregate_type, event.aggregate_identifier, event.aggregate_sequence_number)
    };
    let text = format!("{token}  {}  {of}  {}  {payload}", Moment(event.timestamp), event.payload_type);
    format!("{}\n", one_line(&text.replace(['\n', '\r', '\t'], " ")))
}

fn object(token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> Value {
    let Some(event) = event else {
        return json!({ "token": token, "unreadable_base64": BASE64_STANDARD.encode(bytes) });
    };
    let mut object = json!({
        "token": token,
        "time": Moment(event.timestamp).to_string(),
        "timestamp_ms": event.timestamp,
        "id": event.message_identifier,
        "type": event.payload_type,
        "revision": event.payload_revision,
        "metadata": metadata_of(bytes),
    });
    if let Some(object) = object.as_object_mut() {
        if !event.aggregate_type.is_empty() {
            object.insert("aggregate_type".to_owned(), event.aggregate_type.into());
            object.insert("aggregate".to_owned(), event.aggregate_identifier.into());
            object.insert("sequence".to_owned(), event.aggregate_sequence_number.into());
        }
        match as_text(event.payload) {
            Some(text) => object.insert("payload".to_owned(), text.into()),
            None => object.insert("payload_base64".to_owned(), BASE64_STANDARD.encode(event.payload).into()),
        };
    }
    object
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

fn csv(token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> String {
    let Some(event) = event else {
        return row(&[
            &token.to_string(),
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            &BASE64_STANDARD.encode(bytes),
            "",
        ]);
    };
    let text = as_text(event.payload);
    let base64 = if text.is_none() { BASE64_STANDARD.encode(event.payload) } else { String::new() };
    let sequence = event.aggregate_sequence_number.to_string();
    row(&[
        &token.to_string(),
        &Moment(event.timestamp).to_string(),
        event.aggregate_type,
        event.aggregate_identifier,
        if event.aggregate_type.is_empty() { "" } else { &sequence },
        event.message_identifier,
        event.payload_type,
        event.payload_revision,
        text.unwrap_or_default(),
        &base64,
        &Value::Object(metadata_of(bytes)).to_string(),
    ])
}

/// A row as RFC 4180 says.
fn row(cells: &[&str]) -> String {
    let cell = |cell: &&str| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            (*cell).to_owned()
        }
    };
    format!("{}\r\n", cells.iter().map(cell).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::{as_text, row};

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        assert_eq!(
            row(&["1", "a,b", "say \"x\"", "two\nlines", ""]),
            "1,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\r\n"
        );
    }

    #[test]
    fn text_is_what_people_can_read() {
        assert_eq!(as_text(b"{\"a\":\n1}"), Some("{\"a\":\n1}"));
        assert_eq!((as_text(b"a\0b"), as_text(&[0xff])), (None, None));
    }
}
