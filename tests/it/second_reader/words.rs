//! Words: texts in event columns, as tokens of their keys.

use super::columns::{Coder, Index, Lazy, mix};
use super::wire::{Read, check};

#[derive(Clone, Default)]
struct Key {
    /// The first of its slots or streams.
    streams: Option<usize>,
    /// Whether the last long new token had a digit; then its bytes are told by their places.
    by_place: bool,
    places: Lazy,
    tokens: Vec<usize>,
    index: Index,
}

/// The tokens of all keys.
pub struct Words {
    keys: Vec<Key>,
    tokens: Vec<Vec<u8>>,
    followers: Vec<(u64, usize, u64)>,
    spelling: usize,
    lengths: usize,
    back: Lazy,
}

impl Words {
    pub fn new(coder: &mut Coder<'_>, keys: usize) -> Self {
        let (spelling, lengths) = (coder.make(65_536, 1), coder.make(128, 2));
        let (keys, followers) = (vec![Key::default(); keys], vec![(0, 0, 0); 1 << 14]);
        Self { keys, tokens: Vec::new(), followers, spelling, lengths, back: Lazy::default() }
    }

    /// A text of the key; `value` is the hash of the value before it.
    pub fn text(&mut self, coder: &mut Coder<'_>, key: usize, value: u64) -> Read<Vec<u8>> {
        let base = match self.keys[key].streams {
            Some(base) => base,
            None => *self.keys[key].streams.insert(coder.make(56, 6)),
        };
        let (mut text, mut before, mut after_word, mut count) = (Vec::new(), 0xffff_ffff_u64, false, 0);
        let mut earlier = before;
        loop {
            let place = (key as u64) << 8;
            let value = mix(value, place | count.min(200) as u64);
            coder.situations([mix(before, place | 255), mix(before << 32 | earlier, 1), value]);
            let (number, token) = self.token(coder, key, (base, before, after_word, count))?;
            if let Some(number) = number {
                self.follows(key, before, number);
                earlier = before;
            }
            let Some(token) = token else { return Ok(text) };
            let is_word = token.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 128);
            if is_word && after_word {
                text.push(b' ');
            }
            text.extend(&token);
            check(text.len() <= 8_192, "a text is too long")?;
            (before, after_word, count) =
                (number.map_or(0xffff_ffff, |number| number as u64), is_word, count + 1);
        }
    }

    /// The number of a token, if it has one (0 is the end), and the token.
    fn token(
        &mut self,
        coder: &mut Coder<'_>,
        key: usize,
        (base, before, after_word, count): (usize, u64, bool, usize),
    ) -> Read<(Option<usize>, Option<Vec<u8>>)> {
        let situation = mix(key as u64, before);
        let (tag, number, trust) = self.followers[situation as usize % (1 << 14)];
        let slot = coder.either(48 + trust as usize, 4 + usize::from(trust > 3));
        if trust > 0 && tag == situation >> 32 && coder.decision(base + slot) {
            return Ok((Some(number), (number > 0).then(|| self.tokens[number - 1].clone())));
        }
        let class = usize::from(before != 0xffff_ffff) + usize::from(after_word);
        let slot = coder.either(4 * (4 * class + count.min(3)), count.min(3));
        let symbol = coder.tree(base + slot, 2);
        let number = match symbol {
            0 => return Ok((Some(0), None)),
            1 => {
                let place = coder.index(&mut self.keys[key].index);
                *self.keys[key].tokens.get(place).ok_or("no such token of the key")?
            }
            2 => {
                let back = usize::try_from(coder.number(&mut self.back))?;
                let number = self.tokens.len().checked_sub(back).filter(|number| *number > 0);
                let number = number.ok_or("no such token")?;
                self.join(key, number);
                number
            }
            _ => return self.spell(coder, key, after_word),
        };
        Ok((Some(number), Some(self.tokens[number - 1].clone())))
    }

    fn spell(
        &mut self,
        coder: &mut Coder<'_>,
        key: usize,
        after_word: bool,
    ) -> Read<(Option<usize>, Option<Vec<u8>>)> {
        let lengths = self.lengths + coder.either(64, 1) * usize::from(after_word);
        let length = coder.tree(lengths, 6);
        check((1..64).contains(&length), "the length of a token is impossible")?;
        let mut token: Vec<u8> = Vec::new();
        let places = match &mut self.keys[key] {
            known if known.by_place && length >= 8 => coder.lazy(&mut known.places, 32 * 256, 1),
            _ => 0,
        };
        for at in 0..length as usize {
            let last = token
                .iter()
                .rev()
                .take(3)
                .zip([0, 8, 16])
                .fold(0, |last, (byte, by)| last | u64::from(*byte) << by);
            let place = mix((at as u64) << 8 | length, (key as u64) << 8 | 5);
            coder.situations([mix(last & 0xffff, 2), mix(last, 3), place]);
            let before = last as usize & 255;
            let (base, slot) = if places == 0 { (self.spelling, before) } else { (places, at.min(31)) };
            token.push(coder.tree(base + coder.either(256 * slot, 0), 8) as u8);
        }
        if length >= 8 {
            self.keys[key].by_place = token.iter().any(u8::is_ascii_digit);
        }
        if token.len() > 24 || self.tokens.len() >= 1 << 18 || self.keys[key].tokens.len() >= 32_768 {
            return Ok((None, Some(token)));
        }
        self.tokens.push(token.clone());
        self.join(key, self.tokens.len());
        Ok((Some(self.tokens.len()), Some(token)))
    }

    fn join(&mut self, key: usize, number: usize) {
        if self.keys[key].tokens.len() < 32_768 {
            self.keys[key].tokens.push(number);
        }
    }

    fn follows(&mut self, key: usize, before: u64, number: usize) {
        let situation = mix(key as u64, before);
        let place = &mut self.followers[situation as usize % (1 << 14)];
        let (tag, known, trust) = *place;
        *place = if trust > 0 && (tag, known) == (situation >> 32, number) {
            (tag, known, (trust + 1).min(7))
        } else if trust > 2 && tag == situation >> 32 {
            (tag, known, trust / 2)
        } else {
            (situation >> 32, number, 1)
        };
    }
}
