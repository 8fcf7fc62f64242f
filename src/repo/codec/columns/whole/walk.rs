//! Walks of the writer: a payload as literals and values, one behind the other.

use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::grammar::key_of;
use crate::repo::codec::columns::lex;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::lex::Trail;
use crate::repo::codec::columns::lex::follow::value_at;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::varint;
use crate::repo::codec::columns::whole::LITERALS_MAX;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::head::Literal;
use crate::repo::codec::columns::whole::sheet::Name;
use crate::repo::codec::columns::whole::sheet::Sheet;
use crate::repo::codec::columns::whole::steps::Steps;
use crate::repo::codec::columns::whole::values_max;

/// Literals that a payload type may bring, and how many pieces there must be for each one beyond that.
const LITERALS_AT_FIRST: usize = 512;
const LITERALS_OF: usize = 16;
/// Literals that are tried behind one, besides the last.
const TRIED: usize = 8;
/// Numbers of literals that are not made yet.
const NEW: u32 = 1 << 31;
/// Keys of payloads with names, and those with labels only.
const NAMED: u64 = 1;
const LABELLED: u64 = 2;
const UNCUT: u64 = 3;

/// A payload type.
#[derive(Debug)]
pub(super) struct Scope {
    name: Vec<u8>,
    /// The literal that stands before its payloads.
    pub(super) start: u32,
    /// The column of payloads that are not cut.
    pub(super) whole: u32,
    pieces: usize,
    added: usize,
}

/// The first bytes of a literal: they tell most of those that don't come next, and are all of most.
#[derive(Clone, Copy, Debug)]
struct First {
    bytes: u64,
    mask: u64,
}

impl First {
    fn of(literal: &[u8]) -> Self {
        let mut first = [0; 8];
        first.iter_mut().zip(literal).for_each(|(to, from)| *to = *from);
        let mask = u64::MAX.checked_shr(64 - 8 * literal.len().min(8) as u32).unwrap_or(0);
        Self { bytes: u64::from_le_bytes(first), mask }
    }

    /// Whether a text begins with the literal whose first bytes these are.
    #[inline]
    fn is_of(self, literal: &[u8], text: &[u8]) -> bool {
        match text.first_chunk() {
            Some(first) if (u64::from_le_bytes(*first) ^ self.bytes) & self.mask != 0 => false,
            Some(_) if literal.len() <= 8 => true,
            _ => text.starts_with(literal),
        }
    }
}

/// What the writer knows of a literal besides what readers do.
#[derive(Clone, Copy, Debug)]
struct Origin {
    first: First,
    label: u16,
    trail: Trail,
    /// Whether it has no key, so that the value behind it belongs to the column of the value before it.
    is_keyless: bool,
}

/// All literals, and what followed what.
#[derive(Debug, Default)]
pub(super) struct Walks {
    pub(super) literals: Vec<Literal>,
    pub(super) steps: Vec<Steps>,
    pub(super) far: Vec<u32>,
    pub(super) scopes: Vec<Scope>,
    origins: Vec<Origin>,
    finder: Finder,
    scope_finder: Finder,
    pieces: Vec<Piece>,
    /// Literals of a payload that is like earlier ones, and the values behind them.
    followed: Vec<(u32, Span)>,
    /// Where the messages end that are around a field.
    ends: Vec<usize>,
}

impl Walks {
    /// How many literals may still be made.
    const fn room(&self) -> usize {
        LITERALS_MAX.saturating_sub(self.literals.len())
    }

