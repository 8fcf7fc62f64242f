//! `check-server`: tries everything that a backup of a live server needs, without a repository being written to. One line for each.
//!
//! The server is asked for its control database, as a backup asks for it: so it writes a zip, and another one if it does so for anybody.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup::{self, BackupOptions, read, selection};
use crate::engine::error::Error;
use crate::engine::words::plural;
use crate::source;
use crate::source::Source;
use crate::source::listing::{ControlDbCapture, Listing};
use crate::source::live::{LiveOptions, LiveSource};
use crate::source::server;
use crate::source::server::Surroundings;
use crate::source::server::exchange::Ask;
use crate::source::server::secret::Credentials;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// A stable word: `server`, `authorised`, `version`, `contexts`, `listing`, `directory`, `control-db`, `heads`, `old-zips`, `space`, `access`;
    /// or that of what the source remarked.
    pub name: &'static str,
    /// How it ended.
    pub state: State,
    /// What was found.
    pub text: String,
    /// What to do; empty if there is nothing to do, or if the error says it.
    pub advice: String,
    /// Why it failed.
    #[serde(skip)]
    pub error: Option<Error>,
}

impl Check {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Ok, text: text.into(), advice: String::new(), error: None }
    }

    fn warn(name: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: State::Warn, text: text.into(), advice: advice.into(), error: None }
    }

    fn fail(name: &'static str, error: impl Into<Error>) -> Self {
        let error = error.into();
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
    let mut source = match LiveSource::open(options.live.clone(), surroundings.clone()) {
        Ok(source) => source,
        Err(error) => return not_opened(options, surroundings, error),
    };
    let mut checks = about(&mut source);
    match kept(&mut source, &options.live) {
        Ok(listing) => {
            let text =
                format!("{}, known to server and directory alike", plural(count(&listing) as u64, "segment"));
            checks.push(Check::ok("listing", text));
            checks.push(directory(&source, &listing));
            checks.push(space(options, &listing));
        }
        Err(error) => checks.push(Check::fail("listing", error)),
    }
    checks.extend(control_db(&mut source, &options.live));
    checks.extend(remarks(&mut source));
    checks.extend(access(&mut source, &options.live));
    checks
}

/// No source: the server was not reached, or does not know who asks, or the directory is none.
fn not_opened(options: &CheckOptions, surroundings: Surroundings, error: source::Error) -> Vec<Check> {
    match error {
        source::Error::Server(
            error @ (server::Error::Unauthorized { .. } | server::Error::Forbidden { .. }),
        ) => {
            let answers = Check::ok("server", format!("{} answers", options.live.server.address.trim()));
            vec![answers, Check::fail("authorised", source::Error::from(error))]
        }
        source::Error::Server(error) => vec![Check::fail("server", source::Error::from(error))],
        error => {
            let alone = LiveOptions { data_dir: None, ..options.live.clone() };
            let known = LiveSource::open(alone, surroundings).map(|mut source| about(&mut source));
            known.unwrap_or_default().into_iter().chain([Check::fail("directory", error)]).collect()
        }
    }
}

/// What server and directory show together of the contexts that are wanted.
fn kept(source: &mut LiveSource, live: &LiveOptions) -> Result<Listing, Error> {
    let listing = source.listing()?;
    let options = BackupOptions {
        contexts: live.contexts.clone(),
        excluded: live.excluded.clone(),
        ..BackupOptions::all("check-server")
    };
    Ok(selection::keep(&listing, &selection::left_out(&listing, &options, &BTreeSet::new())?).into_owned())
}

/// What the server is.
fn about(source: &mut LiveSource) -> Vec<Check> {
    let (discovered, address) = (source.discovered().clone(), source.client().address().to_owned());
    let me = &discovered.me;
    let mut checks = vec![
        Check::ok("server", format!("{address} answers; its name is {}", me.name)),
        Check::ok("authorised", who_asks(source.client().credentials(), me.authentication)),
    ];
    let edition = discovered.edition.as_deref().map(|edition| format!(", {edition}")).unwrap_or_default();
    checks.push(match &discovered.version {
        Some(version) => Check::ok("version", format!("{version}{edition}")),
        None => Check::warn("version", format!("not told{edition}"), "is that an Axon Server?"),
    });
    let contexts: Vec<&str> = me.contexts.iter().map(String::as_str).collect();
    checks.push(if contexts.is_empty() {
        Check::warn("contexts", "the node stores none", "ask a node that stores events")
    } else {
        Check::ok("contexts", contexts.join(", "))
    });
    checks
}

