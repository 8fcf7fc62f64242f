//! A live server as a source: the server says what is safe, the directory has the bytes, and neither is believed alone.
//!
//! - Contexts are those that the server stores; one that only the server or only the directory has is an error, unless it is not wanted.
//! - Segments are those that both show; `lastClosedSegment` says which of them are sealed, everything above may still be written.
//! - The control database is a zip that the server writes when it is asked to. Right before, its own heads are read: what is archived
//!   afterwards has to reach them.
//! - The server itself is only asked; nothing of it is changed. The one file that may be removed is the zip of this run, when the point is
//!   durable and the user wants it.

pub mod facts;
mod heads;
mod replication;
mod settle;
mod strays;
mod together;
mod zip;

use crate::axon::control_db::named_ms;
use crate::axon::name::Store;
use crate::source::Source;
use crate::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use crate::source::error::Error;
use crate::source::listing::{
    ControlDbCapture, Identity, Listing, PlainFiles, Remark, StoreFile, StoreListing,
};
use crate::source::live::facts::Discovered;
use crate::source::live::zip::{Captured, Trouble};
use crate::source::scan;
use crate::source::segment_bytes::SegmentBytes;
use crate::source::segment_bytes::{open_mapped, open_plain};
use crate::source::server;
use crate::source::server::answers;
use crate::source::server::answers::{ClaimedHeads, Me};
use crate::source::server::client::Client;
use crate::source::server::exchange::{Answer, Ask};
use crate::source::server::path_map::{PathMap, ServerPath};
use crate::source::server::{ServerOptions, Surroundings};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A zip whose name says that it is older than the request for it was made by another one. Clocks show whole seconds in a header.
const STALE_MS: i64 = 5_000;

/// How to back up a live server.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The server.
    pub server: ServerOptions,
    /// The directory that holds the contexts, or a root with `data/` in it; without it, the server's own paths are followed.
    pub data_dir: Option<PathBuf>,
    /// Where the server's paths lead here.
    pub path_map: PathMap,
    /// Only these contexts; all if empty.
    pub contexts: Vec<String>,
    /// Not these.
    pub excluded: Vec<String>,
    /// Why the server is not asked for its control database; none if it is.
    pub no_control_db: Option<String>,
    /// Remove the zip when it is archived and durable.
    pub remove_control_db_zip: bool,
    /// Read sealed segments by plain reads.
    pub no_mmap: bool,
}

/// A live server with its directory.
#[derive(Debug)]
pub struct LiveSource {
    client: Client,
    options: LiveOptions,
    surroundings: Surroundings,
    directory: Option<DataDir>,
    discovered: Discovered,
    /// All contexts, wherever they are known.
    contexts: BTreeSet<String>,
    /// Whether the server lists the older way only.
    lists_older: bool,
    heads: ClaimedHeads,
    captured: Option<Captured>,
    /// Every zip that was named: each request makes one of its own.
    zips_named: BTreeSet<ServerPath>,
    remarks: Vec<Remark>,
    /// What the server said of transformations, by context: first and last.
    transformations: BTreeMap<String, (String, String)>,
    /// Directories that hold the contexts, as far as the listed paths tell.
    roots: BTreeSet<PathBuf>,
    /// Stores of which neither the server nor the directory showed a segment.
    bare: BTreeSet<(String, Store)>,
}

impl LiveSource {
    /// Reaches the server and finds out who it is; finds the directory, if one was given.
    pub fn open(options: LiveOptions, surroundings: Surroundings) -> Result<Self, Error> {
        let mut client = Client::new(options.server.clone(), surroundings.clone())?;
        let discovered = facts::discover(&mut client)?;
        let directory =
            options.data_dir.as_deref().map(|path| data_dir(path, options.no_mmap)).transpose()?;
        Ok(Self {
            client,
            options,
            surroundings,
            directory,
            contexts: discovered.me.contexts.clone(),
            discovered,
            lists_older: false,
            heads: ClaimedHeads::new(),
            captured: None,
            zips_named: BTreeSet::new(),
            remarks: Vec::new(),
            transformations: BTreeMap::new(),
            roots: BTreeSet::new(),
            bare: BTreeSet::new(),
        })
    }

