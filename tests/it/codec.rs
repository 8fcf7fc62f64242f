//! Codecs: every block comes back byte for byte, hostile bytes are refused, and what is shorter really is.

use segvault::engine::bench::corpus;
use segvault::engine::bench::corpus::Kind;
use segvault::repo::codec::CodecError;
use segvault::repo::codec::Compression;
use segvault::repo::codec::Encoded;
use segvault::repo::codec::columns;
use segvault::repo::codec::columns::Mode;
use segvault::repo::codec::decode;
use segvault::repo::codec::encode;
use segvault::repo::format::pack::CodecId;

fn length(raw: &[u8]) -> u32 {
    u32::try_from(raw.len()).unwrap()
}

fn again(raw: &[u8]) -> Encoded {
    let encoded = encode(raw, Compression::Default);
    assert!(decode(encoded.codec, &encoded.bytes, length(raw)).unwrap() == raw, "it comes back");
    encoded
}

const MODES: [Mode; 6] = [Mode::Plain, Mode::Mixed, Mode::Streams, Mode::Lean, Mode::Whole, Mode::Sparing];

/// Columns without any fallback, in all modes.
fn columns_again(raw: &[u8]) -> [Vec<u8>; 6] {
    MODES.map(|mode| {
        let encoded = columns::encode(raw, mode, 6).expect("it is made of transactions");
        assert!(columns::decode(&encoded, mode, raw.len()).as_deref() == Ok(raw), "it comes back");
        encoded
    })
}

fn zstd(raw: &[u8]) -> usize {
    encode(raw, Compression::Fast).bytes.len()
}

#[test]
fn events_of_every_kind_take_half_of_what_zstd_takes() {
    for (name, kind) in Kind::ALL {
        let corpus = corpus::corpus(kind, 2 << 20, 11);
        let whole = again(&corpus.data);
        let plain = encode(&corpus.data, Compression::High);
        assert_eq!([whole.codec, plain.codec], [CodecId::WholeColumns, CodecId::Columns]);
        let [whole, plain] = [whole, plain].map(|encoded| encoded.bytes.len());
        let zstd = zstd(&corpus.data);
        assert!(whole * 100 < zstd * 51 && plain * 100 < zstd * 45, "{name}: {whole} {plain} {zstd}");
    }
}

#[test]
fn segments_share_a_block_and_what_is_known_of_their_events() {
    let corpus = corpus::corpus(Kind::Json, 400_000, 14);
    let cut = corpus.cuts[corpus.cuts.len() / 2];
    let (one, other) = corpus.data.split_at(cut);
    let joined = [one, &[2, 0, 0, 0, 0], other].concat();
    for (together, whole) in columns_again(&joined).iter().zip(columns_again(&corpus.data)) {
        let (together, whole) = (together.len(), whole.len());
        assert!(
            together < whole + 20,
            "the header of the second one costs nearly nothing: {together}, {whole}"
        );
    }
    // However many there are, and whatever lies behind the last one.
    columns_again(&[&joined[..], &joined, &joined, b"\x02\0\0\0\0", b"no transaction"].concat());
    columns_again(&[&joined[..], &joined, b"\x02\0\0\0\0"].concat());
}

#[test]
fn mixtures_are_shorter_and_streams_are_longer_by_less_the_longer_a_block_is() {
    for (name, kind) in Kind::ALL {
        for (length, most) in [(300_000, 128), (2 << 20, 118)] {
            let corpus = corpus::corpus(kind, length, 22);
            let [plain, mixed, streams, lean, whole, sparing] =
                columns_again(&corpus.data).map(|encoded| encoded.len());
            assert!(lean * 100 < plain * 99, "{name}: {lean} {plain}");
            assert!(lean.abs_diff(mixed) * 100 < mixed, "{name}: {mixed} {lean}");
            assert!(sparing.abs_diff(lean) * 100 < lean, "{name}: {lean} {sparing}");
            assert!(plain < streams && streams * 100 < plain * most, "{name}: {streams} {plain}");
            assert!(whole * 100 < streams * 98, "{name}: {whole} {streams}");
        }
    }
}

