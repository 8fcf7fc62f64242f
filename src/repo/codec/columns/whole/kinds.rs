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
