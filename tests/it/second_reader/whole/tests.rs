//! Blocks that no writer writes: all that the document allows. The program reads them as the second reader does, or refuses them, too.

use super::{decode, read};
use crate::second_reader::columns::Coder;
use crate::second_reader::fields::put_varint;
use crate::second_reader::streams::{MadeUp, Streams};
use fastrand::Rng;
use segvault::repo::codec::columns::{self, Mode};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Texts that are something in one way or another.
const TEXTS: [&[u8]; 9] =
    [b"", b"{\"id\":\"", b"\",\"of\":", b",\"next\":[", b"}", b"one two three", b"\xc3\xa9", b"12", b"A"];

/// A head, number by number.
struct Head<'a> {
    random: &'a mut Rng,
    bytes: Vec<u8>,
}

impl Head<'_> {
    fn put(&mut self, number: usize) {
        put_varint(number as u64, &mut self.bytes);
    }

    /// One of these.
    fn one(&mut self, of: &[usize]) -> usize {
        let number = of[self.random.usize(..of.len())];
        self.put(number);
        number
    }

    /// One of these, and none of those behind.
    fn within(&mut self, range: std::ops::Range<usize>) -> usize {
        let number = self.random.usize(range);
        self.put(number);
        number
    }

    fn text(&mut self) {
        let text = TEXTS[self.random.usize(..TEXTS.len())];
        self.put(text.len());
        self.bytes.extend(text);
    }

    /// A list of what may follow: one that is before it, a few, or more than a byte says. The first ones are chosen more often.
    fn behind(&mut self, own: usize, end: usize) {
        let count = self.one(&[1, 1, 2, 3, 5, 300]);
        for at in 0..count {
            self.within(0..if count == 1 { own.max(1) } else { end.min(at + 2) });
        }
    }

    fn columns(&mut self, keys: usize, columns: usize) {
        let own: Vec<usize> =
            (0..columns).map(|column| if column < 2 { column } else { self.random.usize(1..keys) }).collect();
        self.put(columns);
        for key in &own {
            let lower: Vec<usize> = (0..columns).filter(|column| own[*column] < *key).collect();
            let (form, base) = ([0, 0, 0, 1, 2, 3, 4][self.random.usize(..7)], self.random.usize(..4));
            let most = if *key > 1 { 4 } else { 2 };
            let ways = [0, 1].map(|_| if lower.is_empty() { 0 } else { self.random.usize(..most) });
            self.put(*key);
            self.put(form + 8 * base + 32 * ways[0] + 128 * ways[1]);
            for _ in ways.iter().filter(|way| **way > 0) {
                self.one(&lower);
            }
        }
    }

    fn kinds(&mut self, kinds: usize, (literals, columns): (usize, usize)) {
        self.put(kinds);
        for _ in 0..kinds {
            let is_bare = self.random.u8(..5) == 0;
            self.text();
            for _ in 0..2 {
                if is_bare { self.put(0) } else { self.text() }
            }
            self.within(0..literals);
            self.within(2..columns - 2);
            self.one(if is_bare { &[0, 4] } else { &[3, 3, 3, 7, 1] });
            for _ in 0..self.within(0..3) {
                self.text();
                self.within(0..6);
                self.within(columns - 2..columns);
            }
        }
    }

    fn literals(&mut self, literals: usize, columns: usize) {
        self.put(literals);
        for at in 0..literals {
            self.text();
            let forms: &[usize] = if at == 0 { &[5] } else { &[0, 0, 1, 2, 3, 4, 5] };
            if self.one(forms) < 5 {
                self.within(2..columns - 2);
            }
        }
    }
}

/// A head, and how many bytes its runs carry.
fn head(random: &mut Rng) -> (Vec<u8>, usize) {
    let (keys, kinds, literals) = (random.usize(2..7), random.usize(1..5), random.usize(2..8));
    let (columns, runs) = (keys + random.usize(3..7), random.usize(1..3));
    let mut head = Head { random, bytes: Vec::new() };
    let mut carried = 0;
    head.put(runs);
    for _ in 0..runs {
        carried += head.within(0..7);
        head.within(1..16);
    }
    head.put(keys);
    for _ in 0..keys {
        head.within(0..5);
    }
    head.columns(keys, columns);
    head.kinds(kinds, (literals, columns));
    head.literals(literals, columns);
    for kind in 0..=kinds {
        head.behind(kind, kinds);
    }
    for literal in 0..literals {
        head.behind(literal, literals);
    }
    (head.bytes, carried)
}

