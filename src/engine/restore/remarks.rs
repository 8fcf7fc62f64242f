//! What a user must know of what is restored: the point's own findings, as far as they concern it, and what the plan itself shows.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::span::{Break, BreakKind};
use crate::engine::verify::manifest;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::point::{Finding, PointBody, Weight};
use crate::repo::store::{HealedPack, ListedPoint};

/// A store of a context.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The context.
    pub context: &'a str,
    /// The store.
    pub store: Store,
}

/// Remarks, as they come up.
#[derive(Clone, Debug, Default)]
pub struct Remarks(Vec<Finding>);

/// What the point itself says of the contexts that are wanted.
pub fn of_point(listed: &ListedPoint, wanted: &[&str]) -> Remarks {
    let body = &listed.point.body;
    let mut remarks = Remarks::default();
    remarks.of_point(listed);
    if !body.left_out.is_empty() {
        let text = format!("the backup left out the contexts {}, on request", body.left_out.join(", "));
        remarks.add(Weight::Note, "left-out", text);
    }
    let concerns =
        |finding: &&Finding| finding.context.as_ref().is_none_or(|name| wanted.contains(&name.as_str()));
    remarks.0.extend(body.findings.iter().filter(concerns).cloned());
    remarks
}

/// Whether one of the point's findings, of that store, covers all these tokens.
pub fn tells(body: &PointBody, place: Place<'_>, first: Token, last: Token) -> bool {
    body.findings.iter().any(|finding| {
        finding.weight > Weight::Note
            && finding.context.as_deref() == Some(place.context)
            && finding.store.as_deref() == Some(place.store.as_str())
            && finding.first.is_some_and(|from| from <= first.get())
            && finding.last.is_some_and(|to| to >= last.get())
    })
}

impl Remarks {
    fn of_point(&mut self, listed: &ListedPoint) {
        let body = &listed.point.body;
        let number = listed.point.number;
        if !body.complete {
            self.add(Weight::Warning, "incomplete", format!("point {number} is incomplete"));
        }
        for (what, text) in manifest::faults(body) {
            if what == "safepoint" {
                self.add(Weight::Warning, what, format!("point {number}: {text}"));
            }
        }
        if let Some(reason) = &listed.marked_incomplete {
            let text = format!("point {number} was found to be incomplete after it was made: {reason}");
            self.add(Weight::Warning, "incomplete", text);
        }
        let is_said = body.findings.iter().any(|finding| finding.what == "unordered");
        if body.unordered && !is_said {
            let text =
                "the control database is newer than the segments: it may rely on events that are not there";
            self.add(Weight::Warning, "unordered", text.to_owned());
        }
        if listed.forgotten {
            self.add(
                Weight::Note,
                "forgotten",
                format!("point {number} is forgotten and may be deleted soon"),
            );
        }
    }

    pub(super) fn add(&mut self, weight: Weight, what: &str, text: String) {
        self.0.push(Finding::new(weight, what, text));
    }

    /// Those of another place behind these.
    pub(super) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// One about a store.
    fn add_at(&mut self, place: Place<'_>, what: &str, tokens: [Option<Token>; 2], text: String) {
        self.add(Weight::Warning, what, text);
        if let Some(remark) = self.0.last_mut() {
            remark.context = Some(place.context.to_owned());
            remark.store = Some(place.store.as_str().to_owned());
            [remark.first, remark.last] = tokens.map(|token| token.map(Token::get));
        }
    }

    /// The point has no control database.
    pub fn no_control_db(&mut self, reason: &str, is_zip_wanted: bool) {
        let weight = if is_zip_wanted { Weight::Warning } else { Weight::Note };
        self.add(weight, "no-control-db", format!("the point has no control database: {reason}"));
    }

    /// The zip is wanted, and there never was one.
    pub fn no_zip(&mut self) {
        let text = "the control database was not archived from a zip: there is none to write".to_owned();
        self.add(Weight::Warning, "no-control-db-zip", text);
    }

    /// The zip could not be rebuilt as it was.
    pub fn zip_differs(&mut self, name: &str) {
        let text = format!(
            "{name} could not be rebuilt as the server wrote it; what is written is a fresh zip of the same database"
        );
        self.add(Weight::Warning, "control-db-zip", text);
    }

    /// Packs are damaged, and what was needed of them was made again from their parity.
    pub fn healed(&mut self, packs: &[HealedPack]) {
        for healed in packs {
            let text = format!(
                "pack {} is damaged, and was made whole by its parity ({healed}): what is restored is right; run \
                 'segvault repair packs'",
                healed.pack
            );
            self.add(Weight::Warning, "healed", text);
        }
    }

    /// No index files are handed out for a store, though they are asked for.
    pub fn no_indexes(&mut self, context: &str, store: Store, why: &str) {
        let text =
            format!("no index files of {store} of {context} are handed out: {why}; the server builds them");
        self.add(Weight::Note, "no-indexes", text);
    }

    /// The replication log is asked for, and none is handed out.
    pub fn no_replication_log(&mut self, why: &str) {
        self.add(Weight::Warning, "no-replication-log", why.to_owned());
    }

    /// Tokens are missing, and the point or the damage before them says so.
    pub fn missing(&mut self, place: Place<'_>, found: &Break) {
        let Place { context, store } = place;
        let why = match found.kind {
            BreakKind::Damage => format!("they lie in the damaged part of segment {}", found.after),
            BreakKind::Hole | BreakKind::Overlap => "no segment that counts has them".to_owned(),
        };
        let text = format!(
            "{store} of {context}: the tokens {} to {} are missing: {why}; Axon Server serves what is before them and \
             hangs or fails there",
            found.first, found.last
        );
        self.add_at(place, "gap", [Some(found.first), Some(found.last)], text);
    }

    /// A segment is damaged and handed out as it was archived.
    pub fn damaged(&mut self, place: Place<'_>, entry: &SegmentEntry) {
        let Place { context, store } = place;
        let reason = entry.flaw.map_or_else(String::new, |flaw| flaw.reason.to_string());
        let text = format!(
            "{} of {context} was archived as it was found, damaged at byte {}, behind token {}: {reason}",
            entry.name.file_name(store),
            entry.logical_end,
            entry.last_token().map_or_else(|| "none".to_owned(), |token| token.to_string()),
        );
        self.add_at(place, "damage", [entry.next_token(), None], text);
        if let Some(remark) = self.0.last_mut() {
            remark.file = Some(entry.name.file_name(store));
            remark.offset = Some(entry.logical_end);
        }
    }

    /// Warnings and notes, each in their order.
    pub fn split(self) -> (Vec<Finding>, Vec<Finding>) {
        self.0.into_iter().partition(|remark| remark.weight > Weight::Note)
    }
}
