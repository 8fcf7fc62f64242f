//! A plain model of a cut: parse the original, keep what the rule keeps. It shares no line with the program but how an event is read.

use segvault::axon::event::Event;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub type Files = BTreeMap<String, Vec<u8>>;

/// A transaction, as it stands in a file.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Which segment, by number.
    pub segment: u64,
    /// Where it ends in the file.
    pub end: usize,
    /// Its first token.
    pub first: u64,
    pub events: Vec<Stored>,
}

/// What of an event is asked for.
#[derive(Clone, Debug)]
pub struct Stored {
    pub aggregate: Option<String>,
    pub sequence: i64,
    pub timestamp: i64,
}

impl Transaction {
    pub fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }
}

/// A store: the files that a server would start from, and the transactions in them.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub suffix: &'static str,
    /// By number: name and bytes.
    pub segments: BTreeMap<u64, (String, Vec<u8>)>,
    pub transactions: Vec<Transaction>,
}

impl Store {
    /// From files by name; of each number the highest version counts.
    pub fn of(files: &Files, suffix: &'static str) -> Self {
        let mut store = Self { suffix, ..Self::default() };
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(&format!(".{suffix}"))) {
            // Names sort so that higher versions come later, but for the first one: `N.events` before `N_00001.events`.
            let number = name[..20].parse().unwrap();
            let held = store.segments.get(&number).map(|(held, _): &(String, Vec<u8>)| version(held));
            if held.is_none_or(|held| held < version(name)) {
                store.segments.insert(number, (name.clone(), bytes.clone()));
            }
        }
        for (number, (_, bytes)) in &store.segments {
            store.transactions.extend(transactions(*number, bytes));
        }
        store
    }

    /// From a directory.
    pub fn read(directory: &Path, suffix: &'static str) -> Self {
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
        };
        Self::of(&files.filter(|path| path.is_file()).map(read).collect(), suffix)
    }

    /// The files when the first `count` transactions are kept: as they are if that is all; else the segment of the last one becomes the open
    /// one, and later ones are absent.
    pub fn keep(&self, count: usize) -> Files {
        let mut files: Files = self.segments.values().cloned().collect();
        if count == self.transactions.len() {
            return files;
        }
        let (segment, end) = match count.checked_sub(1) {
            Some(last) => (self.transactions[last].segment, self.transactions[last].end),
            None => (*self.segments.keys().next().unwrap(), 5),
        };
        files.retain(|name, _| name[..20].parse::<u64>().unwrap() <= segment);
        let (name, bytes) = &self.segments[&segment];
        let mut cut = bytes[..end].to_vec();
        cut.resize(bytes.len().max(end + 4), 0);
        files.insert(name.clone(), cut);
        files
    }

    /// How many transactions are kept up to a token: the longest run whose last token is at most that.
    pub fn up_to(&self, token: u64) -> usize {
        self.transactions.iter().take_while(|transaction| transaction.last() <= token).count()
    }

    /// The longest run without a later event.
    pub fn first_later(&self, time: i64) -> usize {
        self.transactions.iter().take_while(|transaction| !is_later(transaction, time)).count()
    }

    /// Up to the last transaction without a later event, or further where there is a longer run.
    pub fn last_not_later(&self, time: i64) -> usize {
        let last = self.transactions.iter().rposition(|transaction| !is_later(transaction, time));
        last.map_or(0, |last| last + 1).max(self.first_later(time))
    }

    /// Of snapshots: the longest run none of which is ahead of the last of the first `count` transactions of `events`.
    pub fn not_ahead(&self, events: &Self, count: usize) -> usize {
        let mut last = HashMap::new();
        for event in events.transactions[..count].iter().flat_map(|transaction| &transaction.events) {
            let held = last.entry(event.aggregate.clone()).or_insert(event.sequence);
            *held = event.sequence.max(*held);
        }
        let is_behind =
            |snapshot: &Stored| last.get(&snapshot.aggregate).is_some_and(|last| snapshot.sequence <= *last);
        self.transactions.iter().take_while(|transaction| transaction.events.iter().all(is_behind)).count()
    }
}

fn is_later(transaction: &Transaction, time: i64) -> bool {
    transaction.events.iter().any(|event| event.timestamp > time)
}

fn version(name: &str) -> u32 {
    name[20..].strip_prefix('_').map_or(0, |rest| rest[..5].parse().unwrap())
}

/// The transactions of a segment; blocks of 32,767 events belong together with the next one.
fn transactions(segment: u64, bytes: &[u8]) -> Vec<Transaction> {
    let (mut all, mut at, mut token, mut is_open) = (Vec::<Transaction>::new(), 5, segment, false);
    while let Some(size) = bytes.get(at..at + 4) {
        let size = i32::from_be_bytes(size.try_into().unwrap());
        if size <= 0 {
            break;
        }
        let count = u16::from_be_bytes([bytes[at + 5], bytes[at + 6]]);
        let area = &bytes[at + 7..at + 7 + size as usize];
        let crc = &bytes[at + 7 + area.len()..at + 11 + area.len()];
        assert_eq!(crc32fast::hash(area).to_be_bytes(), crc, "segment {segment} at byte {at}");
        at += area.len() + 11;
        let events = events(area);
        assert_eq!(events.len(), usize::from(count));
        if is_open {
            let last = all.last_mut().unwrap();
            last.events.extend(events);
            last.end = at;
        } else {
            all.push(Transaction { segment, end: at, first: token, events });
        }
        token += u64::from(count);
        is_open = count == 32_767;
    }
    all
}

fn events(mut area: &[u8]) -> Vec<Stored> {
    let mut events = Vec::new();
    while let Some((length, rest)) = area.split_first_chunk::<4>() {
        let (bytes, behind) = rest.split_at(u32::from_be_bytes(*length) as usize);
        let event = Event::parse(bytes).unwrap();
        events.push(Stored {
            aggregate: (!event.aggregate_type.is_empty()).then(|| event.aggregate_identifier.to_owned()),
            sequence: event.aggregate_sequence_number,
            timestamp: event.timestamp,
        });
        area = behind;
    }
    events
}
