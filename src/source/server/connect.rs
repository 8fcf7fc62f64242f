//! From options to a client that can be trusted with a secret: no redirect is followed, no proxy asked, nothing sent twice.

use crate::source::server::ServerOptions;
use crate::source::server::courier::deepest;
use crate::source::server::error::Error;
use crate::source::server::secret::Credentials;
use reqwest::{Certificate, Url};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// An address without credentials, parameters and fragment. What was typed is not repeated: it may hold a password.
pub(super) fn address(text: &str) -> Result<Url, Error> {
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

pub(super) fn http(options: &ServerOptions, address: &Url) -> Result<reqwest::blocking::Client, Error> {
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

/// Why nothing can be asked at an address; none if it may be.
pub fn no_address(address: &str) -> Option<String> {
    Url::parse(address.trim()).err().map(|error| error.to_string())
}

/// Asks an address once, and gives the status of the answer. What goes wrong is told without the address: it may hold a secret.
pub fn ping(address: &str, timeout: Duration) -> Result<u16, String> {
    let url = Url::parse(address.trim()).map_err(|error| error.to_string())?;
    let (address, credentials) = (String::new(), Credentials::None);
    let options = ServerOptions { address, credentials, ca_cert: None, insecure: false, timeout };
    let client = http(&options, &url).map_err(|error| error.to_string())?;
    let answer = client.get(url).send().map_err(|error| deepest(&error.without_url()))?;
    Ok(answer.status().as_u16())
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let wrong = |why: String| Error::Certificate { path: path.to_path_buf(), why };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(deepest(&error)))?;
    if found.is_empty() { Err(wrong("it is none".to_owned())) } else { Ok(found) }
}
