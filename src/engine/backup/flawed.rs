//! Damaged segments: kept as they were found, beside the good copy.

use crate::axon::segment::END_LENGTH;
use crate::axon::segment::Ending;
use crate::axon::segment::Reason;
use crate::engine::backup::scan::Scan;
use crate::engine::backup::scan::read_exactly;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::window::Bytes;
use crate::engine::window::Walked;
use crate::engine::window::Window;
use crate::repo::format::entry::Extent;
use crate::repo::format::entry::Flaw;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::Hasher;
use crate::repo::format::limits::TRANSACTION_CUT;
use crate::repo::format::pack::PackKind;

/// What stands behind the valid prefix.
pub struct Behind {
    /// Offset of the last byte that is not zero, behind the prefix and its end.
    pub last_byte: Option<u64>,
}

impl Behind {
    /// Looks to the end of the file, however far that is: a file may say that it is longer than any disk.
    pub fn look(bytes: Bytes<'_>, walked: Walked, observer: &dyn Observer) -> Result<Self, Error> {
        let from = match walked.ending {
            Ending::Rolled => walked.logical_end + END_LENGTH,
            _ => walked.logical_end,
        };
        let mut window = Window::new(bytes);
        let mut at = from;
        let mut last_byte = None;
        loop {
            let visible = window.at(at, 1)?;
            let visible = visible.get(..visible.len().min(1 << 20)).unwrap_or(visible);
            if visible.is_empty() {
                return Ok(Self { last_byte });
            }
            if let Some(last) = visible.iter().rposition(|byte| *byte != 0) {
                last_byte = Some(at + last as u64);
            }
            at += visible.len() as u64;
            go_on(observer)?;
        }
    }
}

fn go_on(observer: &dyn Observer) -> Result<(), Error> {
    if observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

/// Keeps the whole file of a scan as it was found, up to its last byte that is not zero: for damaged segments.
pub fn keep_flawed(
    sink: &mut Sink<'_>,
    scan: &Scan,
    bytes: Bytes<'_>,
    (reason, observer): (Reason, &dyn Observer),
) -> Result<SegmentEntry, Error> {
    let mut entry = SegmentEntry::clone(&scan.entry);
    entry.flaw = Some(Flaw { reason });
    entry.time_map = None;
    // The prefix is what was read then, not what the file says now.
    let Some(mut hasher) = prefix_hasher(sink, scan, bytes)? else { return Ok(entry) };
    entry.stored_length = stored_length(scan, bytes, observer)?;
    let mut at = entry.logical_end;
    while at < entry.stored_length {
        go_on(observer)?;
        let piece = read_exactly(bytes, at, TRANSACTION_CUT.min(entry.stored_length - at))?;
        at += piece.len() as u64;
        hasher.update(&piece);
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        entry.extents.push(Extent { chunk: sink.put(PackKind::Sealed, piece)?, length });
    }
    entry.content = hasher.content();
    Ok(entry)
}

/// Where what is kept ends. The end of a rolled segment belongs to what was found.
fn stored_length(scan: &Scan, bytes: Bytes<'_>, observer: &dyn Observer) -> Result<u64, Error> {
    let logical_end = scan.entry.logical_end;
    let walked = Walked { logical_end, ending: scan.ending, next_token: scan.file.name.number };
    let end = if scan.ending == Ending::Rolled { logical_end + END_LENGTH } else { logical_end };
    Ok(Behind::look(bytes, walked, observer)?.last_byte.map_or(end, |last| last + 1).max(end))
}

/// The hash of the prefix that was read, to go on with. None if the file does not begin with that prefix any more.
fn prefix_hasher(sink: &Sink<'_>, scan: &Scan, bytes: Bytes<'_>) -> Result<Option<Box<Hasher>>, Error> {
    if let Some(hasher) = &scan.prefix {
        return Ok(Some(hasher.clone()));
    }
    let mut hasher = Box::new(sink.naming().hasher());
    let mut at = 0;
    while at < scan.entry.logical_end {
        let piece = read_exactly(bytes, at, TRANSACTION_CUT.min(scan.entry.logical_end - at))?;
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    Ok((hasher.content() == scan.entry.content).then_some(hasher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::token::Token;
    use crate::source;
    use crate::source::segment_bytes::SegmentBytes;

    /// Zeros, and no disk that holds them: a sparse file.
    struct Endless;

    impl SegmentBytes for Endless {
        fn length(&self) -> u64 {
            i64::MAX.unsigned_abs()
        }

        fn mapped(&self) -> Option<&[u8]> {
            None
        }

        fn read_at(&self, _offset: u64, buffer: &mut [u8]) -> Result<usize, source::Error> {
            buffer.fill(0);
            Ok(buffer.len())
        }
    }

    struct Stopped;

    impl Observer for Stopped {
        fn interrupted(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_look_without_end_can_be_stopped() {
        let walked = Walked { logical_end: 5, ending: Ending::Open, next_token: Token::ZERO };
        let looked = Behind::look(Bytes::Source(&Endless), walked, &Stopped);
        assert!(matches!(looked, Err(Error::Interrupted)));
    }
}