    /// The number of a payload type; none if there is no room for a new one.
    pub(super) fn scope(&mut self, sheet: &mut Sheet<'_>, name: &[u8]) -> Option<u32> {
        let found = hash(name);
        if let Some(scope) = self.scope_finder.get(&found) {
            return Some(*scope);
        }
        if self.room() == 0 || sheet.room() == 0 {
            return None;
        }
        let whole = sheet.column(Name { space: UNCUT, scope: name, key: name }, Form::Text, false);
        let literal = Literal { text: Vec::new(), form: Form::Text, column: whole };
        let start = self.add(
            literal,
            Origin { first: First::of(b""), label: 0, trail: Trail::default(), is_keyless: true },
            mix(found, UNCUT),
        );
        self.scopes.push(Scope { name: name.to_vec(), start, whole, pieces: 0, added: 0 });
        self.scope_finder.insert(found, self.scopes.len() as u32 - 1);
        Some(self.scopes.len() as u32 - 1)
    }

    fn add(&mut self, literal: Literal, origin: Origin, name: u64) -> u32 {
        let number = self.literals.len() as u32;
        self.literals.push(literal);
        self.origins.push(origin);
        self.steps.push(Steps::default());
        self.finder.insert(name, number);
        number
    }

    /// Puts a payload to its columns: piece by piece, or as one value; gives whether it was cut.
    pub(super) fn payload(&mut self, sheet: &mut Sheet<'_>, scope: u32, event: u32, data: Span) -> bool {
        let Some(of) = self.scopes.get(scope as usize) else { return false };
        let (start, whole, is_worth_cutting) = (of.start, of.whole, of.is_worth_cutting());
        // One of many short values is left whole where the block up to it has too many already: a block of too many is none of ours.
        let room = values_max(data.end()).saturating_sub(sheet.count());
        let text = data.of(sheet.block);
        if is_worth_cutting
            && lex::may_be_followed(text)
            && self.follow((start, whole), text).is_some()
            && self.followed.len() <= room
        {
            self.walk_again(sheet, (scope, start), event, data.at);
            return true;
        }
        let mut pieces = std::mem::take(&mut self.pieces);
        let is_cut = is_worth_cutting
            && lex::cut(sheet.block, data, &mut pieces)
            && pieces.len() <= room
            && self.has_room(sheet, scope, whole, &pieces);
        if is_cut {
            let known = self.literals.len();
            self.walk(sheet, (scope, start, whole), event, &pieces);
            self.count(scope, pieces.len(), self.literals.len() - known);
        } else {
            sheet.put(whole, event, data);
        }
        self.pieces = pieces;
        is_cut
    }

    fn count(&mut self, scope: u32, pieces: usize, added: usize) {
        if let Some(of) = self.scopes.get_mut(scope as usize) {
            (of.pieces, of.added) = (of.pieces + pieces, of.added + added);
        }
    }

    /// Follows a payload through literals that are known, one behind the other, to its end; none if it leaves them.
    fn follow(&mut self, (start, whole): (u32, u32), text: &[u8]) -> Option<()> {
        let (mut state, mut column, mut at) = (start, whole, 0);
        self.followed.clear();
        self.ends.clear();
        loop {
            while self.ends.last() == Some(&at) {
                self.ends.pop();
            }
            let (literal, value) = self.step((state, column), text, at)?;
            self.followed.push((literal, value));
            let of = self.literals.get(literal as usize)?;
            if of.form == Form::End {
                return Some(());
            }
            (state, column, at) = (literal, of.column, value.end());
            if matches!(self.origins.get(literal as usize)?.trail, Trail::Nested(_)) {
                let (length, _) = varint(value.of(text))?;
                self.ends.push(at.checked_add(usize::try_from(length).ok()?)?);
            }
        }
    }

    /// The literal at `at`, of those that followed `state` before, and the value behind it.
    #[inline]
    fn step(&self, (state, column): (u32, u32), text: &[u8], at: usize) -> Option<(u32, Span)> {
        let steps = self.steps.get(state as usize)?;
        let last = steps.last()?;
        if let Some(value) = self.value_of((last, column), text, at) {
            return Some((last, value));
        }
        let others = steps.next.iter().take(TRIED).filter(|literal| **literal != last);
        others.copied().find_map(|literal| Some((literal, self.value_of((literal, column), text, at)?)))
    }