#[test]
fn each_setting_has_a_codec_of_its_own() {
    for (name, kind) in Kind::ALL {
        let corpus = corpus::corpus(kind, 300_000, 23);
        let encoded = Compression::ALL.map(|setting| encode(&corpus.data, setting));
        let codecs =
            [CodecId::Raw, CodecId::Zstd, CodecId::WholeColumns, CodecId::Columns, CodecId::SparingColumns];
        assert_eq!(encoded.each_ref().map(|encoded| encoded.codec), codecs, "{name}");
        assert!(encoded.is_sorted_by(|one, next| one.bytes.len() > next.bytes.len()), "{name}");
        for encoded in &encoded {
            let raw = decode(encoded.codec, &encoded.bytes, length(&corpus.data)).unwrap();
            assert!(raw == corpus.data, "{name} comes back");
        }
    }
}

/// What was written once is read for ever, on every machine: blocks as an earlier program wrote them. A codec that fails here needs
/// another codec byte.
#[test]
fn what_was_written_before_is_read() {
    for (mode, name) in MODES.iter().zip(["plain", "mixed", "streams", "lean", "whole", "sparing"]) {
        let path = format!("{}/tests/golden/columns-{name}", env!("CARGO_MANIFEST_DIR"));
        let raw = columns::decode(&std::fs::read(path).unwrap(), *mode, 401_481).unwrap();
        let hash = blake3::hash(&raw).to_hex();
        assert_eq!(&hash[..32], "5176deb5b4f5bf97457a32ae63e644df", "{name}");
    }
}

#[test]
fn the_same_block_gives_the_same_bytes() {
    let corpus = corpus::corpus(Kind::Json, 300_000, 12);
    assert_eq!(columns_again(&corpus.data), columns_again(&corpus.data));
}

#[test]
fn a_block_may_begin_and_end_anywhere() {
    let corpus = corpus::corpus(Kind::Xml, 60_000, 13);
    let data = &corpus.data;
    for from in [0, 1, 5, 6, corpus.cuts[3]] {
        for end in [data.len(), data.len() - 1, data.len() - 5, from + 40, from] {
            again(&data[from..end]);
        }
    }
    assert!(columns::encode(b"", Mode::Plain, 6).is_none());
    assert!(columns::encode(b"no transactions at all", Mode::Lean, 6).is_none());
    assert!(columns::encode(b"nor here", Mode::Streams, 6).is_none());
}

