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

/// A block as whole columns; none if it is no block of that kind.
pub(in crate::repo::codec::columns) fn encode(block: &[u8], level: i32) -> Option<Vec<u8>> {
    written(Scan::new(block)?, level)
}

fn written(scan: Scan<'_>, level: i32) -> Option<Vec<u8>> {
    let length = scan.sheet.block.len();
    packed(write(scan, StreamWriter::default()), length, level)
}

fn packed((head, put): (Head, Put<'_, StreamWriter>), length: usize, level: i32) -> Option<Vec<u8>> {
    let (mut packer, mut out) = (Packer::new(level), Vec::new());
    for bytes in [&head.to_bytes(), &put.stream] {
        packer.put(bytes, &mut out);
    }
    put.coder.finish(length, &mut out)?;
    Some(out)
}

/// Bytes of memory that a block takes while it is encoded, besides itself, about; none if it is no block of that kind.
pub(in crate::repo::codec::columns) fn weight(block: &[u8]) -> Option<usize> {
    let scan = Scan::new(block)?;
    let looked_at = scan.weight();
    let (head, put) = write(scan, StreamWriter::default());
    let found = put.weight();
    // What is written is there twice for a while: as it is, and packed.
    Some(looked_at + found + 2 * packed((head, put), block.len(), 1)?.len())
}

/// Where the bits of a block go.
pub(in crate::repo::codec::columns) fn account(block: &[u8]) -> Option<Counts> {
    let mut scan = Scan::new(block)?;
    let names = std::mem::take(&mut scan.sheet.names);
    let (head, put) = write(scan, StreamCounter::new());
    Some(Counts { spent: put.coder.finish(), names, texts: [head.to_bytes().len(), put.stream.len()] })
}

fn write<C: Coder>(mut scan: Scan<'_>, coder: C) -> (Head, Put<'_, C>) {
    let (block, stream) = (scan.sheet.block, std::mem::take(&mut scan.stream));
    let mut put = Put::new(block, coder, stream, scan.sheet.table.entries.len());
    put.coder.account(Account::Envelope);
    let aggregates = envelope(&mut put.coder, &scan);
    scan.sheet.table.know_owners();
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
    let (event, hash) = (own.event(state.row as usize), own.hash(state.row as usize));
    let Some(owner) = table.owner(event) else { return };
    let owner = if number == AGGREGATE { NONE } else { owner };
    let guess = listing.known.guess(state, (event, owner), table, own);
    let value = own.value(state.row as usize);
    if let Some(at) = guess.hashes.iter().position(|guess| *guess == hash) {
        state.op(&mut put.coder, &guess, at as u8);
    } else {
        let Some(entry) = table.entry(event) else { return };
        let text = group.text(sheet.block, value.span);
        let row = Row { group: number, form, event, entry, value, text };
        put.other(state, &guess, (group, listing), (&row, table.aggregate_hash(owner)));
    }
    listing.known.learn(state, value, table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::Bad;
    use crate::repo::codec::columns::shape::Key;
    use crate::repo::codec::columns::whole::COLUMNS_MAX;
    use crate::repo::codec::columns::whole::KINDS_MAX;
    use crate::repo::codec::columns::whole::LITERALS_MAX;
    use crate::repo::codec::columns::whole::WEIGHT_MAX;
    use crate::repo::codec::columns::whole::decode;
    use crate::repo::codec::columns::whole::events_max;
    use crate::repo::codec::columns::whole::link::Way;
    use crate::repo::codec::columns::whole::sample::block;
    use crate::repo::codec::columns::whole::sample::event;
    use crate::repo::codec::columns::whole::sample::field;
    use crate::repo::codec::columns::whole::sample::transaction;
    use crate::repo::codec::columns::whole::values_max;

    /// Two aggregates, payloads that are cut and one that is not, and an event that is carried raw.
    fn few() -> Vec<u8> {
        let data: [&[u8]; 5] =
            [b"{\"a\":1,\"b\":\"x\"}", b"{\"a\":2,\"b\":\"y\"}", b"{\"b\":\"x\"}", &[0xff; 300], b""];
        let name = |at: usize| ["one", "other"][at % 2];
        let events = data.iter().enumerate().map(|(at, data)| {
            event([&format!("m{at}"), name(at), "T"], data, &[("trace", name(at / 2)), ("none", "n")])
        });
        let raw = transaction(&[b"\xffno event".to_vec(), event(["m", "one", "T"], b"{\"a\":3}", &[])]);
        [&[2, 0, 0, 0, 0][..], &block(events), &raw, b"behind"].concat()
    }

    /// What is written of a block, after a look at it and its head were changed; read as so many bytes.
    fn read(
        change: impl FnOnce(&mut Scan<'_>),
        change_head: impl FnOnce(&mut Head),
        raw_length: usize,
    ) -> Result<Vec<u8>, Bad> {
        let block = few();
        let mut scan = Scan::new(&block).unwrap();
        change(&mut scan);
        let (mut head, put) = write(scan, StreamWriter::default());
        change_head(&mut head);
        let (mut packer, mut out) = (Packer::new(1), Vec::new());
        packer.put(&head.to_bytes(), &mut out);
        packer.put(&put.stream, &mut out);
        put.coder.finish(block.len(), &mut out).unwrap();
        decode(&out, raw_length, Vec::new())
    }

    fn with_head(change: impl FnOnce(&mut Head)) -> Option<Bad> {
        read(|_| (), change, few().len()).err()
    }

    fn with_scan(change: impl FnOnce(&mut Scan<'_>)) -> Option<Bad> {
        read(change, |_| (), few().len()).err()
    }

    const LONG: Option<Bad> = Some(Bad("it is longer than it says"));

    #[test]
    fn it_has_the_declared_length_or_is_refused() {
        let block = few();
        assert_eq!(read(|_| (), |_| (), block.len()), Ok(block.clone()));
        for length in (0..block.len()).chain([block.len() + 1, block.len() + 1000]) {
            assert!(read(|_| (), |_| (), length).is_err(), "{length}");
        }
        assert_eq!(read(|_| (), |_| (), block.len() + 1), Err(Bad("another length")));
        assert_eq!(read(|_| (), |_| (), block.len() - 1).err(), LONG);
    }

    #[test]
    fn more_places_than_values_are_refused() {
        // Sixteen a key may always have.
        assert_eq!(with_head(|head| head.places[2] = 3), None);
        for places in [5, PLACES_MAX] {
            let refused = Some(Bad("more places than values"));
            assert_eq!(with_head(|head| head.places[0] = places), refused);
            assert_eq!(with_head(|head| head.places[2] = places), refused);
        }
    }

    #[test]
    fn more_transactions_events_or_values_than_a_block_has_room_for_are_refused() {
        let many = Some(Bad("more transactions than there is room for"));
        assert_eq!(with_head(|head| head.runs[0].1 = u32::MAX), many);
        assert_eq!(with_scan(|scan| scan.frames[0].events = u16::MAX), many);
        let huge = read(|scan| scan.frames[0].events = u16::MAX, |_| (), 1 << 20);
        assert_eq!(huge, Err(Bad("more events than there is room for")));
        // Some literal that follows itself for ever, and takes no symbols.
        let endless = |head: &mut Head| head.next_literals.iter_mut().for_each(|next| *next = vec![0]);
        assert_eq!(with_head(endless), Some(Bad("more values than there is room for")));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        assert_eq!(with_head(|head| head.first_kinds.clear()), Some(Bad("no such kind")));
        assert_eq!(with_head(|head| head.next_literals[0].clear()), Some(Bad("no such literal")));
        assert_eq!(
            with_scan(|scan| scan.sheet.table.entries[0].aggregate = 7),
            Some(Bad("no such aggregate"))
        );
        assert_eq!(with_scan(|scan| scan.stream.truncate(3)), Some(Bad("the stream of values is too short")));
        assert_eq!(
            with_scan(|scan| scan.raw_events[5] = Some(9999)),
            Some(Bad("what is carried is too short"))
        );
        assert_eq!(with_head(|head| head.runs[0].0 += 1), Some(Bad("the stream of values is too short")));
        assert_eq!(with_head(|head| head.runs[1].1 += 1), Some(Bad("it ends too early")));
    }

    #[test]
    fn names_are_no_longer_than_there_is_room() {
        let long = || vec![b'x'; 40_000];
        assert_eq!(with_head(|head| head.kinds[0].aggregate_type = long()), LONG);
        assert_eq!(with_head(|head| head.kinds[0].payload_type = long()), LONG);
        assert_eq!(with_head(|head| head.kinds[0].revision = long()), LONG);
        assert_eq!(with_head(|head| head.literals[1].text = long()), LONG);
        assert_eq!(with_head(|head| head.kinds[0].shape.entries[0].name = long()), LONG);
        let nothing = |head: &mut Head| {
            let column = head.kinds[0].shape.entries[0].column;
            let key = Key { name: long(), kind: 0, column };
            head.kinds[0].shape.entries.push(key);
        };
        assert_eq!(with_head(nothing), LONG);
    }

    #[test]
    fn what_takes_too_much_memory_is_no_whole_columns() {
        let (mut random, count) = (fastrand::Rng::with_seed(6), 300_000);
        let identifiers = (0..count).map(|_| {
            let [one, other] = [(); 2].map(|()| format!("{:08x}", random.u32(..)));
            event([&one, &other, "T"], b"", &[])
        });
        let block = block(identifiers);
        let part = &block[..block.len() / 2];
        let looked_at = Scan::new(part).unwrap().weight();
        assert!((WEIGHT_MAX / 2..WEIGHT_MAX).contains(&looked_at), "{looked_at}");
        assert!(Scan::new(&block).is_none());
        // To be written it takes more: there is room for two identifiers of each event, to be found again, 16 bytes of it and 4 that say where it is.
        let weight = weight(part).unwrap();
        assert!(weight > looked_at + count * (16 + 4), "{weight}");
        // Fewer of them than there may be, if they were all that there is of each.
        assert!(count < events_max(block.len()));
    }

    fn comes_back(block: &[u8]) -> Vec<u8> {
        let encoded = encode(block, 1).unwrap();
        assert!(decode(&encoded, block.len(), Vec::new()).as_deref() == Ok(block), "it comes back");
        encoded
    }

    #[test]
    fn chains_of_messages_are_followed_to_where_they_began() {
        // Each message comes of the one before; in four chains, which all other events of a chain name, too.
        let message = |at: usize| format!("{:036}", at * 7919 % 10_007);
        let events = (0..400_usize).map(|at| {
            let (cause, first) = (message(at.saturating_sub(4)), message(at % 4));
            let metadata = [("always", &message(1000)[..]), ("cause", &cause), ("first", &first)];
            event([&message(at), "one", "T"], b"", &metadata)
        });
        let block = block(events);
        let scan = Scan::new(&block).unwrap();
        let head = write(scan, StreamWriter::default()).0;
        let ways: Vec<Way> = head.columns.iter().map(|column| column.plan.links[0].way).collect();
        assert!(ways.contains(&Way::Chain), "{ways:?}");
        // What is known of messages is needed, though no link leads to them.
        let mut linked = head.columns.iter().flat_map(|column| column.plan.links);
        assert!(linked.all(|link| link.column != MESSAGE));
        comes_back(&block);
    }

    #[test]
    fn more_kinds_or_columns_than_there_may_be_are_carried_raw() {
        let types = (0..KINDS_MAX + 100).map(|at| event(["", "", &format!("T{at}")], b"", &[]));
        let types: Vec<u8> = block(types);
        let scan = Scan::new(&types).unwrap();
        let raw = scan.raw_events.iter().filter(|raw| raw.is_some()).count();
        assert_eq!((scan.kinds.all.len(), raw), (KINDS_MAX, 100));
        comes_back(&types);
        let keys = |at: usize| (0..100).map(move |key| format!("key-{}", at * 100 + key));
        let metadata = block((0..100).map(|at| {
            let keys: Vec<String> = keys(at).collect();
            let metadata: Vec<(&str, &str)> = keys.iter().map(|key| (&key[..], "value")).collect();
            event(["", "", "T"], b"", &metadata)
        }));
        let scan = Scan::new(&metadata).unwrap();
        let (raw, columns) =
            (scan.raw_events.iter().filter(|raw| raw.is_some()).count(), scan.sheet.columns.len());
        assert_eq!((raw, columns), (100 - COLUMNS_MAX / 100, 3 + COLUMNS_MAX / 100 * 100));
        comes_back(&metadata);
    }

    /// Payloads with keys that come eight times, of as many types as have room for them.
    fn of_many_literals(value: impl Fn(usize) -> String) -> Vec<u8> {
        block((0..90 * 8).map(|at| {
            let (of, from) = (format!("T{}", at / 8), at / 8 * 450);
            let pieces: Vec<String> = (from..from + 450).map(&value).collect();
            event(["", "", &of], format!("{{{}}}", pieces.join(",")).as_bytes(), &[])
        }))
    }

    #[test]
    fn payloads_with_more_literals_than_there_may_be_are_left_whole() {
        // A literal before each value, a column for all of them; then a column for each.
        for nested in [true, false] {
            let block = of_many_literals(|at| {
                if nested { format!("\"k{at}\":{{\"v\":1}}") } else { format!("\"k{at}\":1") }
            });
            let scan = Scan::new(&block).unwrap();
            assert!(scan.walks.literals.len() <= LITERALS_MAX && scan.sheet.columns.len() <= COLUMNS_MAX);
            let cut = scan.sheet.table.entries.iter().filter(|entry| entry.is_cut).count();
            assert!(cut > 100 && cut < scan.sheet.table.entries.len() - 16, "{cut}");
            comes_back(&block);
        }
    }

    #[test]
    fn payloads_of_more_values_than_there_may_be_are_left_whole() {
        let digits = format!("[{}1]", "1,".repeat(30_000));
        let events = (0..10).map(|_| event(["m", "", ""], digits.as_bytes(), &[]));
        let block = block(events);
        let scan = Scan::new(&block).unwrap();
        let cut: Vec<bool> = scan.sheet.table.entries.iter().map(|entry| entry.is_cut).collect();
        // Each has values for a sixth of such a payload more.
        assert_eq!(cut, [true, true, false, false, true, false, false, false, false, false]);
        assert!(scan.sheet.count() < values_max(block.len()));
        comes_back(&block);
    }

    #[test]
    fn payloads_that_are_followed_count_as_those_that_are_cut() {
        let fields = [8, 1].repeat(20_000);
        let block = block((0..10).map(|_| event(["m", "", ""], &fields, &[])));
        let scan = Scan::new(&block).unwrap();
        let cut = scan.sheet.table.entries.iter().filter(|entry| entry.is_cut).count();
        assert!((3..10).contains(&cut) && scan.sheet.count() < values_max(block.len()), "{cut} are cut");
        comes_back(&block);
    }

    #[test]
    fn where_there_are_more_events_than_are_worth_it_there_are_no_columns() {
        let events = |count: usize| transaction(&vec![field(1, b"m"); count]);
        let (few, many) = (events(4000), events(6000));
        assert!(events_max(few.len()) >= 4000 && events_max(many.len()) < 6000);
        comes_back(&few);
        assert!(encode(&many, 1).is_none());
    }
}
