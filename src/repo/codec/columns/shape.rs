//! The shape of an event: what there is besides values. Shapes are numbered as they come; a payload type mostly has one.

use crate::repo::codec::columns::parse::Entry;
use crate::repo::codec::columns::parse::Event;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;

/// The most entries that the metadata of an event has, to be taken apart.
pub(super) const ENTRIES_MAX: usize = 256;
/// Shapes of a block.
pub(super) const SHAPES_MAX: usize = 4096;

/// A key of the metadata.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: Vec<u8>,
    /// The kind of its values.
    pub(super) kind: u8,
    pub(super) column: u32,
}

/// What there is in an event.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) has_payload: bool,
    pub(super) has_data: bool,
    pub(super) snapshot: bool,
    /// Keys of the metadata.
    pub(super) entries: Vec<Key>,
}

impl Shape {
    /// The flags of an event as a number.
    pub(super) fn flags(event: &Event) -> u64 {
        u64::from(event.has_payload) | u64::from(!event.data.is_empty()) << 1 | u64::from(event.snapshot) << 2
    }

    /// Whether an event has this shape.
    pub(super) fn is_of(&self, event: &Event, bytes: &[u8]) -> bool {
        let same = |(key, entry): (&Key, &Entry)| key.kind == entry.kind && key.name == entry.key.of(bytes);
        self.has_payload == event.has_payload
            && self.has_data != event.data.is_empty()
            && self.snapshot == event.snapshot
            && self.entries.len() == event.metadata.len()
            && self.entries.iter().zip(&event.metadata).all(same)
    }

    /// The hash of an event's shape.
    pub(super) fn hash_of(event: &Event, bytes: &[u8]) -> u64 {
        let entry = |state, entry: &Entry| mix(mix(state, u64::from(entry.kind)), hash(entry.key.of(bytes)));
        event.metadata.iter().fold(Self::flags(event), entry)
    }

    /// As flags.
    pub(super) fn to_flags(&self) -> u8 {
        u8::from(self.has_payload) | u8::from(self.has_data) << 1 | u8::from(self.snapshot) << 2
    }

    /// From flags.
    pub(super) fn of(flags: u64) -> Self {
        Self {
            has_payload: flags & 1 == 1,
            has_data: flags & 2 == 2,
            snapshot: flags & 4 == 4,
            entries: Vec::new(),
        }
    }
}