    /// The directory that holds the contexts, if one was given.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(DataDir::directory)
    }

    /// What the server is.
    pub fn discovered(&self) -> &Discovered {
        &self.discovered
    }

    /// The client: for checks that no backup makes.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Where the zip of this run is; none before it was captured.
    pub fn control_db_zip(&self) -> Option<&Path> {
        self.captured.as_ref().map(|captured| captured.path.as_path())
    }

    fn is_wanted(&self, name: &str) -> bool {
        let is_asked_for =
            self.options.contexts.is_empty() || self.options.contexts.iter().any(|asked| asked == name);
        is_asked_for && self.options.excluded.iter().all(|excluded| excluded != name)
    }

    fn remark(&mut self, what: &'static str, is_warning: bool, context: Option<&str>, text: String) {
        let remark = Remark { what, is_warning, context: context.map(str::to_owned), text };
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// The contexts of server and directory, and what the directory shows of them. Asked and looked at anew until they agree.
    fn agree_on_contexts(&mut self) -> Result<(BTreeSet<String>, Listing), Error> {
        let mut attempt = 0;
        loop {
            let me = Me::read(&self.client.ask(&Ask::get("/v1/public/me"))?.success()?)?;
            let around = self.directory.as_ref().map(|data| scan::contexts(data.directory())).transpose()?;
            match self.one_sided(&me.contexts, around.as_ref()) {
                None => {
                    let around = around.unwrap_or_default();
                    self.contexts = me.contexts.iter().chain(around.contexts.keys()).cloned().collect();
                    return Ok((me.contexts, around));
                }
                Some(error) if !self.pause(attempt) => return Err(error.into()),
                Some(_) => attempt += 1,
            }
        }
    }

    /// A wanted context that is on one side only.
    fn one_sided(&self, server: &BTreeSet<String>, around: Option<&Listing>) -> Option<server::Error> {
        let directory = self.directory.as_ref().map(|data| format!("in {}", data.directory().display()))?;
        let there: BTreeSet<String> = around?.contexts.keys().cloned().collect();
        let context = server.symmetric_difference(&there).find(|name| self.is_wanted(name))?.clone();
        let (node, is_here) = (format!("on {}", self.client.address()), there.contains(&context));
        let (present, absent) = if is_here { (directory, node) } else { (node, directory) };
        Some(server::Error::OneSided { context, present, absent })
    }

    /// Asks for a zip: at the path of newer servers, then at that of older ones.
    fn ask_for_zip(&mut self) -> Result<Answer, Error> {
        let answer = self.client.ask(&Ask::post("/v1/backup/createControlDbBackup"))?;
        if !answer.is_unknown() {
            return Ok(answer.success()?);
        }
        let answer = self.client.ask(&Ask::post("/createControlDbBackup"))?;
        if answer.is_unknown() {
            return Err(server::Error::NoControlDbBackup { request: answer.request }.into());
        }
        Ok(answer.success()?)
    }

    fn capture(&mut self) -> Result<(Captured, Vec<u8>), Error> {
        let begun = (self.surroundings.now_ms)();
        let answer = self.ask_for_zip()?;
        let took_ms = (self.surroundings.now_ms)().saturating_sub(begun).max(0);
        let named = answers::zip_path(&answer)?;
        refuse_stale(&named, answer.server_ms, took_ms)?;
        if !self.zips_named.insert(named.clone()) {
            let why = "it named the same one before".to_owned();
            return Err(server::Error::ZipRefused { named: named.to_string(), why }.into());
        }
        let mut attempt = 0;
        loop {
            match zip::fetch(&self.options.path_map, &named, attempt + 1) {
                Ok(found) => return Ok(found),
                Err(Trouble::NotYet(_)) if self.pause(attempt) => attempt += 1,
                Err(trouble) => return Err(trouble.into_error().into()),
            }
        }
    }

    fn remark_older_zips(&mut self, captured: &Captured) {
        let (count, bytes) = captured.older();
        if count > 0 {
            let place = captured.path.parent().unwrap_or(&captured.path).display();
            let text = format!(
                "{count} older control-db zips lie in {place}, {bytes} bytes; the server removes none"
            );
            self.remark("old-zips", false, None, text);
        }
    }

    /// What the server says of transformations; servers without them answer 404. While one is applied, versions come and go.
    fn look_at_transformations(&mut self, context: &str) -> Result<(), Error> {
        let answer = self.client.ask(&Ask::get("/v1/transformations").of_context(context))?;
        let said = match answers::transformations(&answer) {
            Some(found) => self.told_of_transformations(context, &found),
            None if answer.is_unknown() => return Ok(()),
            None => format!("not told ({})", answer.status),
        };
        let known =
            self.transformations.entry(context.to_owned()).or_insert_with(|| (said.clone(), String::new()));
        known.1 = said;
        Ok(())
    }

    fn told_of_transformations(&mut self, context: &str, found: &[(String, String)]) -> String {
        if let Some((id, _)) = found.iter().find(|(_, status)| status == "APPLYING") {
            let text = format!(
                "transformation {id} is being applied: some segments may be transformed and others not yet"
            );
            self.remark("transforming", true, Some(context), text);
        }
        let said: Vec<String> = found.iter().map(|(id, status)| format!("{id} {status}")).collect();
        if said.is_empty() { "none".to_owned() } else { said.join(", ") }
    }
}

