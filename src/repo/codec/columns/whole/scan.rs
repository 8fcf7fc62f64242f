//! The first look of the writer at a block: transactions and events are taken apart, and each value is put to its column.

use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::parse::Event;
use crate::repo::codec::columns::parse::Transaction;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::whole::AGGREGATE;
use crate::repo::codec::columns::whole::MESSAGE;
use crate::repo::codec::columns::whole::WEIGHT_MAX;
use crate::repo::codec::columns::whole::events_max;
use crate::repo::codec::columns::whole::frame::Frame;
use crate::repo::codec::columns::whole::kinds::Kinds;
use crate::repo::codec::columns::whole::rows::Entry;
use crate::repo::codec::columns::whole::sheet::Name;
use crate::repo::codec::columns::whole::sheet::Sheet;
use crate::repo::codec::columns::whole::values_max;
use crate::repo::codec::columns::whole::walk::Walks;

/// The header of a segment's file.
const HEADER: usize = 5;
/// One of so many parts of a block tells how many values there are in all of it.
const PARTS: usize = 16;
/// The keys of aggregates and of messages.
const KEYS: u64 = 0;
/// Bytes of memory that an event takes, and an aggregate that has to be found again.
const EVENT: usize = size_of::<Entry>() + size_of::<u32>() + size_of::<Option<u32>>();
const FOUND: usize = 24;

/// All that is in a block.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) sheet: Sheet<'a>,
    pub(super) kinds: Kinds,
    pub(super) walks: Walks,
    pub(super) frames: Vec<Frame>,
    /// For each event how long it is, if it is carried raw.
    pub(super) raw_events: Vec<Option<u32>>,
    /// Bytes that are carried as they are, and how many transactions are behind them.
    pub(super) runs: Vec<(u32, u32)>,
    /// These bytes and those of raw events, as they come.
    pub(super) stream: Vec<u8>,
    aggregates: Finder,
    event: Event,
    has_room: bool,
}

impl<'a> Scan<'a> {
    /// Looks at a block. None if most of it is no transactions, or there is more in it than is worth it.
    pub(super) fn new(block: &'a [u8]) -> Option<Self> {
        let mut sheet = Sheet::new(block);
        for key in [&b"aggregate"[..], b"message"] {
            sheet.column(Name { space: KEYS, scope: b"event", key }, Form::Text, false);
        }
        let mut scan = Self {
            sheet,
            kinds: Kinds::default(),
            walks: Walks::default(),
            frames: Vec::new(),
            raw_events: Vec::new(),
            runs: Vec::new(),
            stream: Vec::new(),
            aggregates: Finder::default(),
            event: Event::default(),
            has_room: false,
        };
        scan.block()?;
        Some(scan.looked_at())
    }

    /// Forgets what was only needed to look at a block: the memory is wanted elsewhere.
    fn looked_at(mut self) -> Self {
        self.aggregates = Finder::default();
        self.event = Event::default();
        self
    }

    /// Bytes of memory that all this takes, about.
    pub(super) fn weight(&self) -> usize {
        let events = self.raw_events.len() * EVENT + self.frames.len() * size_of::<Frame>();
        self.sheet.weight() + events + self.aggregates.len() * FOUND + self.stream.len()
    }

    fn block(&mut self) -> Option<()> {
        let block = self.sheet.block;
        let mut transaction = Transaction::default();
        let (mut from, mut at) = (0, 0);
        at += [0, HEADER].into_iter().find(|start| transaction.parse(block, *start).is_some())?;
        loop {
            let begin = at;
            self.stream.extend(block.get(from..at)?);
            let count = self.transactions(&mut at, &mut transaction)?;
            self.runs.push(((begin - from) as u32, count));
            from = at;
            at = next_segment(block, at, &mut transaction);
            if at == block.len() && from - begin < (block.len() - begin) / 2 {
                return None;
            }
            if at == block.len() {
                self.stream.extend(block.get(from..)?);
                self.runs.push(((at - from) as u32, 0));
                return Some(());
            }
        }
    }

    /// Takes transactions from `at` on, as long as there are some; gives how many.
    fn transactions(&mut self, at: &mut usize, transaction: &mut Transaction) -> Option<u32> {
        let mut count = 0;
        while transaction.parse(self.sheet.block, *at).is_some() {
            self.transaction(transaction)?;
            *at = transaction.end;
            count += 1;
            self.make_room(*at);
        }
        Some(count)
    }

