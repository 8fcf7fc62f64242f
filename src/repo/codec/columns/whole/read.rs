//! Reads a block: first what is said once, then one column after the other, then the events are put together. Bounded by the length that the
//! block must have; hostile bytes end in an error.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::coder::Source;
use crate::repo::codec::columns::packed;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::streams::StreamReader;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::whole::AGGREGATE;
use crate::repo::codec::columns::whole::HEAD_MORE;
use crate::repo::codec::columns::whole::MESSAGE;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::aggregates::Aggregates;
use crate::repo::codec::columns::whole::events_max;
use crate::repo::codec::columns::whole::fields::Fields;
use crate::repo::codec::columns::whole::frame::Frame;
use crate::repo::codec::columns::whole::frame::Frames;
use crate::repo::codec::columns::whole::get::Get;
use crate::repo::codec::columns::whole::get::Place;
use crate::repo::codec::columns::whole::guess::Known;
use crate::repo::codec::columns::whole::guess::State;
use crate::repo::codec::columns::whole::guess::States;
use crate::repo::codec::columns::whole::head::Head;
use crate::repo::codec::columns::whole::join::join;
use crate::repo::codec::columns::whole::op;
use crate::repo::codec::columns::whole::rows::Entry;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::rows::Table;
use crate::repo::codec::columns::whole::steps::Ways;
use crate::repo::codec::columns::whole::values_max;

/// A block that is read, without its values.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) head: Head,
    pub(super) raw_length: usize,
    pub(super) frames: Vec<Frame>,
    /// For each event how long it is, if it is carried raw.
    pub(super) raw_events: Vec<Option<u32>>,
    pub(super) table: Table,
    /// By key: the columns that its values belong to, in the order of the block.
    orders: Vec<Vec<u16>>,
    /// By column: whether a link leads to it, so that its events and hashes are still asked for when it is read.
    is_linked: Vec<bool>,
    /// The literals of all payloads that are cut.
    pub(super) walks: Vec<u16>,
    values: usize,
}

/// The block of `raw_length` bytes that whole columns stand for, in a buffer whose content is forgotten.
pub(in crate::repo::codec::columns) fn decode(
    bytes: &[u8],
    raw_length: usize,
    out: Vec<u8>,
) -> Result<Vec<u8>, Bad> {
    let mut rest = bytes;
    let head = Head::from_bytes(&packed::take(&mut rest, raw_length.saturating_add(HEAD_MORE))?, raw_length)?;
    let stream = packed::take(&mut rest, raw_length)?;
    let mut get = Get::new(StreamReader::new(rest, raw_length)?, raw_length);
    let mut block = Block::new(head, raw_length);
    block.envelope(&mut get.coder)?;
    let (carried, values) =
        stream.split_at_checked(block.carried()).ok_or(Bad("what is carried is too short"))?;
    get.begin(values);
    block.columns(&mut get)?;
    if get.coder.is_past() {
        return Err(Bad("it ends too early"));
    }
    join(&block, get.texts(), carried, out)
}

impl Block {
    fn new(head: Head, raw_length: usize) -> Self {
        let rows = head.columns.iter().map(|_| Rows::default()).collect();
        let orders = head.places.iter().map(|_| Vec::new()).collect();
        let mut is_linked = vec![false; head.columns.len()];
        let links = head.columns.iter().flat_map(|column| column.plan.links).map(|link| link.column);
        // A value may be an aggregate or a message wherever it is.
        for column in links.chain([AGGREGATE, MESSAGE]) {
            if let Some(is_linked) = is_linked.get_mut(column as usize) {
                *is_linked = true;
            }
        }
        Self {
            head,
            raw_length,
            frames: Vec::new(),
            raw_events: Vec::new(),
            table: Table { rows, ..Table::default() },
            orders,
            is_linked,
            walks: Vec::new(),
            values: 0,
        }
    }

    /// Bytes that are carried as they are.
    fn carried(&self) -> usize {
        let runs = self.head.runs.iter().map(|run| run.0);
        let lengths = runs.chain(self.raw_events.iter().copied().flatten());
        lengths.fold(0, |sum: usize, length| sum.saturating_add(length as usize))
    }

