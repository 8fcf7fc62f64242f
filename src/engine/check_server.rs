//! `check-server`: tries everything that a backup of a live server needs, without a repository being written to. One line for each.
//!
//! The server is asked for its control database, as a backup asks for it: so it writes a zip, and another one if it does so for anybody.

use crate::axon::name::Store;
use crate::source;
use crate::source::Source;
use crate::source::listing::{ControlDbCapture, Listing};
use crate::source::live::{LiveOptions, LiveSource};
use crate::source::server::Surroundings;
use crate::source::server::exchange::Ask;
use serde::Serialize;
use std::path::PathBuf;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A backup can go on from here.
    Ok,
    /// It can, but somebody should look.
    Warn,
    /// It can't.
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// A stable word: `server`, `version`, `contexts`, `listing`, `directory`, `control-db`, `old-zips`, `heads`, `space`, `access`.
    pub name: &'static str,
    /// How it ended.
    pub state: State,
    /// What was found.
    pub text: String,
    /// What to do; empty if there is nothing to do, or if the error says it.
    pub advice: String,
    /// Why it failed.
    #[serde(skip)]
    pub error: Option<source::Error>,
}

impl Check {
    fn ok(name: &'static str, text: String) -> Self {
        Self { name, state: State::Ok, text, advice: String::new(), error: None }
    }

    fn warn(name: &'static str, text: String, advice: &str) -> Self {
        Self { name, state: State::Warn, text, advice: advice.to_owned(), error: None }
    }

    fn fail(name: &'static str, error: source::Error) -> Self {
        Self { name, state: State::Fail, text: error.to_string(), advice: String::new(), error: Some(error) }
    }
}

/// What to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The server, as a backup would reach it.
    pub live: LiveOptions,
    /// Where a repository is, or would be: its free space counts.
    pub space_at: PathBuf,
}

/// Tries everything. What can't be tried because something before it failed is left out.
pub fn check_server(options: &CheckOptions, surroundings: Surroundings) -> Vec<Check> {
    let mut source = match LiveSource::open(options.live.clone(), surroundings) {
        Ok(source) => source,
        Err(error @ source::Error::Server(_)) => return vec![Check::fail("server", error)],
        Err(error) => return vec![Check::fail("directory", error)],
    };
    let mut checks = about(&mut source);
    match source.listing() {
        Ok(listing) => {
            checks.push(Check::ok(
                "listing",
                format!("{} segments, known to server and directory alike", count(&listing)),
            ));
            checks.push(directory(&source, &listing));
            checks.push(space(options, &listing));
        }
        Err(error) => checks.push(Check::fail("listing", error)),
    }
    checks.extend(control_db(&mut source));
    checks.extend(remarks(&mut source));
    checks.extend(access(&mut source, &options.live));
    checks
}

/// What the server is.
fn about(source: &mut LiveSource) -> Vec<Check> {
    let (discovered, address) = (source.discovered().clone(), source.client().address().to_owned());
    let name = &discovered.me.name;
    let mut checks =
        vec![Check::ok("server", format!("{address} answers, and knows who asks; its name is {name}"))];
    let edition = discovered.edition.as_deref().map(|edition| format!(", {edition}")).unwrap_or_default();
    checks.push(match &discovered.version {
        Some(version) => Check::ok("version", format!("{version}{edition}")),
        None => Check::warn("version", format!("not told{edition}"), "is that an Axon Server?"),
    });
    let contexts: Vec<&str> = discovered.me.contexts.iter().map(String::as_str).collect();
    checks.push(if contexts.is_empty() {
        Check::warn("contexts", "the node stores none".to_owned(), "ask a node that stores events")
    } else {
        Check::ok("contexts", contexts.join(", "))
    });
    checks
}

fn count(listing: &Listing) -> usize {
    let of = |store| {
        listing.contexts.values().map(move |context| context.store(store).segments.len()).sum::<usize>()
    };
    Store::ALL.into_iter().map(of).sum()
}

fn bytes(listing: &Listing) -> u64 {
    let files = listing.contexts.values().flat_map(|context| Store::ALL.map(|store| context.store(store)));
    files.flat_map(|store| &store.segments).map(|file| file.length).sum()
}

