//! Text as words: each key of a payload has its list of words; the word before predicts the next one; new words are spelled.
//!
//! Words are runs of letters, digits and bytes above ASCII; what is between them is a token too, but for one space between two words,
//! which is understood.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::follows::Ahead;
use crate::repo::codec::columns::follows::Follows;
use crate::repo::codec::columns::runs;
use crate::repo::codec::columns::runs::first_run;
use crate::repo::codec::columns::runs::is_word;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::spell::KEPT_MAX;
use crate::repo::codec::columns::spell::Spelling;
use crate::repo::codec::columns::spell::Token;
use crate::repo::codec::columns::symbol::INDEX_MAX;
use crate::repo::codec::columns::symbol::Index;
use crate::repo::codec::columns::symbol::Number;
use hashbrown::HashTable;

/// The longest text that is taken as words.
pub(super) const TEXT_MAX: usize = 8192;
/// Tokens that are remembered.
const TOKENS_MAX: usize = 1 << 18;
/// Slots of a key: 12 situations with 4 each, then 8 for what is foretold.
const FORETOLD: u32 = 48;
const KEY_SLOTS: u32 = FORETOLD + 8;
/// Streams of a key: by the tokens so far; then what is foretold, by whether that was right often.
const FORETOLD_STREAM: u32 = 4;
const KEY_STREAMS: u32 = FORETOLD_STREAM + 2;

/// The end of a text, where tokens are named by number; the first token is 1.
const END: u32 = 0;
/// Stands before the first token.
const START: u32 = u32::MAX;

/// How a token is named.
const BY_END: u32 = 0;
const BY_KEY: u32 = 1;
const BY_NUMBER: u32 = 2;
const BY_LETTERS: u32 = 3;

#[derive(Debug, Default)]
struct KeyWords {
    tokens: Vec<u32>,
    /// For the writer: finds the places of tokens among these.
    finder: HashTable<u32>,
    index: Index,
    base: u32,
}

/// Where in a text one is.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: u32,
    before: u32,
    after_word: bool,
    count: u32,
}

/// What is known of text.
#[derive(Debug)]
pub(super) struct Words {
    tokens: Vec<Token>,
    keys: Vec<KeyWords>,
    follows: Follows,
    far: Number,
    spelling: Spelling,
    /// For the writer: finds tokens.
    finder: HashTable<u32>,
    /// The hash of the value before.
    pub(super) behind: u64,
    /// The token before the one before.
    earlier: u32,
}

impl Words {
    pub(super) fn new<C: Coder>(coder: &mut C) -> Self {
        Self {
            tokens: vec![Token::default()],
            keys: Vec::new(),
            follows: Follows::default(),
            far: Number::default(),
            spelling: Spelling::new(coder),
            finder: HashTable::new(),
            behind: 0,
            earlier: START,
        }
    }

    /// Says where in a text one is.
    #[inline]
    fn contexts<C: Coder>(&self, coder: &mut C, place: Place) {
        coder.contexts(|| {
            let key = u64::from(place.key) << 8 | u64::from(place.count.min(200));
            let before = u64::from(place.before);
            [
                mix(before, u64::from(place.key) << 8 | 0xff),
                mix(before << 32 | u64::from(self.earlier), 1),
                mix(self.behind, key),
            ]
        });
    }

    fn key<C: Coder>(&mut self, coder: &mut C, key: u32) {
        while self.keys.len() <= key as usize {
            self.keys.push(KeyWords::default());
        }
        if let Some(words) = self.keys.get_mut(key as usize)
            && words.base == 0
        {
            words.base = coder.allocate(KEY_SLOTS, KEY_STREAMS);
        }
    }

    fn base(&self, key: u32) -> u32 {
        self.keys.get(key as usize).map_or(0, |words| words.base)
    }

    /// Whether a value can be written as words, and is worth it: text, and not too long.
    pub(super) fn fits(bytes: &[u8]) -> bool {
        bytes.len() <= TEXT_MAX && runs::fit(bytes)
    }

    /// Writes a text that [fits](Self::fits).
    pub(super) fn write<C: Coder>(&mut self, coder: &mut C, key: u32, text: &[u8]) {
        self.key(coder, key);
        self.earlier = START;
        let mut place = Place { key, before: START, after_word: false, count: 0 };
        let mut rest = text;
        while !rest.is_empty() {
            let (run, behind) = first_run(rest);
            let is_understood = run == b" " && place.after_word && !behind.is_empty();
            if !is_understood {
                self.write_token(coder, &mut place, run);
            }
            rest = behind;
        }
        self.write_end(coder, &mut place);
    }

