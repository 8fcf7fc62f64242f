//! A running Axon Server, asked through its REST interface. Only asked: what may follow from an answer is decided in [`crate::source::live`].
//!
//! [`client`] sends requests ([`exchange`]) and bounds their answers in size and time, [`answers`] reads them, [`path_map`] knows where the server's paths
//! lead here, [`secret`] keeps tokens and passwords out of everything that is shown, [`error`] says what went wrong, one variant for each way.

pub mod answers;
pub mod client;
mod connect;
mod courier;
pub mod error;
pub mod exchange;
pub mod path_map;
pub mod secret;

pub use connect::{no_address, ping};
pub use error::Error;

use crate::source::server::secret::Credentials;
use reqwest::Url;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Its address: `http://node:8024`, with a context path if it has one.
    pub address: String,
    /// Who asks.
    pub credentials: Credentials,
    /// The only certificates that are trusted (PEM); without it, those of this machine.
    pub ca_cert: Option<PathBuf>,
    /// Trust every certificate.
    pub insecure: bool,
    /// How long one request may take, from connecting to the last byte.
    pub timeout: Duration,
}

impl ServerOptions {
    /// Whether secrets travel in the clear to another machine.
    pub fn shows_secrets(&self) -> bool {
        let is_shown = |address: Url| {
            let is_local = matches!(address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            address.scheme() == "http" && !is_local
        };
        self.credentials != Credentials::None && connect::address(&self.address).is_ok_and(is_shown)
    }
}

/// What the surroundings give: tests have their own.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock, milliseconds since 1970.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Waits before something is looked at again; may come back early.
    pub pause: Arc<dyn Fn(Duration) + Send + Sync>,
    /// Whether to stop waiting for an answer (Ctrl-C).
    pub stopped: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surroundings")
    }
}
