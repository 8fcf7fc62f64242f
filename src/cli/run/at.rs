//! `points --at`.

use crate::cli::args::Points;
use crate::cli::args::at::{At, Where};
use crate::cli::args::cut::Cut;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render;
use crate::cli::run::{Run, cut};
use crate::engine::points::{self, AtOptions};
use crate::engine::restore::cut::request::CutRequest;

impl Run<'_> {
    /// Says what a restore would give.
    pub(in crate::cli) fn points_at(&self, asked: &Points) -> Result<Exit, Failure> {
        let options = AtOptions {
            source: asked.source.clone(),
            request: request(&asked.at)?,
            count_aggregates: asked.at.count_aggregates,
        };
        let at = points::at(&self.open()?, &options)?;
        self.screen.result("points-at", &at, || render::cut::at(&at))?;
        Ok(Exit::Done)
    }
}

fn request(asked: &At) -> Result<CutRequest, Failure> {
    let mut typed = Cut { others: asked.others, cut: asked.cut, ..Cut::default() };
    for at in &asked.at {
        match at {
            Where::Time(time) if asked.at.len() == 1 => typed.to_time = Some(*time),
            Where::Time(_) => {
                let message = "--at takes one time, or tokens of several contexts".to_owned();
                return Err(Failure::Usage { message, hint: "see segvault points --help" });
            }
            Where::Token(token) => typed.to_token.push(token.clone()),
        }
    }
    Ok(cut::request(&typed, false).unwrap_or_else(CutRequest::nowhere))
}
