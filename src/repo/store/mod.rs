//! The repository itself: [`Repository`] reads, [`Session`] writes.
//!
//! What a writer does, in this order: take `locks/writer`; make durable whatever is there and not known to be durable; read the acts; put
//! chunks and pages; [`Session::barrier`]; records; the point. Creating `points/<n>.json` is the commit.

mod alike;
mod alone;
mod blocks;
mod cache;
mod chunks;
mod commit;
mod effort;
mod encoders;
mod in_the_way;
mod init;
mod journal;
mod kept_acts;
mod known;
mod locks;
mod lost;
mod mend;
mod numbered;
mod packer;
mod packs;
mod pages;
mod protect;
mod read;
mod recompress;
pub mod reserve;
mod rules;
mod seen;
mod session;
mod settle;
mod staging;
mod trees;
mod waiting;

pub use alone::Alone;
pub use blocks::ReadBlock;
pub use chunks::ChunkSink;
pub use effort::Effort;
pub use in_the_way::InTheWay;
pub use journal::{Journal, ListedPoint, Unreadable};
pub use locks::Unlocked;
pub use lost::{LostFiles, lost_chunks};
pub use packer::Neighbours;
pub use protect::{HealedPack, Healings};
pub use read::{IndexPlace, OpenOptions, Repository};
pub use rules::{LetGo, named_segments};
pub use session::{Durable, Published, RecordsDurable, Session, Tally};
pub use trees::Tree;
pub use waiting::Filling;

pub use numbered::{NumberedRow, record_in, records_in};
