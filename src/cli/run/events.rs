//! The verb `events`.

use crate::axon::name::Store;
use crate::cli::args::events::Events;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render::events::{Form, Printer};
use crate::cli::run::Run;
use crate::engine::events::{self, Bound, EventsOptions, Outside};

impl Run<'_> {
    /// Prints events as they come.
    pub(in crate::cli) fn events(&self, asked: &Events) -> Result<Exit, Failure> {
        if asked.csv && self.global.json {
            let message = "--csv and --json can't be had together".to_owned();
            return Err(Failure::Usage { message, hint: "choose one" });
        }
        refuse_reversed(asked.from, asked.to)?;
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
        let outside = events::events(&repository, &options, &progress, &mut printer)?;
        printer.finish()?;
        let Some(outside) = outside.filter(|outside| !is_next(outside, asked.from)) else {
            return Ok(Exit::Done);
        };
        self.screen.warning(&nothing(&outside, &options));
        Ok(Exit::Incomplete)
    }
}

/// Whether what is asked for begins right behind the last token: who asks so has all there is, and wants what is new.
fn is_next(outside: &Outside, from: Option<Bound>) -> bool {
    let next = outside.tokens.and_then(|(_, last)| last.checked_add(1));
    matches!(from, Some(Bound::Token(from)) if Some(from) == next)
}

/// What there is, where nothing is between the bounds.
fn nothing(outside: &Outside, options: &EventsOptions) -> String {
    let (store, context) = (options.store, &options.context);
    match (outside.tokens, outside.times) {
        (None, _) => format!("there are no {store} of {context}"),
        (Some((first, last)), None) => {
            format!(
                "none of the {store} of {context} is in that range: they have the tokens {first} to {last}"
            )
        }
        (Some((first, last)), Some((from, to))) => format!(
            "none of the {store} of {context} is in that range: they have the tokens {first} to {last}, and the times \
             {from} to {to}"
        ),
    }
}

/// A range that ends before it begins is a mistake. (A token and a time can't be compared.)
fn refuse_reversed(from: Option<Bound>, to: Option<Bound>) -> Result<(), Failure> {
    let is_reversed = match (from, to) {
        (Some(Bound::Token(from)), Some(Bound::Token(to))) => from > to,
        (Some(Bound::Time(from)), Some(Bound::Time(to))) => from > to,
        _ => false,
    };
    if is_reversed {
        let message = "--from lies behind --to".to_owned();
        return Err(Failure::Usage { message, hint: "exchange them" });
    }
    Ok(())
}