    /// Makes room for what is in all of the block as soon as there is enough before this place to tell, unless that were more than is worth it.
    fn make_room(&mut self, at: usize) {
        let block = self.sheet.block.len();
        if at < block / PARTS || self.has_room {
            return;
        }
        self.has_room = true;
        if self.sheet.count() * PARTS < values_max(block) {
            self.sheet.make_room(PARTS);
            self.sheet.table.entries.reserve_exact(self.sheet.table.entries.len() * PARTS);
            self.raw_events.reserve_exact(self.raw_events.len() * PARTS);
            self.frames.reserve_exact(self.frames.len() * PARTS);
        }
    }

    fn transaction(&mut self, transaction: &Transaction) -> Option<()> {
        let (version, wrong_crc) = (transaction.version, transaction.wrong_crc);
        self.frames.push(Frame { events: u16::try_from(transaction.events.len()).ok()?, version, wrong_crc });
        let mut event = std::mem::take(&mut self.event);
        for (at, span) in transaction.events.iter().enumerate() {
            let parsed = event.parse(self.sheet.block, *span);
            let kind = parsed.and_then(|()| self.kinds.of(&mut self.sheet, &mut self.walks, &event));
            match kind {
                Some(kind) => self.event(&event, kind, at > 0),
                None => self.stream.extend(span.of(self.sheet.block)),
            }
            self.raw_events.push(Some(span.length).filter(|_| kind.is_none()));
        }
        self.event = event;
        let block = self.sheet.block.len();
        (self.sheet.count() <= values_max(block)
            && self.sheet.table.entries.len() <= events_max(block)
            && self.weight() <= WEIGHT_MAX)
            .then_some(())
    }

    fn event(&mut self, event: &Event, kind: u32, is_later: bool) {
        let number = self.sheet.table.entries.len() as u32;
        let aggregate = self.aggregate(event.aggregate, number);
        self.kinds.note(aggregate, kind);
        self.sheet.put(MESSAGE, number, event.message);
        self.metadata(event, kind, number);
        let is_cut = !event.data.is_empty() && self.payload(event, kind, number);
        let (sequence, timestamp) = (event.sequence, event.timestamp);
        self.sheet.table.entries.push(Entry { aggregate, kind, sequence, timestamp, is_later, is_cut });
    }

    fn aggregate(&mut self, span: Span, event: u32) -> u32 {
        let next = self.aggregates.len() as u32;
        let number = *self.aggregates.entry(hash(span.of(self.sheet.block))).or_insert(next);
        if number == next {
            self.sheet.put(AGGREGATE, event, span);
        }
        number
    }

    fn metadata(&mut self, event: &Event, kind: u32, number: u32) {
        let Some(kind) = self.kinds.all.get(kind as usize) else { return };
        for (entry, key) in event.metadata.iter().zip(&kind.shape.entries) {
            if form_of(entry.kind).is_some_and(|form| form != Form::End) {
                self.sheet.put(key.column, number, entry.value);
            }
        }
    }

    fn payload(&mut self, event: &Event, kind: u32, number: u32) -> bool {
        let scope = self.kinds.scopes.get(kind as usize).copied().unwrap_or_default();
        self.walks.payload(&mut self.sheet, scope, number, event.data)
    }
}

/// Where transactions go on behind the header of another segment; the end, if they don't.
fn next_segment(block: &[u8], at: usize, transaction: &mut Transaction) -> usize {
    let behind = at.saturating_add(HEADER);
    if transaction.parse(block, behind).is_some() { behind } else { block.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::whole::sample::block;
    use crate::repo::codec::columns::whole::sample::event;

    /// The room that columns have for each hundred of their values, in a block of so many events that are alike: the least and the most.
    fn room(events: usize) -> (usize, usize) {
        let event = |at: usize| event([&format!("{at:08}"), "one", "T"], b"{\"a\":1}", &[]);
        let block = block((0..events).map(event));
        let scan = Scan::new(&block).unwrap();
        let rows = scan.sheet.table.rows.iter().filter(|rows| rows.events.len() == events);
        let rooms: Vec<usize> = rows.map(|rows| rows.events.capacity() * 100 / events).collect();
        (*rooms.iter().min().unwrap(), *rooms.iter().max().unwrap())
    }

    #[test]
    fn there_is_room_for_the_values_of_a_block_and_hardly_more() {
        // Doubled step by step, it would be for nearly twice as many.
        for events in [4_200, 8_300, 16_500] {
            let (least, most) = room(events);
            assert!(100 <= least && most < 120, "{least} to {most}");
        }
    }
}
