//! `points --at`.

use crate::cli::args::cut::{Others, Side};
use crate::cli::when;
use crate::engine::restore::cut::request::TokenCut;
use crate::repo::format::moment::Moment;
use clap::Args;
use std::str::FromStr;

/// What a restore to a moment would give.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// Say what a restore to this moment or token would give (tokens of several contexts: may be repeated)
    #[arg(long, value_name = "TIME|CONTEXT=TOKEN")]
    pub at: Vec<Where>,
    /// Contexts whose token is not given: at the same time, or whole [default: time]
    #[arg(long, value_name = "HOW", requires = "at")]
    pub others: Option<Others>,
    /// Where clocks ran backwards: as in restore [default: first-later]
    #[arg(long, value_name = "SIDE", requires = "at")]
    pub cut: Option<Side>,
    /// Also count the aggregates that have events behind it: those events are read
    #[arg(long, requires = "at")]
    pub count_aggregates: bool,
}

/// A moment, or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// A moment.
    Time(Moment),
    /// A token.
    Token(TokenCut),
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match when::parse(text) {
            Ok(at) => Ok(Self::Time(at)),
            Err(_) if text.contains('=') => text.parse().map(Self::Token),
            Err(_) => {
                Err(format!("'{text}' is neither a time (like 2026-11-22T21:10:49Z) nor CONTEXT=TOKEN"))
            }
        }
    }
}
