//! Whether anything published needs a page: asked where a page turns out to be damaged, and nowhere else.

use crate::repo::error::Error;
use crate::repo::format::id::PageId;
use crate::repo::format::page::Page;
use crate::repo::format::point::PointBody;
use crate::repo::format::record::Record;
use crate::repo::paths;
use crate::repo::store::numbered::Row;
use crate::repo::store::read::Repository;
use std::collections::HashSet;

impl Repository {
    /// Whether a point or a record may need this page. Where something can't be read that would tell, it may.
    pub(super) fn may_need(&self, page: PageId) -> Result<bool, Error> {
        let Some(mut waiting) = self.roots()? else { return Ok(true) };
        let mut seen = HashSet::new();
        while let Some(id) = waiting.pop() {
            if id == page {
                return Ok(true);
            }
            if seen.insert(id) {
                match self.page(id) {
                    Ok(Page::Node { children, .. }) => {
                        waiting.extend(children.iter().map(|child| child.page));
                    }
                    Ok(Page::Leaf(_)) => {}
                    Err(_) => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    /// The roots of all points that are not gone, and of all records; none if one of these can't be read.
    fn roots(&self) -> Result<Option<Vec<PageId>>, Error> {
        let journal = self.journal()?;
        if !journal.unreadable.is_empty() {
            return Ok(None);
        }
        let mut roots: Vec<PageId> =
            journal.points.iter().flat_map(|listed| roots_of(&listed.point.body)).collect();
        for log in paths::list(self.disk(), paths::LOGS)?.iter().filter(|listed| listed.is_directory) {
            let row = Row::in_directory(format!("{}/{}", paths::LOGS, log.name));
            for number in row.list(self.disk())?.into_keys() {
                let record = row.read(self.disk(), number).ok().and_then(|bytes| Record::decode(&bytes).ok());
                let Some(record) = record else { return Ok(None) };
                roots.push(record.state.root);
            }
        }
        Ok(Some(roots))
    }
}

fn roots_of(body: &PointBody) -> impl Iterator<Item = PageId> {
    body.contexts.values().flat_map(|context| [context.events.root, context.snapshots.root])
}
