//! `events`.

use crate::engine::events::Bound;
use crate::repo::format::moment::Moment;
use clap::Args;

/// `events`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// The point whose versions are meant: its number, the first digits of its hash, latest [default: all that the archive holds, in the versions of today]
    #[arg(value_name = "POINT")]
    pub point: Option<String>,
    /// The source that is meant
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// The context
    #[arg(long, value_name = "CONTEXT[@INCARNATION]", default_value = "default")]
    pub context: String,
    /// The snapshots instead of the events
    #[arg(long)]
    pub snapshots: bool,
    /// From this token, or from this moment on
    #[arg(long, value_name = "TOKEN|TIME", value_parser = bound)]
    pub from: Option<Bound>,
    /// Up to this token, or up to this moment
    #[arg(long, value_name = "TOKEN|TIME", value_parser = bound)]
    pub to: Option<Bound>,
    /// Only of this aggregate
    #[arg(long, value_name = "ID")]
    pub aggregate: Option<String>,
    /// Only with this payload type: the whole name, or the part behind the last dot
    #[arg(long = "type", value_name = "TYPE")]
    pub payload_type: Option<String>,
    /// Print comma-separated values, with a head line
    #[arg(long)]
    pub csv: bool,
}

fn bound(text: &str) -> Result<Bound, String> {
    if let Ok(token) = text.parse() {
        return Ok(Bound::Token(token));
    }
    let at = text.parse::<Moment>();
    at.map(|at| Bound::Time(at.0))
        .map_err(|_| format!("'{text}' is neither a token nor a time like 2026-11-22T21:10:49Z"))
}
