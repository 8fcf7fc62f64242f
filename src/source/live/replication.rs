//! The replication logs of a node of a cluster, group by group: plain files, taken as they are. Other servers have none, and say so with 404.
//!
//! A history is restored without them. What can't be had of them is therefore said, and makes no point incomplete.

use crate::source::error::Error;
use crate::source::listing::PlainFiles;
use crate::source::live::LiveSource;
use crate::source::live::zip::leads_out;
use crate::source::server;
use crate::source::server::answers;
use crate::source::server::exchange::{Answer, Ask, LISTING_MAX};
use crate::source::server::path_map::{Located, ServerPath};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What a manifest calls them.
const KIND: &str = "replication-log";
/// The group of the cluster itself.
pub(super) const ADMIN: &str = "_admin";

impl LiveSource {
    /// The logs of all groups.
    pub(super) fn replication_logs(&mut self) -> Result<Vec<PlainFiles>, Error> {
        let mut found = Vec::new();
        for group in self.groups() {
            let ask = Ask::get("/v1/backup/log/filenames").with("context", &group);
            let answer = self.client.ask(&ask.of_context(&group).at_most(LISTING_MAX))?;
            if answer.is_unknown() && !self.discovered.me.clustered {
                break;
            }
            found.extend(self.log_of(&group, answer)?);
        }
        Ok(found)
    }

    /// Those that the server tells; else a group has the name of its context, most often.
    fn groups(&self) -> BTreeSet<String> {
        let Self { discovered, .. } = self;
        let told = if discovered.groups.is_empty() { &discovered.me.contexts } else { &discovered.groups };
        let admin = Some(ADMIN.to_owned()).filter(|_| discovered.me.clustered);
        told.iter().cloned().chain(admin).collect()
    }

    fn log_of(&mut self, group: &str, answer: Answer) -> Result<Option<PlainFiles>, Error> {
        if answer.is_unknown() {
            return Ok(None);
        }
        let answer = match answer.success() {
            Ok(answer) => answer,
            Err(error) => {
                self.remark_no_log(group, &error.to_string());
                return Ok(None);
            }
        };
        let listed = answers::log_files(&answer)?;
        let Some(first) = listed.values().next().cloned() else { return Ok(None) };
        let files = self.places_of_log(group, listed)?;
        // One that went away since is told where files are read; if none is there, it is the wrong place.
        if files.values().any(|path| path.is_file()) {
            let files = files.into_iter().collect();
            let group = Some(group.to_owned());
            return Ok(Some(PlainFiles {
                kind: KIND,
                context: None,
                store: None,
                group,
                files,
                may_change: true,
            }));
        }
        let here = files.values().next().map(|path| path.display().to_string()).unwrap_or_default();
        let why = format!("the server names {first}; here that is {here}, and none of its files is there");
        self.remark_no_log(group, &format!("{why}; say where it is with --path-map SERVER=LOCAL"));
        Ok(None)
    }

    fn remark_no_log(&mut self, group: &str, why: &str) {
        let text = format!("the replication log of {group} is not archived: {why}");
        self.remark("no-replication-log", true, None, text);
    }

    /// Where the files of a log are here: where the map leads, or beside the data as a server lays it out itself.
    fn places_of_log(
        &self,
        group: &str,
        listed: BTreeMap<String, ServerPath>,
    ) -> Result<BTreeMap<String, PathBuf>, Error> {
        let beside = self.options.data_dir.as_ref().map(|root| root.join("log").join(group));
        let place = |(name, named): (String, ServerPath)| {
            let located = self.options.path_map.locate(&named);
            refuse_outside(group, &named, &located)?;
            let beside = beside.as_ref().map(|directory| directory.join(&name));
            let is_beside = located.root.is_none() && !located.path.is_file();
            let path = beside.filter(|path| is_beside && path.is_file()).unwrap_or(located.path);
            Ok((name, path))
        };
        listed.into_iter().map(place).collect()
    }
}

/// A link must not lead out of the directory that the user gave.
fn refuse_outside(group: &str, named: &ServerPath, located: &Located) -> Result<(), Error> {
    // What is not there leads nowhere.
    let Some(outside) = leads_out(located).unwrap_or_default() else { return Ok(()) };
    let why = format!("it names {named}, which leads to {} here, outside the path map", outside.display());
    let (context, store) = (group.to_owned(), "the replication log".to_owned());
    Err(server::Error::Listing { context, store, why }.into())
}
