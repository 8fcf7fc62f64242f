//! Parity for packs that have none, or whose parity is damaged.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::repair::report::Protected;
use crate::engine::repair::stop_if_interrupted;
use crate::repo;
use crate::repo::format::id::PackId;
use crate::repo::paths;
use crate::repo::store::{Repository, Session};

/// How much parity a pack gets where nobody said how much.
pub const PERCENT: u8 = 3;

/// Writes parity for every pack that has none. Each pack is read and proven for that; what a damaged one has is left as it is.
pub fn add_parity(
    repository: &Repository,
    percent: Option<u8>,
    dry_run: bool,
    observer: &dyn Observer,
) -> Result<Protected, Error> {
    let percent = percent.or(repository.config().parity).unwrap_or(PERCENT);
    let mut done = Protected { dry_run, percent, ..Protected::default() };
    let packs = paths::packs(repository.disk())?;
    let without = repository.without_parity(true)?;
    done.kept = (packs.len() as u64).saturating_sub(without.len() as u64);
    let lengths = without.iter().filter_map(|(pack, _)| packs.get(pack));
    observer.event(&Event::Phase { name: "parity", total: Some(lengths.sum()) });
    let mut session = if dry_run { None } else { Some(repository.session()?) };
    for (pack, damaged) in without {
        stop_if_interrupted(observer)?;
        let made = made(repository, session.as_mut(), pack, percent)?;
        observer.event(&Event::Bytes(packs.get(&pack).copied().unwrap_or(0)));
        match made {
            Some(bytes) => {
                done.made += 1;
                done.renewed += u64::from(damaged.is_some());
                done.bytes = done.bytes.saturating_add(bytes);
            }
            None => done.damaged.push(pack),
        }
    }
    Ok(done)
}

/// Makes damaged parity of good packs anew.
pub(super) fn renew(
    repository: &Repository,
    session: &mut Session<'_>,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let percent = repository.config().parity.unwrap_or(PERCENT);
    let damaged = repository.without_parity(true)?.into_iter().filter(|(_, why)| why.is_some());
    for (pack, _) in damaged {
        stop_if_interrupted(observer)?;
        made(repository, Some(&mut *session), pack, percent)?;
    }
    Ok(())
}

/// Bytes of parity that were made for a pack; none if it is damaged.
fn made(
    repository: &Repository,
    session: Option<&mut Session<'_>>,
    pack: PackId,
    percent: u8,
) -> Result<Option<u64>, Error> {
    use repo::Error::{Damaged, Io, Missing};
    let bytes = match repository.parity_of(pack, percent) {
        Ok(bytes) => bytes,
        Err(Damaged { .. } | Io { .. } | Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(session) = session {
        session.put_parity(pack, &bytes)?;
    }
    Ok(Some(bytes.len() as u64))
}