    /// The value behind a literal, if that is at `at`.
    #[inline]
    fn value_of(&self, (literal, column): (u32, u32), text: &[u8], at: usize) -> Option<Span> {
        let (of, origin) = (self.literals.get(literal as usize)?, self.origins.get(literal as usize)?);
        if !origin.first.is_of(&of.text, text.get(at..)?) {
            return None;
        }
        let from = at + of.text.len();
        if of.form == Form::End {
            return (from == text.len() && self.ends.is_empty()).then_some(Span::new(from, 0));
        }
        if origin.is_keyless && of.column != column {
            return None;
        }
        if let Trail::Field(depth) | Trail::Nested(depth) = origin.trail
            && usize::from(depth) != self.ends.len()
        {
            return None;
        }
        let (from, end) = value_at(text, from, of.form, origin.trail)?;
        let is_within = self.ends.last().is_none_or(|last| end <= *last);
        is_within.then_some(Span::new(from, end - from))
    }

    fn walk_again(&mut self, sheet: &mut Sheet<'_>, (scope, start): (u32, u32), event: u32, base: u32) {
        let followed = std::mem::take(&mut self.followed);
        let mut state = start;
        for (literal, value) in &followed {
            self.go(sheet, (state, *literal), event, Span { at: value.at + base, ..*value });
            state = *literal;
        }
        self.count(scope, followed.len(), 0);
        self.followed = followed;
    }

    fn walk(
        &mut self,
        sheet: &mut Sheet<'_>,
        (scope, start, whole): (u32, u32, u32),
        event: u32,
        pieces: &[Piece],
    ) {
        let (mut state, mut column) = (start, whole);
        for piece in pieces {
            let literal = self.literal(sheet, scope, (state, column), piece);
            column = self.go(sheet, (state, literal), event, piece.value).unwrap_or(column);
            state = literal;
        }
    }

    /// Goes from a literal to the next one, and puts the value behind that to its column, which it gives; none behind the last one.
    #[inline]
    fn go(&mut self, sheet: &mut Sheet<'_>, (from, to): (u32, u32), event: u32, value: Span) -> Option<u32> {
        self.steps.get_mut(from as usize)?.note(to, &mut self.far);
        let column = self.literals.get(to as usize).filter(|to| to.form != Form::End)?.column;
        sheet.put(column, event, value);
        Some(column)
    }

    /// Whether all literals that are new among these can be made, and their columns. The first value behind a literal without a key belongs to
    /// `column`.
    fn has_room(&self, sheet: &Sheet<'_>, scope: u32, mut column: u32, pieces: &[Piece]) -> bool {
        let room = self.room().min(sheet.room());
        if pieces.len() <= room {
            return true;
        }
        let mut new = Finder::default();
        pieces.iter().all(|piece| {
            let name = name_of(sheet.block, scope, column, piece);
            let found = self.finder.get(&name).or_else(|| new.get(&name)).copied();
            let number = found.unwrap_or(NEW | new.len() as u32);
            if found.is_none() {
                new.insert(name, number);
            }
            if !is_keyless(piece.literal.of(sheet.block), piece) {
                // A new one stands for its column, which may be new, too.
                column = self.literals.get(number as usize).map_or(number, |literal| literal.column);
            }
            new.len() <= room
        })
    }

    /// The literal of a piece: likely the one that came last behind `state`.
    #[inline]
    fn literal(
        &mut self,
        sheet: &mut Sheet<'_>,
        scope: u32,
        (state, column): (u32, u32),
        piece: &Piece,
    ) -> u32 {
        let last = self.steps.get(state as usize).and_then(Steps::last).unwrap_or(NONE);
        let text = piece.literal.of(sheet.block);
        if let (Some(likely), Some(origin)) =
            (self.literals.get(last as usize), self.origins.get(last as usize))
            && likely.text == text
            && likely.form == piece.form
            && origin.label == piece.label
            && (!origin.is_keyless || likely.column == column)
        {
            return last;
        }
        self.find(sheet, scope, column, piece)
    }

