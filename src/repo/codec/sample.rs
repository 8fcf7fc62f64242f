//! Events for the tests of this layer.

/// So many bytes, and what it takes to end with a whole one, of transactions of one event each, whose payload are three numbers that nothing tells.
pub fn numbers(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        all.extend(transaction(random));
    }
    all
}

fn transaction(random: &mut fastrand::Rng) -> Vec<u8> {
    let number = |random: &mut fastrand::Rng| random.u64(..) >> 20;
    let (x, y, z) = (number(random), number(random), number(random));
    let data = format!("{{\"x\":{x},\"y\":{y},\"z\":{z}}}");
    let field =
        |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let event = field(6, &field(3, data.as_bytes()));
    let area = [&length(&event)[..], &event].concat();
    let crc = crc32fast::hash(&area).to_be_bytes();
    [&length(&area)[..], &[2, 0, 1], &area, &crc].concat()
}