/// So many of the first bytes are of how many events there are, and of which aggregates: only low ones make sense there.
const FIRST: usize = 150;

/// The byte of a stream that is read at this place.
fn byte(random: &mut Rng, at: usize) -> u8 {
    match random.u8(..20) {
        _ if at < FIRST => random.u8(..5),
        0..=4 => random.u8(..4),
        5..=17 => random.u8(..19),
        18 => random.u8(..128),
        _ => random.u8(..),
    }
}

fn framed(length: usize, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(length as u64, out);
    out.push(0);
    out.extend(bytes);
}

/// A block of these parts.
fn encoded(head: &[u8], carried: &[u8], streams: &BTreeMap<usize, Vec<u8>>, raw: &[u8]) -> Vec<u8> {
    let (mut directory, mut groups, mut next) = (Vec::new(), vec![Vec::<u8>::new()], 0);
    for (number, bytes) in streams {
        put_varint((number - next) as u64, &mut directory);
        put_varint(bytes.len() as u64, &mut directory);
        next = number + 1;
        let group = groups.last().unwrap();
        if !group.is_empty() && group.len().max(bytes.len()) >= 8_192 {
            groups.push(Vec::new());
        }
        groups.last_mut().unwrap().extend(bytes);
    }
    let mut out = Vec::new();
    for part in [head, carried, &directory] {
        framed(part.len(), part, &mut out);
    }
    for group in groups {
        out.push(0);
        out.extend(group);
    }
    [&out, raw].concat()
}

/// A block, and what the second reader makes of it. Where it refuses what it was given, the last bytes are made up anew.
fn made_up(random: &mut Rng) -> Option<(Vec<u8>, usize)> {
    let (head, runs) = head(random);
    let raw: Vec<u8> = (0..4_000).map(|_| random.u8(..)).collect();
    let carried: Vec<u8> = (0..runs + 3_000).map(|_| random.u8(..)).collect();
    let made_up = Rc::new(RefCell::new(MadeUp::default()));
    made_up.borrow_mut().bytes = (0..6_000).map(|at| byte(random, at)).collect();
    for _ in 0..500 {
        {
            let mut made_up = made_up.borrow_mut();
            (made_up.used, made_up.streams) = (0, BTreeMap::new());
        }
        let coder = Coder::in_streams(Streams::made_up(&made_up), &raw);
        let block = read(&head, &carried, coder, 1 << 20);
        let mut made_up = made_up.borrow_mut();
        if let Ok(block) = block {
            let carried = &carried[..carried.len().min(block.len())];
            return Some((encoded(&head, carried, &made_up.streams, &raw), block.len()));
        }
        let used = made_up.used;
        for at in used.saturating_sub(if random.u8(..8) == 0 { 4 } else { 1 })..used {
            made_up.bytes[at] = byte(random, at);
        }
    }
    None
}

/// Whether both readers make the same of it, and of what they make of it.
fn alike(encoded: &[u8], length: usize) -> bool {
    let (first, second) = (columns::decode(encoded, Mode::Whole, length), decode(encoded, length));
    match (&first, &second) {
        (Ok(first), Ok(second)) => assert!(first == second, "both read it, and not alike"),
        (Ok(_), Err(wrong)) => panic!("the second reader refuses it: {wrong}"),
        (Err(wrong), Ok(_)) => panic!("the program refuses it: {wrong:?}"),
        (Err(_), Err(_)) => {}
    }
    second.is_ok()
}

#[test]
fn what_no_writer_writes_is_read_alike() {
    let (mut random, mut read) = (Rng::with_seed(61), 0);
    for _ in 0..150 {
        let Some((encoded, length)) = made_up(&mut random) else { continue };
        read += u32::from(alike(&encoded, length));
        let mut damaged = encoded;
        for _ in 0..20 {
            // In front are the head and the directory.
            let at = random.usize(..damaged.len().min(600));
            let before = std::mem::replace(&mut damaged[at], byte(&mut random, FIRST));
            alike(&damaged, length);
            damaged[at] = before;
        }
    }
    assert!(read > 80, "{read} are read");
}
