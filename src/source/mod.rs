//! Where histories come from: an Axon Server data directory as it lies there, or (with its REST interface) a live server.
//!
//! Nothing is ever written to a source; what a live server wrote because it was asked to may be removed again, if that is wanted.
//! [`data_dir`] is a directory; `scan` finds contexts and segments in it, `control_zip` the zip of the control database, `properties` the
//! node's name; [`segment_bytes`] reads the files, and [`regular`] opens nothing else. [`server`] asks a server, and [`live`] is such a server together with its directory.

mod control_zip;
mod copied_db;
pub mod data_dir;
mod directory;
pub mod error;
pub mod listing;
pub mod live;
mod newest;
mod properties;
pub mod regular;
mod scan;
pub mod segment_bytes;
pub mod server;
pub mod storage;
mod unfound;

pub use control_zip::bytes_of_all as zips_in;
pub use error::Error;

use crate::source::listing::{
    ControlDbCapture, FileFacts, Identity, Listing, PlainFiles, Remark, StoreFile, StoreListing,
};
use crate::source::segment_bytes::SegmentBytes;
use crate::source::server::answers::ClaimedHeads;
use std::collections::BTreeMap;
use std::path::Path;

/// A node whose history is archived. Nothing is ever written to it.
pub trait Source {
    /// Who it is.
    fn identity(&self) -> Result<Identity, Error>;
    /// Lists contexts, stores and segments as they are now. Called several times in a backup; each time it looks anew.
    fn listing(&mut self) -> Result<Listing, Error>;
    /// The same for who needs names and versions only: lengths and times may be 0. With many segments it is cheaper.
    fn names(&mut self) -> Result<Listing, Error> {
        self.listing()
    }
    /// The events of one context as they are now: asked while a context is read, when the segments that were listed have been rolled since.
    fn events_now(&mut self, context: &str) -> Result<StoreListing, Error> {
        Ok(self.listing()?.contexts.remove(context).map(|found| found.events).unwrap_or_default())
    }
    /// Captures the control database (step 1 of the protocol).
    fn control_db(&mut self) -> Result<ControlDbCapture, Error>;
    /// Opens a segment for reading.
    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, Error>;

    /// Whether it is a running server: then a hole is an error, because a server's history has none.
    fn is_live(&self) -> bool {
        false
    }
    /// The backup is begun again, for the `attempt`th time from 0: what moves at the source may come to rest first.
    fn begin_again(&mut self, _attempt: usize) {}
    /// The heads that it said it had right before the control database was captured: what is archived has to reach them.
    fn claimed_heads(&self) -> ClaimedHeads {
        ClaimedHeads::new()
    }
    /// What is to be archived with the point beside stores and control database. Asked after the segments were read.
    fn plain_files(&mut self) -> Result<Vec<PlainFiles>, Error> {
        Ok(Vec::new())
    }
    /// Looks at a file that is no segment. None if it is not there.
    fn look_at(&self, path: &Path) -> Result<Option<FileFacts>, Error> {
        scan::file_facts(path)
    }
    /// Opens a file that is no segment.
    fn open_file(&self, path: &Path) -> Result<Box<dyn SegmentBytes>, Error> {
        segment_bytes::open_plain(path)
    }
    /// What has become known of it since [`Source::identity`], for the manifest.
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    /// What must be said beside what the listings say. Each remark is told once.
    fn remarks(&mut self) -> Vec<Remark> {
        Vec::new()
    }
    /// The point is durable: what was made for it and is no longer needed may go.
    fn published(&mut self) -> Vec<Remark> {
        Vec::new()
    }
}
