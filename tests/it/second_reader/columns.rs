//! Event columns, decoded as FORMAT.md says: the symbols, what is known, values.

use super::mixture::Mixture;
use super::streams::Streams;
use super::wire::{Read, check};
use super::words::Words;
use std::collections::HashMap;
use std::rc::Rc;

pub const MESSAGE: u64 = 0x4d45_5353;
const NUMBERED: usize = 4_096;

pub fn mix(a: u64, b: u64) -> u64 {
    let first = (a ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let second = (first ^ (first >> 32) ^ b).wrapping_mul(0xff51_afd7_ed55_8ccd);
    second ^ (second >> 32)
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub fn hash_of(bytes: &[u8]) -> u64 {
    let mut state = (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = (state ^ little(word)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        state ^= state >> 31;
    }
    state = (state ^ little(rest)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    state ^ (state >> 29)
}

/// The identifier that these bytes are.
fn identifier(bytes: &[u8]) -> Option<u128> {
    let digits = match bytes.len() {
        16 if (1..=8).contains(&(bytes[6] >> 4)) && bytes[8] >> 6 == 2 => {
            return Some(u128::from_be_bytes(bytes.try_into().ok()?));
        }
        32 if bytes.iter().any(u8::is_ascii_alphabetic) && !bytes.iter().any(u8::is_ascii_uppercase) => {
            bytes.to_vec()
        }
        36 if [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-') => {
            bytes.iter().copied().filter(|byte| *byte != b'-').collect()
        }
        _ => return None,
    };
    let cases = [u8::is_ascii_lowercase, u8::is_ascii_uppercase]
        .iter()
        .filter(|case| digits.iter().any(case))
        .count();
    let good = digits.len() == 32 && cases < 2 && digits.iter().all(u8::is_ascii_hexdigit);
    good.then(|| u128::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok())?
}

/// An identifier in a style.
pub fn styled(id: u128, style: u8) -> Vec<u8> {
    let hex = format!("{id:032x}");
    let dashed = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    match style {
        0 => dashed.into_bytes(),
        1 => dashed.to_uppercase().into_bytes(),
        2 => hex.into_bytes(),
        _ => id.to_be_bytes().to_vec(),
    }
}

/// A value with its hash.
#[derive(Clone)]
pub struct Value {
    pub bytes: Rc<Vec<u8>>,
    pub hash: u64,
    pub id: Option<u128>,
}

impl Value {
    pub fn new(bytes: Vec<u8>) -> Self {
        let id = identifier(&bytes);
        let hash = match id {
            Some(id) => mix((id >> 64) as u64, id as u64) | 3,
            None => hash_of(&bytes) & !1 | 2,
        };
        Self { bytes: Rc::new(bytes), hash, id }
    }
}

/// Slots made at first use.
#[derive(Clone, Copy, Default)]
pub struct Lazy(Option<usize>);

/// An index: its slots, and those of each length.
#[derive(Clone, Default)]
pub struct Index {
    lengths: Lazy,
    rest: [Lazy; 16],
}

/// Decisions, or symbols in streams, and raw bits beside them.
pub struct Coder<'a> {
    /// Probability, count, history.
    slots: Vec<(u64, u64, u64)>,
    mixture: Option<Mixture>,
    streams: Option<Streams>,
    range: u64,
    code: u64,
    coded: &'a [u8],
    at: usize,
    raw: &'a [u8],
    bit: usize,
}

impl<'a> Coder<'a> {
    pub fn new(coded: &'a [u8], raw: &'a [u8], mixture: Option<Mixture>) -> Self {
        let (slots, streams) = (Vec::new(), None);
        let mut coder = Self { slots, mixture, streams, range: u64::MAX, code: 0, coded, at: 0, raw, bit: 0 };
        coder.code = coder.bytes(8);
        coder.make(16_384, 0);
        coder
    }

    pub fn in_streams(streams: Streams, raw: &'a [u8]) -> Self {
        Self { streams: Some(streams), ..Self::new(&[], raw, None) }
    }

    pub fn is_in_streams(&self) -> bool {
        self.streams.is_some()
    }

    /// A slot, or a stream.
    pub fn either(&self, slot: usize, stream: usize) -> usize {
        if self.is_in_streams() { stream } else { slot }
    }

    pub fn byte(&mut self, stream: usize) -> u64 {
        self.streams.as_mut().map_or(0, |streams| streams.byte(stream))
    }

    fn bytes(&mut self, count: usize) -> u64 {
        self.at += count;
        (self.at - count..self.at)
            .fold(0, |code, at| code << 8 | u64::from(self.coded.get(at).copied().unwrap_or(0)))
    }

    /// Nothing that was written is so much longer than its streams.
    pub fn check(&self) -> Read<()> {
        let is_past = self.streams.as_ref().is_some_and(|streams| streams.is_past);
        let raw = if self.is_in_streams() { self.raw.len().next_multiple_of(4) } else { self.raw.len() + 8 };
        let is_near = self.at <= self.coded.len() + 64 && self.bit <= raw * 8;
        check(is_near && !is_past, "it ends too early")
    }

    /// The first of so many new slots, or streams.
    pub fn make(&mut self, slots: usize, streams: usize) -> usize {
        if let Some(all) = &mut self.streams {
            return all.make(streams);
        }
        let first = self.slots.len();
        if first + slots > 3 << 20 {
            return 0;
        }
        self.slots.resize(first + slots, (1 << 21, 0, 0));
        first
    }

    pub fn lazy(&mut self, lazy: &mut Lazy, slots: usize, streams: usize) -> usize {
        *lazy.0.get_or_insert_with(|| self.make(slots, streams))
    }

    pub fn decision(&mut self, slot: usize) -> bool {
        if self.is_in_streams() {
            return self.byte(slot) != 0;
        }
        let (p, n, history) = self.slots[slot];
        let q = p >> 6;
        let is_mixed = self.mixture.as_mut().is_some_and(|mixture| mixture.mixes(slot, q, n));
        let mixture = self.mixture.as_mut().filter(|_| is_mixed);
        let probability = mixture.map_or(q.max(1), |mixture| mixture.mix(slot, q, history));
        let bound = (self.range >> 16) * probability;
        let is = self.code < bound;
        if is {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        if self.range < 1 << 32 {
            self.range <<= 32;
            self.code = self.code << 32 | self.bytes(4);
        }
        let step = 131_072 / (2 * n + 3);
        let p = if is { p + ((((1 << 22) - 1 - p) * step) >> 16) } else { p - ((p * step) >> 16) };
        self.slots[slot] = (p, (n + 1).min(250), history);
        if let Some(mixture) = self.mixture.as_mut().filter(|_| is_mixed) {
            mixture.learn(is, slot, q);
            self.slots[slot].2 = (2 * history + u64::from(is)) % 256;
        }
        is
    }

    /// Says where one is: only the mixture wants to know.
    pub fn situations(&mut self, situations: [u64; 3]) {
        if let Some(mixture) = &mut self.mixture {
            mixture.situations = situations;
        }
    }

    pub fn tree(&mut self, base: usize, bits: u32) -> u64 {
        if self.is_in_streams() {
            return self.byte(base);
        }
        let mut node = 1;
        for _ in 0..bits {
            node = 2 * node + usize::from(self.decision(base + node));
        }
        node as u64 - (1 << bits)
    }

    pub fn raw(&mut self, bits: u32) -> u64 {
        if bits > 32 {
            let low = self.raw(32);
            return low | self.raw(bits - 32) << 32;
        }
        (0..bits).fold(0, |number, at| {
            let bit = self.raw.get(self.bit / 8).map_or(0, |byte| byte >> (self.bit % 8) & 1);
            self.bit += 1;
            number | u64::from(bit) << at
        })
    }

    pub fn number(&mut self, lazy: &mut Lazy) -> u64 {
        let base = self.lazy(lazy, 576, 2);
        if self.is_in_streams() {
            return self.number_in_streams(base);
        }
        let length = self.tree(base, 6) as u32;
        match length {
            0 => 0,
            63 => self.raw(64),
            _ => {
                let high = (length - 1).min(3);
                let top = 1 << high | self.tree(base + 64 + 8 * length as usize, high);
                let rest = length - 1 - high;
                top << rest | self.raw(rest)
            }
        }
    }

    fn number_in_streams(&mut self, base: usize) -> u64 {
        let byte = self.byte(base);
        if byte < 190 {
            return byte;
        }
        let behind = (byte - 190).clamp(1, 64) as u32 - 1;
        let high = behind.min(8);
        let top = self.byte(base + 1) % (1 << high);
        1 << behind | top << (behind - high) | self.raw(behind - high)
    }

    pub fn signed(&mut self, lazy: &mut Lazy) -> u64 {
        let magnitude = self.number(lazy);
        if self.is_in_streams() {
            return if magnitude.is_multiple_of(2) { magnitude / 2 } else { !(magnitude / 2) };
        }
        let length = (64 - magnitude.leading_zeros()).min(63) as usize;
        let base = self.lazy(lazy, 576, 2);
        let negative = magnitude != 0 && self.decision(base + 64 + 8 * length);
        if negative { magnitude.wrapping_neg() } else { magnitude }
    }

    pub fn index(&mut self, index: &mut Index) -> usize {
        let base = self.lazy(&mut index.lengths, 16, 2);
        if self.is_in_streams() {
            let byte = self.byte(base) as usize;
            return if byte < 128 { byte } else { (byte - 128) * 256 + self.byte(base + 1) as usize };
        }
        let length = self.tree(base, 4) as usize;
        if length < 2 {
            return length;
        }
        let base = self.lazy(&mut index.rest[length], 1 << (length - 1), 0);
        1 << (length - 1) | self.tree(base, length as u32 - 1) as usize
    }
}

impl Coder<'_> {
    /// A new identifier: of operation 8, or of 9 with its kinds and moments.
    pub fn new_id(&mut self, operation: usize, kinds: usize, timestamp: u64, moments: &mut Lazy) -> u128 {
        let (time, version) = if operation == 8 {
            (self.raw(48), 4)
        } else if self.tree(kinds, 3) == 1 {
            (timestamp.wrapping_add(self.signed(moments)), 7)
        } else {
            let high = self.raw(64);
            return u128::from(high) << 64 | u128::from(self.raw(64));
        };
        let (middle, low) = (self.raw(12), self.raw(62));
        u128::from(time << 16 | version << 12 | middle) << 64 | u128::from(1_u64 << 63 | low)
    }

    /// Scale, width, whether zeros are stripped.
    pub fn number_format(&mut self) -> Format {
        let bits = self.raw(11);
        ((bits & 31) as u32, (bits >> 5 & 31) as usize, bits >> 10 == 1)
    }

    /// Digits, suffix, whether there is a space.
    pub fn time_format(&mut self) -> Format {
        let bits = self.raw(8);
        ((bits & 15) as u32, (bits >> 4 & 7) as usize, bits >> 7 == 1)
    }
}

/// Whether a guess is worth looking for.
#[derive(Clone, Copy, Default)]
struct Trust {
    values: u64,
    looked: u64,
    right: u64,
    is_bad: bool,
    ever_right: bool,
    all: u64,
}

impl Trust {
    fn looks(self) -> bool {
        !self.is_bad || self.values < 64
    }

    fn is_given_up(self) -> bool {
        !self.ever_right && self.all >= 1_024
    }

    fn learn(&mut self, looked: bool, right: bool) {
        self.all += 1;
        self.values += 1;
        self.looked += u64::from(looked);
        self.right += u64::from(right);
        self.ever_right |= right;
        if self.values == 512 {
            self.is_bad = 64 * self.right < self.looked;
            (self.values, self.looked, self.right) = (0, 0, 0);
        }
    }
}

/// A format of numbers (scale, width, whether zeros are stripped), or of moments (digits, suffix, whether there is a space).
pub type Format = (u32, usize, bool);

pub struct Column {
    pub key: usize,
    pub salt: u64,
    slots: usize,
    is_metadata: bool,
    last: Option<Value>,
    recent: Vec<Value>,
    operations: [usize; 8],
    numbers: [Lazy; 4],
    style: u8,
    format: Format,
    time_format: Format,
    trust: Trust,
}

#[derive(Default)]
struct Key {
    listed: Vec<Value>,
    hits: usize,
    index: Index,
    trusts: [Trust; 2],
}

/// What is known of the event that is being read.
#[derive(Default)]
pub struct Event {
    pub owner: u64,
    pub before: u64,
    pub identifier: u64,
    pub timestamp: u64,
    pub values: Vec<Value>,
    pub occurrences: HashMap<usize, u64>,
}

/// What is known of the block.
pub struct Known<'a> {
    pub coder: Coder<'a>,
    values: &'a [u8],
    table: Vec<Option<(u8, Value)>>,
    names: [HashMap<Vec<u8>, usize>; 2],
    columns: Vec<Column>,
    by_name: HashMap<(usize, usize), usize>,
    keys: Vec<Key>,
    ids: Vec<u128>,
    words: Words,
    numbers: [Lazy; 2],
    pub event: Event,
}

/// How a value lies; see the table of forms.
pub type Form = u64;

impl<'a> Known<'a> {
    pub fn new(mut coder: Coder<'a>, values: &'a [u8], length: usize) -> Self {
        let words = Words::new(&mut coder, NUMBERED + 1);
        let places = (length / 64).next_power_of_two().clamp(1 << 10, coder.either(1 << 18, 1 << 17));
        Self {
            coder,
            values,
            table: vec![None; places],
            names: Default::default(),
            columns: Vec::new(),
            by_name: HashMap::new(),
            keys: (0..=NUMBERED).map(|_| Key::default()).collect(),
            ids: Vec::new(),
            words,
            numbers: [Lazy::default(); 2],
            event: Event::default(),
        }
    }

    /// So many bytes of the stream of values.
    pub fn bytes(&mut self, length: u64) -> Read<&'a [u8]> {
        let length = usize::try_from(length)?;
        let (taken, rest) =
            self.values.split_at_checked(length).ok_or("the stream of values is too short")?;
        self.values = rest;
        Ok(taken)
    }

    /// The number of a name, of a scope (0) or a key (1).
    pub fn name(&mut self, which: usize, name: &[u8]) -> usize {
        let names = &mut self.names[which];
        let next = names.len();
        if next >= NUMBERED {
            return names.get(name).copied().unwrap_or(NUMBERED);
        }
        *names.entry(name.to_vec()).or_insert(next)
    }

    pub fn column(&mut self, scope: usize, key: &[u8]) -> usize {
        let key = self.name(1, key);
        if let Some(column) = self.by_name.get(&(scope, key)) {
            return *column;
        }
        if self.columns.len() >= NUMBERED {
            return self.columns.len() - 1;
        }
        let slots = self.coder.make(344, 14);
        let salt = mix((scope as u64) << 32 | key as u64, 0x5a17);
        self.columns.push(Column {
            key,
            salt,
            slots,
            is_metadata: false,
            last: None,
            recent: Vec::new(),
            operations: [14; 8],
            numbers: [Lazy::default(); 4],
            style: 0,
            format: (0, 0, false),
            time_format: (0, 0, false),
            trust: Trust::default(),
        });
        self.by_name.insert((scope, key), self.columns.len() - 1);
        self.columns.len() - 1
    }

    pub fn salt(&self, column: usize) -> u64 {
        self.columns[column].salt
    }

    /// Place and tag of a situation.
    fn place(&self, situation: u64) -> (usize, u8) {
        ((situation >> 32) as usize % self.table.len(), situation as u8)
    }

    fn place_of_owner(&self, column: usize) -> (usize, u8) {
        let occurrence = self.event.occurrences.get(&column).copied().unwrap_or(0);
        let situation = mix(self.event.owner, occurrence);
        let key = self.columns[column].key;
        let place = (situation >> 32) as usize % self.table.len();
        let tag = (situation as u32) ^ 37_u32.wrapping_mul((key / 32) as u32);
        (place & !31 | key & 31, tag as u8)
    }

    fn at(&self, (place, tag): (usize, u8)) -> Option<Value> {
        self.table[place].as_ref().filter(|(found, _)| *found == tag).map(|(_, value)| value.clone())
    }

    fn put_at(&mut self, (place, tag): (usize, u8), value: &Value) {
        if value.bytes.len() < 1 << 24 {
            self.table[place] = Some((tag, value.clone()));
        }
    }

    pub fn look(&self, situation: u64) -> Option<Value> {
        self.at(self.place(situation))
    }

    pub fn put(&mut self, situation: u64, value: &Value) {
        self.put_at(self.place(situation), value);
    }

    /// The column of a key of the metadata.
    pub fn metadata_column(&mut self, key: &[u8]) -> usize {
        let scope = self.name(0, b"\0metadata");
        let at = self.column(scope, key);
        self.columns[at].is_metadata = true;
        at
    }

    /// A value of a column.
    pub fn value(&mut self, at: usize, form: Form) -> Read<Value> {
        let (key, salt) = (self.columns[at].key, self.columns[at].salt);
        let fourth = if self.columns[at].is_metadata { MESSAGE } else { key as u64 };
        let places = [
            self.place_of_owner(at),
            self.place(mix(self.event.before, salt)),
            self.place(mix(self.event.identifier, fourth)),
        ];
        let trusts = [self.keys[key].trusts[0], self.columns[at].trust, self.keys[key].trusts[1]];
        let looks = trusts.map(Trust::looks);
        let [first, second, fourth] = [0, 1, 2].map(|n| if looks[n] { self.at(places[n]) } else { None });
        let third = self.columns[at].last.clone();
        let guesses = [first, second, third, fourth];
        let operation = self.operation(at, &guesses, salt);
        let value = self.operate(at, operation, form, &guesses)?;
        self.coder.check()?;
        for (n, place) in places.into_iter().enumerate() {
            if !trusts[n].is_given_up() {
                self.put_at(place, &value);
            }
        }
        let right = [0, 1, 3].map(|n| guesses[n].as_ref().is_some_and(|guess| guess.hash == value.hash));
        self.keys[key].trusts[0].learn(looks[0], right[0]);
        self.columns[at].trust.learn(looks[1], right[1]);
        self.keys[key].trusts[1].learn(looks[2], right[2]);
        self.remember(at, &value);
        Ok(value)
    }

    fn remember(&mut self, at: usize, value: &Value) {
        let column = &mut self.columns[at];
        column.last = Some(value.clone());
        if value.id.is_some() {
            column.recent.retain(|other| other.id != value.id);
            column.recent.insert(0, value.clone());
            column.recent.truncate(8);
            self.event.identifier = value.hash;
        }
        *self.event.occurrences.entry(at).or_insert(0) += 1;
        if self.event.values.len() < 64 {
            self.event.values.push(value.clone());
        }
        self.event.before = value.hash;
    }

    fn operation(&mut self, at: usize, guesses: &[Option<Value>; 4], salt: u64) -> usize {
        let first = guesses[0].as_ref().or(guesses[1].as_ref()).map(|guess| guess.hash);
        let same = |guess: &Option<Value>| guess.as_ref().is_some_and(|guess| Some(guess.hash) == first);
        let mask = usize::from(guesses[0].is_some())
            + 2 * usize::from(same(&guesses[1]))
            + 4 * usize::from(same(&guesses[2]));
        let hash = |guess: &Option<Value>| guess.as_ref().map_or(0, |guess| guess.hash);
        let both = mix(hash(&guesses[0]), hash(&guesses[3]));
        let Event { before, owner, .. } = self.event;
        self.coder.situations([mix(before, salt), mix(owner, salt), mix(both, salt ^ mask as u64)]);
        let (slots, last) = (self.columns[at].slots, self.columns[at].operations[mask]);
        if self.coder.is_in_streams() {
            let byte = self.coder.byte(slots + mask) as usize;
            self.columns[at].operations[mask] = if byte == 0 { last } else { (byte - 1) % 16 };
        } else if !self.coder.decision(slots + mask * 16 + last) {
            self.columns[at].operations[mask] = self.coder.tree(slots + 128 + mask * 16, 4) as usize;
        }
        self.columns[at].operations[mask]
    }

    fn operate(
        &mut self,
        at: usize,
        operation: usize,
        form: Form,
        guesses: &[Option<Value>; 4],
    ) -> Read<Value> {
        let slots = self.columns[at].slots;
        let value = match operation {
            0..=3 => return guesses[operation].clone().ok_or_else(|| "there is no such guess".into()),
            4 => {
                let place = self.coder.tree(slots + self.coder.either(264, 8), 6) as usize;
                let value = self.event.values.get(place).cloned().ok_or("no value of the event")?;
                match value.id {
                    Some(id) => Value::new(styled(id, self.style(at))),
                    None => value,
                }
            }
            5 => {
                let key = &mut self.keys[self.columns[at].key];
                key.hits += 1;
                let place = self.coder.index(&mut key.index);
                key.listed.get(place).cloned().ok_or("no listed value")?
            }
            6 => {
                let place = self.coder.tree(slots + self.coder.either(328, 9), 3) as usize;
                self.columns[at].recent.get(place).cloned().ok_or("no recent identifier")?
            }
            7..=9 => {
                let style = self.style(at);
                let id = self.id(at, operation)?;
                if operation > 7 {
                    self.ids.push(id);
                }
                Value::new(styled(id, style))
            }
            10..=13 => Value::new(self.numeric(at, operation, form, guesses)?),
            14 => {
                let (key, before) = (self.columns[at].key, self.event.before);
                Value::new(self.words.text(&mut self.coder, key, before)?)
            }
            _ => {
                let length = self.coder.number(&mut self.numbers[0]);
                Value::new(self.bytes(length)?.to_vec())
            }
        };
        let key = &mut self.keys[self.columns[at].key];
        if matches!(operation, 7..=12 | 14) && key.listed.len() < (64 + 16 * key.hits).min(32_768) {
            key.listed.push(value.clone());
        }
        Ok(value)
    }

    fn style(&mut self, at: usize) -> u8 {
        let flags = self.columns[at].slots + self.coder.either(256, 11);
        if !self.coder.decision(flags) {
            self.columns[at].style = self.coder.raw(2) as u8;
        }
        self.columns[at].style
    }

    fn id(&mut self, at: usize, operation: usize) -> Read<u128> {
        let coder = &mut self.coder;
        if operation == 7 {
            let before = usize::try_from(coder.number(&mut self.numbers[1]))?;
            let place = self.ids.len().checked_sub(1).and_then(|newest| newest.checked_sub(before));
            return Ok(self.ids[place.ok_or("no such identifier")?]);
        }
        let kinds = self.columns[at].slots + coder.either(336, 10);
        Ok(coder.new_id(operation, kinds, self.event.timestamp, &mut self.columns[at].numbers[3]))
    }

    fn format(&mut self, at: usize) -> Format {
        let flags = self.columns[at].slots + self.coder.either(256, 11);
        if !self.coder.decision(flags + 1) {
            self.columns[at].format = self.coder.number_format();
        }
        self.columns[at].format
    }

    fn numeric(
        &mut self,
        at: usize,
        operation: usize,
        form: Form,
        guesses: &[Option<Value>; 4],
    ) -> Read<Vec<u8>> {
        if operation == 13 {
            return self.moment(at, form);
        }
        let format = self.format(at);
        let lazy = &mut self.columns[at].numbers[operation - 10];
        let number = match operation {
            10 if format.0 == 31 => self.coder.number(lazy).wrapping_shl(44) | self.coder.raw(44),
            10 => self.coder.signed(lazy),
            _ => {
                let guess = &guesses[if operation == 11 { 2 } else { 0 }];
                let read = guess.as_ref().and_then(|guess| super::numbers::read(&guess.bytes, form, format));
                read.unwrap_or(0).wrapping_add(self.coder.signed(lazy))
            }
        };
        super::numbers::write(number, form, format)
    }

    fn moment(&mut self, at: usize, form: Form) -> Read<Vec<u8>> {
        let flags = self.columns[at].slots + self.coder.either(256, 11);
        if !self.coder.decision(flags + 2) {
            self.columns[at].time_format = self.coder.time_format();
        }
        let time = self.columns[at].time_format;
        let format = if time.0 == 14 { Some(self.format(at)) } else { None };
        let delta = self.coder.signed(&mut self.columns[at].numbers[3]);
        super::numbers::moment(self.event.timestamp.cast_signed(), delta.cast_signed(), (time, format), form)
    }
}
