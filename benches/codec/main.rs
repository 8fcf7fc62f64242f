//! What the codec makes of events: sizes exact, times per core and beside zstd -3, on seeded corpora and on the real fixtures.
//!
//! `cargo bench --bench codec -- [MIB] [fast|default|high|max] [strong] [columns]`: so many MiB of each corpus (256 if not said). Processor time is
//! measured, not time on the wall. `strong` compares with zstd -19, too, which takes long. `columns` shows where the bytes go instead, column by
//! column, the most first.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench prints, counts in floating point, and may stop when its own input is wrong"
)]

use segvault::axon::name::Store;
use segvault::engine::bench::corpus;
use segvault::engine::bench::corpus::Kind;
use segvault::repo::codec::Compression;
use segvault::repo::codec::columns;
use segvault::repo::codec::columns::Mode;
use segvault::repo::codec::decode;
use segvault::repo::codec::encode;
use std::time::Duration;

const MIB: f64 = 1_048_576.0;

const FIXTURES: [&str; 4] =
    ["se-4.6.11-json", "core-2023.2.1-xml", "core-2023.2.1-transformed", "se-4.6.11-odd"];
/// Columns that are shown.
const SHOWN: usize = 24;

/// What was measured of one set of blocks.
#[derive(Default)]
struct Measured {
    raw: usize,
    zstd: usize,
    /// zstd -19; 0 if it was not asked for.
    strong: usize,
    stored: usize,
    zstd_time: Duration,
    columns_time: Duration,
    encode_time: Duration,
    decode_time: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mib = arguments.iter().find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(256);
    let is = |word: &str| arguments.iter().any(|argument| argument == word);
    let asked = [("fast", Compression::Fast), ("high", Compression::High), ("max", Compression::Max)];
    let compression = asked.into_iter().find(|(word, _)| is(word)).map_or(Compression::Default, |(_, of)| of);
    if is("columns") {
        show_columns(mib, compression);
    } else {
        compare(mib, compression, is("strong"));
    }
}

fn compare(mib: usize, compression: Compression, strong: bool) {
    println!(
        "{:30} {:>11} {:>8} {:>8} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "", "raw", "zstd -3", "stored", "share", "/entropy", "columns", "proven", "decode", "zstd -3"
    );
    for (name, kind) in Kind::ALL {
        let corpus = corpus::corpus(kind, mib << 20, 1);
        let store = if kind == Kind::Snapshots { Store::Snapshots } else { Store::Events };
        let length = usize::try_from(compression.block_length(store)).unwrap();
        let measured = measure(&corpus.blocks(length - length / 8), (compression, strong));
        print(name, &measured, Some(corpus.entropy_bytes()));
        println!("    {:.1} bytes an event", measured.stored as f64 / corpus.events as f64);
        if mib == 1 {
            for (kind, bits) in &corpus.entropy {
                println!("    {kind}: {:.0} bytes", bits / 8.0);
            }
        }
    }
    for fixture in FIXTURES {
        for suffix in ["events", "snapshots"] {
            let raw = segments(fixture, suffix);
            print(&format!("{fixture} {suffix}"), &measure(&[&raw], (compression, strong)), None);
        }
    }
}

/// Where the bytes of one block of each corpus go.
fn show_columns(mib: usize, compression: Compression) {
    for (name, kind) in Kind::ALL {
        let corpus = corpus::corpus(kind, mib.min(16) << 20, 1);
        show_block(name, &corpus.data, compression);
    }
    for fixture in FIXTURES {
        show_block(fixture, &segments(fixture, "events"), compression);
    }
}

fn show_block(name: &str, raw: &[u8], compression: Compression) {
    let Some(all) = columns::account(raw, mode(compression)) else { return };
    let sum: f64 = all.iter().map(|column| column.1.bits()).sum();
    println!("{name}: {} bytes as {:.0}", raw.len(), sum / 8.0);
    println!("    {:>9} {:>6} {:>9} {:>12} {:>12}", "bytes", "share", "values", "bits each", "not guessed");
    for (column, spent) in all.iter().take(SHOWN) {
        let (bits, times) = (spent.bits(), spent.times as f64);
        println!(
            "    {:>9.0} {:>5.1}% {:>9} {:>12.2} {:>12.2}  {column}",
            bits / 8.0,
            bits / sum * 100.0,
            spent.times,
            bits / times,
            spent.raw as f64 / times,
        );
    }
}

fn mode(compression: Compression) -> Mode {
    match compression {
        Compression::Max => Mode::Sparing,
        Compression::High => Mode::Plain,
        _ => Mode::Whole,
    }
}

fn measure(blocks: &[&[u8]], (compression, strong): (Compression, bool)) -> Measured {
    let mut all = Measured::default();
    let mode = mode(compression);
    for block in blocks {
        all.raw += block.len();
        all.zstd += timed(&mut all.zstd_time, || zstd::bulk::compress(block, 3)).unwrap().len();
        if strong {
            all.strong += zstd::bulk::compress(block, 19).unwrap().len();
        }
        timed(&mut all.columns_time, || columns::encode(block, mode, 6));
        let encoded = timed(&mut all.encode_time, || encode(block, compression));
        let length = u32::try_from(block.len()).unwrap();
        let decoded = timed(&mut all.decode_time, || decode(encoded.codec, &encoded.bytes, length));
        assert!(decoded.as_deref() == Ok(*block), "a block does not come back");
        all.stored += encoded.bytes.len();
    }
    all
}

/// Adds the processor time of this thread that something takes.
fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let before = processor_time();
    let result = work();
    *sum += processor_time().saturating_sub(before);
    result
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn print(name: &str, measured: &Measured, entropy: Option<f64>) {
    let raw = measured.raw as f64;
    let speed = |time: Duration| raw / MIB / time.as_secs_f64().max(1e-9);
    println!(
        "{name:30} {:>11} {:>8.2} {:>8.2} {:>7.3} {:>8} {:>9.0} {:>9.0} {:>9.0} {:>9.0}",
        measured.raw,
        raw / measured.zstd as f64,
        raw / measured.stored as f64,
        measured.stored as f64 / measured.zstd as f64,
        entropy.map_or_else(String::new, |entropy| format!("{:.2}", measured.stored as f64 / entropy)),
        speed(measured.columns_time),
        speed(measured.encode_time),
        speed(measured.decode_time),
        speed(measured.zstd_time),
    );
    if measured.strong > 0 {
        println!("    {:.3} of zstd -19", measured.stored as f64 / measured.strong as f64);
    }
}

/// The valid prefixes of all segments of a fixture, as one.
fn segments(fixture: &str, suffix: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/axon/{fixture}.tar.zst", env!("CARGO_MANIFEST_DIR"));
    let mut decoder = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.ends_with(&format!(".{suffix}")) {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            files.push((path, bytes));
        }
    }
    files.sort();
    let mut all = vec![2, 0, 0, 0, 0];
    for (_, bytes) in files {
        all.extend(&bytes[5..valid_end(&bytes)]);
    }
    all
}

fn valid_end(bytes: &[u8]) -> usize {
    let mut at = 5;
    while let Some(size) = bytes.get(at..at + 4).map(|size| i32::from_be_bytes(size.try_into().unwrap())) {
        match usize::try_from(size) {
            Ok(size) if size > 0 => at += size + 11,
            _ => break,
        }
    }
    at.min(bytes.len())
}