    fn find(&mut self, sheet: &mut Sheet<'_>, scope: u32, column: u32, piece: &Piece) -> u32 {
        let name = name_of(sheet.block, scope, column, piece);
        if let Some(found) = self.finder.get(&name) {
            return *found;
        }
        let text = piece.literal.of(sheet.block);
        let is_keyless = is_keyless(text, piece);
        let column = match piece.form {
            Form::End => NONE,
            _ if is_keyless => column,
            form => sheet.column(self.name(scope, text, piece, &piece.label.to_be_bytes()), form, false),
        };
        let literal = Literal { text: text.to_vec(), form: piece.form, column };
        let origin = Origin { first: First::of(text), label: piece.label, trail: piece.trail, is_keyless };
        self.add(literal, origin, name)
    }

    /// The name of a piece's column. Names are shared by all payload types; labels mean something in one of them only.
    fn name<'a>(&'a self, scope: u32, text: &'a [u8], piece: &Piece, label: &'a [u8]) -> Name<'a> {
        let of = self.scopes.get(scope as usize).map_or(&[][..], |scope| &scope.name);
        if piece.label == 0 {
            return Name { space: NAMED, scope: of, key: key_of(text).unwrap_or_default() };
        }
        Name { space: mix(u64::from(scope), LABELLED), scope: of, key: label }
    }
}

impl Scope {
    /// Payloads whose literals never come again (keys that are identifiers, say) are better left whole, before they fill the head.
    const fn is_worth_cutting(&self) -> bool {
        self.added < LITERALS_AT_FIRST || self.added * LITERALS_OF < self.pieces
    }
}

fn is_keyless(text: &[u8], piece: &Piece) -> bool {
    piece.form == Form::End || piece.label == 0 && key_of(text).is_none()
}

