//! Writes a block: first what is said once, then one column after the other.

use crate::repo::codec::columns::Counts;
use crate::repo::codec::columns::account::StreamCounter;
use crate::repo::codec::columns::coder::Account;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::packed::Packer;
use crate::repo::codec::columns::streams::StreamWriter;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::whole::AGGREGATE;
use crate::repo::codec::columns::whole::MESSAGE;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::aggregates::Aggregates;
use crate::repo::codec::columns::whole::choose;
use crate::repo::codec::columns::whole::fields::Fields;
use crate::repo::codec::columns::whole::frame::Frames;
use crate::repo::codec::columns::whole::guess::State;
use crate::repo::codec::columns::whole::guess::States;
use crate::repo::codec::columns::whole::head::Column;
use crate::repo::codec::columns::whole::head::Head;
use crate::repo::codec::columns::whole::head::PLACES_MAX;
use crate::repo::codec::columns::whole::head::Plan;
use crate::repo::codec::columns::whole::put::Listing;
use crate::repo::codec::columns::whole::put::Put;
use crate::repo::codec::columns::whole::put::Row;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::scan::Scan;
use crate::repo::codec::columns::whole::sheet::Group;
use crate::repo::codec::columns::whole::sheet::Sheet;
use crate::repo::codec::columns::whole::steps;
use crate::repo::codec::columns::whole::steps::Steps;

/// Places for aggregates, as a power of two: of keys that events have once, and of those that they have many times.
const PLACES_MIN: u32 = 4;
const PLACES_ONCE: u32 = 15;
/// A column has many values an event if it has so many times as many as there are events.
const MANY: usize = 2;

/// A block as whole columns; none if it is no block of that kind. The buffer is used anew; what is in it is forgotten.
pub(in crate::repo::codec::columns) fn encode(
    block: &[u8],
    buffer: &mut Vec<u8>,
    level: i32,
) -> Option<Vec<u8>> {
    let scan = scanned(block, buffer)?;
    let (head, put) = write(scan, StreamWriter::default());
    let (mut packer, mut out) = (Packer::new(level), Vec::new());
    for bytes in [&head.to_bytes(), &put.stream] {
        packer.put(bytes, &mut out);
    }
    *buffer = put.stream;
    put.coder.finish(block.len(), &mut out)?;
    Some(out)
}

fn scanned<'a>(block: &'a [u8], buffer: &mut Vec<u8>) -> Option<Scan<'a>> {
    match Scan::new(block, std::mem::take(buffer)) {
        Ok(scan) => Some(scan),
        Err(stream) => {
            *buffer = stream;
            None
        }
    }
}

/// Where the bits of a block go.
pub(in crate::repo::codec::columns) fn account(block: &[u8]) -> Option<Counts> {
    let mut scan = scanned(block, &mut Vec::new())?;
    let names = std::mem::take(&mut scan.sheet.names);
    let (head, put) = write(scan, StreamCounter::new());
    Some(Counts { spent: put.coder.finish(), names, texts: [head.to_bytes().len(), put.stream.len()] })
}

fn write<C: Coder>(mut scan: Scan<'_>, coder: C) -> (Head, Put<'_, C>) {
    let (block, stream) = (scan.sheet.block, std::mem::take(&mut scan.stream));
    let mut put = Put::new(block, coder, stream, scan.sheet.table.entries.len());
    put.coder.account(Account::Envelope);
    let aggregates = envelope(&mut put.coder, &scan);
    let places: Vec<u32> = scan.sheet.groups.iter().map(|group| places(&scan, group, aggregates)).collect();
    let groups = std::mem::take(&mut scan.sheet.groups);
    let (states, plans) =
        (States::new(scan.sheet.columns.len()), vec![Plan::default(); scan.sheet.columns.len()]);
    let mut columns = Columns { sheet: &scan.sheet, put, states, plans };
    for (number, (group, places)) in groups.into_iter().zip(&places).enumerate() {
        columns.group(number as u32, &group, *places);
    }
    let Columns { put, plans, .. } = columns;
    (head(scan, places, plans), put)
}

fn head(scan: Scan<'_>, places: Vec<u32>, plans: Vec<Plan>) -> Head {
    let next = |steps: Vec<Steps>| steps.into_iter().map(|steps| steps.next).collect();
    Head {
        runs: scan.runs,
        places,
        columns: scan
            .sheet
            .columns
            .into_iter()
            .zip(plans)
            .map(|(column, plan)| Column { plan, ..column })
            .collect(),
        kinds: scan.kinds.all,
        literals: scan.walks.literals,
        first_kinds: scan.kinds.first.next,
        next_kinds: next(scan.kinds.steps),
        next_literals: next(scan.walks.steps),
    }
}

