//! What parity healed: every verb that does not say it in its report says it here.

use crate::cli::exit::Exit;
use crate::cli::run::Run;

impl Run<'_> {
    /// Warns of what was healed and is not said yet; gives how the run ends with that.
    pub(in crate::cli) fn tell_healed(&self, exit: Exit) -> Exit {
        let healed = self.healings.take();
        for (file, pack) in &healed {
            self.screen.warning(&format!(
                "{file} is damaged, and was made whole by its parity ({pack}): what was read of it is right; run 'segvault \
                 repair packs'"
            ));
        }
        if healed.is_empty() { exit } else { exit.more_telling(Exit::Incomplete) }
    }
}
