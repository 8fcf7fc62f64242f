//! How a value is given: a byte in a stream of its column.

/// It is this guess, of four.
pub(super) const GUESSES: u8 = 4;
/// It is the aggregate.
pub(super) const AGGREGATE: u8 = 4;
/// It is one of the key's listed values.
pub(super) const LISTED: u8 = 5;
/// It is the identifier of an earlier message.
pub(super) const MESSAGE: u8 = 6;
/// It is an identifier that was new before.
pub(super) const KNOWN: u8 = 7;
/// It is a new random identifier (version 4).
pub(super) const RANDOM: u8 = 8;
/// It is another new identifier.
pub(super) const IDENTIFIER: u8 = 9;
/// It is a number, written as the one before.
pub(super) const NUMBER: u8 = 10;
/// It is a number, and how it is written comes first.
pub(super) const NUMBER_AS: u8 = 11;
/// It is a moment, written as the one before.
pub(super) const MOMENT: u8 = 12;
/// It is a moment, and how it is written comes first.
pub(super) const MOMENT_AS: u8 = 13;
/// It is words.
pub(super) const TEXT: u8 = 14;
/// It is bytes in the stream of long values.
pub(super) const BYTES: u8 = 15;
/// It is what the first or the second link leads through: the other column's value.
pub(super) const OTHER: [u8; 2] = [16, 17];
/// How identifiers are spelled from here on; then another operation.
pub(super) const STYLE: u8 = 18;