fn data_dir(path: &Path, no_mmap: bool) -> Result<DataDir, Error> {
    DataDir::open(DataDirOptions {
        path: path.to_path_buf(),
        control_db: ControlDbFrom::None("the server is asked for it".to_owned()),
        accept_unordered: false,
        no_mmap,
    })
}

/// Refuses a zip that was not made for this request. Both times are the server's.
fn refuse_stale(named: &ServerPath, server_ms: Option<i64>, took_ms: i64) -> Result<(), Error> {
    let made = named.file_name().and_then(named_ms);
    if let (Some(made), Some(now)) = (made, server_ms)
        && made.saturating_add(took_ms).saturating_add(STALE_MS) < now
    {
        let why = "its name says that it was made before it was asked for".to_owned();
        return Err(server::Error::ZipRefused { named: named.to_string(), why }.into());
    }
    Ok(())
}

/// Two contexts in one directory: their listings can't both be right.
fn refuse_shared(listing: &Listing) -> Result<(), Error> {
    let mut seen: BTreeMap<&Path, &str> = BTreeMap::new();
    for (name, context) in &listing.contexts {
        for file in context.snapshots.segments.iter().chain(&context.events.segments) {
            if let Some(other) = seen.insert(&file.path, name) {
                let why = format!("{} belongs to context {other} too", file.path.display());
                let store = file.store.to_string();
                return Err(server::Error::Listing { context: name.clone(), store, why }.into());
            }
        }
    }
    Ok(())
}

impl Source for LiveSource {
    fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity { name: self.discovered.me.name.clone(), facts: self.discovered.facts(self) })
    }

    fn listing(&mut self) -> Result<Listing, Error> {
        let (names, mut listing) = self.agree_on_contexts()?;
        // What is left out is named all the same: whoever excludes it by name knows of it.
        for name in &names {
            listing.contexts.entry(name.clone()).or_default();
        }
        let wanted: Vec<String> =
            listing.contexts.keys().filter(|name| self.is_wanted(name)).cloned().collect();
        for name in wanted {
            self.look_at_transformations(&name)?;
            let context = self.context(&name)?;
            listing.contexts.insert(name, context);
        }
        refuse_shared(&listing)?;
        for name in self.strays(&names)? {
            listing.contexts.entry(name).or_default();
        }
        Ok(listing)
    }

    fn events_now(&mut self, context: &str) -> Result<StoreListing, Error> {
        Ok(self.context(context)?.events)
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, Error> {
        self.heads = answers::heads(&self.client.ask(&Ask::get("/actuator/health"))?)?;
        self.remark_untold_heads();
        if let Some(reason) = &self.options.no_control_db {
            return Ok(ControlDbCapture::Absent { reason: reason.clone() });
        }
        let (captured, zip) = self.capture()?;
        self.remark_older_zips(&captured);
        let name = captured.name();
        self.captured = Some(captured);
        Ok(ControlDbCapture::Observed { name, zip })
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, Error> {
        if file.is_volatile || self.options.no_mmap {
            open_plain(&file.path)
        } else {
            open_mapped(&file.path)
        }
    }

    fn is_live(&self) -> bool {
        true
    }

    fn begin_again(&mut self, attempt: usize) {
        self.pause(attempt);
    }

    fn plain_files(&mut self) -> Result<Vec<PlainFiles>, Error> {
        self.replication_logs()
    }

    fn claimed_heads(&self) -> ClaimedHeads {
        self.heads.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        facts::later(self)
    }

    fn remarks(&mut self) -> Vec<Remark> {
        self.remark_doubtful_stores();
        std::mem::take(&mut self.remarks)
    }

    fn published(&mut self) -> Vec<Remark> {
        if let Some(captured) = self.captured.take().filter(|_| self.options.remove_control_db_zip) {
            let path = captured.path.display();
            let (what, is_warning, text) = match captured.remove() {
                Ok(()) => ("zip-removed", false, format!("{path} is archived, and was removed")),
                Err(error) => ("zip-left", true, format!("{path} was not removed: {error}")),
            };
            self.remark(what, is_warning, None, text);
        }
        std::mem::take(&mut self.remarks)
    }
}
