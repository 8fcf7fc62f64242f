//! Literals: the text between values, and what follows what. A payload is a walk: literal, value, literal, value, the end.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::symbol::INDEX_MAX;
use crate::repo::codec::columns::symbol::Index;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::values::Form;

/// Literals of a block.
const LITERALS_MAX: usize = 1 << 14;
/// Places in the table of what followed in the same situation.
const PLACES: usize = 1 << 15;
/// In streams: the likely literal, or the last one where none is likely; the last one; those from the first place on; a place in raw bits.
const FIRST: u32 = 0;
const LAST: u32 = 1;
const NEAR: u32 = 2;
const FAR: u32 = 255;
/// Where only one literal ever followed, nothing is remembered.
const NOWHERE: (usize, u32) = (usize::MAX, 0);
/// No literal.
pub(super) const NONE: u32 = 0;

/// A literal.
#[derive(Debug)]
pub(super) struct Literal {
    pub(super) scope: u32,
    pub(super) text: Vec<u8>,
    pub(super) form: Form,
    pub(super) label: u16,
    /// The column of the value behind it; none where it goes on with that of the value before.
    pub(super) column: Option<u32>,
    successors: Vec<u32>,
    last: u32,
    index: Index,
    /// Slots of decisions what follows, or the stream of that.
    flags: u32,
    event: u32,
    occurrence: u32,
}

impl Literal {
    /// The place of a literal among those that ever followed; how many there are, if it is none of them.
    fn place_of(&self, literal: u32) -> u32 {
        let at = self.successors.iter().position(|successor| *successor == literal);
        at.unwrap_or(self.successors.len()) as u32
    }

    fn successor(&self, at: u32) -> u32 {
        self.successors.get(at as usize).copied().unwrap_or(NONE)
    }

    /// Codes what follows as one symbol: the likely one, the last one, or the place of any.
    fn decide_in_stream<C: Coder>(&self, coder: &mut C, likely: u32, literal: u32) -> u32 {
        let first = if likely == NONE { self.last } else { likely };
        let symbol = match literal {
            _ if literal != NONE && literal == first => FIRST,
            _ if literal != NONE && literal == self.last => LAST,
            _ => (self.place_of(literal) + NEAR).min(FAR),
        };
        match coder.symbol(self.flags, 8, symbol) {
            FIRST => first,
            LAST => self.last,
            FAR => self.successor(coder.raw(16, u64::from(self.place_of(literal))) as u32),
            near => self.successor(near.saturating_sub(NEAR)),
        }
    }
}

/// All literals, numbered as they come; [`NONE`] is no literal.
#[derive(Debug)]
pub(super) struct Grammar {
    literals: Vec<Literal>,
    places: Vec<(u32, u32)>,
    distance: Number,
    is_known: u32,
    finder: Finder,
}

/// The name of a literal's column: the last word in it.
pub(super) fn key_of(text: &[u8]) -> Option<&[u8]> {
    let is_word = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.') || *byte >= 0x80
    };
    let end = text.iter().rposition(is_word)? + 1;
    let from = text.get(..end)?.iter().rposition(|byte| !is_word(byte)).map_or(0, |at| at + 1);
    text.get(from..end)
}

impl Grammar {
    pub(super) fn new<C: Coder>(coder: &mut C) -> Self {
        let mut grammar = Self {
            literals: Vec::new(),
            places: vec![(0, NONE); PLACES],
            distance: Number::default(),
            is_known: coder.allocate(1, 1),
            finder: Finder::default(),
        };
        grammar.add(coder, 0, (Vec::new(), Form::End, 0), None);
        grammar
    }

    pub(super) fn get(&self, literal: u32) -> Option<&Literal> {
        self.literals.get(literal as usize)
    }

    pub(super) fn count(&self) -> usize {
        self.literals.len()
    }

    /// How many can be added.
    pub(super) fn room(&self) -> usize {
        LITERALS_MAX.saturating_sub(self.literals.len())
    }