    /// Reads all but values.
    fn envelope(&mut self, coder: &mut StreamReader<'_>) -> Result<(), Bad> {
        self.transactions(coder)?;
        let aggregates = self.aggregates(coder)?;
        self.kinds(coder, aggregates)?;
        let mut fields = Fields::new(coder, aggregates);
        for entry in &mut self.table.entries {
            (entry.sequence, entry.timestamp) = fields.code(coder, entry);
        }
        self.walks(coder)
    }

    fn transactions(&mut self, coder: &mut StreamReader<'_>) -> Result<(), Bad> {
        let mut frames = Frames::new(coder);
        let nothing = Frame { events: 0, version: 0, wrong_crc: None };
        // A transaction has eleven bytes besides its events, and each of these has four.
        let mut room = self.raw_length;
        for _ in 0..self.head.runs.iter().fold(0_u64, |sum, run| sum + u64::from(run.1)) {
            let frame = frames.code(coder, &nothing).ok_or(Bad("too many events"))?;
            let least = 11 + 4 * usize::from(frame.events);
            room = room.checked_sub(least).ok_or(Bad("more transactions than there is room for"))?;
            self.frames.push(frame);
        }
        for frame in &self.frames {
            for at in 0..frame.events {
                let raw = frames.code_raw(coder, None);
                self.raw_events.push(raw);
                if raw.is_none() {
                    self.table.entries.push(Entry { is_later: at > 0, ..Entry::default() });
                }
            }
            if self.table.entries.len() > events_max(self.raw_length) {
                return Err(Bad("more events than there is room for"));
            }
        }
        Ok(())
    }

    fn aggregates(&mut self, coder: &mut StreamReader<'_>) -> Result<usize, Bad> {
        let mut aggregates = Aggregates::new(coder);
        for event in 0..self.table.entries.len() {
            let known = aggregates.count();
            let Some(entry) = self.table.entries.get_mut(event) else { break };
            entry.aggregate = aggregates.code(coder, entry.is_later, 0).ok_or(Bad("no such aggregate"))?;
            if aggregates.count() > known {
                self.row(AGGREGATE, event as u32)?;
            }
        }
        self.table.know_owners();
        Ok(aggregates.count())
    }

    fn kinds(&mut self, coder: &mut StreamReader<'_>, aggregates: usize) -> Result<(), Bad> {
        let next = std::iter::once(&self.head.first_kinds).chain(&self.head.next_kinds);
        let mut ways = Ways::new(coder, next.map(Vec::as_slice));
        // 0 stands before the first one, so that kinds begin at 1 here.
        let mut last = vec![0_u32; aggregates];
        for entry in &mut self.table.entries {
            let last = last.get_mut(entry.aggregate as usize).ok_or(Bad("no such aggregate"))?;
            entry.kind = ways.next(coder, *last).ok_or(Bad("no such kind"))?;
            *last = entry.kind + 1;
        }
        Ok(())
    }

    /// Reads of what columns the values of events are.
    fn walks(&mut self, coder: &mut StreamReader<'_>) -> Result<(), Bad> {
        let is_cut = coder.allocate(0, 1);
        for entry in &mut self.table.entries {
            entry.is_cut = coder.bit(is_cut, false);
        }
        let next_literals = std::mem::take(&mut self.head.next_literals);
        let mut ways = Ways::new(coder, next_literals.iter().map(Vec::as_slice));
        let kinds = std::mem::take(&mut self.head.kinds);
        for event in 0..self.table.entries.len() as u32 {
            let Some(entry) = self.table.entry(event).copied() else { break };
            let kind = kinds.get(entry.kind as usize).ok_or(Bad("no such kind"))?;
            self.row(MESSAGE, event)?;
            for entry in &kind.shape.entries {
                if form_of(entry.kind).is_some_and(|form| form != Form::End) {
                    self.row(entry.column, event)?;
                }
            }
            if entry.is_cut {
                if !kind.shape.has_data {
                    return Err(Bad("a walk where there is no data"));
                }
                self.walk(coder, &mut ways, kind.start, event)?;
            } else if kind.shape.has_data {
                self.row(kind.whole, event)?;
            }
        }
        self.head.kinds = kinds;
        Ok(())
    }

    fn walk(
        &mut self,
        coder: &mut StreamReader<'_>,
        ways: &mut Ways<'_>,
        start: u32,
        event: u32,
    ) -> Result<(), Bad> {
        let mut state = start;
        loop {
            state = ways.next(coder, state).ok_or(Bad("no such literal"))?;
            let literal = self.head.literals.get(state as usize).ok_or(Bad("no such literal"))?;
            let (form, column) = (literal.form, literal.column);
            self.walks.push(state as u16);
            if form == Form::End {
                return Ok(());
            }
            self.row(column, event)?;
        }
    }

