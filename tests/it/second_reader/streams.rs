//! The streams of codec 4: a symbol is a byte of the stream of its place.

use super::events::{stream, unpack, varint};
use super::wire::{Read, check};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A group ends behind so many bytes, and before a stream that has them.
const LONG: usize = 8_192;

/// All streams, by their numbers, and how far each was read.
#[derive(Default)]
pub struct Streams {
    all: Vec<Vec<u8>>,
    at: Vec<usize>,
    made: usize,
    /// Whether something was read that is not there.
    pub is_past: bool,
    /// Where streams are made up as they are read.
    pub made_up: Option<Rc<RefCell<MadeUp>>>,
}

/// What is read, whatever the stream, and what streams it makes.
#[derive(Default)]
pub struct MadeUp {
    pub bytes: Vec<u8>,
    pub used: usize,
    pub streams: BTreeMap<usize, Vec<u8>>,
}

impl MadeUp {
    fn byte(&mut self, stream: usize) -> Option<u8> {
        let byte = *self.bytes.get(self.used)?;
        self.used += 1;
        self.streams.entry(stream).or_default().push(byte);
        Some(byte)
    }
}

impl Streams {
    /// The streams of a block of so many bytes.
    pub fn read(bytes: &mut &[u8], length: usize) -> Read<Self> {
        let directory = stream(bytes, 1 << 21)?;
        let (mut left, mut sum, mut next, mut group) = (directory.as_slice(), 0, 0, Vec::new());
        let mut streams = Self { made: 1, ..Self::default() };
        while !left.is_empty() {
            let (between, own) = (varint(&mut left)?, varint(&mut left)?);
            check(between < 1 << 18 && next + between < 1 << 18, "too many streams")?;
            check(own > 0 && own <= length + 65_536 - sum, "streams are too long")?;
            let filled: usize = group.iter().map(|(_, length)| length).sum();
            if filled > 0 && filled.max(own) >= LONG {
                streams.group(bytes, std::mem::take(&mut group))?;
            }
            group.push((next + between, own));
            (next, sum) = (next + between + 1, sum + own);
        }
        streams.group(bytes, group)?;
        streams.at = vec![0; streams.all.len()];
        Ok(streams)
    }

    fn group(&mut self, bytes: &mut &[u8], streams: Vec<(usize, usize)>) -> Read<()> {
        let packed = varint(bytes)?;
        let length = streams.iter().map(|(_, length)| length).sum();
        let unpacked = unpack(bytes, packed, length)?;
        let mut rest = unpacked.as_slice();
        for (number, length) in streams {
            let (own, behind) = rest.split_at(length);
            self.all.resize(number, Vec::new());
            self.all.push(own.to_vec());
            rest = behind;
        }
        Ok(())
    }

    /// Streams that become what is read of them.
    pub fn made_up(made_up: &Rc<RefCell<MadeUp>>) -> Self {
        Self { made: 1, made_up: Some(Rc::clone(made_up)), ..Self::default() }
    }

    /// The first of so many new streams.
    pub fn make(&mut self, count: usize) -> usize {
        if self.made + count > 1 << 18 {
            return 0;
        }
        self.made += count;
        self.made - count
    }

    pub fn byte(&mut self, stream: usize) -> u64 {
        if let Some(made_up) = &self.made_up {
            let byte = made_up.borrow_mut().byte(stream);
            self.is_past |= byte.is_none();
            return byte.unwrap_or(0).into();
        }
        let byte = self.all.get(stream).and_then(|bytes| bytes.get(self.at[stream]));
        match byte {
            Some(byte) => {
                self.at[stream] += 1;
                u64::from(*byte)
            }
            None => {
                self.is_past = true;
                0
            }
        }
    }
}