    /// Adds a literal; when there are too many, none is added.
    pub(super) fn add<C: Coder>(
        &mut self,
        coder: &mut C,
        scope: u32,
        what: (Vec<u8>, Form, u16),
        column: Option<u32>,
    ) -> u32 {
        if self.room() == 0 {
            return NONE;
        }
        let (text, form, label) = what;
        let flags = coder.allocate(4, 1);
        let (successors, index) = (Vec::new(), Index::default());
        let number = self.literals.len() as u32;
        self.finder.entry(name(scope, &text, form, label)).or_insert(number);
        let literal = Literal {
            scope,
            text,
            form,
            label,
            column,
            successors,
            last: NONE,
            index,
            flags,
            event: 0,
            occurrence: 0,
        };
        self.literals.push(literal);
        number
    }

    /// The literal with this text and form: the one that came last behind `state`, or any of the scope.
    pub(super) fn find(&self, state: u32, scope: u32, what: (&[u8], Form, u16)) -> u32 {
        let (text, form, label) = what;
        let is = |literal: &Literal| {
            literal.scope == scope && literal.form == form && literal.label == label && literal.text == text
        };
        let last = self.get(state).map_or(NONE, |state| state.last);
        if last != NONE && self.get(last).is_some_and(is) {
            return last;
        }
        let found = self.finder.get(&name(scope, text, form, label)).copied().unwrap_or(NONE);
        if found != NONE && self.get(found).is_some_and(is) { found } else { NONE }
    }

    /// Codes which literal follows `state`; [`NONE`] if it is a new one. `owner` and `event` say where one is.
    pub(super) fn next<C: Coder>(&mut self, coder: &mut C, state: u32, now: (u64, u32), literal: u32) -> u32 {
        let (owner, event) = now;
        let Some(from) = self.literals.get_mut(state as usize) else { return NONE };
        from.occurrence = if from.event == event { from.occurrence + 1 } else { 0 };
        from.event = event;
        if from.successors.len() < 2 {
            let decided = Self::decide(from, coder, NONE, literal);
            return if decided == NONE { self.distant(coder, state, literal, NOWHERE) } else { decided };
        }
        let situation = mix(owner, u64::from(state) << 32 | u64::from(from.occurrence));
        let (place, tag) = (situation as usize % PLACES, (situation >> 32) as u32);
        let likely = self.places.get(place).filter(|entry| entry.0 == tag).map_or(NONE, |entry| entry.1);
        let decided = Self::decide(from, coder, likely, literal);
        if decided == NONE {
            return self.distant(coder, state, literal, (place, tag));
        }
        self.learn(state, decided, (place, tag));
        decided
    }

    fn decide<C: Coder>(from: &mut Literal, coder: &mut C, likely: u32, literal: u32) -> u32 {
        if C::IN_STREAMS {
            return from.decide_in_stream(coder, likely, literal);
        }
        let (flags, last) = (from.flags, from.last);
        if likely != NONE && likely != last && coder.bit(flags, literal == likely) {
            return likely;
        }
        let agree = u32::from(likely != NONE) + u32::from(likely != NONE && likely == last);
        if last != NONE && coder.bit(flags + 1 + agree, literal == last) {
            return last;
        }
        let at = from.place_of(literal);
        let at = from.index.code(coder, at);
        from.successor(at)
    }

    /// A literal that never followed here: known from elsewhere, or new.
    fn distant<C: Coder>(&mut self, coder: &mut C, state: u32, literal: u32, place: (usize, u32)) -> u32 {
        if !coder.bit(self.is_known, literal != NONE) {
            return NONE;
        }
        let last = self.literals.len() as u64 - 1;
        let back = self.distance.code(coder, last.wrapping_sub(u64::from(literal)));
        let literal = last.checked_sub(back).map_or(NONE, |literal| literal as u32);
        self.learn(state, literal, place);
        literal
    }

    fn learn(&mut self, state: u32, literal: u32, place: (usize, u32)) {
        if literal == NONE {
            return;
        }
        if let Some(entry) = self.places.get_mut(place.0) {
            *entry = (place.1, literal);
        }
        let Some(from) = self.literals.get_mut(state as usize) else { return };
        from.last = literal;
        if from.successors.len() < INDEX_MAX as usize - 1 && !from.successors.contains(&literal) {
            from.successors.push(literal);
        }
    }

    /// Learns that a new literal followed.
    pub(super) fn learn_new(&mut self, state: u32, literal: u32) {
        self.learn(state, literal, NOWHERE);
    }
}

fn name(scope: u32, text: &[u8], form: Form, label: u16) -> u64 {
    mix(hash(text), u64::from(scope) << 32 | u64::from(label) << 8 | u64::from(form.number()))
}
