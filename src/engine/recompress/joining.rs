//! Whether the chunks of small packs are worth joining: whether they would have so many fewer blocks together.
//!
//! Noise and heavy events share shorter blocks than others do, and only their bytes tell. They are read where the answer depends on it: to take
//! them for what they are not would have the same packs written anew at every run.

use crate::engine::error::Error;
use crate::engine::recompress::plan::Moved;
use crate::repo::codec::{Compression, Look};
use crate::repo::store::Filling;

/// Whether chunks that have so many blocks now would have fewer by a fourth.
pub(super) fn is_worth(
    chunks: &[Moved],
    before: usize,
    compression: Compression,
    look: impl FnMut(&Moved) -> Result<Look, Error>,
) -> Result<bool, Error> {
    match is_worth_whatever(chunks, before, compression)? {
        Some(is_worth) => Ok(is_worth),
        None => Ok(gains(blocks(chunks, compression, look)?, before)),
    }
}

/// The same without a look; none if it depends on that.
pub(super) fn is_worth_whatever(
    chunks: &[Moved],
    before: usize,
    compression: Compression,
) -> Result<Option<bool>, Error> {
    let at_most = gains(blocks(chunks, compression, |_| Ok(Look::NOISE))?, before);
    let at_least = gains(blocks(chunks, compression, |_| Ok(Look::default()))?, before);
    Ok((at_most == at_least).then_some(at_most))
}

const fn gains(after: usize, before: usize) -> bool {
    after.saturating_mul(4) < before.saturating_mul(3)
}

/// How many blocks these chunks would make, by such a look at each.
fn blocks(
    chunks: &[Moved],
    compression: Compression,
    mut look: impl FnMut(&Moved) -> Result<Look, Error>,
) -> Result<usize, Error> {
    let (mut blocks, mut last): (usize, Option<(_, Filling)>) = (0, None);
    for chunk in chunks {
        let length = usize::try_from(chunk.length).unwrap_or(usize::MAX);
        let next = Filling::of(length, look(chunk)?);
        last = match (chunk.room, last) {
            (Ok(room), Some((open, filling)))
                if open == room && filling.fits(next, room.longest(compression)) =>
            {
                Some((room, filling.and(next)))
            }
            (room, _) => {
                blocks += 1;
                room.ok().map(|room| (room, next))
            }
        };
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::name::Store;
    use crate::repo::format::id::Naming;
    use crate::repo::format::pack::PackKind;
    use crate::repo::store::Neighbours;

    const EVENTS: Result<Neighbours, PackKind> = Ok(Neighbours::Segments(Store::Events));

    /// Chunks of so many MiB.
    fn chunks(room: Result<Neighbours, PackKind>, mib: &[u32]) -> Vec<Moved> {
        let id = |at: usize| Naming::Blake3.chunk(&at.to_le_bytes());
        mib.iter().enumerate().map(|(at, mib)| Moved { id: id(at), length: mib << 20, room, at }).collect()
    }

    /// Whether events are worth joining, and how many of them were looked at.
    fn worth(mib: &[u32], before: usize, look: Look) -> (bool, usize) {
        let mut looks = 0;
        let count = |_: &Moved| {
            looks += 1;
            Ok(look)
        };
        let is_worth = is_worth(&chunks(EVENTS, mib), before, Compression::Default, count).unwrap();
        (is_worth, looks)
    }

    #[test]
    fn blocks_are_counted_as_they_would_be_written() {
        let made = |chunks: &[Moved], look: Look| blocks(chunks, Compression::Default, |_| Ok(look)).unwrap();
        let events = chunks(EVENTS, &[5, 5, 5, 1, 17, 3, 4, 2]);
        assert_eq!(made(&events, Look::default()), 3);
        assert_eq!(made(&events, Look::NOISE), 6, "of 8 MiB at most");
        assert_eq!(made(&chunks(Ok(Neighbours::ControlDb), &[5, 3, 1]), Look::default()), 2);
        assert_eq!(made(&chunks(Err(PackKind::Tail), &[1, 1]), Look::default()), 2, "tails are alone");
        let snapshots = chunks(Ok(Neighbours::Segments(Store::Snapshots)), &[5]);
        let both = [chunks(EVENTS, &[5]), snapshots, chunks(EVENTS, &[5])].concat();
        assert_eq!(made(&both, Look::default()), 3, "only neighbours share blocks");
    }

    #[test]
    fn chunks_are_looked_at_where_it_matters() {
        let (text, noise) = (Look::default(), Look::NOISE);
        // Short enough for one block, whatever they are; and as long as they get.
        assert_eq!([worth(&[2, 3, 3], 3, noise), worth(&[2, 3, 3], 3, text)], [(true, 0); 2]);
        assert_eq!([worth(&[9, 10, 11], 3, noise), worth(&[9, 10, 11], 3, text)], [(false, 0); 2]);
        assert_eq!(worth(&[5, 6, 5, 6], 4, text), (true, 4));
        assert_eq!(worth(&[5, 6, 5, 6], 4, noise), (false, 4));
    }

    #[test]
    fn a_fourth_has_to_be_gained() {
        assert_eq!(worth(&[2, 3, 3, 9, 9], 4, Look::NOISE), (false, 0), "3 of 4");
        assert_eq!(worth(&[2, 3, 3, 9, 9], 5, Look::NOISE), (true, 0), "3 of 5");
    }

    #[test]
    fn what_can_not_be_read_ends_it() {
        let fails = |_: &Moved| Err(Error::Interrupted);
        let asked = is_worth(&chunks(EVENTS, &[5, 6]), 2, Compression::Default, fails);
        assert!(matches!(asked, Err(Error::Interrupted)));
    }
}
