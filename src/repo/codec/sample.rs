//! Events for the tests of this layer.

/// So many bytes, and what it takes to end with a whole one, of transactions of one event each, whose payload are three numbers that nothing tells.
pub fn numbers(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
    until(length, || transaction(random, 1))
}

/// So many bytes, and what it takes to end with a whole one, of events with text, again and again.
pub fn texts(length: usize) -> Vec<u8> {
    until(length, || include_bytes!("../../../fuzz/corpus/columns-again/json").to_vec())
}

fn until(length: usize, mut next: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        all.extend(next());
    }
    all
}

/// A transaction of so many events like that.
pub fn transaction(random: &mut fastrand::Rng, events: usize) -> Vec<u8> {
    let area: Vec<u8> = std::iter::repeat_with(|| event(random)).take(events).flatten().collect();
    let (length, count) = (u32::try_from(area.len()).unwrap(), u16::try_from(events).unwrap());
    let crc = crc32fast::hash(&area).to_be_bytes();
    [&length.to_be_bytes()[..], &[2], &count.to_be_bytes(), &area, &crc].concat()
}

fn event(random: &mut fastrand::Rng) -> Vec<u8> {
    let number = |random: &mut fastrand::Rng| random.u64(..) >> 20;
    let (x, y, z) = (number(random), number(random), number(random));
    let data = format!("{{\"x\":{x},\"y\":{y},\"z\":{z}}}");
    let field =
        |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let event = field(6, &field(3, data.as_bytes()));
    [&u32::try_from(event.len()).unwrap().to_be_bytes()[..], &event].concat()
}
