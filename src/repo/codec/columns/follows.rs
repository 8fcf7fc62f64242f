//! What followed what in texts: a table that forgets. A place is taken by who comes last.

use crate::repo::codec::columns::span::mix;

/// Places of the table.
const PLACES: usize = 1 << 14;
/// The most that what followed is trusted.
const TRUST_MAX: u32 = 7;

#[derive(Clone, Copy, Debug, Default)]
struct Follow {
    tag: u32,
    token: u32,
    trust: u32,
}

/// What followed last behind a token of a key, and where that is in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    place: usize,
    tag: u32,
    /// The token.
    pub(super) token: u32,
    /// How much that is trusted; 0 if nothing is known.
    pub(super) trust: u32,
}

/// The table.
#[derive(Debug)]
pub(super) struct Follows(Vec<Follow>);

impl Default for Follows {
    fn default() -> Self {
        Self(vec![Follow::default(); PLACES])
    }
}

impl Follows {
    /// What lies ahead behind this token of this key.
    #[inline]
    pub(super) fn ahead(&self, key: u32, before: u32) -> Ahead {
        let hash = mix(u64::from(key), u64::from(before));
        let (place, tag) = (hash as usize % PLACES, (hash >> 32) as u32);
        let follow = self.0.get(place).copied().filter(|follow| follow.tag == tag).unwrap_or_default();
        Ahead { place, tag, token: follow.token, trust: follow.trust }
    }

    /// Learns that this token came, where that was ahead.
    #[inline]
    pub(super) fn learn(&mut self, ahead: &Ahead, token: u32) {
        let Some(follow) = self.0.get_mut(ahead.place) else { return };
        if follow.tag == ahead.tag && follow.token == token {
            follow.trust = (follow.trust + 1).min(TRUST_MAX);
        } else if follow.tag == ahead.tag && follow.trust > 2 {
            follow.trust /= 2;
        } else {
            *follow = Follow { tag: ahead.tag, token, trust: 1 };
        }
    }
}