    fn write_end<C: Coder>(&mut self, coder: &mut C, place: &mut Place) {
        self.contexts(coder, *place);
        let ahead = self.ahead(*place);
        if !self.write_foretold(coder, *place, &ahead, |token, _| token == END) {
            self.class(coder, *place, BY_END);
        }
        self.follow(place, &ahead, END);
    }

    fn write_token<C: Coder>(&mut self, coder: &mut C, place: &mut Place, text: &[u8]) {
        self.contexts(coder, *place);
        let ahead = self.ahead(*place);
        let is_foretold = |token: u32, words: &Self| token != END && words.bytes_of(token) == text;
        if self.write_foretold(coder, *place, &ahead, is_foretold) {
            self.follow(place, &ahead, ahead.token);
        } else {
            self.write_other(coder, place, &ahead, text);
        }
        place.after_word = text.first().is_some_and(|byte| is_word(*byte));
    }

    /// Writes a token that is not foretold.
    fn write_other<C: Coder>(&mut self, coder: &mut C, place: &mut Place, ahead: &Ahead, text: &[u8]) {
        let hash = hash(text);
        if let Some((token, at)) = self.find_of_key(place.key, hash, text) {
            self.write_of_key(coder, place, at);
            self.follow(place, ahead, token);
        } else if let Some(token) = self.find(hash, text) {
            self.class(coder, *place, BY_NUMBER);
            self.far.code(coder, (self.tokens.len() as u64 - 1).wrapping_sub(u64::from(token)));
            self.learn_key(place.key, token);
            self.remember_key(place.key, hash);
            self.follow(place, ahead, token);
        } else {
            self.write_new(coder, place, ahead, (text, hash));
        }
    }

    fn bytes_of(&self, token: u32) -> &[u8] {
        self.tokens.get(token as usize).map_or(&[], Token::bytes)
    }

    /// The token of this text that a key has, and its place there.
    fn find_of_key(&self, key: u32, hash: u64, text: &[u8]) -> Option<(u32, u32)> {
        let words = self.keys.get(key as usize)?;
        let token = |at: u32| words.tokens.get(at as usize).copied().unwrap_or(END);
        let at = *words.finder.find(hash, |at| self.bytes_of(token(*at)) == text)?;
        Some((token(at), at))
    }

    /// The token of this text.
    fn find(&self, hash: u64, text: &[u8]) -> Option<u32> {
        self.finder.find(hash, |token| self.bytes_of(*token) == text).copied()
    }

    /// Remembers where a key has its newest token.
    fn remember_key(&mut self, key: u32, hash: u64) {
        let Some(KeyWords { tokens, finder, .. }) = self.keys.get_mut(key as usize) else { return };
        if finder.len() < tokens.len() {
            let token = |at: &u32| self.tokens.get(*tokens.get(*at as usize)? as usize);
            finder.insert_unique(hash, finder.len() as u32, |at| token(at).map_or(0, Token::hash));
        }
    }

    /// Remembers the newest token.
    fn remember(&mut self, hash: u64) {
        let newest = self.tokens.len() as u32 - 1;
        self.finder
            .insert_unique(hash, newest, |token| self.tokens.get(*token as usize).map_or(0, Token::hash));
    }

    /// Writes a token by its place among those of its key.
    fn write_of_key<C: Coder>(&mut self, coder: &mut C, place: &Place, at: u32) {
        self.class(coder, *place, BY_KEY);
        if let Some(words) = self.keys.get_mut(place.key as usize) {
            words.index.code(coder, at);
        }
    }

    fn write_new<C: Coder>(
        &mut self,
        coder: &mut C,
        place: &mut Place,
        ahead: &Ahead,
        (text, hash): (&[u8], u64),
    ) {
        self.class(coder, *place, BY_LETTERS);
        self.spelling.code(coder, (place.key, place.after_word), text);
        if let Some(token) = self.learn(place.key, text) {
            self.remember(hash);
            self.remember_key(place.key, hash);
            self.follow(place, ahead, token);
        } else {
            place.before = START;
            place.count += 1;
        }
    }

    /// Remembers a new token, and that the key has it.
    fn learn(&mut self, key: u32, text: &[u8]) -> Option<u32> {
        let full = self.tokens.len() >= TOKENS_MAX || !self.has_room(key);
        if full || text.len() > KEPT_MAX {
            return None;
        }
        self.tokens.push(Token::new(text));
        let token = self.tokens.len() as u32 - 1;
        self.learn_key(key, token);
        Some(token)
    }

    fn has_room(&self, key: u32) -> bool {
        self.keys.get(key as usize).is_some_and(|words| words.tokens.len() < INDEX_MAX as usize)
    }

    fn learn_key(&mut self, key: u32, token: u32) {
        if self.has_room(key)
            && let Some(words) = self.keys.get_mut(key as usize)
        {
            words.tokens.push(token);
        }
    }

