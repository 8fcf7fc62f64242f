//! Archiving the control database: the zip is taken apart, proven, and stored as the database inside.

use crate::axon::control_db::TakenApart;
use crate::axon::control_db::WalkError;
use crate::axon::control_db::contents;
use crate::axon::control_db::facts;
use crate::axon::control_db::take_apart;
use crate::engine::backup::report::ControlDbReport;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::repo::format::entry::Extent;
use crate::repo::format::entry::encode_extents;
use crate::repo::format::limits::CONTROL_DB_CHUNK;
use crate::repo::format::limits::CONTROL_DB_MAX;
use crate::repo::format::pack::PackKind;
use crate::repo::format::point::Content;
use crate::repo::format::point::ControlDb;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Order;
use crate::repo::format::point::RebuiltZip;
use crate::repo::format::point::Weight;
use crate::source;
use crate::source::listing::ControlDbCapture;

/// A control database, archived.
pub struct ArchivedControlDb {
    /// For the manifest.
    pub manifest: (ControlDb, Order, bool),
    /// For the report.
    pub report: ControlDbReport,
    /// What must be said.
    pub findings: Vec<Finding>,
}

/// Archives what was captured.
pub fn archive(sink: &mut Sink<'_>, captured: ControlDbCapture) -> Result<ArchivedControlDb, Error> {
    match captured {
        ControlDbCapture::Absent { reason } => Ok(ArchivedControlDb {
            manifest: (ControlDb::Absent { reason: reason.clone() }, Order::None, false),
            report: ControlDbReport::Absent { reason },
            findings: Vec::new(),
        }),
        ControlDbCapture::Copied { name, database } => {
            let inner = put_content(sink, &database)?;
            let report =
                ControlDbReport::Archived { name: name.clone(), bytes: database.len() as u64, rebuilt: true };
            let manifest = (ControlDb::Inner { entry: name, inner, zip: None }, Order::Copied, false);
            Ok(ArchivedControlDb { manifest, report, findings: Vec::new() })
        }
        ControlDbCapture::Observed { name, zip } => store(sink, name, &zip, (Order::Observed, false)),
        ControlDbCapture::Claimed { name, zip, is_too_new, passed_over } => {
            let remarks = [unordered_finding(&name, is_too_new), passed_over_finding(&name, &passed_over)];
            let mut stored = store(sink, name, &zip, (Order::Claimed, is_too_new))?;
            stored.findings.extend(remarks.into_iter().flatten());
            Ok(stored)
        }
    }
}

fn store(
    sink: &mut Sink<'_>,
    name: String,
    zip: &[u8],
    (order, unordered): (Order, bool),
) -> Result<ArchivedControlDb, Error> {
    let apart = take_apart(zip, CONTROL_DB_MAX)
        .map_err(|source| source::Error::ControlDb { path: name.clone().into(), source })?;
    let report = ControlDbReport::Archived {
        name: name.clone(),
        bytes: apart.inner.len() as u64,
        rebuilt: apart.recipe.is_some(),
    };
    let findings = inside_finding(&name, &apart.inner).into_iter().collect();
    let manifest = describe(sink, name, zip, apart)?;
    Ok(ArchivedControlDb { manifest: (manifest, order, unordered), report, findings })
}

/// The checksum of a zip says that the database is what was packed, not that it was whole then. Of the newer format only the headers are known.
fn inside_finding(taken: &str, database: &[u8]) -> Option<Finding> {
    let why = match contents(database) {
        Err(_) if facts(database).is_none() => "it is no database of H2",
        Err(WalkError::Inconsistent(why)) => why,
        // A server steps back behind a write that was not finished.
        Ok(_) | Err(WalkError::Unknown(_)) => return None,
    };
    let text = format!(
        "the control database in {taken} is not whole: {why}; it is archived as it is, but a server may refuse it: have the server write another zip"
    );
    Some(about_zip(Weight::Warning, "control-db-inside", taken, text))
}

/// Whoever insisted is told what it means, and so is everybody who asks for the point.
fn unordered_finding(taken: &str, is_too_new: bool) -> Option<Finding> {
    let text = format!("{taken} is newer than all data: it may rely on events that are not there");
    is_too_new.then(|| about_zip(Weight::Warning, "unordered", taken, text))
}

/// The newest zip is not always the one that goes with the data.
fn passed_over_finding(taken: &str, passed_over: &[String]) -> Option<Finding> {
    let newest = passed_over.first()?;
    let text =
        format!("{taken} was archived; newer than all data, and not taken: {}", passed_over.join(", "));
    Some(about_zip(Weight::Note, "control-db-passed-over", newest, text))
}

fn about_zip(weight: Weight, what: &str, file: &str, text: String) -> Finding {
    Finding { file: Some(file.to_owned()), ..Finding::new(weight, what, text) }
}

fn describe(sink: &mut Sink<'_>, name: String, zip: &[u8], apart: TakenApart) -> Result<ControlDb, Error> {
    let TakenApart { entry_name: entry, inner, recipe } = apart;
    match recipe {
        Some(recipe) => {
            let rebuilt = RebuiltZip {
                name,
                length: zip.len() as u64,
                blake3: sink.naming().content(zip),
                dos_time: recipe.dos_time,
            };
            Ok(ControlDb::Inner { entry, inner: put_content(sink, &inner)?, zip: Some(rebuilt) })
        }
        None => Ok(ControlDb::Zip { entry, name, zip: put_content(sink, zip)? }),
    }
}

/// Stores a file in aligned chunks: what did not change since the last backup is there already, what is new shares blocks.
fn put_content(sink: &mut Sink<'_>, bytes: &[u8]) -> Result<Content, Error> {
    let extents = put_chunks(sink, (PackKind::ControlDb, CONTROL_DB_CHUNK), bytes)?;
    let list = sink.put(PackKind::ControlDb, encode_extents(&extents))?;
    Ok(Content { length: bytes.len() as u64, blake3: sink.naming().content(bytes), list })
}

/// Stores bytes in chunks of one length, which share blocks.
pub fn put_chunks(
    sink: &mut Sink<'_>,
    (kind, length): (PackKind, usize),
    bytes: &[u8],
) -> Result<Vec<Extent>, Error> {
    let chunks: Vec<Vec<u8>> = bytes.chunks(length).map(<[u8]>::to_vec).collect();
    let lengths: Vec<u32> =
        chunks.iter().map(|chunk| u32::try_from(chunk.len()).unwrap_or(u32::MAX)).collect();
    let ids = sink.put_together(kind, chunks)?;
    Ok(ids.into_iter().zip(lengths).map(|(chunk, length)| Extent { chunk, length }).collect())
}
