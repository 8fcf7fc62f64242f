//! What Axon Server writes: names, tokens, the segment format, transactions, events, control database files.
//!
//! Everything in here is pure: bytes in, values out. No I/O, no clock, nothing of the other floors.

pub mod bloom;
pub mod control_db;
pub mod event;
pub mod name;
pub mod segment;
pub mod time;
pub mod token;
