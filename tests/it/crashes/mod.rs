//! Every verb that writes, crashed at each change of the disk, in each image of it, and again in the run after.
//!
//! An ordinary run samples, always the same; `SEGVAULT_CRASHES=1` tries all, `SEGVAULT_CRASH_PAIRS=50` so many pairs of
//! each verb; `SEGVAULT_CRASHES_OF=prune` names one.

mod deeds;
mod restoring;
mod twice;

use crate::support::asked;
use crate::support::crash_disk::Image;

/// Whether all is to be tried.
pub fn is_exhaustive() -> bool {
    std::env::var_os("SEGVAULT_CRASHES").is_some()
}

/// The changes at which to crash, and the images to look at: all, or one image for each of the last changes, and for some of those before.
fn singles(changes: u64, last: u64) -> Vec<(u64, Vec<Image>)> {
    let is_chosen = |change: &u64| is_exhaustive() || *change + last > changes || change.is_multiple_of(11);
    let images = |change: u64| match is_exhaustive() {
        true => Image::ALL.to_vec(),
        false => vec![Image::ALL[change as usize % Image::ALL.len()]],
    };
    (1..=changes).filter(is_chosen).map(|change| (change, images(change))).collect()
}

/// A change, and the image that is left.
pub type Crash = (u64, Image);

/// Pairs of a crash and one in the run after, which makes about as many changes: all, in one image or another; or some by chance.
pub fn pairs(changes: u64, some: u64, seed: u64) -> Vec<(Crash, Crash)> {
    let image = |at: u64| Image::ALL[at as usize % Image::ALL.len()];
    let asked = asked("SEGVAULT_CRASH_PAIRS", 0);
    if is_exhaustive() && asked == 0 {
        let all = (1..=changes).flat_map(|first| (1..=changes).map(move |second| (first, second)));
        let mut all: Vec<(Crash, Crash)> =
            all.map(|(first, second)| ((first, image(first + second)), (second, image(second)))).collect();
        // Those behind the same crash follow each other.
        all.sort_by_key(|(first, _)| (first.0, Image::ALL.iter().position(|image| *image == first.1)));
        return all;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut crash = || (random.u64(1..=changes), image(random.u64(..)));
    std::iter::repeat_with(|| (crash(), crash())).take(some.max(asked) as usize).collect()
}
