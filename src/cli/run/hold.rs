//! `hold`.

use crate::cli::args::{Hold, HoldVerb};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::run::Run;
use crate::engine::observe::Observer;
use crate::engine::retention;
use crate::engine::retention::HoldOptions;
use crate::repo::format::moment::Moment;
use serde_json::json;

impl Run<'_> {
    pub(super) fn hold(&self, asked: &Hold) -> Result<Exit, Failure> {
        let repository = self.open()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let dry_run = self.global.dry_run;
        match &asked.verb {
            HoldVerb::Add(add) => {
                let options = HoldOptions {
                    point: add.point.clone(),
                    source: add.source.clone(),
                    reason: add.reason.clone(),
                    until: add.until,
                    dry_run,
                };
                let change = retention::hold(&repository, &options, &progress)?;
                self.screen.report("hold", &change, || render::hold::held(&change))?;
            }
            HoldVerb::List => {
                let holds = retention::holds(&repository, Moment(progress.now_ms()))?;
                self.screen.result("holds", &json!({ "holds": holds }), || render::hold::list(&holds))?;
            }
            HoldVerb::Remove(remove) => {
                let which = (remove.point.as_str(), remove.source.as_deref(), dry_run);
                let change = retention::release(&repository, which, &progress)?;
                self.screen.report("hold", &change, || render::hold::released(&change))?;
            }
        }
        Ok(Exit::Done)
    }
}
