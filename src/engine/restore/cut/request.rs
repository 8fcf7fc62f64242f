//! What a user asks for: a moment, or tokens.

use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Where to cut, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutRequest {
    /// Where.
    pub at: CutAt,
    /// What becomes of the contexts that are not named.
    pub others: Others,
    /// Which side counts where clocks ran backwards.
    pub side: Side,
    /// The segments in the versions that the point saw; else those of today, with all that the archive holds.
    pub of_point: bool,
}

impl CutRequest {
    /// Nowhere: all contexts stay whole.
    pub fn nowhere() -> Self {
        Self { at: CutAt::Tokens(Vec::new()), others: Others::Head, side: Side::default(), of_point: false }
    }
}

/// Where to cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutAt {
    /// Milliseconds since 1970: all contexts.
    Time(i64),
    /// The contexts that are named.
    Tokens(Vec<TokenCut>),
}

/// A token of the events of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCut {
    /// `CONTEXT` or `CONTEXT@INCARNATION`, as it was typed.
    pub context: String,
    /// The last token that may be kept; none: no event at all.
    pub token: Option<u64>,
}

impl FromStr for TokenCut {
    type Err = String;

    /// `default=26131`, `billing@2=7`; `-1` is before the first event.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no cut: give CONTEXT=TOKEN or CONTEXT@INCARNATION=TOKEN");
        let (context, token) =
            text.rsplit_once('=').filter(|(context, _)| !context.is_empty()).ok_or_else(wrong)?;
        let token = if token == "-1" { None } else { Some(token.parse().map_err(|_| wrong())?) };
        Ok(Self { context: context.to_owned(), token })
    }
}

impl Display for TokenCut {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self.token {
            Some(token) => write!(to, "{}={token}", self.context),
            None => write!(to, "{}=-1", self.context),
        }
    }
}

/// What becomes of the contexts that are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// They are cut at the time of the last event that is kept of those that are.
    #[default]
    Time,
    /// They stay whole.
    Head,
}

/// Which side of a moment counts where clocks ran backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Before the first transaction with a later event: nothing later is kept.
    #[default]
    FirstLater,
    /// Behind the last transaction without a later event: nothing earlier is lost.
    LastNotLater,
}

/// A context, as typed: the name of one that is there, or a name and an incarnation behind `@`.
pub fn split_context(typed: &str, is_known: impl Fn(&str) -> bool) -> (&str, Option<u32>) {
    if is_known(typed) {
        return (typed, None);
    }
    let parts = typed.rsplit_once('@').and_then(|(name, digits)| Some((name, digits.parse().ok()?)));
    parts.map_or((typed, None), |(name, incarnation)| (name, Some(incarnation)))
}

#[cfg(test)]
mod tests {
    use super::{TokenCut, split_context};

    fn cut(context: &str, token: Option<u64>) -> TokenCut {
        TokenCut { context: context.to_owned(), token }
    }

    #[test]
    fn a_cut_names_a_context_and_a_token() {
        let read = |text: &str| text.parse::<TokenCut>();
        assert_eq!(read("default=26131"), Ok(cut("default", Some(26_131))));
        assert_eq!(read("a=b@2=-1"), Ok(cut("a=b@2", None)));
        for wrong in ["", "default", "=7", "default=", "default=x", "default=-2", "default=1.5"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_with_a_sign_in_it_is_believed_where_it_is_there() {
        assert_eq!(split_context("billing@2", |name| name == "billing"), ("billing", Some(2)));
        assert_eq!(split_context("billing@2", |name| name == "billing@2"), ("billing@2", None));
        assert_eq!(split_context("billing@x", |_| false), ("billing@x", None));
    }
}
