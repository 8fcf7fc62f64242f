//! Contexts that lie beside those of the server, where no directory was named and its own paths are followed.

use crate::source::error::Error;
use crate::source::live::LiveSource;
use crate::source::scan;
use crate::source::server;
use crate::source::server::answers::Me;
use crate::source::server::exchange::Ask;
use crate::source::server::path_map::ServerPath;
use std::collections::BTreeSet;
use std::path::Path;

impl LiveSource {
    /// Remembers the directory that holds the contexts, if the place of `context` is named like it in there, and lies there here too.
    pub(super) fn remember_root(&mut self, context: &str, named: &ServerPath, here: &Path) {
        let root = named.parent().filter(|_| named.file_name() == Some(context));
        let located = root.map(|root| self.options.path_map.locate(&root).path);
        if let Some(root) = located.filter(|root| here.parent() == Some(root)) {
            self.roots.insert(root);
        }
    }

    /// Contexts in those directories that the server does not have. One that is wanted is an error: whose is it?
    pub(super) fn strays(&mut self, server: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
        let mut strays = BTreeSet::new();
        for root in self.roots.clone() {
            let found = self.contexts_in(&root);
            let unknown: BTreeSet<String> = found.difference(server).cloned().collect();
            if let Some(context) = unknown.iter().find(|name| self.is_wanted(name)) {
                self.refuse_stray(context, &root)?;
            }
            strays.extend(unknown.into_iter().filter(|name| !self.is_wanted(name)));
        }
        Ok(strays)
    }

    fn contexts_in(&mut self, root: &Path) -> BTreeSet<String> {
        match scan::contexts(root) {
            Ok(listing) => listing.contexts.into_keys().collect(),
            Err(error) => {
                let text = format!("whether {} holds other contexts is not known: {error}", root.display());
                self.remark("unseen-root", false, None, text);
                BTreeSet::new()
            }
        }
    }

    /// It may have been made since the server was asked: then the next listing has it.
    fn refuse_stray(&mut self, context: &str, root: &Path) -> Result<(), Error> {
        let me = Me::read(&self.client.ask(&Ask::get("/v1/public/me"))?.success()?)?;
        if me.contexts.contains(context) {
            return Ok(());
        }
        let (present, absent) = (format!("in {}", root.display()), format!("on {}", self.client.address()));
        Err(server::Error::OneSided { context: context.to_owned(), present, absent }.into())
    }
}
