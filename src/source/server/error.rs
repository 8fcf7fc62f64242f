//! Why a server can't be asked, or its answer can't be used. Each is one line. None holds a secret.

use crate::axon::control_db::ZipError;
use std::path::PathBuf;
use std::time::Duration;

/// What can go wrong between a server and us. `request` is the method and the address without credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given is no address of a server.
    #[error("that is no address of a server: {why}")]
    Address {
        /// Why.
        why: String,
    },
    /// A token or password that can be none.
    #[error("what was given as a token or password is none: {why}")]
    Secret {
        /// Why.
        why: &'static str,
    },
    /// A file with a token or a password can't be used.
    #[error("no secret can be read from {}: {why}", path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A certificate can't be used.
    #[error("{} holds no certificate in PEM: {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// `SERVER=LOCAL` that is none.
    #[error("'{text}' is no path map: {why}")]
    PathMap {
        /// What was given.
        text: String,
        /// Why.
        why: &'static str,
    },
    /// The client can't be set up.
    #[error("no connection can be set up: {why}")]
    Setup {
        /// Why.
        why: String,
    },
    /// Nobody listens there.
    #[error("{request}: the connection was refused")]
    Refused {
        /// The request.
        request: String,
    },
    /// The address leads nowhere.
    #[error("{request}: not reachable: {why}")]
    Unreachable {
        /// The request.
        request: String,
        /// Why.
        why: String,
    },
    /// TLS could not be agreed on, or the certificate is not trusted.
    #[error("{request}: TLS failed: {why}")]
    Tls {
        /// The request.
        request: String,
        /// Why.
        why: String,
    },
    /// No (whole) answer came in time.
    #[error("{request}: no whole answer within {} s", limit.as_secs_f64())]
    Timeout {
        /// The request.
        request: String,
        /// The limit.
        limit: Duration,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("{request}: the answer broke off: {why}")]
    Broken {
        /// The request.
        request: String,
        /// Why.
        why: String,
    },
    /// A signal asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The answer is longer than any honest one.
    #[error("{request}: the answer is longer than {limit} bytes")]
    TooLarge {
        /// The request.
        request: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// 401.
    #[error("{request}: the server wants to know who asks (401)")]
    Unauthorized {
        /// The request.
        request: String,
    },
    /// 403.
    #[error("{request}: forbidden (403): {why}")]
    Forbidden {
        /// The request.
        request: String,
        /// What the server said.
        why: String,
    },
    /// A redirect, to a login page for example. None is followed: it could carry the token elsewhere.
    #[error("{request}: the server sends us elsewhere ({status}, {location}); that is not followed")]
    Redirect {
        /// The request.
        request: String,
        /// The status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// Any other status that is no success.
    #[error("{request}: the server answers {status}: {why}")]
    Status {
        /// The request.
        request: String,
        /// The status.
        status: u16,
        /// The `AxonIQ-ErrorCode` and what the server said.
        why: String,
    },
    /// The answer is not what was asked for.
    #[error("{request}: {expected} was expected, the answer is {found}")]
    Unexpected {
        /// The request.
        request: String,
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// The server knows neither way to back up the control database.
    #[error("{request}: the server knows no backup of the control database")]
    NoControlDbBackup {
        /// The request that was tried last.
        request: String,
    },
    /// A context is on one side only.
    #[error("context {context} is {present} and not {absent}")]
    OneSided {
        /// The context.
        context: String,
        /// Where it is.
        present: String,
        /// Where it is not.
        absent: String,
    },
    /// The server lists nothing where the directory holds segments.
    #[error("{store} of {context}: the server lists no segment, but {} holds {count}", directory.display())]
    Empty {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// The directory.
        directory: PathBuf,
        /// Segments in it.
        count: usize,
    },
    /// Tokens that only one side has, however often it is asked.
    #[error("{store} of {context}: {tokens} are missing {place}, after {attempts} looks")]
    Missing {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// The tokens: `tokens 406 to 804`.
        tokens: String,
        /// Where.
        place: String,
        /// How often it was looked.
        attempts: usize,
    },
    /// A listing that contradicts itself, or belongs to something else.
    #[error("{store} of {context}: the server's listing makes no sense: {why}")]
    Listing {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// Why.
        why: String,
    },
    /// What the server names is not where its path leads here.
    #[error("the server names {named}; here that is {}, where nothing can be read: {why}", looked_for.display())]
    NotHere {
        /// The path that the server named.
        named: String,
        /// What was looked for.
        looked_for: PathBuf,
        /// Why it can't be read.
        why: String,
    },
    /// The zip of the control database is not where it may be.
    #[error("the server names {named} as the control database's zip: {why}")]
    ZipRefused {
        /// The path that the server named.
        named: String,
        /// Why it is not taken.
        why: String,
    },
    /// The zip is not whole, however often it is read.
    #[error("{} is not a whole control-db zip, after {attempts} looks", path.display())]
    ZipTorn {
        /// The file.
        path: PathBuf,
        /// How often it was looked at.
        attempts: usize,
        /// What is wrong with it.
        #[source]
        source: ZipError,
    },
}
