//! A block of event columns: transactions, events, payloads.

use super::columns::{Coder, Event, Form, Index, Known, Lazy, MESSAGE, Value, mix};
use super::fields::{self, Fields, put_varint};
use super::mixture::Mixture;
use super::streams::Streams;
use super::wire::{Read, check};
use std::collections::HashMap;

const TYPE: u64 = 0x7479_7065;
const LITERALS: usize = 16_384;

/// A shared symbol of a block.
#[derive(Clone, Copy)]
enum Number {
    Lengths,
    Counts,
    Shapes,
    NextSequence,
    Sequence,
    FirstTime,
    NextTime,
    Literals,
}

struct Literal {
    text: Vec<u8>,
    form: Form,
    /// None where it goes on with the column of the value before.
    column: Option<usize>,
    slots: usize,
    index: Index,
    followers: Vec<usize>,
    last: Option<usize>,
}

struct Type {
    scope: usize,
    payload: usize,
    revision: usize,
    first: usize,
    slots: usize,
    shape: Option<usize>,
}

#[derive(Clone)]
struct Shape {
    flags: u64,
    entries: Vec<(u64, Vec<u8>, usize)>,
}

struct Block<'a> {
    known: Known<'a>,
    literals_left: &'a [u8],
    literals: Vec<Literal>,
    /// The slot of what is known.
    is_known: usize,
    likely: Vec<(u64, usize)>,
    envelope: [usize; 3],
    flags: usize,
    numbers: [Lazy; 8],
    version: u8,
    time: u64,
    /// The hash of the last event's aggregate.
    aggregate: u64,
    /// How often each literal was left in this event.
    left: HashMap<usize, u64>,
    types: Vec<Type>,
    by_name: HashMap<Vec<u8>, usize>,
    shapes: Vec<Shape>,
    sequences: Vec<(u64, u64)>,
    out: Vec<u8>,
    length: usize,
    steps: usize,
}

pub fn varint(bytes: &mut &[u8]) -> Read<usize> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("it ends in a length")?;
        *bytes = rest;
        number |= u64::from(byte & 127).checked_shl(shift).unwrap_or(0);
        if *byte < 128 {
            check(shift == 0 || *byte > 0, "a varint is too long")?;
            return Ok(usize::try_from(number)?);
        }
    }
    Err("a varint is too long".into())
}

pub fn stream(bytes: &mut &[u8], longest: usize) -> Read<Vec<u8>> {
    let (length, packed) = (varint(bytes)?, varint(bytes)?);
    check(length <= longest, "a stream is too long")?;
    unpack(bytes, packed, length)
}

/// So many bytes, of a frame if that has a length.
pub fn unpack(bytes: &mut &[u8], packed: usize, length: usize) -> Read<Vec<u8>> {
    let (taken, rest) =
        bytes.split_at_checked(if packed == 0 { length } else { packed }).ok_or("it ends in a stream")?;
    *bytes = rest;
    let unpacked = if packed == 0 { taken.to_vec() } else { zstd::bulk::decompress(taken, length)? };
    check(unpacked.len() == length, "a stream has another length")?;
    Ok(unpacked)
}

/// Decodes a block of so many bytes, of codec 2 to 7.
pub fn decode(mut bytes: &[u8], length: u64, codec: u64) -> Read<Vec<u8>> {
    let length = usize::try_from(length)?;
    if codec == 6 {
        return super::whole::decode(bytes, length);
    }
    let (literals, values) = (stream(&mut bytes, length)?, stream(&mut bytes, length)?);
    let coder = if codec == 4 {
        let streams = Streams::read(&mut bytes, length)?;
        Coder::in_streams(streams, bytes)
    } else {
        let raw = varint(&mut bytes)?;
        let (raw, coded) = bytes.split_at_checked(raw).ok_or("it ends in the raw bits")?;
        Coder::new(coded, raw, (codec != 2).then(|| Mixture::new(length, codec)))
    };
    let known = Known::new(coder, &values, length);
    let mut block = Block::new(known, &literals, length);
    block.all()?;
    Ok(block.out)
}