/// By this a literal is found. One without a key is another one behind another column.
fn name_of(block: &[u8], scope: u32, column: u32, piece: &Piece) -> u64 {
    let text = piece.literal.of(block);
    let column = if piece.form != Form::End && is_keyless(text, piece) { column } else { NONE };
    let what = u64::from(column) << 32 | u64::from(piece.label) << 8 | u64::from(piece.form.number());
    mix(mix(hash(text), what), u64::from(scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::whole::COLUMNS_MAX;
    use crate::repo::codec::columns::whole::sample::block;
    use crate::repo::codec::columns::whole::sample::event;
    use crate::repo::codec::columns::whole::scan::Scan;

    #[test]
    fn a_literal_is_told_by_all_of_its_bytes() {
        for (length, behind) in (0..20).flat_map(|length| (0..10).map(move |behind| (length, behind))) {
            let text: Vec<u8> = (1..=length + behind).collect();
            let literal = &text[..usize::from(length)];
            assert!(First::of(literal).is_of(literal, &text));
            for at in 0..literal.len() {
                let mut other = text.clone();
                other[at] ^= 64;
                assert!(!First::of(literal).is_of(literal, &other), "{length}, {behind}: {at}");
                assert!(!First::of(literal).is_of(literal, &text[..at]));
            }
        }
    }

    #[test]
    fn a_list_is_cut_however_long_it_is() {
        let data = format!("{{\"list\":[{}1]}}", "1,".repeat(COLUMNS_MAX + 10));
        let block = block([event(["", "", "T"], data.as_bytes(), &[])]);
        let scan = Scan::new(&block).unwrap();
        assert!(scan.sheet.table.entries[0].is_cut);
        assert_eq!((scan.walks.literals.len(), scan.sheet.count()), (4, COLUMNS_MAX + 13));
    }

    /// The literals that payloads are cut at, and how their columns are called. Each is of a type.
    fn literals(payloads: &[(&str, &str)]) -> Vec<(String, String)> {
        let block = block(payloads.iter().map(|(of, data)| event(["", "", of], data.as_bytes(), &[])));
        let scan = Scan::new(&block).unwrap();
        let called = |column: u32| match scan.sheet.names.get(column as usize) {
            Some((scope, key)) => format!("{scope}/{key}"),
            None => "end".to_owned(),
        };
        let text = |literal: &Literal| String::from_utf8(literal.text.clone()).unwrap();
        scan.walks.literals.iter().map(|literal| (text(literal), called(literal.column))).collect()
    }

    #[test]
    fn a_value_belongs_to_the_key_before_it_or_to_that_of_the_value_before() {
        let literals = literals(&[("T", r#"{"a":[1,2,3],"b":"x"}"#), ("T", r#"{"b":[4,5]}"#)]);
        let expected = [
            ("", "T/T"),
            (r#"{"a":["#, "T/a"),
            (",", "T/a"),
            (r#"],"b":""#, "T/b"),
            (r#""}"#, "end"),
            (r#"{"b":["#, "T/b"),
            (",", "T/b"),
            ("]}", "end"),
        ];
        assert_eq!(literals, expected.map(|(text, column)| (text.to_owned(), column.to_owned())));
    }

    #[test]
    fn types_share_keys_but_no_columns_and_no_literals() {
        let literals = literals(&[("T", r#"{"a":1}"#), ("U", r#"{"a":2}"#), ("T", r#"{"a":3}"#)]);
        let columns: Vec<&str> = literals.iter().map(|literal| &literal.1[..]).collect();
        assert_eq!(columns, ["T/T", "T/a", "end", "U/U", "U/a", "end"]);
    }

    #[test]
    fn payloads_whose_literals_never_come_again_are_left_whole() {
        let payload = |at: usize| format!(r#"{{"key-{at}":1,"other-{at}":2}}"#);
        let payloads: Vec<String> = (0..1000).map(payload).collect();
        let block = block(payloads.iter().map(|data| event(["", "", "T"], data.as_bytes(), &[])));
        let scan = Scan::new(&block).unwrap();
        let cut: Vec<bool> = scan.sheet.table.entries.iter().map(|entry| entry.is_cut).collect();
        // Two literals of each, and the end.
        assert_eq!(cut.iter().filter(|cut| **cut).count(), LITERALS_AT_FIRST.div_ceil(2));
        assert!(cut.is_sorted_by(|one, next| one >= next));
    }

    #[test]
    fn what_has_no_key_takes_room_behind_each_new_column() {
        let (bytes, mut pieces) = (br#"{"a":[1,2],"b":[3,4],"c":[5,6]}"#.to_vec(), Vec::new());
        assert!(lex::cut(&bytes, Span::new(0, bytes.len()), &mut pieces));
        let mut sheet = Sheet::new(&bytes);
        let mut walks = Walks::default();
        let scope = walks.scope(&mut sheet, b"T").unwrap();
        // A comma behind the first key is known: it is none behind the others.
        let known = &pieces[..2];
        walks.walk(&mut sheet, (scope, 0, 0), 0, known);
        let fill = |sheet: &mut Sheet<'_>, room: usize| {
            let from = sheet.columns.len();
            for at in from..COLUMNS_MAX - room {
                let key = at.to_be_bytes();
                sheet.column(Name { space: 9, scope: b"", key: &key }, Form::Text, false);
            }
        };
        // That of the others is one for each: with two more keys, and the end, five are new.
        fill(&mut sheet, 5);
        assert!(walks.has_room(&sheet, scope, 0, &pieces));
        fill(&mut sheet, 4);
        assert!(!walks.has_room(&sheet, scope, 0, &pieces));
        assert!(walks.has_room(&sheet, scope, 0, known));
        // What comes again takes no more room.
        let again: Vec<Piece> = pieces.iter().copied().flat_map(|piece| [piece; 3]).collect();
        assert!(!walks.has_room(&sheet, scope, 0, &again));
        fill(&mut sheet, 0);
        let again: Vec<Piece> = known.iter().copied().flat_map(|piece| [piece; 3]).collect();
        assert!(walks.has_room(&sheet, scope, 0, &again) && !walks.has_room(&sheet, scope, 0, &pieces));
    }
}