    /// Notes that a column has a value in an event.
    #[inline]
    fn row(&mut self, column: u32, event: u32) -> Result<(), Bad> {
        let of = self.head.columns.get(column as usize).ok_or(NO_COLUMN)?;
        let order = self.orders.get_mut(of.group as usize).ok_or(Bad("no such key"))?;
        let rows = self.table.rows.get_mut(column as usize).ok_or(NO_COLUMN)?;
        order.push(column as u16);
        rows.events.push(event);
        self.values += 1;
        if self.values > values_max(self.raw_length) {
            Err(Bad("more values than there is room for"))
        } else {
            Ok(())
        }
    }

    /// Reads all columns, key by key.
    fn columns(&mut self, get: &mut Get<'_>) -> Result<(), Bad> {
        let mut states = States::new(self.head.columns.len());
        let orders = std::mem::take(&mut self.orders);
        for (number, order) in orders.into_iter().enumerate() {
            let places = self.head.places.get(number).copied().unwrap_or(0);
            if 1 << places > order.len().next_power_of_two().max(PLACES_ALWAYS) {
                return Err(Bad("more places than values"));
            }
            if number as u32 == MESSAGE {
                get.begin_messages();
            }
            states.begin();
            let mut known = Known::new(places);
            for run in order.chunk_by(|one, next| one == next) {
                if let [column, ..] = run {
                    self.run(get, &mut states, &mut known, (number as u32, u32::from(*column), run.len()))?;
                }
            }
        }
        Ok(())
    }

    /// Reads values of a column that no other column's of the key lie between.
    fn run(
        &mut self,
        get: &mut Get<'_>,
        states: &mut States,
        known: &mut Known,
        (group, column, rows): (u32, u32, usize),
    ) -> Result<(), Bad> {
        let of = *self.head.columns.get(column as usize).ok_or(NO_COLUMN)?;
        let mut own = std::mem::take(self.table.rows.get_mut(column as usize).ok_or(NO_COLUMN)?);
        if !states.has(column) {
            own.values.reserve(own.events.len());
            states.add(column, State::new(&mut get.coder, &of.plan, own.events.len()));
        }
        let state = states.get(column).ok_or(NO_COLUMN)?;
        for _ in 0..rows {
            let value = value(&self.table, get, known, (group, of.form), (state, &own))?;
            own.values.push(value);
        }
        if own.values.len() == own.events.len() && self.is_linked.get(column as usize) == Some(&false) {
            own.events = Vec::new();
            own.values.forget_hashes();
        }
        if let Some(rows) = self.table.rows.get_mut(column as usize) {
            *rows = own;
        }
        Ok(())
    }
}

/// Reads the next value of a column with these rows.
#[inline]
fn value(
    table: &Table,
    get: &mut Get<'_>,
    known: &mut Known,
    (group, form): (u32, Form),
    (state, own): (&mut State, &Rows),
) -> Result<Value, Bad> {
    let event = own.event(state.row as usize);
    let owner = table.owner(event).ok_or(NO_EVENT)?;
    let owner = if group == AGGREGATE { NONE } else { owner };
    let guess = known.guess(state, (event, owner), table, own);
    let value = match state.op(&mut get.coder, &guess, 0) {
        at @ 0..op::GUESSES => known.guessed(state, at, table, own),
        op::AGGREGATE => table.aggregate(owner),
        op::LISTED => {
            known.hits += 1;
            let at = known.index.code(&mut get.coder, 0);
            known.listed.get(at as usize).copied().ok_or(Bad("no such value"))?
        }
        op if op == op::OTHER[0] => state.links[0].other_value(table),
        op if op == op::OTHER[1] => state.links[1].other_value(table),
        op => {
            let entry = table.entry(event).ok_or(NO_EVENT)?;
            let place = Place { group, form, event, timestamp: entry.timestamp.cast_signed() };
            get.new_value((state, &guess), known, &place, op)?
        }
    };
    known.learn(state, value, table);
    Ok(value)
}

const NO_EVENT: Bad = Bad("no such event");
const NO_COLUMN: Bad = Bad("no such column");
/// So many places for aggregates a key may always have.
const PLACES_ALWAYS: usize = 16;