/// Whether the files can be opened: the first and the last of each store tell.
fn directory(source: &LiveSource, listing: &Listing) -> Check {
    for context in listing.contexts.values() {
        for store in Store::ALL.map(|store| &context.store(store).segments) {
            for file in store.first().into_iter().chain(store.last()) {
                let read = source.open(file).and_then(|bytes| bytes.read_at(0, &mut [0; 16]));
                if let Err(error) = read {
                    return Check::fail("directory", error);
                }
            }
        }
    }
    Check::ok("directory", format!("{} bytes of segments can be read", bytes(listing)))
}

/// Whether the first backup would fit, even if nothing could be compressed.
fn space(options: &CheckOptions, listing: &Listing) -> Check {
    let place = options.space_at.display();
    match rustix::fs::statvfs(&options.space_at) {
        Err(error) => {
            let text = format!("free space at {place} is not known: {error}");
            Check::warn("space", text, "name the repository with -r")
        }
        Ok(found) => {
            let (free, needed) = (found.f_bavail.saturating_mul(found.f_frsize), bytes(listing));
            let text = format!("{free} bytes are free at {place}; the segments have {needed}");
            if free < needed {
                let advice = "the archive is smaller than the segments, by how much says 'segvault bench'";
                Check::warn("space", text, advice)
            } else {
                Check::ok("space", text)
            }
        }
    }
}

fn control_db(source: &mut LiveSource) -> Vec<Check> {
    let captured = match source.control_db() {
        Ok(ControlDbCapture::Observed { name, zip }) => {
            let place = source.control_db_zip().map(|path| path.display().to_string()).unwrap_or_default();
            Check::ok("control-db", format!("{name} is whole, {} bytes, at {place}", zip.len()))
        }
        Ok(_) => Check::ok("control-db", "not asked for".to_owned()),
        Err(error) => return vec![Check::fail("control-db", error)],
    };
    let heads = if source.claimed_heads().is_empty() {
        let text = "the server does not tell how far its stores reach".to_owned();
        Check::warn("heads", text, "open /actuator/health to it: what is archived is then held against it")
    } else {
        Check::ok("heads", "the server tells how far its stores reach".to_owned())
    };
    vec![captured, heads]
}

/// What the source remarked; the zip of this check goes if that is wanted.
fn remarks(source: &mut LiveSource) -> Vec<Check> {
    let mut remarks = source.remarks();
    remarks.extend(source.published());
    let one = |remark: source::listing::Remark| match remark.what {
        "old-zips" => Check::warn(
            "old-zips",
            remark.text,
            "remove them; --remove-control-db-zip keeps new ones from piling up",
        ),
        what if remark.is_warning => Check::warn(what, remark.text, ""),
        what => Check::ok(what, remark.text),
    };
    remarks.into_iter().map(one).collect()
}

/// Weak points of access control.
fn access(source: &mut LiveSource, live: &LiveOptions) -> Vec<Check> {
    let mut checks = Vec::new();
    if source.client().shows_secrets() {
        let text = "the token or password travels unencrypted".to_owned();
        checks.push(Check::warn("access", text, "give the server a certificate, and ask it with https"));
    }
    if live.server.insecure {
        let text = "any certificate is trusted: anybody may pose as the server".to_owned();
        checks.push(Check::warn("access", text, "name its certificate with --ca-cert"));
    }
    if !source.discovered().me.authentication {
        let text =
            "access control is off: whoever reaches the server may read and write everything".to_owned();
        checks.push(Check::warn(
            "access",
            text,
            "set axoniq.axonserver.accesscontrol.enabled=true, or keep its port closed",
        ));
    } else if live.no_control_db.is_none() && answers_anybody(source) {
        let text =
            "the server writes a zip of its control database for whoever asks, without a token".to_owned();
        checks.push(Check::warn(
            "access",
            text,
            "keep its port closed to others; this check left such a zip behind",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok("access", "nothing weak was found".to_owned()));
    }
    checks
}

fn answers_anybody(source: &mut LiveSource) -> bool {
    let paths = ["/v1/backup/createControlDbBackup", "/createControlDbBackup"];
    paths.iter().any(|path| {
        let answer = source.client().ask(&Ask::post(path).anonymous());
        answer.is_ok_and(|answer| answer.status == 200)
    })
}
