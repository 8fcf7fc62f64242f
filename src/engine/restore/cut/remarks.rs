//! What a user must know of a cut.

use crate::engine::error::Error;
use crate::engine::restore::cut::choice::ControlDbOf;
use crate::engine::restore::cut::proof::RuleFigures;
use crate::engine::restore::cut::{ContextCut, CutPlan, SnapshotsCut};
use crate::engine::restore::error::Error as Refused;
use crate::engine::restore::plan::TokenRange;
use crate::engine::restore::remarks::Remarks;
use crate::engine::words::plural;
use crate::repo::format::point::Weight;

/// What an older control database means.
const AS_OF_THEN: &str = "users, access tokens and plugins are as of then; scheduled events that fired since fire again, later ones are lost";

impl Remarks {
    /// All that a cut says.
    pub(super) fn cut(&mut self, plan: &CutPlan, is_control_db_wanted: bool) {
        for context in &plan.contexts {
            self.context(context);
        }
        match &plan.control_db {
            Some(of) => self.control_db(of),
            None if is_control_db_wanted => {
                let text = "no point has a control database that fits: the server starts without users, access tokens and scheduled events";
                self.add(Weight::Warning, "no-control-db", text.to_owned());
            }
            None => {}
        }
    }

    /// The cut fell back before tokens that the archive has not.
    pub(super) fn ends_at_gap(&mut self, context: &str, missing: Option<TokenRange>) {
        if let Some(TokenRange { first, last }) = missing {
            let text = format!(
                "the archive has no events {first} to {last} of {context}: what is kept ends before them, and may be less than was asked for"
            );
            self.add(Weight::Warning, "gap", text);
        }
    }

    /// Whose control database it is, and what that means.
    pub(super) fn control_db(&mut self, of: &ControlDbOf) {
        let captured = of.captured.map_or_else(String::new, |at| format!(", captured at {at}"));
        let text = format!("the control database is that of point {}{captured}: {AS_OF_THEN}", of.point);
        self.add(Weight::Note, "control-db", text);
        for why in &of.unfit {
            let text = format!("the control database of point {} does not fit: {why}", of.point);
            self.add(Weight::Warning, "control-db-unfit", text);
        }
    }

    fn context(&mut self, cut: &ContextCut) {
        let name = &cut.context;
        let mut note = |what: &str, text: String| self.add(Weight::Note, what, text);
        if cut.behind.events > 0 {
            let (events, transactions) = (cut.behind.events, cut.behind.transactions);
            let after =
                cut.last.map_or("all there are".to_owned(), |last| format!("after token {}", last.token));
            let (events, transactions) = (plural(events, "event"), plural(transactions, "transaction"));
            note("drops", format!("drops {events} of {name} in {transactions}, {after}"));
        } else if let (Some(time), Some(last)) = (cut.time, cut.last) {
            let at = last.at.map_or_else(String::new, |at| format!(", of {at}"));
            let text = format!(
                "nothing of {name} is later than {time}: the archive ends with event {}{at}",
                last.token
            );
            note("end-of-archive", text);
        }
        if let (Some(asked), Some(last)) = (cut.asked, cut.inside) {
            let text = format!(
                "token {asked} of {name} lies inside a transaction that ends with {last}: it is not kept"
            );
            note("inside-transaction", text);
        }
        if let Some(both) = cut.backwards {
            let [first, last] = [both.first_later, both.last_not_later]
                .map(|token| token.map_or("none".to_owned(), |token| format!("up to token {token}")));
            let text = format!(
                "clocks ran backwards in {name}: --cut first-later keeps {first}, --cut last-not-later keeps {last}"
            );
            note("clocks", text);
        }
        if let Some(snapshots) = &cut.snapshots {
            self.snapshots(name, snapshots);
        }
    }

    fn snapshots(&mut self, name: &str, cut: &SnapshotsCut) {
        if cut.behind.events == 0 {
            return;
        }
        let dropped = plural(cut.behind.events, "snapshot");
        let why = match cut.rule.as_ref().map(|rule| (&rule.ahead, &rule.untested)) {
            None => "on request".to_owned(),
            Some((Some(ahead), _)) => format!(
                "snapshot {} of aggregate {} (sequence {}) is ahead of its events, which go on with {}",
                ahead.token, ahead.aggregate, ahead.sequence, ahead.first_dropped
            ),
            Some((None, Some(untested))) => format!("{untested}, and no later snapshot could be tested"),
            Some((None, None)) => "no complete point proves that the others rest on kept events".to_owned(),
        };
        let text = format!("drops {dropped} of {name}: {why}; aggregates only load more slowly");
        self.add(Weight::Note, "drops-snapshots", text);
    }

    /// What was read again shows snapshots that are ahead: the server had them so.
    pub(in crate::engine::restore) fn snapshots_ahead(
        &mut self,
        context: &str,
        figures: Option<&RuleFigures>,
    ) {
        let Some(figures) = figures.filter(|figures| figures.ahead > 0) else { return };
        let named = figures.first_ahead.as_deref().unwrap_or_default();
        let text = format!(
            "{} of {} aggregates of {context} have a snapshot ahead of their last event, {named} first: each of them is stuck; restore with --no-snapshots",
            figures.ahead, figures.aggregates
        );
        self.add(Weight::Warning, "snapshots-ahead", text);
    }

    /// A version that would be used again is said, where it was accepted.
    pub(super) fn version_reuse(&mut self, refused: Result<(), Error>) -> Result<(), Error> {
        match refused {
            Err(Error::Restore(refused @ Refused::VersionReuse { .. })) => {
                self.add(Weight::Warning, "version-reuse", refused.to_string());
                Ok(())
            }
            other => other,
        }
    }
}
