//! The verb `events`.

use crate::axon::name::Store;
use crate::cli::args::events::Events;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render::events::{Form, Printer};
use crate::cli::run::Run;
use crate::engine::events::{self, EventsOptions};

impl Run<'_> {
    /// Prints events as they come.
    pub(in crate::cli) fn events(&self, asked: &Events) -> Result<Exit, Failure> {
        if asked.csv && self.global.json {
            let message = "--csv and --json can't be had together".to_owned();
            return Err(Failure::Usage { message, hint: "choose one" });
        }
        let repository = self.open()?;
        let store = if asked.snapshots { Store::Snapshots } else { Store::Events };
        let options = EventsOptions {
            point: asked.point.clone(),
            source: asked.source.clone(),
            context: asked.context.clone(),
            store,
            from: asked.from,
            to: asked.to,
            aggregate: asked.aggregate.clone(),
            payload_type: asked.payload_type.clone(),
        };
        let form = match (self.global.json, asked.csv) {
            (true, _) => Form::Json,
            (false, true) => Form::Csv,
            (false, false) => Form::Text,
        };
        // Nothing is drawn while results stream past.
        let progress = Progress::new(self.screen.hushed(), self.signals.clone());
        let mut printer = Printer::new(form, store);
        events::events(&repository, &options, &progress, &mut printer)?;
        printer.finish()?;
        Ok(Exit::Done)
    }
}