impl<'a> Block<'a> {
    fn new(mut known: Known<'a>, literals: &'a [u8], length: usize) -> Self {
        let is_known = known.coder.make(1, 1);
        let none = known.coder.make(4, 1);
        let scope = known.name(0, b"\0event");
        let envelope = [b"\0message".as_slice(), b"\0aggregate", b"\0aggregate type"]
            .map(|key| known.column(scope, key));
        let flags = known.coder.make(8, 8);
        let none = Literal {
            text: Vec::new(),
            form: 5,
            column: None,
            slots: none,
            index: Index::default(),
            followers: Vec::new(),
            last: None,
        };
        Self {
            known,
            literals_left: literals,
            literals: vec![none],
            is_known,
            likely: vec![(0, 0); 1 << 15],
            envelope,
            flags,
            numbers: [Lazy::default(); 8],
            version: 2,
            time: 0,
            aggregate: 0,
            left: HashMap::new(),
            types: Vec::new(),
            by_name: HashMap::new(),
            shapes: Vec::new(),
            sequences: vec![(0, 0); 1 << 15],
            out: Vec::new(),
            length,
            steps: length + 65_536,
        }
    }

    fn coder(&mut self) -> &mut Coder<'a> {
        &mut self.known.coder
    }

    fn number(&mut self, which: Number) -> u64 {
        self.known.coder.number(&mut self.numbers[which as usize])
    }

    fn flag(&mut self, flag: usize) -> bool {
        let slot = self.flags + flag;
        self.coder().decision(slot)
    }

    fn step(&mut self) -> Read<()> {
        self.steps = self.steps.checked_sub(1).ok_or("too many steps")?;
        self.known.coder.check()?;
        check(self.out.len() <= self.length, "a block is longer than declared")
    }

    fn all(&mut self) -> Read<()> {
        self.bytes()?;
        loop {
            while self.flag(5) {
                self.transaction()?;
            }
            self.bytes()?;
            self.step()?;
            if self.out.len() >= self.length {
                return check(self.out.len() == self.length, "a block has another length than declared");
            }
        }
    }

    fn bytes(&mut self) -> Read<()> {
        let length = self.number(Number::Lengths);
        let bytes = self.known.bytes(length)?;
        self.out.extend(bytes);
        Ok(())
    }

    fn literal_bytes(&mut self) -> Read<&'a [u8]> {
        let length = usize::try_from(self.number(Number::Lengths))?;
        check(length <= 1_024, "a literal is too long")?;
        let (taken, rest) =
            self.literals_left.split_at_checked(length).ok_or("the literals are too short")?;
        self.literals_left = rest;
        Ok(taken)
    }

    fn transaction(&mut self) -> Read<()> {
        let count = self.number(Number::Counts);
        if !self.flag(3) {
            self.version = self.coder().raw(8) as u8;
        }
        let crc = if self.flag(4) { None } else { Some(self.coder().raw(32) as u32) };
        let mut area = Vec::new();
        for at in 0..u16::try_from(count)? {
            self.step()?;
            let event = if self.flag(2) {
                let length = self.number(Number::Lengths);
                self.known.bytes(length)?.to_vec()
            } else {
                self.event(at > 0)?
            };
            fields::put_event(&event, &mut area)?;
            check(area.len() <= self.length, "a transaction is longer than the block")?;
        }
        self.step()?;
        self.out.extend(fields::transaction(self.version, count as u16, crc, &area)?);
        Ok(())
    }

    fn event(&mut self, later: bool) -> Read<Vec<u8>> {
        self.known.event.values.clear();
        self.known.event.occurrences.clear();
        self.left.clear();
        let [message, aggregate, aggregate_type] = self.envelope;
        self.known.event.owner = self.aggregate;
        self.known.event.identifier = 0;
        self.known.event.before = u64::from(later);
        let aggregate = self.known.value(aggregate, 0)?;
        self.aggregate = aggregate.hash;
        self.known.event.owner = aggregate.hash;
        let aggregate_type = self.known.value(aggregate_type, 0)?;
        let place = mix(aggregate.hash, TYPE);
        let before = self.known.look(place).map_or(0, |value| value.hash);
        self.known.event.owner = mix(before, TYPE);
        let name = [b"\0types ", aggregate_type.bytes.as_slice()].concat();
        let scope = self.known.name(0, &name);
        let types = self.known.column(scope, &name);
        let payload_type = self.known.value(types, 0)?;
        self.known.put(place, &payload_type);
        let kind = self.kind(&payload_type)?;
        self.known.event.owner = mix(aggregate.hash, 1);
        self.known.event.before = payload_type.hash;
        self.known.event.identifier = 0;
        let revision = self.known.value(self.types[kind].revision, 0)?;
        self.situations(payload_type.hash, later);
        let sequence = self.sequence(aggregate.hash);
        let clock = if later { Number::NextTime } else { Number::FirstTime };
        self.time = self.time.wrapping_add(self.known.coder.signed(&mut self.numbers[clock as usize]));
        self.known.event.timestamp = self.time;
        let message = self.known.value(message, 0)?;
        self.known.event.before = payload_type.hash;
        self.known.event.identifier = 0;
        self.situations(payload_type.hash, later);
        let shape = self.shape(kind)?;
        let mut metadata = Vec::new();
        for (field, _, column) in &shape.entries {
            let form = [5, 0, 2, 2, 4, 0, 5, 5][*field as usize];
            let value = if form == 5 { None } else { Some(self.known.value(*column, form)?) };
            metadata.push(value);
        }
        self.known.event.before = payload_type.hash;
        self.known.event.identifier = aggregate.hash;
        let data = if shape.flags & 2 == 0 { Vec::new() } else { self.payload(kind)? };
        for ((_, _, column), value) in shape.entries.iter().zip(&metadata) {
            let Some(value) = value else { continue };
            self.known.put(mix(message.hash, self.known.salt(*column)), value);
            if value.id.is_some() {
                self.known.put(mix(value.hash, MESSAGE), &message);
            }
        }
        let values = metadata.iter().map(|value| value.as_ref().map(|value| value.bytes.as_slice()));
        let entries = shape.entries.iter().zip(values);
        let event = Fields {
            message: &message.bytes,
            aggregate: &aggregate.bytes,
            sequence,
            aggregate_type: &aggregate_type.bytes,
            time: self.time,
            payload: [&payload_type.bytes, &revision.bytes, &data],
            flags: shape.flags,
            metadata: entries.map(|((kind, key, _), value)| (*kind, key.as_slice(), value)).collect(),
        };
        Ok(event.written())
    }

    fn situations(&mut self, kind: u64, later: bool) {
        let (owner, later) = (self.known.event.owner, u64::from(later));
        self.coder().situations([mix(kind, later), mix(owner, later), mix(mix(owner, kind), later)]);
    }

    fn kind(&mut self, name: &Value) -> Read<usize> {
        if let Some(kind) = self.by_name.get(name.bytes.as_slice()) {
            return Ok(*kind);
        }
        if self.types.len() >= 2_048 {
            return Ok(self.types.len() - 1);
        }
        let scope = self.known.name(0, &name.bytes);
        let [payload, revision] =
            [b"\0payload".as_slice(), b"\0revision"].map(|key| self.known.column(scope, key));
        let first = self.literal(scope, (Vec::new(), 5, 65_535));
        let slots = self.coder().make(2, 2);
        self.types.push(Type { scope, payload, revision, first, slots, shape: None });
        self.by_name.insert(name.bytes.to_vec(), self.types.len() - 1);
        Ok(self.types.len() - 1)
    }

    /// Makes a literal.
    fn literal(&mut self, scope: usize, (text, form, label): (Vec<u8>, Form, u64)) -> usize {
        if self.literals.len() >= LITERALS {
            return 0;
        }
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$-.".contains(byte) || *byte >= 128;
        let name = if label > 0 {
            [&[0, 0], &(scope as u32).to_be_bytes()[..], &(label as u16).to_be_bytes()].concat()
        } else {
            let end = text.iter().rposition(is_name).map_or(0, |last| last + 1);
            let begin = text[..end].iter().rposition(|byte| !is_name(byte)).map_or(0, |last| last + 1);
            text[begin..end].to_vec()
        };
        let has_column = form != 5 && !name.is_empty();
        let column = has_column.then(|| self.known.column(scope, &name));
        let slots = self.coder().make(4, 1);
        let (index, followers) = (Index::default(), Vec::new());
        self.literals.push(Literal { text, form, column, slots, index, followers, last: None });
        self.literals.len() - 1
    }

    fn sequence(&mut self, aggregate: u64) -> u64 {
        let place = (aggregate / 4) as usize % (1 << 15);
        let tag = aggregate >> 32;
        let known = Some(self.sequences[place].1).filter(|_| self.sequences[place].0 == tag);
        let expected = known.map_or(0, |known| known.wrapping_add(1));
        let sequence = if self.flag(usize::from(known.is_some())) {
            expected
        } else if known.is_some() {
            expected.wrapping_add(self.known.coder.signed(&mut self.numbers[Number::NextSequence as usize]))
        } else {
            self.number(Number::Sequence)
        };
        self.sequences[place] = (tag, sequence);
        sequence
    }

    fn shape(&mut self, kind: usize) -> Read<Shape> {
        let (slots, last) = (self.types[kind].slots, self.types[kind].shape);
        let number = match last {
            Some(last) if self.coder().decision(slots + 1) => last,
            _ => usize::try_from(self.number(Number::Shapes))?,
        };
        if number == self.shapes.len() {
            let shape = self.new_shape()?;
            self.shapes.push(shape);
        }
        self.types[kind].shape = Some(number);
        self.shapes.get(number).cloned().ok_or_else(|| "no such shape".into())
    }

    fn new_shape(&mut self) -> Read<Shape> {
        let flags = self.coder().raw(3);
        let count = self.number(Number::Counts);
        check(count <= 256 && self.shapes.len() < 4_096, "too many entries or shapes")?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let field = self.coder().raw(3);
            check(field <= 5, "no such field")?;
            let key = self.literal_bytes()?.to_vec();
            let column = self.known.metadata_column(&key);
            entries.push((field, key, column));
        }
        Ok(Shape { flags, entries })
    }

    fn payload(&mut self, kind: usize) -> Read<Vec<u8>> {
        let Type { scope, payload, first, slots, .. } = self.types[kind];
        if !self.coder().decision(slots) {
            return Ok(self.known.value(payload, 0)?.bytes.to_vec());
        }
        let (mut data, mut at, mut column) = (Vec::new(), first, payload);
        loop {
            self.step()?;
            check(data.len() <= self.length, "a payload is longer than the block")?;
            at = self.next(at, scope)?;
            let Literal { form, column: own, .. } = self.literals[at];
            column = own.unwrap_or(column);
            data.extend(&self.literals[at].text);
            if form == 5 {
                return Ok(data);
            }
            let value = self.known.value(column, form)?;
            if form == 1 {
                put_varint(value.bytes.len() as u64, &mut data);
            }
            data.extend(value.bytes.iter());
        }
    }

    /// The literal behind `from`.
    fn next(&mut self, from: usize, scope: usize) -> Read<usize> {
        let left = self.left.entry(from).or_insert(0);
        let literal = from as u64;
        let Event { before, owner, ref values, .. } = self.known.event;
        let came = (values.len() as u64) << 32 | literal;
        self.known.coder.situations([mix(before, literal), mix(owner, literal), mix(owner, came)]);
        let situation = mix(self.known.event.owner, (from as u64) << 32 | *left);
        *left += 1;
        let place = situation as usize % (1 << 15);
        let Literal { slots, last, .. } = self.literals[from];
        let (tag, entered) = self.likely[place];
        let forks = self.literals[from].followers.len() > 1;
        let is_likely = forks && entered > 0 && tag == situation >> 32;
        let likely = is_likely.then_some(entered);
        let known = self.literals.len();
        let chosen = if self.coder().is_in_streams() {
            self.chosen_in_stream(from, likely.or(last), last)
        } else {
            self.choose(slots, likely, last).or_else(|| self.listed(from))
        };
        let next = match chosen {
            Some(next) => next,
            None => self.distant(from, scope)?,
        };
        if forks && next < known {
            self.likely[place] = (situation >> 32, next);
        }
        self.literals[from].last = Some(next);
        Ok(next)
    }

    fn choose(&mut self, slots: usize, likely: Option<usize>, last: Option<usize>) -> Option<usize> {
        if likely.is_some() && likely != last && self.coder().decision(slots) {
            return likely;
        }
        let slot = match likely {
            None => 1,
            Some(_) if likely != last => 2,
            Some(_) => 3,
        };
        last.filter(|_| self.coder().decision(slots + slot))
    }

    /// One of all that ever followed.
    fn listed(&mut self, from: usize) -> Option<usize> {
        let place = self.known.coder.index(&mut self.literals[from].index);
        self.literals[from].followers.get(place).copied()
    }

    fn chosen_in_stream(&mut self, from: usize, first: Option<usize>, last: Option<usize>) -> Option<usize> {
        let stream = self.literals[from].slots;
        let place = match self.coder().byte(stream) {
            0 => return first,
            1 => return last,
            255 => self.coder().raw(16),
            byte => byte - 2,
        };
        self.literals[from].followers.get(place as usize).copied()
    }

    /// A literal that never followed.
    fn distant(&mut self, from: usize, scope: usize) -> Read<usize> {
        let slot = self.is_known;
        let next = if self.coder().decision(slot) {
            let back = usize::try_from(self.number(Number::Literals))?;
            let newest = self.literals.len() - 1;
            newest.checked_sub(back).ok_or("no such literal")?
        } else {
            check(self.literals.len() < LITERALS, "too many literals")?;
            let (form, label) = (self.coder().raw(3), self.coder().raw(16));
            check(form <= 5, "no such form")?;
            let text = self.literal_bytes()?.to_vec();
            self.literal(scope, (text, form, label))
        };
        let followers = &mut self.literals[from].followers;
        if followers.len() < 32_767 && !followers.contains(&next) {
            followers.push(next);
        }
        Ok(next)
    }
}
