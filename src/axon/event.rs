//! Events as they are stored: the protobuf message `io.axoniq.axonserver.grpc.event.Event`.
//!
//! Whatever the bytes are, reading them ends in a value or in [`Malformed`]; nothing is copied, nothing allocated.

mod wire;

use crate::axon::event::wire::Field;
use crate::axon::event::wire::Reader;
use crate::axon::event::wire::Wire;
use crate::axon::segment::Transaction;
use crate::axon::time::Times;
use crate::axon::time::Timestamp;

/// What is needed of an event; borrowed from its bytes. Fields that are absent have protobuf's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// Field 1.
    pub message_identifier: &'a str,
    /// Field 2.
    pub aggregate_identifier: &'a str,
    /// Field 3.
    pub aggregate_sequence_number: i64,
    /// Field 4: empty for events without an aggregate.
    pub aggregate_type: &'a str,
    /// Field 5, milliseconds.
    pub timestamp: i64,
    /// Field 6.1.
    pub payload_type: &'a str,
    /// Field 6.2.
    pub payload_revision: &'a str,
    /// Field 6.3.
    pub payload: &'a [u8],
    /// Field 8.
    pub snapshot: bool,
}

/// The times of a block's events; none where one can't be read.
pub fn times(block: &Transaction<'_>) -> Option<Times> {
    let mut all: Option<Times> = None;
    for bytes in block.event_bytes() {
        let times = Times::of(timestamp(bytes).ok()?);
        all = Some(all.map_or(times, |before| before.then(times)));
    }
    all
}

/// Why bytes are not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event: {what} at byte {at}")]
pub struct Malformed {
    /// Where, counted from the first byte of the event.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl<'a> Event<'a> {
    /// Reads an event. Unknown fields are stepped over, as is the metadata: [`metadata`] reads that. As protobuf says, the last
    /// value of a field wins.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut event = Self::default();
        let mut fields = Reader::new(bytes);
        while let Some(field) = fields.next_field()? {
            event.set(field)?;
        }
        Ok(event)
    }

    fn set(&mut self, field: Field<'a>) -> Result<(), Malformed> {
        match (field.number, field.value) {
            (1, Wire::Bytes(bytes)) => self.message_identifier = bytes.text()?,
            (2, Wire::Bytes(bytes)) => self.aggregate_identifier = bytes.text()?,
            (3, Wire::Varint(number)) => self.aggregate_sequence_number = number.cast_signed(),
            (4, Wire::Bytes(bytes)) => self.aggregate_type = bytes.text()?,
            (5, Wire::Varint(number)) => self.timestamp = number.cast_signed(),
            (6, Wire::Bytes(bytes)) => self.set_payload(bytes)?,
            (8, Wire::Varint(number)) => self.snapshot = number != 0,
            _ => {}
        }
        Ok(())
    }

    /// Fields of a payload that comes twice are merged, as protobuf says: so they are set here one by one.
    fn set_payload(&mut self, payload: Reader<'a>) -> Result<(), Malformed> {
        let mut object = SerializedObject {
            r#type: self.payload_type,
            revision: self.payload_revision,
            data: self.payload,
        };
        object.merge(payload)?;
        self.payload_type = object.r#type;
        self.payload_revision = object.revision;
        self.payload = object.data;
        Ok(())
    }
}

/// The timestamp alone, without reading the payload.
pub fn timestamp(bytes: &[u8]) -> Result<Timestamp, Malformed> {
    if let Some(number) = wire::last_varint(bytes, 5) {
        return Ok(Timestamp(number.cast_signed()));
    }
    let mut timestamp = 0;
    let mut fields = Reader::new(bytes);
    while let Some(field) = fields.next_field()? {
        if let (5, Wire::Varint(number)) = (field.number, field.value) {
            timestamp = number.cast_signed();
        }
    }
    Ok(Timestamp(timestamp))
}

/// A serialized object: a payload, or bytes in the metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SerializedObject<'a> {
    /// Field 1.
    pub r#type: &'a str,
    /// Field 2.
    pub revision: &'a str,
    /// Field 3.
    pub data: &'a [u8],
}

