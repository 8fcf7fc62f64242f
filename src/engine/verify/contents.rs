//! Files that are stored as a list of chunks: whether everything is there that they need.

use crate::engine::content;
use crate::engine::error::Error;
use crate::engine::verify::book::Part;
use crate::engine::verify::history::Lost;
use crate::engine::verify::packs::Packs;
use crate::repo;
use crate::repo::format::entry::Extent;
use crate::repo::format::point::Content;
use crate::repo::store::Repository;

/// Marks the chunks that a content needs, and looks for them. The list itself has to be read for that; why it can't be is told, unless it is
/// lost (then that is known).
pub fn need(
    repository: &Repository,
    (part, content): (Part, &Content),
    packs: &mut Packs,
    lost: &mut Lost,
) -> Result<Option<String>, Error> {
    packs.mark_used(content.list);
    lost.look_for(packs, part, content.list, None);
    if lost.parts.contains_key(&content.list) {
        return Ok(None);
    }
    match content::extents(repository, content) {
        Ok(extents) => {
            for Extent { chunk, length } in extents {
                packs.mark_used(chunk);
                lost.look_for(packs, part, chunk, Some(length));
            }
            Ok(None)
        }
        Err(repo::Error::Interrupted) => Err(Error::Interrupted),
        // What a newer program wrote is told of its pack.
        Err(repo::Error::Unsupported { .. }) => Ok(None),
        Err(error) => Ok(Some(format!("its chunk list can't be read: {error}"))),
    }
}

/// Looks again, now that a read has found some chunks damaged. A list that can't be read has its finding.
pub fn look_again(
    repository: &Repository,
    (part, content): (Part, &Content),
    packs: &Packs,
    lost: &mut Lost,
) {
    lost.look_for(packs, part, content.list, None);
    if lost.parts.contains_key(&content.list) {
        return;
    }
    for extent in content::extents(repository, content).unwrap_or_default() {
        lost.look_for(packs, part, extent.chunk, Some(extent.length));
    }
}