    fn class<C: Coder>(&self, coder: &mut C, place: Place, class: u32) -> u32 {
        let (situation, count) =
            (u32::from(place.before != START) + u32::from(place.after_word), place.count.min(3));
        coder.symbol(self.base(place.key) + C::place((situation * 4 + count) * 4, count), 2, class)
    }

    fn ahead(&self, place: Place) -> Ahead {
        self.follows.ahead(place.key, place.before)
    }

    /// Writes whether what is foretold is right, if there is something; gives whether it is.
    fn write_foretold<C: Coder>(
        &mut self,
        coder: &mut C,
        place: Place,
        ahead: &Ahead,
        is_right: impl FnOnce(u32, &Self) -> bool,
    ) -> bool {
        ahead.trust > 0 && self.foretold(coder, place, ahead.trust, is_right(ahead.token, self))
    }

    /// Codes whether what is foretold with this trust is right.
    fn foretold<C: Coder>(&self, coder: &mut C, place: Place, trust: u32, right: bool) -> bool {
        let at = C::place(FORETOLD + trust, FORETOLD_STREAM + u32::from(trust > 3));
        coder.bit(self.base(place.key) + at, right)
    }

    /// Learns what came where this was ahead, and goes on behind it.
    #[inline]
    fn follow(&mut self, place: &mut Place, ahead: &Ahead, token: u32) {
        self.follows.learn(ahead, token);
        self.earlier = place.before;
        place.before = token;
        place.count += 1;
    }

    /// Reads a text and appends it to `out`, which holds all that was read before.
    pub(super) fn read<C: Coder>(&mut self, coder: &mut C, key: u32, out: &mut Vec<u8>) -> Result<(), Bad> {
        self.key(coder, key);
        self.earlier = START;
        let mut place = Place { key, before: START, after_word: false, count: 0 };
        let start = out.len();
        while self.read_token(coder, &mut place, out)? {
            if out.len() - start > TEXT_MAX {
                return Err(Bad("a text is too long"));
            }
        }
        Ok(())
    }

    fn read_token<C: Coder>(
        &mut self,
        coder: &mut C,
        place: &mut Place,
        out: &mut Vec<u8>,
    ) -> Result<bool, Bad> {
        self.contexts(coder, *place);
        let ahead = self.ahead(*place);
        if ahead.trust > 0 && self.foretold(coder, *place, ahead.trust, false) {
            return self.append(place, &ahead, ahead.token, out);
        }
        let token = match self.class(coder, *place, 0) {
            BY_END => END,
            BY_KEY => {
                let words = self.keys.get_mut(place.key as usize).ok_or(Bad("no such key"))?;
                let at = words.index.code(coder, 0);
                words.tokens.get(at as usize).copied().ok_or(Bad("no such word"))?
            }
            BY_NUMBER => {
                let back = self.far.code(coder, 0);
                let last = self.tokens.len() as u64 - 1;
                let token =
                    last.checked_sub(back).filter(|token| *token > 0).ok_or(Bad("no such token"))? as u32;
                self.learn_key(place.key, token);
                token
            }
            _ => return self.read_new(coder, place, &ahead, out),
        };
        self.append(place, &ahead, token, out)
    }

    fn append(
        &mut self,
        place: &mut Place,
        ahead: &Ahead,
        token: u32,
        out: &mut Vec<u8>,
    ) -> Result<bool, Bad> {
        if token == END {
            self.follow(place, ahead, END);
            return Ok(false);
        }
        let text = self.tokens.get(token as usize).ok_or(Bad("no such token"))?;
        let is_word = text.bytes().first().is_some_and(|byte| is_word(*byte));
        if is_word && place.after_word {
            out.push(b' ');
        }
        text.append_to(out);
        self.follow(place, ahead, token);
        place.after_word = is_word;
        Ok(true)
    }

    fn read_new<C: Coder>(
        &mut self,
        coder: &mut C,
        place: &mut Place,
        ahead: &Ahead,
        out: &mut Vec<u8>,
    ) -> Result<bool, Bad> {
        let (word, length) = self.spelling.code(coder, (place.key, place.after_word), &[]);
        let text = word.get(..length).filter(|text| !text.is_empty()).ok_or(Bad("an empty word"))?;
        let is_word = text.first().is_some_and(|byte| is_word(*byte));
        if is_word && place.after_word {
            out.push(b' ');
        }
        out.extend(text);
        if let Some(token) = self.learn(place.key, text) {
            self.follow(place, ahead, token);
        } else {
            place.before = START;
            place.count += 1;
        }
        place.after_word = is_word;
        Ok(true)
    }
}
