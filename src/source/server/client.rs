//! Sends requests to a server. Each is bounded in time, each answer in size; no redirect is followed, no proxy asked, nothing sent twice.
//!
//! Every request is remembered with its time, its status and how long it took: for the manifest.

use crate::source::server::ServerOptions;
use crate::source::server::Surroundings;
use crate::source::server::error::Error;
use crate::source::server::secret::Credentials;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Method, Url};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

/// Bytes of a listing: enough for the names of 130,000 segments, 30 TiB of history.
pub const LISTING_MAX: usize = 32 << 20;
/// Bytes of an answer that says something about the server, or names one path.
pub const FACT_MAX: usize = 4 << 20;
/// Letters of what a server said that are told.
const TOLD: usize = 160;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("axoniq-access-token");
const CONTEXT: HeaderName = HeaderName::from_static("axoniq-context");
const ERROR_CODE: HeaderName = HeaderName::from_static("axoniq-errorcode");

/// What to ask.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
    context: Option<&'a str>,
    anonymous: bool,
    limit: usize,
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
    /// The body, without the secret that we sent.
    pub body: String,
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
            403 => Err(Error::Forbidden { request, why: told(&self.body) }),
            _ => Err(Error::Status { request, status, why: self.words() }),
        }
    }

    /// What the server said: its code, then its words.
    fn words(&self) -> String {
        let said = told(&self.body);
        match &self.code {
            Some(code) if !said.contains(code.as_str()) => told(&format!("[{code}] {said}")),
            _ => said,
        }
    }

    /// The error for an answer that is not what was asked for.
    pub fn unexpected(&self, expected: &'static str) -> Error {
        let found = if self.body.is_empty() { "empty".to_owned() } else { format!("'{}'", told(&self.body)) };
        Error::Unexpected { request: self.request.clone(), expected, found }
    }
}

/// The first words of a text, on one line.
fn told(text: &str) -> String {
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

    /// Whether secrets travel in the clear to another machine.
    pub fn shows_secrets(&self) -> bool {
        let is_local = matches!(self.address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        self.options.credentials != Credentials::None && self.address.scheme() == "http" && !is_local
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
        let answer = self.send(ask, url, &request);
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

    fn send(&self, ask: &Ask<'_>, url: Url, request: &str) -> Result<Answer, Error> {
        let begun = Instant::now();
        let limit = self.options.timeout;
        let builder = self.http.request(ask.method.clone(), url).timeout(limit);
        let builder = self.headers(ask, builder).map_err(|why| Error::Setup { why })?;
        let response = builder.send().map_err(|error| self.failed(error, request))?;
        let answer = self.head(&response, request);
        let body = self.body(response, ask.limit, (begun, request))?;
        Ok(Answer { body, ..answer })
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

    fn head(&self, response: &Response, request: &str) -> Answer {
        let header = |name: HeaderName| {
            let text = response.headers().get(name)?.to_str().ok()?;
            Some(self.options.credentials.hide(text))
        };
        Answer {
            request: request.to_owned(),
            status: response.status().as_u16(),
            code: header(ERROR_CODE),
            location: header(LOCATION),
            server_ms: header(DATE).and_then(|date| http_date_ms(&date)),
            body: String::new(),
        }
    }

    /// The body: all of it, or an error.
    fn body(
        &self,
        mut response: Response,
        limit: usize,
        (begun, request): (Instant, &str),
    ) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            if begun.elapsed() > self.options.timeout {
                return Err(Error::Timeout { request: request.to_owned(), limit: self.options.timeout });
            }
            match response.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke(&error, request)),
            }
            if bytes.len() > limit {
                return Err(Error::TooLarge { request: request.to_owned(), limit });
            }
        }
        Ok(self.options.credentials.hide(&String::from_utf8_lossy(&bytes)))
    }

    fn broke(&self, error: &io::Error, request: &str) -> Error {
        let request = request.to_owned();
        let timed_out = error.kind() == io::ErrorKind::TimedOut
            || error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<reqwest::Error>())
                .is_some_and(reqwest::Error::is_timeout);
        if timed_out {
            return Error::Timeout { request, limit: self.options.timeout };
        }
        Error::Broken { request, why: self.options.credentials.hide(&deepest(error)) }
    }

    fn failed(&self, error: reqwest::Error, request: &str) -> Error {
        let error = error.without_url();
        let (request, why) = (request.to_owned(), self.options.credentials.hide(&deepest(&error)));
        if error.is_timeout() {
            return Error::Timeout { request, limit: self.options.timeout };
        }
        if chain(&error).any(|cause| cause.is::<rustls::Error>() || wraps_tls(cause)) {
            return Error::Tls { request, why };
        }
        if chain(&error).any(is_refusal) {
            return Error::Refused { request };
        }
        if error.is_connect() { Error::Unreachable { request, why } } else { Error::Broken { request, why } }
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
        _ => "broken",
    }
}

fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Whether an I/O error holds one of TLS: it does not name it as its source. It may hold another I/O error that does.
fn wraps_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut outer = error.downcast_ref::<io::Error>();
    while let Some(inner) = outer.and_then(io::Error::get_ref) {
        if inner.is::<rustls::Error>() {
            return true;
        }
        outer = inner.downcast_ref::<io::Error>();
    }
    false
}

fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The last cause says most.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    told(&chain(error).last().map(ToString::to_string).unwrap_or_default())
}

/// An address without credentials, parameters and fragment. What was typed is not repeated: it may hold a password.
fn address(text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| Err(Error::Address { why: why.to_owned() });
    let Ok(url) = Url::parse(text.trim()) else { return wrong("give one like http://node:8024") };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("name the user with --user, and its password in a file with --password-file");
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return wrong("give one like http://node:8024");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("it ends with the port, or with the context path");
    }
    Ok(url)
}

fn http(options: &ServerOptions, address: &Url) -> Result<reqwest::blocking::Client, Error> {
    // Whoever was there first is as good: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(options.timeout)
        .timeout(options.timeout)
        .user_agent(concat!("segvault/", env!("CARGO_PKG_VERSION")))
        .tls_danger_accept_invalid_certs(options.insecure);
    let builder = match &options.ca_cert {
        Some(path) => builder.tls_certs_only(certificates(path)?),
        // Without TLS the certificates of this machine are not needed, and a container may have none.
        None if address.scheme() == "http" => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(|error| Error::Setup { why: deepest(&error) })
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let wrong = |why: String| Error::Certificate { path: path.to_path_buf(), why };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(deepest(&error)))?;
    if found.is_empty() { Err(wrong("it is none".to_owned())) } else { Ok(found) }
}

/// `Mon, 23 Nov 2026 15:04:05 GMT`.
fn http_date_ms(text: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}