/// Writes all but values; gives how many aggregates there are.
fn envelope<C: Coder>(coder: &mut C, scan: &Scan<'_>) -> usize {
    let mut frames = Frames::new(coder);
    for frame in &scan.frames {
        frames.code(coder, frame);
    }
    for length in &scan.raw_events {
        frames.code_raw(coder, *length);
    }
    let entries = &scan.sheet.table.entries;
    let mut aggregates = Aggregates::new(coder);
    for entry in entries {
        aggregates.code(coder, entry.is_later, entry.aggregate);
    }
    let kinds = &scan.kinds;
    steps::write(coder, std::iter::once(&kinds.first).chain(&kinds.steps), &kinds.far);
    let mut fields = Fields::new(coder, aggregates.count());
    for entry in entries {
        fields.code(coder, entry);
    }
    coder.account(Account::Literals);
    let is_cut = coder.allocate(0, 1);
    for entry in entries {
        coder.bit(is_cut, entry.is_cut);
    }
    steps::write(coder, scan.walks.steps.iter(), &scan.walks.far);
    aggregates.count()
}

/// The places for aggregates that a key gets.
fn places(scan: &Scan<'_>, group: &Group, aggregates: usize) -> u32 {
    let power = |count: usize| count.next_power_of_two().trailing_zeros();
    let values = group.order.len();
    let events = scan.sheet.table.entries.len();
    if values > MANY * events {
        return power(values).clamp(PLACES_MIN, PLACES_MAX);
    }
    power(values.min(aggregates)).clamp(PLACES_MIN, PLACES_ONCE)
}

/// Writes columns, key by key.
struct Columns<'s, 'a, C> {
    sheet: &'s Sheet<'a>,
    put: Put<'a, C>,
    states: States,
    /// By column.
    plans: Vec<Plan>,
}

impl<C: Coder> Columns<'_, '_, C> {
    fn group(&mut self, number: u32, group: &Group, places: u32) {
        if number == MESSAGE {
            self.put.begin_messages();
        }
        self.states.begin();
        let mut listing = Listing::new(places);
        for run in group.order.chunk_by(|one, next| one == next) {
            if let [column, ..] = run {
                self.run((number, group), &mut listing, u32::from(*column), run.len());
            }
        }
    }

    /// Writes values of a column that no other column's of the key lie between.
    fn run(&mut self, of: (u32, &Group), listing: &mut Listing, column: u32, rows: usize) {
        if !self.states.has(column) {
            self.begin(of.1, column);
        }
        let (Some(own), Some(state)) = (self.sheet.table.column(column), self.states.get(column)) else {
            return;
        };
        let form = self.sheet.columns.get(column as usize).map_or(Form::Text, |column| column.form);
        for _ in 0..rows {
            self.put.coder.account(Account::Column(column));
            row(self.sheet, &mut self.put, of, listing, (own, state, form));
        }
    }

    fn begin(&mut self, group: &Group, column: u32) {
        let plan = choose::plan(self.sheet, group, column);
        let rows = self.sheet.table.column(column).map_or(0, |rows| rows.events.len());
        self.states.add(column, State::new(&mut self.put.coder, &plan, rows));
        if let Some(place) = self.plans.get_mut(column as usize) {
            *place = plan;
        }
    }
}

#[inline]
fn row<C: Coder>(
    sheet: &Sheet<'_>,
    put: &mut Put<'_, C>,
    (number, group): (u32, &Group),
    listing: &mut Listing,
    (own, state, form): (&Rows, &mut State, Form),
) {
    let table = &sheet.table;
    let (event, value) = (own.event(state.row as usize), own.value(state.row as usize));
    let Some(entry) = table.entry(event) else { return };
    let owner = if number == AGGREGATE { NONE } else { entry.aggregate };
    let guess = listing.known.guess(state, (event, owner), table, own);
    if let Some(at) = guess.hashes.iter().position(|hash| *hash == value.hash) {
        state.op(&mut put.coder, &guess, at as u8);
    } else {
        let (timestamp, text) = (entry.timestamp.cast_signed(), group.text(sheet.block, value.span));
        let row = Row { group: number, form, event, timestamp, value, text };
        put.other(state, &guess, (group, listing), (&row, table.aggregate(owner)));
    }
    listing.known.learn(state, value, table);
}
