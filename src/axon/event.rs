//! Events as they are stored: the protobuf message `io.axoniq.axonserver.grpc.event.Event`.

use crate::axon::time::Timestamp;

/// What is needed of an event; borrowed from its bytes. Fields that are absent have protobuf's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// Field 1.
    pub message_identifier: &'a str,
    /// Field 2.
    pub aggregate_identifier: &'a str,
    /// Field 3.
    pub aggregate_sequence_number: i64,
    /// Field 4: empty for events without an aggregate.
    pub aggregate_type: &'a str,
    /// Field 5, milliseconds.
    pub timestamp: i64,
    /// Field 6.1.
    pub payload_type: &'a str,
    /// Field 6.2.
    pub payload_revision: &'a str,
    /// Field 6.3.
    pub payload: &'a [u8],
    /// Field 8.
    pub snapshot: bool,
}

/// Why bytes are not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event: {what} at byte {at}")]
pub struct Malformed {
    /// Where.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl<'a> Event<'a> {
    /// Reads an event. Unknown fields are stepped over.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let _ = bytes;
        todo!()
    }
}

/// The timestamp alone, without reading the payload.
pub fn timestamp(bytes: &[u8]) -> Result<Timestamp, Malformed> {
    let _ = bytes;
    todo!()
}
