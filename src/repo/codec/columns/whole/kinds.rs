//! Kinds of events, as the writer finds them: aggregate type, payload type, revision, and what there is in the metadata.

use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::parse::Event;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::shape::Key;
use crate::repo::codec::columns::shape::Shape;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::whole::KINDS_MAX;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::head::Kind;
use crate::repo::codec::columns::whole::sheet::Name;
use crate::repo::codec::columns::whole::sheet::Sheet;
use crate::repo::codec::columns::whole::steps::Steps;
use crate::repo::codec::columns::whole::walk::Walks;

/// Keys of the metadata.
const METADATA: u64 = 4;

/// All kinds, and which one followed which for the same aggregate.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    pub(super) all: Vec<Kind>,
    /// By kind: its payload type.
    pub(super) scopes: Vec<u32>,
    /// What may be an aggregate's first one; and behind each kind.
    pub(super) first: Steps,
    pub(super) steps: Vec<Steps>,
    pub(super) far: Vec<u32>,
    /// By aggregate: its last one.
    last: Vec<u32>,
    finder: Finder,
}

impl Kinds {
    /// The kind of an event; none if it is a new one, and there is no room for that.
    pub(super) fn of(&mut self, sheet: &mut Sheet<'_>, walks: &mut Walks, event: &Event) -> Option<u32> {
        let block = sheet.block;
        let names =
            [event.aggregate_type, event.payload_type, event.revision].map(|span| hash(span.of(block)));
        let name = names.iter().fold(Shape::hash_of(event, block), |state, name| mix(state, *name));
        if let Some(found) = self.finder.get(&name) {
            return Some(*found);
        }
        if self.all.len() >= KINDS_MAX || sheet.room() <= event.metadata.len() {
            return None;
        }
        let scope = walks.scope(sheet, event.payload_type.of(block))?;
        let (start, whole) = walks.scopes.get(scope as usize).map(|of| (of.start, of.whole))?;
        let [aggregate_type, payload_type, revision] =
            [event.aggregate_type, event.payload_type, event.revision].map(|span| span.of(block).to_vec());
        let shape = shape(sheet, event);
        self.all.push(Kind { aggregate_type, payload_type, revision, shape, start, whole });
        self.scopes.push(scope);
        self.steps.push(Steps::default());
        self.finder.insert(name, self.all.len() as u32 - 1);
        Some(self.all.len() as u32 - 1)
    }

    /// Notes the kind of an aggregate's next event.
    pub(super) fn note(&mut self, aggregate: u32, kind: u32) {
        if aggregate as usize == self.last.len() {
            self.last.push(NONE);
        }
        let Some(last) = self.last.get_mut(aggregate as usize) else { return };
        let steps = self.steps.get_mut(*last as usize).unwrap_or(&mut self.first);
        steps.note(kind, &mut self.far);
        *last = kind;
    }
}

fn shape(sheet: &mut Sheet<'_>, event: &Event) -> Shape {
    let mut shape = Shape::of(Shape::flags(event));
    for entry in &event.metadata {
        let name = entry.key.of(sheet.block).to_vec();
        let form = form_of(entry.kind).unwrap_or(Form::End);
        let column = sheet.column(Name { space: METADATA, scope: b"metadata", key: &name }, form, true);
        shape.entries.push(Key { name, kind: entry.kind, column });
    }
    shape
}

#[cfg(test)]
mod tests {
    use crate::repo::codec::columns::whole::sample::block;
    use crate::repo::codec::columns::whole::sample::event;
    use crate::repo::codec::columns::whole::scan::Scan;

    /// The kinds of events, and what follows what: first of all, then behind each kind.
    fn kinds(events: Vec<Vec<u8>>) -> (Vec<u32>, Vec<Vec<u32>>) {
        let block = block(events);
        let scan = Scan::new(&block).unwrap();
        let steps = std::iter::once(&scan.kinds.first).chain(&scan.kinds.steps);
        let next = steps.map(|steps| steps.next.clone()).collect();
        (scan.sheet.table.entries.iter().map(|entry| entry.kind).collect(), next)
    }

    #[test]
    fn events_of_one_kind_have_the_same_names_and_the_same_keys() {
        let (kinds, _) = kinds(vec![
            event(["1", "a", "T"], b"{}", &[("k", "1"), ("l", "2")]),
            event(["2", "b", "T"], b"[1]", &[("k", "3"), ("l", "4")]),
            event(["3", "a", "U"], b"{}", &[("k", "1"), ("l", "2")]),
            event(["4", "a", "T"], b"{}", &[("l", "2"), ("k", "1")]),
            event(["5", "a", "T"], b"{}", &[("k", "1")]),
            event(["6", "a", "T"], b"", &[("k", "1")]),
            event(["", "", "U"], b"<a/>", &[("k", "5"), ("l", "6")]),
        ]);
        assert_eq!(kinds, [0, 0, 1, 2, 3, 4, 1]);
    }

    #[test]
    fn what_follows_is_known_by_aggregate() {
        let event = |aggregate: &str, of: &str| event(["", aggregate, of], b"", &[]);
        let (kinds, next) = kinds(vec![
            event("a", "Made"),
            event("b", "Made"),
            event("a", "Used"),
            event("b", "Gone"),
            event("c", "Made"),
            event("a", "Used"),
            event("a", "Gone"),
            event("d", "Found"),
        ]);
        assert_eq!(kinds, [0, 0, 1, 2, 0, 1, 2, 3]);
        assert_eq!(next, [vec![0, 3], vec![1, 2], vec![1, 2], vec![], vec![]]);
    }
}
