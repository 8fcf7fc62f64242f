//! New words, byte by byte. Words are told by their letters; what has digits among them (numbers of accounts, of parts, of orders) by
//! the place in it.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;

/// The longest token.
pub(super) const TOKEN_MAX: usize = 63;
/// The longest token that is remembered.
pub(super) const KEPT_MAX: usize = 24;
/// Slots for each byte before.
const SLOTS: u32 = 256 * 256;
/// Slots of lengths, behind a word or not.
const LENGTHS: u32 = 64;
/// Slots for each place, of keys with such tokens; and how long these are at least.
const PLACES: u32 = 32;
const LONG: usize = 8;

/// A token that is remembered: its bytes lie together with those of all others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Token {
    text: [u8; KEPT_MAX],
    length: u8,
}

impl Token {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut token = Self { text: [0; KEPT_MAX], length: text.len().min(KEPT_MAX) as u8 };
        token.text.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        token
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.length)).unwrap_or_default()
    }

    pub(super) fn hash(&self) -> u64 {
        hash(self.bytes())
    }

    /// Appends its bytes: as many as any token has, which takes no call, then those that are none are taken back.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.length);
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }
}

/// What is known of one key's new words.
#[derive(Clone, Copy, Debug, Default)]
struct Key {
    /// Whether the last long one had digits.
    by_place: bool,
    places: u32,
}

/// Predicts the bytes of new words.
#[derive(Debug)]
pub(super) struct Spelling {
    bytes: u32,
    lengths: u32,
    keys: Vec<Key>,
}

impl Spelling {
    pub(super) fn new<C: Coder>(coder: &mut C) -> Self {
        let (bytes, lengths) = (coder.allocate(SLOTS, 1), coder.allocate(2 * LENGTHS, 2));
        Self { bytes, lengths, keys: Vec::new() }
    }

    /// Codes a word of a key; gives its bytes and its length. What is read may be longer than a word can be: then all bytes there are.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        place: (u32, bool),
        text: &[u8],
    ) -> ([u8; TOKEN_MAX], usize) {
        let (key, after_word) = place;
        let lengths = self.lengths + C::place(LENGTHS, 1) * u32::from(after_word);
        let length = coder.symbol(lengths, 6, text.len() as u32) as usize;
        let slots = self.places(coder, key, length);
        let mut word = [0; TOKEN_MAX];
        let mut so_far = 0;
        for (at, byte) in word.iter_mut().take(length).enumerate() {
            contexts(coder, (key, at, length), so_far);
            let (base, context) = if slots == 0 {
                (self.bytes, so_far as u32 & 0xff)
            } else {
                (slots, (at as u32).min(PLACES - 1))
            };
            let written = u32::from(text.get(at).copied().unwrap_or(0));
            *byte = coder.symbol(base + C::place(context * 256, 0), 8, written) as u8;
            so_far = so_far << 8 | u64::from(*byte);
        }
        self.learn(key, word.get(..length).unwrap_or_default());
        (word, length)
    }

    /// The slots by place, if they are used.
    fn places<C: Coder>(&mut self, coder: &mut C, key: u32, length: usize) -> u32 {
        while self.keys.len() <= key as usize {
            self.keys.push(Key::default());
        }
        match self.keys.get_mut(key as usize) {
            Some(known) if known.by_place && length >= LONG => {
                if known.places == 0 {
                    known.places = coder.allocate(PLACES * 256, 1);
                }
                known.places
            }
            _ => 0,
        }
    }

    fn learn(&mut self, key: u32, word: &[u8]) {
        if let Some(known) = self.keys.get_mut(key as usize)
            && word.len() >= LONG
        {
            known.by_place = word.iter().any(u8::is_ascii_digit);
        }
    }
}

/// Says where in a new word one is; `so_far` are its bytes up to here, the last one lowest.
#[inline]
fn contexts<C: Coder>(coder: &mut C, place: (u32, usize, usize), so_far: u64) {
    coder.contexts(|| {
        let (key, at, length) = place;
        let key = u64::from(key) << 8;
        [mix(so_far & 0xffff, 2), mix(so_far & 0xff_ffff, 3), mix((at as u64) << 8 | length as u64, key | 5)]
    });
}