/// An event whose fields are given as they lie.
fn transaction(events: &[&[u8]]) -> Vec<u8> {
    let mut area = Vec::new();
    for event in events {
        area.extend((event.len() as u32).to_be_bytes());
        area.extend(*event);
    }
    let mut block = (area.len() as u32).to_be_bytes().to_vec();
    block.push(2);
    block.extend((events.len() as u16).to_be_bytes());
    block.extend(&area);
    block.extend(crc32fast::hash(&area).to_be_bytes());
    block
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// Everything that protobuf allows, and that no serializer would write like this.
fn odd_events() -> Vec<Vec<u8>> {
    let payload = |data: &[u8]| field(6, &[field(1, b"T"), field(3, data)].concat());
    vec![
        vec![],
        field(1, b""),
        [field(2, b"b"), field(1, b"a")].concat(),
        [field(1, b"a"), field(1, b"b")].concat(),
        vec![3 << 3, 0],
        vec![3 << 3, 0x81, 0],
        vec![5 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        vec![5 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        vec![8 << 3, 1],
        vec![8 << 3, 2],
        vec![9 << 3, 1],
        vec![0x0b, 0x0c],
        field(6, b""),
        field(6, &field(2, b"1")),
        [payload(b"1"), payload(b"2")].concat(),
        field(7, b""),
        field(7, &field(1, b"k")),
        field(7, &[field(1, b"k"), field(2, b"")].concat()),
        field(7, &[field(1, b""), field(2, &field(1, b""))].concat()),
        field(7, &[field(1, b"k"), field(2, &field(1, b"x")), field(3, b"")].concat()),
        field(7, &[field(1, b"k"), field(2, &[2 << 3, 5])].concat()),
        field(7, &[field(1, b"k"), field(2, &[3 << 3, 1])].concat()),
        field(7, &[field(1, b"k"), field(2, &[4 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8])].concat()),
        field(7, &[field(1, b"k"), field(2, &field(5, &field(1, b"T")))].concat()),
        field(7, &[field(1, b"k"), field(2, &[field(1, b"x"), vec![3 << 3, 1]].concat())].concat()),
        payload(b"{}"),
        payload(b"{\"a\":1,\"a\":-0,\"b\":[1.50,1.5,\"x\\\"y\",null,true],\"c\":1e5}"),
        payload(b"{\"a\":\"unfinished"),
        payload(b"[1,2,,3]"),
        payload(b"<a>1</a>"),
        payload(b"<a b=\"1\"> <c/>x</a"),
        payload(b"<"),
        payload(b"plain text, no more"),
        payload(&[8, 1, 18, 2, 65, 66, 25, 1, 2, 3, 4, 5, 6, 7, 8, 37, 1, 2, 3, 4]),
        payload(&[10, 4, 8, 1, 16, 2]),
        payload(&[0xff; 40]),
        payload(&[0; 16]),
        [
            field(1, b"F9B178D5-792C-4965-9E2A-9752B81F91FB"),
            payload(b"{\"x\":\"f9b178d5-792c-4965-9e2a-9752b81f91fb\"}"),
        ]
        .concat(),
        [
            field(1, b"f9b178d5792c49659e2a9752b81f91fb"),
            payload(b"{\"x\":\"f9b178d5-792c-7965-9e2a-9752b81f91fb\"}"),
        ]
        .concat(),
    ]
}

#[test]
fn odd_events_come_back_alone_and_together() {
    let odd = odd_events();
    for event in &odd {
        columns_again(&transaction(&[event]));
        columns_again(&transaction(&[event, event, event]).repeat(3));
    }
    let all: Vec<&[u8]> = odd.iter().map(Vec::as_slice).collect();
    columns_again(&transaction(&all).repeat(5));
    let mut random = fastrand::Rng::with_seed(14);
    for _ in 0..300 {
        let some: Vec<&[u8]> = (0..random.usize(1..40)).map(|_| all[random.usize(0..all.len())]).collect();
        columns_again(&transaction(&some));
    }
}

#[test]
fn a_wrong_crc_an_unknown_version_and_empty_transactions_come_back() {
    let mut block = transaction(&[b"\x0a\x01x"]);
    *block.last_mut().unwrap() ^= 1;
    block[4] = 9;
    let raw = [transaction(&[b""]), block, transaction(&[b"\x0a\x01y"])].concat();
    columns_again(&raw);
    again(&[0; 11]);
    again(&[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0].repeat(100));
}

#[test]
fn an_identifier_comes_back_in_each_spelling_it_had() {
    let lower = "f9b178d5-792c-4965-9e2a-9752b81f91fb";
    let spellings = [lower.to_owned(), lower.to_uppercase(), lower.replace('-', "")];
    let event = |spelling: &String| {
        let data = format!("{{\"x\":\"{spelling}\",\"y\":\"{lower}\"}}");
        [field(2, b"one"), field(6, &[field(1, b"T"), field(3, data.as_bytes())].concat())].concat()
    };
    let mut random = fastrand::Rng::with_seed(3);
    for known in 1..=spellings.len() {
        let events: Vec<Vec<u8>> = (0..40).map(|_| event(&spellings[random.usize(..known)])).collect();
        let all: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        columns_again(&transaction(&all));
    }
}

/// Two texts with the hash that FORMAT.md describes: whatever the first eight bytes make different, the next eight undo.
fn texts_of_one_hash() -> [Vec<u8>; 2] {
    let (length, first, second) = (16_u64, *b"\xffone tex", u64::from_le_bytes(*b"t of two"));
    let behind = |first: [u8; 8]| {
        let state = (length.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from_le_bytes(first))
            .wrapping_mul(0xff51_afd7_ed55_8ccd);
        state ^ state >> 31
    };
    let other = *b"\xffanother";
    let undone = second ^ behind(first) ^ behind(other);
    [[first, second.to_le_bytes()].concat(), [other, undone.to_le_bytes()].concat()]
}

#[test]
fn a_block_that_hashes_confuse_is_not_kept_as_columns() {
    let [one, other] = texts_of_one_hash();
    let event = |text: &[u8]| field(6, &[field(1, b"T"), field(3, text)].concat());
    let (one, other) = (event(&one), event(&other));
    let raw = transaction(&[&one, &other, &one]).repeat(20);
    for mode in MODES {
        let encoded = columns::encode(&raw, mode, 6).unwrap();
        assert!(
            columns::decode(&encoded, mode, raw.len()).as_deref() != Ok(&raw[..]),
            "else there is nothing to test"
        );
    }
    assert_eq!(again(&raw).codec, CodecId::Zstd);
    columns_again(&transaction(&[&one, &one, &one]).repeat(20));
}

/// Payloads of random text that is nearly JSON, XML, or protobuf; in which values, once in a while, are like others.
#[test]
fn random_payloads_come_back() {
    let mut random = fastrand::Rng::with_seed(15);
    let alphabets: [&[u8]; 4] =
        [b"{}[]\",:0123.-ae ntf\\", b"<>/ab=\" \n01&;", b"\x08\x0a\x12\x01\x02\x00ab\xff", b"ab 01.-"];
    for round in 0..400 {
        let alphabet = alphabets[round % 4];
        let events: Vec<Vec<u8>> = (0..random.usize(1..30))
            .map(|_| {
                let head = [b"{".as_slice(), b"<", b"\x08", b""][round % 4];
                let data: Vec<u8> =
                    (0..random.usize(0..90)).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
                let data = [head, &data].concat();
                [field(2, &[b'a' + random.u8(0..3)]), field(6, &[field(1, b"T"), field(3, &data)].concat())]
                    .concat()
            })
            .collect();
        let events: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        columns_again(&transaction(&events));
    }
}

#[test]
fn changed_segments_come_back() {
    let mut random = fastrand::Rng::with_seed(16);
    for (_, kind) in Kind::ALL {
        let corpus = corpus::corpus(kind, 30_000, 17);
        for _ in 0..60 {
            let mut raw = corpus.data.clone();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(0..raw.len());
                raw[at] = random.u8(..);
            }
            again(&raw);
        }
    }
}

/// Whatever the bytes are: an error, or a block of exactly the declared length; no panic, no endless loop.
#[test]
fn hostile_columns_are_refused_or_have_the_declared_length() {
    let mut random = fastrand::Rng::with_seed(18);
    for (_, kind) in Kind::ALL {
        let raw = corpus::corpus(kind, 12_000, 19).data;
        let good = columns_again(&raw);
        for round in 0..4000 {
            let (mode, mut bad) = (MODES[round % 5], good[round % 5].clone());
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..bad.len());
                bad[at] ^= 1 << random.u8(0..8);
            }
            if random.u8(..) < 40 {
                bad.truncate(random.usize(0..bad.len()));
            }
            check(&bad, mode, raw.len());
            check(&bad, mode, random.usize(0..raw.len() * 2));
        }
        for wrong in [0, 1, raw.len() - 1, raw.len() + 1, 32 << 20] {
            for (mode, good) in MODES.iter().zip(&good) {
                assert!(columns::decode(good, *mode, wrong).is_err());
            }
        }
    }
}

