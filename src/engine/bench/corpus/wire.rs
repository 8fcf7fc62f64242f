//! Events and transactions as Axon Server stores them.

use super::node::delimited;
use super::node::varint;

/// A value in the metadata.
#[derive(Clone, Debug)]
pub enum Value {
    /// Field 1.
    Text(String),
    /// Field 2.
    Number(i64),
}

/// An event before it is written.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Field 1.
    pub message: String,
    /// Field 2.
    pub aggregate: String,
    /// Field 3.
    pub sequence: u64,
    /// Field 4.
    pub aggregate_type: String,
    /// Field 5.
    pub timestamp: i64,
    /// Field 6.1.
    pub payload_type: String,
    /// Field 6.2.
    pub revision: String,
    /// Field 6.3.
    pub payload: Vec<u8>,
    /// Field 7.
    pub metadata: Vec<(&'static str, Value)>,
}

impl Stored {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        delimited(1, self.message.as_bytes(), &mut out);
        delimited(2, self.aggregate.as_bytes(), &mut out);
        if self.sequence > 0 {
            number(3, self.sequence, &mut out);
        }
        delimited(4, self.aggregate_type.as_bytes(), &mut out);
        number(5, self.timestamp.cast_unsigned(), &mut out);
        let mut object = Vec::new();
        delimited(1, self.payload_type.as_bytes(), &mut object);
        if !self.revision.is_empty() {
            delimited(2, self.revision.as_bytes(), &mut object);
        }
        delimited(3, &self.payload, &mut object);
        delimited(6, &object, &mut out);
        self.metadata.iter().for_each(|(key, value)| entry(key, value, &mut out));
        out
    }
}

fn entry(key: &str, value: &Value, out: &mut Vec<u8>) {
    let (mut inner, mut bytes) = (Vec::new(), Vec::new());
    match value {
        Value::Text(text) => delimited(1, text.as_bytes(), &mut inner),
        Value::Number(value) => number(2, (value << 1 ^ value >> 63).cast_unsigned(), &mut inner),
    }
    delimited(1, key.as_bytes(), &mut bytes);
    delimited(2, &inner, &mut bytes);
    delimited(7, &bytes, out);
}

fn number(field: u64, value: u64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    varint(value, out);
}

/// Appends a transaction.
pub fn transaction(events: &[Stored], out: &mut Vec<u8>) {
    let mut area = Vec::new();
    for event in events {
        let bytes = event.bytes();
        area.extend((bytes.len() as u32).to_be_bytes());
        area.extend(bytes);
    }
    out.extend((area.len() as u32).to_be_bytes());
    out.push(2);
    out.extend((events.len() as u16).to_be_bytes());
    out.extend(&area);
    out.extend(crc32fast::hash(&area).to_be_bytes());
}
