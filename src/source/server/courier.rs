//! Carries one request there and its answer back, on a thread of its own: whoever waits for it can stop waiting at any time.

use crate::source::server::ServerOptions;
use crate::source::server::Surroundings;
use crate::source::server::error::Error;
use crate::source::server::exchange::{Answer, told};
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{DATE, HeaderName, LOCATION};
use std::io::{self, Read};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const ERROR_CODE: HeaderName = HeaderName::from_static("axoniq-errorcode");
/// A wait ends so soon after a signal.
const LISTEN_EVERY: Duration = Duration::from_millis(50);

/// What to carry: a request, how errors tell it, and the most bytes that its answer may have.
pub(super) struct Parcel {
    pub(super) builder: RequestBuilder,
    pub(super) request: String,
    pub(super) limit: usize,
}

/// Carries requests.
#[derive(Clone, Debug)]
pub(super) struct Courier {
    pub(super) options: ServerOptions,
}

impl Courier {
    /// The answer, or why there is none. Told to stop, it leaves the request to itself: the connection ends with the process or the
    /// time limit, whichever is first.
    pub(super) fn carry(&self, parcel: Parcel, surroundings: &Surroundings) -> Result<Answer, Error> {
        let (give, take) = mpsc::channel();
        let (courier, request) = (self.clone(), parcel.request.clone());
        let thread = thread::Builder::new().name("request".to_owned());
        // Nobody listens any more once the wait was given up.
        let sent = thread.spawn(move || drop(give.send(courier.send(parcel))));
        sent.map_err(|error| Error::Setup { why: error.to_string() })?;
        loop {
            match take.recv_timeout(LISTEN_EVERY) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if (surroundings.stopped)() => return Err(Error::Interrupted),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Broken { request, why: "the connection's thread ended".to_owned() });
                }
            }
        }
    }

    fn send(&self, parcel: Parcel) -> Result<Answer, Error> {
        let begun = Instant::now();
        let request = &parcel.request;
        let response = parcel.builder.send().map_err(|error| self.failed(error, request))?;
        let answer = self.head(&response, request);
        let body = self.body(response, parcel.limit, (begun, request))?;
        let credentials = &self.options.credentials;
        // Hidden before it is cut: half a secret would not be found.
        let said = told(&credentials.hide(&body));
        Ok(Answer { body: credentials.hide_in_answer(&body), said, ..answer })
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
