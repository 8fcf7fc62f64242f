//! Sends requests to a server. Each is bounded in time, each answer in size; no redirect is followed, no proxy asked, nothing sent twice.
//!
//! Every request is remembered with its time, its status and how long it took: for the manifest.

use crate::source::server::ServerOptions;
use crate::source::server::Surroundings;
use crate::source::server::connect::{address, http};
use crate::source::server::error::Error;
use crate::source::server::exchange::{Answer, Ask, Made, told};
use crate::source::server::secret::Credentials;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use std::io::{self, Read};
use std::time::Instant;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("axoniq-access-token");
const CONTEXT: HeaderName = HeaderName::from_static("axoniq-context");
const ERROR_CODE: HeaderName = HeaderName::from_static("axoniq-errorcode");

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
        let credentials = &self.options.credentials;
        // Hidden before it is cut: half a secret would not be found.
        let said = told(&credentials.hide(&body));
        Ok(Answer { body: credentials.hide_in_answer(&body), said, ..answer })
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
            said: String::new(),
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
        Ok(String::from_utf8_lossy(&bytes).into_owned())
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
            return Error::Tls { request, why: certificate_words(why) };
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

/// What the library says of certificates in words that help whoever made them.
fn certificate_words(why: String) -> String {
    if why.contains("CaUsedAsEndEntity") {
        return "the server shows a certificate that says it is an authority's (CA:TRUE), and that may be no server's".to_owned();
    }
    if why.contains("UnknownIssuer") {
        return "nobody whom we trust has signed the server's certificate".to_owned();
    }
    why
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
pub(super) fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    told(&chain(error).last().map(ToString::to_string).unwrap_or_default())
}

/// `Mon, 23 Nov 2026 15:04:05 GMT`.
fn http_date_ms(text: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}
