//! Where histories come from: an Axon Server data directory as it lies there, or (with its REST interface) a live server.
//!
//! Nothing is ever written to a source. [`data_dir`] is the source; `scan` finds contexts and segments in it, `control_zip` the zip of
//! the control database, `properties` the node's name; [`segment_bytes`] reads the files.

mod control_zip;
pub mod data_dir;
pub mod error;
pub mod listing;
mod newest;
mod properties;
mod scan;
pub mod segment_bytes;

pub use error::Error;

use crate::source::listing::{ControlDbCapture, Identity, Listing, StoreFile};
use crate::source::segment_bytes::SegmentBytes;

/// A node whose history is archived. Nothing is ever written to it.
pub trait Source {
    /// Who it is.
    fn identity(&self) -> Result<Identity, Error>;
    /// Lists contexts, stores and segments as they are now. Called several times in a backup; each time it looks anew.
    fn listing(&mut self) -> Result<Listing, Error>;
    /// Captures the control database (step 1 of the protocol).
    fn control_db(&mut self) -> Result<ControlDbCapture, Error>;
    /// Opens a segment for reading.
    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, Error>;
}
