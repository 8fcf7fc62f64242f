//! The fields of each binary structure, as the encoders write them: what FORMAT.md is held to, and what explains a file byte by byte.

use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::axon::time::Times;
use crate::axon::time::Timestamp;
use crate::axon::token::Token;
use crate::repo::format::Damage;
use crate::repo::format::block::{Block, ChunkPlace, CodecId};
use crate::repo::format::entry::write_list;
use crate::repo::format::entry::{End, EntryKey, Extent, SegmentEntry};
use crate::repo::format::id::{ChunkId, ContentHash, FileHash, PackId, PageId};
use crate::repo::format::pack::{HEADER_LENGTH, Header, PackKind, parse_header, parse_pack, write_tail};
use crate::repo::format::page::{Child, Page};
use crate::repo::format::parity::{Head, Shape};
use crate::repo::format::record::{Branch, LogKey, LogState, Record};
use crate::repo::format::time_map::{Mark, TimeMap};
use crate::repo::format::wire::{Field, Writer};

/// A structure and its fields, each optional one present, each repeated one once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// What FORMAT.md calls it.
    pub name: &'static str,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// All structures of the format, in the order of FORMAT.md.
pub fn structures() -> Vec<Structure> {
    vec![
        structure("Pack header", |writer| Header::of(PackKind::Sealed).write(writer)),
        structure("Block header", |writer| block().write_header(writer)),
        tail("Directory entry", true),
        tail("Footer", false),
        structure("Page: leaf", |writer| Page::Leaf(vec![]).write(writer)),
        structure("Segment entry", |writer| entry().write(writer)),
        structure("Page: node", |writer| Page::Node { level: 1, children: vec![] }.write(writer)),
        structure("Child", |writer| child().write(writer)),
        structure("List of extents", |writer| write_list(writer, &entry().extents)),
        structure("Time map", |writer| TimeMap::default().write(writer)),
        structure("Mark", |writer| mark().write(writer, &Mark::ORIGIN)),
        structure("Log key", |writer| record().state.key.write(writer)),
        structure("Record", |writer| record().write(writer)),
        structure("Parity head", |writer| parity().write(writer)),
    ]
}

/// The fields of a pack that lies before us whole.
pub fn explain_pack(bytes: &[u8]) -> Result<Vec<Field>, Damage> {
    let pack = parse_pack(bytes)?;
    let mut writer = Writer::noting();
    let header = bytes.get(..usize::try_from(HEADER_LENGTH).unwrap_or_default()).unwrap_or_default();
    parse_header(header)?.write(&mut writer);
    for block in &pack.blocks {
        block.write_header(&mut writer);
        let body = block.body_offset..block.end();
        let to_usize = |at| usize::try_from(at).unwrap_or(usize::MAX);
        writer.body("encoded bytes", bytes.get(to_usize(body.start)..to_usize(body.end)).unwrap_or_default());
    }
    let offset = writer.so_far().len() as u64;
    write_tail(&mut writer, offset, pack.kind, &pack.blocks);
    explained(bytes, &writer)
}

/// The fields of a page.
pub fn explain_page(bytes: &[u8]) -> Result<Vec<Field>, Damage> {
    let mut writer = Writer::noting();
    Page::decode(bytes)?.write(&mut writer);
    explained(bytes, &writer)
}

/// The fields of a record.
pub fn explain_record(bytes: &[u8]) -> Result<Vec<Field>, Damage> {
    let mut writer = Writer::noting();
    Record::decode(bytes)?.write(&mut writer);
    explained(bytes, &writer)
}

/// Every structure has one spelling: what was read is what would be written.
fn explained(bytes: &[u8], writer: &Writer) -> Result<Vec<Field>, Damage> {
    if writer.so_far() == bytes {
        Ok(writer.fields().to_vec())
    } else {
        Err(Damage::Bytes { at: 0, what: "another spelling than ours" })
    }
}

fn structure(name: &'static str, write: impl FnOnce(&mut Writer)) -> Structure {
    let mut writer = Writer::noting();
    write(&mut writer);
    Structure { name, fields: writer.fields().to_vec() }
}

/// The directory of one block, or the footer behind it.
fn tail(name: &'static str, directory: bool) -> Structure {
    let both = structure(name, |writer| write_tail(writer, 0, PackKind::Sealed, &[block()]));
    let footer = structure(name, |writer| write_tail(writer, 0, PackKind::Sealed, &[]));
    let (first, second) = both.fields.split_at(both.fields.len().saturating_sub(footer.fields.len()));
    Structure { name, fields: if directory { first.to_vec() } else { second.to_vec() } }
}

fn block() -> Block {
    let place = ChunkPlace { chunk: ChunkId([0; 32]), offset: 0, length: 1 };
    Block {
        offset: 16,
        body_offset: 16,
        encoded_length: 1,
        raw_length: 1,
        codec: CodecId::Raw,
        dictionary: None,
        chunks: vec![place],
    }
}

fn entry() -> SegmentEntry {
    SegmentEntry {
        name: SegmentName { number: Token::ZERO, version: 0 },
        logical_end: 1,
        stored_length: 1,
        file_length: 1,
        end: End::Rolled,
        flaw: None,
        modified_ns: 0,
        events: 1,
        transactions: 1,
        times: Some(Times::of(Timestamp(0))),
        content: ContentHash([0; 32]),
        extents: vec![Extent { chunk: ChunkId([0; 32]), length: 1 }],
        time_map: Some(ChunkId([0; 32])),
    }
}

fn child() -> Child {
    let first = EntryKey { flawed: Some(ContentHash([0; 32])), ..EntryKey::LEAST };
    Child { page: PageId([0; 32]), first, entries: 1 }
}

fn record() -> Record {
    let key =
        LogKey { source: "s".to_owned(), context: "c".to_owned(), incarnation: 2, store: Store::Events };
    let branch = Some(Branch { parent: 1, token: Some(Token::ZERO) });
    let state = LogState { key, branch, root: PageId([0; 32]), tails: vec![] };
    Record { number: 2, previous: Some(FileHash([0; 32])), state }
}

fn parity() -> Head {
    let shape = Shape { pack_length: 1, shard: 64, data: 1, parity: 1 };
    Head { pack: PackId([0; 32]), shape, data: vec![[0; 8]], parity: vec![[0; 8]] }
}

fn mark() -> Mark {
    Mark {
        end_offset: 1,
        next_token: Token::ZERO,
        transactions: 0,
        least: Timestamp(0),
        greatest: Timestamp(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_structure_lie_back_to_back() {
        for structure in structures().into_iter().filter(|structure| structure.name != "Footer") {
            let mut end = 0;
            for field in &structure.fields {
                assert_eq!(field.offset, end, "{}: {}", structure.name, field.name);
                end += field.length;
            }
            assert!(end > 0);
        }
    }

    #[test]
    fn what_is_explained_is_explained_to_its_last_byte() {
        let page = Page::Leaf(vec![entry()]).encode();
        let last = explain_page(&page).unwrap().pop().unwrap();
        assert_eq!(last.offset + last.length, page.len());
        let bytes = record().encode();
        let last = explain_record(&bytes).unwrap().pop().unwrap();
        assert_eq!((last.name, last.offset + last.length), ("check", bytes.len()));
        assert!(explain_pack(&page).is_err());
    }
}
