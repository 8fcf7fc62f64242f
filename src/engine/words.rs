//! Counts in sentences, and what more than one verb says.

/// `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 segment`, `2 segments`.
pub fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// What follows a count of them: `1 segment is`, `2 segments are`.
pub const fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// What puts a pack aside of which nobody knows what it holds: in an append-only repository nothing is taken away unless an operator allows it.
pub const fn puts_aside(is_append_only: bool) -> &'static str {
    if is_append_only {
        "'segvault repair packs --allow-delete' puts it aside"
    } else {
        "'segvault repair packs' puts it aside"
    }
}

/// What deletes a pack that nothing needs.
pub const fn deletes(is_append_only: bool) -> &'static str {
    if is_append_only { "'segvault prune --allow-delete' deletes it" } else { "'segvault prune' deletes it" }
}

/// `a`, `a, b`, `a, b, and 2 more`: the first few of them.
pub fn first(all: &[impl ToString], named: usize) -> String {
    let mut words: Vec<String> = all.iter().take(named).map(ToString::to_string).collect();
    if all.len() > named {
        words.push(format!("and {} more", count((all.len() - named) as u64)));
    }
    words.join(", ")
}

/// The same of points: `point 6`, `points 6, 7`.
pub fn points(numbers: &[u64], named: usize) -> String {
    let noun = if numbers.len() == 1 { "point" } else { "points" };
    format!("{noun} {}", first(numbers, named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_is_a_point() {
        assert_eq!(
            [1, 2].map(|many| format!("{} {}", plural(many, "segment"), are(many))),
            ["1 segment is", "2 segments are"]
        );
        assert_eq!(points(&[6], 2), "point 6");
        assert_eq!(points(&[6, 7], 2), "points 6, 7");
        assert_eq!(points(&[6, 7, 8, 9], 2), "points 6, 7, and 2 more");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 12, 123, 1_234, 1_234_567].map(count), ["0", "12", "123", "1,234", "1,234,567"]);
        assert_eq!(
            [plural(1, "point"), plural(0, "point"), plural(1_000, "point")],
            ["1 point", "0 points", "1,000 points"]
        );
    }
}
