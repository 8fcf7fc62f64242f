//! Small blocks for the tests of this module.

use crate::repo::codec::columns::values::put_varint;

/// A field with a length in front; none if it is empty.
pub(super) fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if !bytes.is_empty() {
        out.push(number << 3 | 2);
        put_varint(bytes.len() as u64, &mut out);
        out.extend(bytes);
    }
    out
}

/// An event: message, aggregate, payload type, payload, and texts in the metadata.
pub(super) fn event(names: [&str; 3], data: &[u8], metadata: &[(&str, &str)]) -> Vec<u8> {
    let [message, aggregate, payload_type] = names.map(str::as_bytes);
    let payload = [field(1, payload_type), field(3, data)].concat();
    let entry = |(key, text): &(&str, &str)| {
        field(7, &[field(1, key.as_bytes()), field(2, &field(1, text.as_bytes()))].concat())
    };
    let metadata: Vec<u8> = metadata.iter().flat_map(entry).collect();
    [field(1, message), field(2, aggregate), field(6, &payload), metadata].concat()
}

/// A transaction of these events.
pub(super) fn transaction(events: &[Vec<u8>]) -> Vec<u8> {
    let area: Vec<u8> =
        events.iter().flat_map(|event| [&(event.len() as u32).to_be_bytes()[..], event].concat()).collect();
    let (size, count) = ((area.len() as u32).to_be_bytes(), (events.len() as u16).to_be_bytes());
    [&size[..], &[2], &count, &area, &crc32fast::hash(&area).to_be_bytes()].concat()
}

/// A block with a transaction for each event.
pub(super) fn block(events: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    events.into_iter().flat_map(|event| transaction(&[event])).collect()
}