impl<'a> SerializedObject<'a> {
    fn merge(&mut self, mut fields: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (1, Wire::Bytes(bytes)) => self.r#type = bytes.text()?,
                (2, Wire::Bytes(bytes)) => self.revision = bytes.text()?,
                (3, Wire::Bytes(bytes)) => self.data = bytes.bytes(),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A value in the metadata of an event (`MetaDataValue`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MetadataValue<'a> {
    /// No field that is known is there.
    #[default]
    None,
    /// Field 1.
    Text(&'a str),
    /// Field 2 (zigzag).
    Number(i64),
    /// Field 3.
    Boolean(bool),
    /// Field 4.
    Double(f64),
    /// Field 5.
    Bytes(SerializedObject<'a>),
}

/// The metadata of an event, given its bytes: keys and values as they are stored, in that order. A key may come twice; then
/// the last value counts. After an error nothing follows.
pub fn metadata(bytes: &[u8]) -> Metadata<'_> {
    Metadata { fields: Some(Reader::new(bytes)) }
}

/// An iterator over the metadata of an event: see [`metadata`].
#[derive(Clone, Debug)]
pub struct Metadata<'a> {
    fields: Option<Reader<'a>>,
}

impl<'a> Iterator for Metadata<'a> {
    type Item = Result<(&'a str, MetadataValue<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = next_entry(self.fields.as_mut()?).transpose();
        if !matches!(found, Some(Ok(_))) {
            self.fields = None;
        }
        found
    }
}

type Entry<'a> = (&'a str, MetadataValue<'a>);

fn next_entry<'a>(fields: &mut Reader<'a>) -> Result<Option<Entry<'a>>, Malformed> {
    while let Some(field) = fields.next_field()? {
        if let (7, Wire::Bytes(entry)) = (field.number, field.value) {
            return read_entry(entry).map(Some);
        }
    }
    Ok(None)
}