#[test]
fn random_bytes_are_refused_or_have_the_declared_length() {
    let mut random = fastrand::Rng::with_seed(20);
    for _ in 0..3000 {
        let mut bytes: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
        // Two empty streams in front: so that the decisions are read at all.
        if random.bool() {
            bytes.splice(0..0, [0, 0, 0, 0, 40.min(bytes.len() as u8)]);
        }
        check(&bytes, MODES[random.usize(0..4)], random.usize(0..100_000));
    }
}

/// Every stream that there is at the beginning, and some of those that are made at first use, with symbols that no writer would write.
#[test]
fn random_symbols_in_streams_are_refused_or_have_the_declared_length() {
    let mut random = fastrand::Rng::with_seed(24);
    for round in 0..3000 {
        let (mut directory, mut symbols) = (Vec::new(), Vec::new());
        for _ in 0..random.usize(64..100) {
            let length = random.u8(1..40);
            directory.extend([random.u8(..) / 250, length]);
            // Mostly those that say "once more" and "a little"; else nothing comes far.
            let most = [2, 16, 200, 255][random.usize(0..4)];
            symbols.extend((0..length).map(|_| if random.bool() { 1 } else { random.u8(0..=most) }));
        }
        let values: Vec<u8> = (0..100).map(|_| random.u8(..)).collect();
        let texts = [&[100, 0][..], &values, &[100, 0], &values].concat();
        // Its length takes two bytes: 64 streams are 128 bytes.
        let length = directory.len();
        let front = [length as u8 | 0x80, (length >> 7) as u8, 0];
        let bytes = [&texts[..], &front, &directory, &[0], &symbols, &values].concat();
        check(&bytes, Mode::Streams, 200 + round);
    }
}

