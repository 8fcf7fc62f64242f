//! What is known of a server, for the manifest: what it is, and every request that was made of it.

use crate::source::error::Error;
use crate::source::live::LiveSource;
use crate::source::server::answers::{Me, is_plain, json, text_at};
use crate::source::server::client::Client;
use crate::source::server::exchange::{Answer, Ask, Made};
use std::collections::{BTreeMap, BTreeSet};

/// What a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// What it says of itself.
    pub me: Me,
    /// Its version; none if it does not say.
    pub version: Option<String>,
    /// Its edition; none if it does not say.
    pub edition: Option<String>,
    /// Who leads its contexts, in a cluster that tells it.
    pub leaders: BTreeMap<String, String>,
    /// The replication groups of its contexts, in a cluster that tells them.
    pub groups: BTreeSet<String>,
}

/// Asks a server what it is. It has to say who it is; the rest is told where it is known.
pub(super) fn discover(client: &mut Client) -> Result<Discovered, Error> {
    let me = Me::read(&client.ask(&Ask::get("/v1/public/me"))?.success()?)?;
    let version = match asked(client, "/actuator/info", &["app", "version"])? {
        Some(version) => Some(version),
        None => asked(client, "/v1/public/version", &["version"])?,
    };
    let edition = asked(client, "/v1/public/license", &["edition"])?;
    let contexts = client.ask(&Ask::get("/v1/public/context"))?;
    let leaders = pairs(&contexts, "leader").into_iter().collect();
    let groups = pairs(&contexts, "replicationGroup").into_iter().map(|(_, group)| group);
    Ok(Discovered { me, version, edition, leaders, groups: groups.filter(|name| is_plain(name)).collect() })
}

/// Free text, for people: without a secret that the server repeats.
fn asked(client: &mut Client, path: &str, way: &[&str]) -> Result<Option<String>, Error> {
    let answer = client.ask(&Ask::get(path))?;
    let text = text_at(&answer, way).filter(|_| answer.status == 200);
    Ok(text.map(|text| client.credentials().hide(&text)))
}

/// What a cluster tells of each context: its name, and the text under `key`. Empty where the server does not tell.
fn pairs(answer: &Answer, key: &str) -> Vec<(String, String)> {
    let value = json(answer).unwrap_or_default();
    let text = |item: &serde_json::Value, key: &str| {
        item.get(key).and_then(serde_json::Value::as_str).map(str::to_owned)
    };
    let contexts = value.as_array().filter(|_| answer.status == 200).into_iter().flatten();
    contexts.filter_map(|item| Some((text(item, "context")?, text(item, key)?))).collect()
}

impl Discovered {
    fn directory(&self, source: &LiveSource) -> String {
        let given = source.directory().map(|path| path.display().to_string());
        given.unwrap_or_else(|| format!("the paths that {} names", self.me.name))
    }

    /// As the manifest tells it.
    pub(super) fn facts(&self, source: &LiveSource) -> BTreeMap<String, String> {
        let names: Vec<&str> = self.me.contexts.iter().map(String::as_str).collect();
        let known = [
            ("server", Some(source.client.address().to_owned())),
            ("server.node", Some(self.me.name.clone())),
            ("server.version", self.version.clone()),
            ("server.edition", self.edition.clone()),
            ("server.contexts", Some(names.join(", "))),
            ("server.clustered", Some(self.me.clustered.to_string())),
            ("directory", Some(self.directory(source))),
            ("taken", Some(format!("as {} lists it", source.client.address()))),
        ];
        let mut facts: BTreeMap<String, String> =
            known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        facts.extend(
            self.leaders.iter().map(|(context, leader)| (format!("server.leader.{context}"), leader.clone())),
        );
        facts
    }
}

/// What became known since: heads, transformations, requests.
pub(super) fn later(source: &LiveSource) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for ((context, store), head) in &source.heads {
        let head = head.map_or_else(|| "none".to_owned(), |head| head.to_string());
        facts.insert(format!("server.head.{context}.{store}"), head);
    }
    for (context, (first, last)) in &source.transformations {
        facts.insert(format!("server.transformations.{context}.before"), first.clone());
        facts.insert(format!("server.transformations.{context}.after"), last.clone());
    }
    let made = source.client.made().iter().enumerate();
    facts.extend(made.map(|(at, made)| (format!("server.request.{:04}", at + 1), line(made))));
    facts
}

/// `2026-11-23T15:04:05.123Z GET /v1/public/me 200 12 ms`.
fn line(made: &Made) -> String {
    let at = jiff::Timestamp::from_millisecond(made.at_ms)
        .map_or_else(|_| "?".to_owned(), |at| format!("{at:.3}"));
    format!("{at} {} {} {} ms", made.what, made.result, made.took_ms)
}