fn read_entry(mut fields: Reader<'_>) -> Result<Entry<'_>, Malformed> {
    let (mut key, mut value) = ("", MetadataValue::None);
    while let Some(field) = fields.next_field()? {
        match (field.number, field.value) {
            (1, Wire::Bytes(bytes)) => key = bytes.text()?,
            (2, Wire::Bytes(bytes)) => value.merge(bytes)?,
            _ => {}
        }
    }
    Ok((key, value))
}

impl<'a> MetadataValue<'a> {
    fn merge(&mut self, mut fields: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (1, Wire::Bytes(bytes)) => *self = Self::Text(bytes.text()?),
                (2, Wire::Varint(number)) => *self = Self::Number(zigzag(number)),
                (3, Wire::Varint(number)) => *self = Self::Boolean(number != 0),
                (4, Wire::Fixed64(bits)) => *self = Self::Double(f64::from_bits(bits)),
                (5, Wire::Bytes(bytes)) => self.merge_bytes(bytes)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn merge_bytes(&mut self, bytes: Reader<'a>) -> Result<(), Malformed> {
        let mut object = if let Self::Bytes(object) = *self { object } else { SerializedObject::default() };
        object.merge(bytes)?;
        *self = Self::Bytes(object);
        Ok(())
    }
}

const fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]
mod tests {
    use super::*;

    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
        let value = value.as_ref();
        [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
    }

    fn entry(key: &str, value: Vec<u8>) -> Vec<u8> {
        bytes(7, [bytes(1, key), bytes(2, value)].concat())
    }

    fn object(name: &str) -> Vec<u8> {
        [bytes(1, name), bytes(2, "1"), bytes(3, [0, 0xff])].concat()
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let stored = [
            bytes(1, "id"),
            bytes(2, "bike-1"),
            number(3, 72),
            bytes(4, "Bike"),
            number(5, 1_795_381_853_457),
            bytes(6, object("BikeRented")),
            entry("trace", bytes(1, "x")),
            number(8, 1),
        ];
        let event = Event {
            message_identifier: "id",
            aggregate_identifier: "bike-1",
            aggregate_sequence_number: 72,
            aggregate_type: "Bike",
            timestamp: 1_795_381_853_457,
            payload_type: "BikeRented",
            payload_revision: "1",
            payload: &[0, 0xff],
            snapshot: true,
        };
        assert_eq!(Event::parse(&stored.concat()), Ok(event));
        assert_eq!(timestamp(&stored.concat()), Ok(Timestamp(1_795_381_853_457)));
    }

    #[test]
    fn absent_fields_have_their_defaults() {
        assert_eq!(Event::parse(&[]), Ok(Event::default()));
        assert_eq!(timestamp(&[]), Ok(Timestamp(0)));
        assert_eq!(metadata(&[]).count(), 0);
    }

    #[test]
    fn negative_numbers_take_ten_bytes() {
        let stored = [number(3, (-1_i64).cast_unsigned()), number(5, i64::MIN.cast_unsigned())].concat();
        let event = Event::parse(&stored).unwrap();
        assert_eq!((event.aggregate_sequence_number, event.timestamp), (-1, i64::MIN));
        assert_eq!(timestamp(&stored), Ok(Timestamp(i64::MIN)));
    }

    #[test]
    fn the_last_value_wins_and_messages_are_merged() {
        let stored = [
            number(5, 1),
            bytes(6, bytes(1, "T")),
            bytes(2, "a"),
            number(5, 2),
            bytes(6, bytes(3, "data")),
            bytes(2, "b"),
        ];
        let stored = stored.concat();
        let event = Event::parse(&stored).unwrap();
        assert_eq!((event.timestamp, event.aggregate_identifier), (2, "b"));
        assert_eq!((event.payload_type, event.payload), ("T", b"data".as_slice()));
        assert_eq!(timestamp(&stored), Ok(Timestamp(2)));
    }

    #[test]
    fn unknown_fields_are_stepped_over() {
        let group =
            [varint(9 << 3 | 3), number(1, 5), varint(10 << 3 | 3), varint(10 << 3 | 4), varint(9 << 3 | 4)];
        let stored = [
            group.concat(),
            [varint(11 << 3 | 1), vec![1; 8]].concat(),
            [varint(12 << 3 | 5), vec![1; 4]].concat(),
            bytes(1_000, "new"),
            number(2, 3),
            [varint(5 << 3 | 5), vec![1; 4]].concat(),
            number(5, 4),
        ];
        let stored = stored.concat();
        assert_eq!(Event::parse(&stored), Ok(Event { timestamp: 4, ..Event::default() }));
        assert_eq!(timestamp(&stored), Ok(Timestamp(4)));
    }

    #[test]
    fn metadata_has_all_kinds_of_values() {
        let stored = [
            entry("text", bytes(1, "x")),
            bytes(1, "id"),
            entry("number", number(2, 3)),
            entry("least", number(2, u64::MAX)),
            entry("true", number(3, 1)),
            entry("double", [varint(4 << 3 | 1), 1.5_f64.to_le_bytes().to_vec()].concat()),
            entry("bytes", bytes(5, object("T"))),
            entry("empty", Vec::new()),
            bytes(7, bytes(1, "no value")),
            entry("both", [bytes(1, "x"), number(3, 0)].concat()),
        ];
        let object = SerializedObject { r#type: "T", revision: "1", data: &[0, 0xff] };
        let found: Vec<_> = metadata(&stored.concat())
            .map(|entry| entry.map(|(key, value)| (key.to_owned(), format!("{value:?}"))))
            .collect::<Result<_, _>>()
            .unwrap();
        let expected = [
            ("text", MetadataValue::Text("x")),
            ("number", MetadataValue::Number(-2)),
            ("least", MetadataValue::Number(i64::MIN)),
            ("true", MetadataValue::Boolean(true)),
            ("double", MetadataValue::Double(1.5)),
            ("bytes", MetadataValue::Bytes(object)),
            ("empty", MetadataValue::None),
            ("no value", MetadataValue::None),
            ("both", MetadataValue::Boolean(false)),
        ];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), format!("{value:?}"))));
    }

    #[test]
    fn what_is_no_event_is_said_with_its_place() {
        let at = |stored: &[u8]| Event::parse(stored).unwrap_err();
        assert_eq!(at(&bytes(2, [b'a', 0xff])).at, 3);
        assert_eq!(at(&bytes(6, bytes(1, [0xff]))), Malformed { at: 4, what: "a string is not UTF-8" });
        assert_eq!(at(&[0x0a]), Malformed { at: 1, what: "it ends inside a number" });
        assert_eq!(at(&[0x0a, 2, 65]), Malformed { at: 1, what: "a length runs past the end" });
        assert_eq!(at(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).at, 1);
        assert_eq!(
            at(&[0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).what,
            "a number is longer than ten bytes"
        );
        assert_eq!(at(&[0]).what, "a field number is 0");
        assert_eq!(at(&[0x4c]).what, "a wire type is unknown, or a group ends that did not begin");
        assert_eq!(at(&[0x4b, 0x54]).what, "a group ends that did not begin");
        assert_eq!(at(&[0x4b; 200]).what, "groups are nested too deeply");
        assert_eq!(
            metadata(&entry("k", vec![0x0a, 9])).collect::<Vec<_>>(),
            [Err(Malformed { at: 8, what: "a length runs past the end" })]
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        let good = [bytes(1, "id"), number(3, 72), bytes(6, object("T")), entry("k", bytes(5, object("U")))]
            .concat();
        for _ in 0..50_000 {
            let mut stored = good.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..stored.len());
                stored[at] = random.u8(..);
            }
            stored.truncate(random.usize(0..=stored.len() * 2));
            let parsed = Event::parse(&stored);
            if let (Ok(event), Ok(at)) = (parsed, timestamp(&stored)) {
                assert_eq!(event.timestamp, at.0);
            }
            let entries = metadata(&stored).collect::<Vec<_>>();
            assert!(entries.iter().rev().skip(1).all(Result::is_ok), "nothing follows an error");
        }
    }
}
