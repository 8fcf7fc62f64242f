//! The shape of an event: what there is besides values. Shapes are numbered as they come; a payload type mostly has one.

use super::values::Form;

/// The most entries that the metadata of an event has, to be taken apart.
pub(super) const ENTRIES_MAX: usize = 256;
/// Shapes of a block.
pub(super) const SHAPES_MAX: usize = 4096;

/// What there is in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) has_payload: bool,
    pub(super) has_data: bool,
    pub(super) snapshot: bool,
    /// Keys of the metadata and the kinds of their values.
    pub(super) entries: Vec<(Vec<u8>, u8)>,
}

impl Shape {
    /// The flags as a number.
    pub(super) fn flags(&self) -> u64 {
        u64::from(self.has_payload) | u64::from(self.has_data) << 1 | u64::from(self.snapshot) << 2
    }

    /// From flags.
    pub(super) fn of(flags: u64) -> Self {
        Self { has_payload: flags & 1 == 1, has_data: flags & 2 == 2, snapshot: flags & 4 == 4, entries: Vec::new() }
    }
}

/// A literal and a value of a payload that is put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) literal: u32,
    pub(super) form: Form,
    pub(super) value: super::span::Span,
}
