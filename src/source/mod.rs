//! Where histories come from: an Axon Server data directory as it lies there, or (with its REST interface) a live server.

pub mod data_dir;
pub mod error;
pub mod listing;
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
