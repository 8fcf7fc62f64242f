//! Where two histories part: the last token that both share, and whether they differ at all or are only cut elsewhere.

use crate::axon::name::SegmentName;
use crate::axon::segment::HEADER_LENGTH;
use crate::axon::segment::Step;
use crate::axon::segment::Walker;
use crate::axon::token::Token;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::error::Error;
use crate::engine::window::Bytes;
use crate::engine::window::Window;
use crate::engine::window::walk;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::store::Repository;

/// A transaction as a history holds it, whatever segment it lies in.
type Block = Vec<u8>;

/// The transaction of a segment that begins with `token`; none if no transaction begins there.
pub fn transaction_at(bytes: Bytes<'_>, first: Token, token: Token) -> Result<Option<Block>, Error> {
    let mut found = None;
    walk(bytes, first, &mut |transaction| {
        if transaction.first_token == token {
            found = Some(transaction.bytes.to_vec());
        }
        Ok(())
    })?;
    Ok(found)
}

/// The archived transaction that begins with `token`.
pub fn archived_transaction(
    repository: &Repository,
    log: &ArchivedLog,
    token: Token,
) -> Result<Option<Block>, Error> {
    match log.holding(token) {
        Some(entry) => transaction_at(Bytes::Archived(repository, entry), entry.name.number, token),
        None => Ok(None),
    }
}

/// Whether a segment seen and an archived one begin with the same transaction. No more of them is read.
pub fn begin_alike(
    repository: &Repository,
    seen: (SegmentName, Bytes<'_>),
    archived: &SegmentEntry,
) -> Result<bool, Error> {
    let theirs = first_transaction(Bytes::Archived(repository, archived), archived.name.number)?;
    Ok(theirs.is_some() && theirs == first_transaction(seen.1, seen.0.number)?)
}

fn first_transaction(bytes: Bytes<'_>, first: Token) -> Result<Option<Block>, Error> {
    let (mut walker, mut window) = (Walker::new(first, bytes.length()), Window::new(bytes));
    let mut least = HEADER_LENGTH + 4;
    loop {
        let visible = window.at(walker.offset(), usize::try_from(least).unwrap_or(usize::MAX))?;
        match walker.step(visible) {
            Step::Transaction(transaction) => return Ok(Some(transaction.bytes.to_vec())),
            Step::NeedMore(more) if more > least && more > visible.len() as u64 => least = more,
            Step::NeedMore(_) | Step::End(_) => return Ok(None),
        }
    }
}

/// The last token up to which a segment seen and an archived one hold the same transactions; none if not one is equal.
pub fn last_shared(
    repository: &Repository,
    seen: (SegmentName, Bytes<'_>),
    archived: &SegmentEntry,
) -> Result<Option<Token>, Error> {
    let (name, bytes) = seen;
    let mut window = Window::new(Bytes::Archived(repository, archived));
    let (mut last, mut parted) = (None, false);
    walk(bytes, name.number, &mut |transaction| {
        if parted {
            return Ok(());
        }
        let theirs = window.at(transaction.offset, transaction.bytes.len())?;
        if transaction.end() <= archived.logical_end && theirs.starts_with(transaction.bytes) {
            last = Some(transaction.last_token());
        } else {
            parted = true;
        }
        Ok(())
    })?;
    Ok(last)
}
