//! Archiving the control database: the zip is taken apart, proven, and stored as the database inside.

use crate::axon::control_db::TakenApart;
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
        ControlDbCapture::Observed { name, zip } => store(sink, name, &zip, (Order::Observed, false)),
        ControlDbCapture::Claimed { name, zip, is_too_new, passed_over } => {
            let remarks = [unordered_finding(&name, is_too_new), passed_over_finding(&name, &passed_over)];
            let stored = store(sink, name, &zip, (Order::Claimed, is_too_new))?;
            Ok(ArchivedControlDb { findings: remarks.into_iter().flatten().collect(), ..stored })
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
    let manifest = describe(sink, name, zip, apart)?;
    Ok(ArchivedControlDb { manifest: (manifest, order, unordered), report, findings: Vec::new() })
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
    Finding {
        weight,
        what: what.to_owned(),
        context: None,
        store: None,
        file: Some(file.to_owned()),
        offset: None,
        first: None,
        last: None,
        text,
    }
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
    let chunks: Vec<Vec<u8>> = bytes.chunks(CONTROL_DB_CHUNK).map(<[u8]>::to_vec).collect();
    let lengths: Vec<u32> =
        chunks.iter().map(|chunk| u32::try_from(chunk.len()).unwrap_or(u32::MAX)).collect();
    let ids = sink.put_together(PackKind::ControlDb, chunks)?;
    let extents: Vec<Extent> =
        ids.into_iter().zip(lengths).map(|(chunk, length)| Extent { chunk, length }).collect();
    let list = sink.put(PackKind::ControlDb, encode_extents(&extents))?;
    Ok(Content { length: bytes.len() as u64, blake3: sink.naming().content(bytes), list })
}
