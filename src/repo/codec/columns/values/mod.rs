//! Values with a type: how their text is read, and written again exactly as it was. What would come out differently is no such value.

pub(super) mod id;
pub(super) mod number;
pub(super) mod time;

/// How the bytes of a value lie in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// As text, up to where the next literal begins.
    Text,
    /// With its length in front, as a varint.
    Prefixed,
    /// As a varint.
    Varint,
    /// As 4 bytes, the lowest first.
    Fixed32,
    /// As 8 bytes, the lowest first.
    Fixed64,
    /// No value: the payload ends here.
    End,
}

impl Form {
    /// The number that stands for it.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Prefixed => 1,
            Self::Varint => 2,
            Self::Fixed32 => 3,
            Self::Fixed64 => 4,
            Self::End => 5,
        }
    }

    /// The form with this number.
    pub(super) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Text,
            1 => Self::Prefixed,
            2 => Self::Varint,
            3 => Self::Fixed32,
            4 => Self::Fixed64,
            5 => Self::End,
            _ => return None,
        })
    }
}

/// A varint in the fewest bytes: the number and its length.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes.first() {
        Some(byte @ 0..0x80) => Some((u64::from(*byte), 1)),
        Some(_) => long_varint(bytes),
        None => None,
    }
}

fn long_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return (*byte != 0).then_some((value, at + 1));
        }
    }
    None
}

/// Appends a varint.
#[inline]
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The bytes of a varint.
pub(super) const fn varint_length(value: u64) -> usize {
    if value == 0 { 1 } else { (70 - value.leading_zeros() as usize) / 7 }
}
