//! `drill`: that a restore was tried, and what came of it, as an act.

use crate::engine::error::Error;
use crate::engine::select;
use crate::repo::format::act::{Deed, PointRef};
use crate::repo::format::moment::Moment;
use crate::repo::store::Repository;

/// The point that a name means.
pub fn point(repository: &Repository, name: &str, source: Option<&str>) -> Result<PointRef, Error> {
    Ok(select::point(&repository.journal()?, name, source)?.reference())
}

/// The numbers of all complete points that are listed.
pub fn complete_points(repository: &Repository, source: Option<&str>) -> Result<Vec<u64>, Error> {
    let journal = repository.journal()?;
    let is_meant = |name: &str| source.is_none_or(|source| source == name);
    let points =
        journal.listed().filter(|listed| listed.is_complete() && is_meant(&listed.point.body.source));
    Ok(points.map(|listed| listed.point.number).collect())
}

/// Remembers it; gives the number of the act. None where the repository can't be written.
pub fn remember(
    repository: &Repository,
    point: PointRef,
    at: Moment,
    (seconds, passed): (u64, bool),
) -> Result<Option<u64>, Error> {
    if repository.is_unlocked() {
        return Ok(None);
    }
    Ok(Some(repository.session()?.publish_act(at, Deed::Drilled { point, seconds, passed })?))
}
