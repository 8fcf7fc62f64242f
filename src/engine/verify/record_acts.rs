//! Remembers what a whole read found, as acts: packs that are damaged, packs that are good.

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::verify::book::Book;
use crate::engine::verify::packs::stop_if_interrupted;
use crate::engine::verify::report::Class;
use crate::repo;
use crate::repo::format::act::Deed;
use crate::repo::format::id::PackId;
use crate::repo::format::moment::Moment;
use crate::repo::store::Repository;

const ADVICE: &str = "run 'verify --data' again where the repository can be written; until then a backup may rely on these packs";
const ADVICE_VERDICT: &str =
    "nothing is wrong with them; the next run that reads only a part of the packs will read them again";
/// So many packs are named by one act: it stays far below the longest that a reader takes.
const PACKS_OF_ACT: usize = 100_000;

/// Writes acts.
pub struct RecordActs<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
}

impl RecordActs<'_> {
    /// Writes them; gives the number of the last act of each kind. What can't be written is a note, no error.
    pub fn record(
        &self,
        damaged: &[PackId],
        good: &[PackId],
        book: &mut Book,
    ) -> Result<(Option<u64>, Option<u64>), Error> {
        // That a repository can't be written is said anyway; verdicts on good packs are not missed there.
        if damaged.is_empty() && (good.is_empty() || self.repository.is_unlocked()) {
            return Ok((None, None));
        }
        stop_if_interrupted(self.observer)?;
        let is_damage = !damaged.is_empty();
        self.publish(damaged, good).or_else(|error| {
            let what = if is_damage { "that packs are damaged" } else { "that packs were found good" };
            let text = format!("{what} could not be recorded: {error}");
            book.add(Class::Note, "not-recorded", text, if is_damage { ADVICE } else { ADVICE_VERDICT });
            Ok((None, None))
        })
    }

    fn publish(
        &self,
        damaged: &[PackId],
        good: &[PackId],
    ) -> Result<(Option<u64>, Option<u64>), repo::Error> {
        let at = Moment(self.observer.now_ms());
        let mut session = self.repository.session()?;
        let (mut act, mut verified) = (None, None);
        for packs in damaged.chunks(PACKS_OF_ACT) {
            act = Some(session.publish_act(at, Deed::Damaged { packs: packs.to_vec() })?);
        }
        for packs in good.chunks(PACKS_OF_ACT) {
            verified = Some(session.publish_act(at, Deed::Verified { packs: packs.to_vec() })?);
        }
        Ok((act, verified))
    }
}