/// Small blocks of odd events have more symbols than bytes; where they are many, streams give up and zstd is better anyway.
#[test]
fn more_symbols_than_bytes_are_not_put_into_streams() {
    let few = transaction(&[&b""[..]; 9]);
    columns_again(&few);
    let many = transaction(&[&b""[..]; 30_000]);
    assert!(columns::encode(&many, Mode::Streams, 6).is_none());
    again(&many);
}

fn check(bytes: &[u8], mode: Mode, raw_length: usize) {
    let codec = match mode {
        Mode::Plain => CodecId::Columns,
        Mode::Mixed => CodecId::MixedColumns,
        Mode::Streams => CodecId::StreamedColumns,
        Mode::Lean => CodecId::LeanColumns,
        Mode::Whole => CodecId::WholeColumns,
        Mode::Sparing => CodecId::SparingColumns,
    };
    let length = u32::try_from(raw_length).unwrap();
    match decode(codec, bytes, length) {
        Ok(decoded) => assert_eq!(decoded.len(), raw_length),
        Err(error) => assert!(matches!(error, CodecError::Undecodable(_))),
    }
}

#[test]
fn other_data_takes_no_more_than_with_zstd() {
    let mut random = fastrand::Rng::with_seed(21);
    let noise: Vec<u8> = (0..100_000).map(|_| random.u8(..)).collect();
    let noisy: Vec<Vec<u8>> = noise.chunks(100).map(|data| field(6, &field(3, data))).collect();
    let noisy: Vec<&[u8]> = noisy.iter().map(Vec::as_slice).collect();
    let same = transaction(&[&field(1, b"the same")]).repeat(20_000);
    for raw in [noise.clone(), b"text and text and ".repeat(9000), transaction(&noisy), same] {
        let (ours, theirs) = (again(&raw).bytes.len(), zstd(&raw));
        assert!(ours * 100 <= theirs * 101, "{ours} {theirs}");
    }
}