fn who_asks(credentials: &Credentials, is_asked: bool) -> String {
    match credentials {
        _ if !is_asked => "the server lets everybody in".to_owned(),
        Credentials::None => "the server lets us in without a token".to_owned(),
        Credentials::Token(_) => "the token is accepted".to_owned(),
        Credentials::User { name, .. } => format!("user {name} is accepted"),
    }
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

/// Whether every file can be opened, and read.
fn directory(source: &LiveSource, listing: &Listing) -> Check {
    let contexts = listing.contexts.values();
    let files = contexts.flat_map(|context| Store::ALL.map(|store| &context.store(store).segments)).flatten();
    for file in files {
        let read = source.open(file).and_then(|bytes| bytes.read_at(0, &mut [0; 16]));
        if let Err(error) = read {
            return Check::fail("directory", error);
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

fn control_db(source: &mut LiveSource, live: &LiveOptions) -> Vec<Check> {
    let captured = match source.control_db() {
        Ok(ControlDbCapture::Observed { name, zip }) => {
            let place = source.control_db_zip().map(|path| path.display().to_string()).unwrap_or_default();
            Check::ok("control-db", format!("{name} is whole, {} bytes, at {place}", zip.len()))
        }
        Ok(_) => Check::ok("control-db", "not asked for"),
        Err(error) => return vec![Check::fail("control-db", error)],
    };
    let heads = if source.claimed_heads().is_empty() {
        let text = "the server does not tell how far its stores reach";
        Check::warn("heads", text, "open /actuator/health to it: what is archived is then held against it")
    } else {
        reached(source, live).unwrap_or_else(|error| Check::fail("heads", error))
    };
    vec![captured, heads]
}

/// Whether the directory reaches the heads that the server claimed before: else it is another server's, or shows too little.
fn reached(source: &mut LiveSource, live: &LiveOptions) -> Result<Check, Error> {
    let claimed = source.claimed_heads();
    let mut told = Vec::new();
    for (context, found) in &kept(source, live)?.contexts {
        for store in Store::ALL {
            let head = read::head(&*source, &found.store(store).segments)?.map(Token::get);
            let wanted = claimed.get(&(context.clone(), store)).copied().flatten().map(Token::get);
            if let Some(claimed) = wanted.filter(|wanted| head < Some(*wanted)) {
                let (context, store) = (context.clone(), store.to_string());
                return Err(Error::Backup(backup::Error::BehindServer { context, store, head, claimed }));
            }
            told.extend(head.map(|head| format!("{store} of {context} to token {head}")));
        }
    }
    let told = if told.is_empty() { "all stores are empty".to_owned() } else { told.join(", ") };
    Ok(Check::ok("heads", format!("the directory reaches what the server says it has: {told}")))
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
    if source.client().options().shows_secrets() {
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
    } else if live.no_control_db.is_none()
        && let Some(left) = zip_for_anybody(source)
    {
        let text = "the server writes a zip of its control database for whoever asks, without a token";
        let advice = format!("keep its port closed to others; this check left {left} behind");
        checks.push(Check::warn("access", text, advice));
    }
    if checks.is_empty() {
        checks.push(Check::ok("access", "nothing weak was found"));
    }
    checks
}

/// Asks for a zip without a token; tells which one the server wrote all the same.
fn zip_for_anybody(source: &mut LiveSource) -> Option<String> {
    let paths = ["/v1/backup/createControlDbBackup", "/createControlDbBackup"];
    paths.iter().find_map(|path| {
        let answer = source.client().ask(&Ask::post(path).anonymous()).ok()?;
        (answer.status == 200).then_some(answer.said)
    })
}
