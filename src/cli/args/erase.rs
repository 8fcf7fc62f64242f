//! `erase` and `drop-history`.

use crate::cli::args::{AllowDelete, reason};
use crate::cli::when;
use crate::engine::drop_history::Before;
use clap::Args;

/// `erase`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// The source
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// The context
    #[arg(long, value_name = "NAME")]
    pub context: String,
    /// Erase the context's snapshots too, if one is of an aggregate with an erased event: all of them, they can be made again
    #[arg(long)]
    pub snapshots: bool,
    /// Decode every block on disk, and show that none holds what was erased; without --yes of earlier erasures
    #[arg(long)]
    pub prove: bool,
    /// Why, to be remembered
    #[arg(long, value_name = "TEXT", value_parser = reason, default_value = "erasure")]
    pub reason: String,
    /// What an append-only repository asks for.
    #[command(flatten)]
    pub allow: AllowDelete,
}

/// `drop-history`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DropHistory {
    /// Drop whole segments of events before this token, or with nothing but events before this time (2027-01-01 or RFC 3339)
    #[arg(long, value_name = "TOKEN|TIME", value_parser = before)]
    pub before: Before,
    /// The context
    #[arg(long, value_name = "NAME")]
    pub context: String,
    /// The source; needed where several have the context
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Do it: repeat what it says without this
    #[arg(long, value_name = "CONTEXT@TOKEN")]
    pub confirm: Option<String>,
    /// Why, to be remembered
    #[arg(long, value_name = "TEXT", value_parser = reason, default_value = "drop-history")]
    pub reason: String,
    /// What an append-only repository asks for.
    #[command(flatten)]
    pub allow: AllowDelete,
}

fn before(text: &str) -> Result<Before, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Before::Token).map_err(|_| format!("'{text}' is no token"));
    }
    when::parse(text).map(Before::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_token_and_all_else_a_time() {
        assert_eq!(before("403"), Ok(Before::Token(403)));
        assert!(matches!(before("2027-01-01"), Ok(Before::Time(_))));
        for odd in ["", "-1", "tomorrow", "99999999999999999999"] {
            assert!(before(odd).is_err(), "{odd}");
        }
    }
}
