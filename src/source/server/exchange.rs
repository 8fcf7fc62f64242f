//! What is asked of a server, and what it answers: plain values.

use crate::source::server::error::Error;
use reqwest::Method;

/// Bytes of a listing: enough for the names of 130,000 segments, 30 TiB of history.
pub const LISTING_MAX: usize = 32 << 20;
/// Bytes of an answer that says something about the server, or names one path.
pub const FACT_MAX: usize = 4 << 20;
/// Letters of what a server said that are told.
const TOLD: usize = 160;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'a str, &'a str)>,
    pub(super) context: Option<&'a str>,
    pub(super) anonymous: bool,
    pub(super) limit: usize,
}

impl<'a> Ask<'a> {
    /// A `GET`.
    pub fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            context: None,
            anonymous: false,
            limit: FACT_MAX,
        }
    }

    /// A `POST` without a body.
    pub fn post(path: &'a str) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }

    /// With a parameter.
    #[must_use]
    pub fn with(mut self, key: &'a str, value: &'a str) -> Self {
        self.query.push((key, value));
        self
    }

    /// On behalf of a context: a token may be good for one context only.
    #[must_use]
    pub fn of_context(self, context: &'a str) -> Self {
        Self { context: Some(context), ..self }
    }

    /// Without credentials.
    #[must_use]
    pub fn anonymous(self) -> Self {
        Self { anonymous: true, ..self }
    }

    /// With another limit on the bytes of the answer.
    #[must_use]
    pub fn at_most(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request, as errors tell it: `GET http://node:8024/v1/public/me`.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The header `AxonIQ-ErrorCode`.
    pub code: Option<String>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The server's clock, milliseconds since 1970, if it says it. In whole seconds.
    pub server_ms: Option<i64>,
    /// The body, to be read.
    pub body: String,
    /// The first words of the body, to be told: without the secret that we sent.
    pub said: String,
}

impl Answer {
    /// Whether the server does not know what was asked.
    pub fn is_unknown(&self) -> bool {
        matches!(self.status, 404 | 405)
    }

    /// The answer, if it is a success.
    pub fn success(self) -> Result<Self, Error> {
        let Self { request, status, .. } = &self;
        let (request, status) = (request.clone(), *status);
        match status {
            200 => Ok(self),
            300..=399 => {
                let location = told(self.location.as_deref().unwrap_or("without saying where"));
                Err(Error::Redirect { request, status, location })
            }
            401 => Err(Error::Unauthorized { request }),
            403 => Err(Error::Forbidden { request, why: self.said }),
            _ => Err(Error::Status { request, status, why: self.words() }),
        }
    }

    /// What the server said: its code, then its words.
    fn words(&self) -> String {
        match &self.code {
            Some(code) if !self.said.contains(code.as_str()) => told(&format!("[{code}] {}", self.said)),
            _ => self.said.clone(),
        }
    }

    /// The error for an answer that is not what was asked for.
    pub fn unexpected(&self, expected: &'static str) -> Error {
        let found = if self.body.is_empty() { "empty".to_owned() } else { format!("'{}'", self.said) };
        Error::Unexpected { request: self.request.clone(), expected, found }
    }
}

/// The first words of a text, on one line.
pub(super) fn told(text: &str) -> String {
    let text = text.trim();
    let line: String = text.chars().take(TOLD).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match (line.is_empty(), text.chars().nth(TOLD)) {
        (true, _) => "without a word".to_owned(),
        (_, None) => line,
        (_, Some(_)) => format!("{line}…"),
    }
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// When it began, milliseconds since 1970.
    pub at_ms: i64,
    /// Method, path and parameters.
    pub what: String,
    /// The status, or a word for why there is none.
    pub result: String,
    /// How long it took.
    pub took_ms: i64,
}
