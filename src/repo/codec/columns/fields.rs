//! Writes fields as protobuf does: numbers in the fewest bytes, and nothing that is empty; and lengths as Axon Server does.

use crate::repo::codec::columns::parse::NO_VALUE;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::values::varint_length;

/// The wire type of a value of this kind.
const fn wire_of(kind: u8) -> u8 {
    match form_of(kind) {
        Some(Form::Varint) => 0,
        Some(Form::Fixed64) => 1,
        _ => 2,
    }
}

/// A text, unless it is empty.
pub(super) fn put_text(number: u8, text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.push(number << 3 | 2);
        put_varint(text.len() as u64, out);
        out.extend(text);
    }
}

/// A number, unless it is 0.
pub(super) fn put_number(number: u8, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        out.push(number << 3);
        put_varint(value, out);
    }
}

/// The bytes of a text field that is absent when it is empty.
pub(super) fn text_length(length: usize) -> usize {
    if length == 0 { 0 } else { 1 + varint_length(length as u64) + length }
}

/// An entry of the metadata: a key, and a value of this kind. Both fields are there, even if they are empty.
pub(super) fn put_entry(key: &[u8], kind: u8, value: &[u8], out: &mut Vec<u8>) {
    let field = |length: usize| 1 + varint_length(length as u64) + length;
    let inner = match (kind, wire_of(kind)) {
        (NO_VALUE, _) => 0,
        (_, 2) => field(value.len()),
        _ => 1 + value.len(),
    };
    out.push(7 << 3 | 2);
    put_varint((field(key.len()) + field(inner)) as u64, out);
    out.push(1 << 3 | 2);
    put_varint(key.len() as u64, out);
    out.extend_from_slice(key);
    out.push(2 << 3 | 2);
    put_varint(inner as u64, out);
    if kind != NO_VALUE {
        put_value(kind, value, out);
    }
}

/// A `MetaDataValue`.
fn put_value(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    let wire = wire_of(kind);
    out.push(kind << 3 | wire);
    if wire == 2 {
        put_varint(value.len() as u64, out);
    }
    out.extend_from_slice(value);
}

/// Writes at `at` how many bytes there are from `from` on: the length of an event, or of all events of a transaction.
pub(super) fn set_length(at: usize, from: usize, out: &mut [u8]) {
    let length = u32::try_from(out.len().saturating_sub(from)).unwrap_or(0);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
