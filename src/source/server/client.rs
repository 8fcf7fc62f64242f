//! Sends requests to a server. Each is bounded in time, each answer in size; no redirect is followed, no proxy asked, nothing sent twice.
//!
//! Every request is remembered with its time, its status and how long it took: for the manifest.

use crate::source::server::ServerOptions;
use crate::source::server::Surroundings;
use crate::source::server::connect::{address, http};
use crate::source::server::courier::{Courier, Parcel};
use crate::source::server::error::Error;
use crate::source::server::exchange::{Answer, Ask, Made};
use crate::source::server::secret::Credentials;
use reqwest::blocking::RequestBuilder;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("axoniq-access-token");
const CONTEXT: HeaderName = HeaderName::from_static("axoniq-context");

/// Asks a server.
#[derive(Debug)]
pub struct Client {
    http: reqwest::blocking::Client,
    address: Url,
    options: ServerOptions,
    surroundings: Surroundings,
    made: Vec<Made>,
}

impl Client {
    /// A client. Nothing is sent yet.
    pub fn new(options: ServerOptions, surroundings: Surroundings) -> Result<Self, Error> {
        let address = address(&options.address)?;
        let http = http(&options, &address)?;
        Ok(Self { http, address, options, surroundings, made: Vec::new() })
    }

    /// The server's address, without anything that is secret.
    pub fn address(&self) -> &str {
        self.address.as_str().trim_end_matches('/')
    }

    /// How it is reached.
    pub fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// Who asks.
    pub fn credentials(&self) -> &Credentials {
        &self.options.credentials
    }

    /// All requests so far.
    pub fn made(&self) -> &[Made] {
        &self.made
    }

    /// Sends a request, and reads its answer to the end. Whatever its status is, it is an answer.
    pub fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer, Error> {
        let url = self.url(ask);
        let what = url.query().map_or_else(|| ask.path.to_owned(), |query| format!("{}?{query}", ask.path));
        let request = format!("{} {}{what}", ask.method, self.address());
        let at_ms = (self.surroundings.now_ms)();
        let answer = self.send(ask, url, request);
        let took_ms = (self.surroundings.now_ms)().saturating_sub(at_ms).max(0);
        let result = match &answer {
            Ok(answer) => answer.status.to_string(),
            Err(error) => word(error).to_owned(),
        };
        self.made.push(Made { at_ms, what: format!("{} {what}", ask.method), result, took_ms });
        answer
    }

    fn url(&self, ask: &Ask<'_>) -> Url {
        let mut url = self.address.clone();
        url.set_path(&format!("{}{}", self.address.path().trim_end_matches('/'), ask.path));
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        url
    }

    fn send(&self, ask: &Ask<'_>, url: Url, request: String) -> Result<Answer, Error> {
        let builder = self.http.request(ask.method.clone(), url).timeout(self.options.timeout);
        let builder = self.headers(ask, builder).map_err(|why| Error::Setup { why })?;
        let courier = Courier { options: self.options.clone() };
        courier.carry(Parcel { builder, request, limit: ask.limit }, &self.surroundings)
    }

    fn headers(&self, ask: &Ask<'_>, builder: RequestBuilder) -> Result<RequestBuilder, String> {
        let mut headers = HeaderMap::new();
        // Not text/plain: a server with access control would answer that with a redirect to its login page.
        let accept = if ask.method == Method::POST { "*/*" } else { "application/json" };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(context) = ask.context {
            headers.insert(
                CONTEXT,
                HeaderValue::from_bytes(context.as_bytes()).map_err(|error| error.to_string())?,
            );
        }
        if !ask.anonymous {
            headers.extend(self.secret_header()?);
        }
        Ok(builder.headers(headers))
    }

    fn secret_header(&self) -> Result<Option<(HeaderName, HeaderValue)>, String> {
        let (name, text) = match &self.options.credentials {
            Credentials::None => return Ok(None),
            Credentials::Token(token) => (ACCESS_TOKEN, token.reveal().to_owned()),
            user @ Credentials::User { .. } => {
                (AUTHORIZATION, format!("Basic {}", user.basic().unwrap_or_default()))
            }
        };
        let mut value =
            HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "the secret fits into no header")?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

/// A word for a request that got no answer.
fn word(error: &Error) -> &'static str {
    match error {
        Error::Refused { .. } => "refused",
        Error::Unreachable { .. } => "unreachable",
        Error::Tls { .. } => "tls",
        Error::Timeout { .. } => "timeout",
        Error::TooLarge { .. } => "too large",
        Error::Interrupted => "interrupted",
        _ => "broken",
    }
}
