//! Transactions and events, field by field, as they stand in segments.

use super::wire::Read;

/// An entry of the metadata: its field in `MetaDataValue`, its key, its value.
pub type Entry<'a> = (u64, &'a [u8], Option<&'a [u8]>);

/// What an event is written of.
pub struct Fields<'a> {
    pub message: &'a [u8],
    pub aggregate: &'a [u8],
    pub sequence: u64,
    pub aggregate_type: &'a [u8],
    pub time: u64,
    /// Type, revision, data.
    pub payload: [&'a [u8]; 3],
    /// 1: there is a payload; 4: it is a snapshot.
    pub flags: u64,
    /// The field in `MetaDataValue`, the key, the value.
    pub metadata: Vec<Entry<'a>>,
}

impl Fields<'_> {
    pub fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        field(1, self.message, &mut out);
        field(2, self.aggregate, &mut out);
        number_field(3, self.sequence, &mut out);
        field(4, self.aggregate_type, &mut out);
        number_field(5, self.time, &mut out);
        if self.flags & 1 > 0 {
            let mut payload = Vec::new();
            for (part, tag) in self.payload.iter().zip(1..) {
                field(tag, part, &mut payload);
            }
            whole_field(6, &payload, &mut out);
        }
        for (kind, key, value) in &self.metadata {
            whole_field(7, &entry(*kind, key, *value), &mut out);
        }
        number_field(8, self.flags >> 2, &mut out);
        out
    }
}

/// An event, with its length, in the area of a transaction.
pub fn put_event(event: &[u8], area: &mut Vec<u8>) -> Read<()> {
    area.extend(u32::try_from(event.len())?.to_be_bytes());
    area.extend(event);
    Ok(())
}

/// A transaction of these events; where no CRC-32 is said it is the right one.
pub fn transaction(version: u8, events: u16, crc: Option<u32>, area: &[u8]) -> Read<Vec<u8>> {
    let mut hasher = flate2::Crc::new();
    hasher.update(area);
    let crc = crc.unwrap_or(hasher.sum()).to_be_bytes();
    let size = u32::try_from(area.len())?.to_be_bytes();
    Ok([&size[..], &[version], &events.to_be_bytes(), area, &crc].concat())
}

pub fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 127 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

fn field(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        whole_field(tag, bytes, out);
    }
}

fn whole_field(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag << 3 | 2);
    put_varint(bytes.len() as u64, out);
    out.extend(bytes);
}

fn number_field(tag: u8, number: u64, out: &mut Vec<u8>) {
    if number != 0 {
        out.push(tag << 3);
        put_varint(number, out);
    }
}

/// An entry of the metadata.
fn entry(kind: u64, key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let mut inner = Vec::new();
    if let Some(value) = value {
        match kind {
            1 | 5 => whole_field(kind as u8, value, &mut inner),
            _ => {
                inner.push((kind as u8) << 3 | u8::from(kind == 4));
                inner.extend(value);
            }
        }
    }
    let mut entry = Vec::new();
    whole_field(1, key, &mut entry);
    whole_field(2, &inner, &mut entry);
    entry
}
