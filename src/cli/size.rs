//! Sizes and shares as people type them: `500MiB`, `2GiB`, `5%`.

/// Reads a size: a whole number, and KiB, MiB, GiB or TiB (K, M, G and T mean the same); without a unit, bytes.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size: give a number and KiB, MiB, GiB or TiB, like 500MiB");
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let shift = match unit.trim_end_matches("iB") {
        "" if unit.is_empty() => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Reads a share of a whole, up to `100%`, in thousandths.
pub fn parse_share(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no share: give a percentage, like 5% or 0.5%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(tenths) || tenths.len() > 1 {
        return Err(wrong());
    }
    let part = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
    let share = part(whole)?.saturating_mul(10).saturating_add(part(tenths)?);
    if share > 1000 { Err(wrong()) } else { Ok(share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(
            [parse("0"), parse("700"), parse("3KiB"), parse("2M")],
            [Ok(0), Ok(700), Ok(3072), Ok(2 << 20)]
        );
        assert_eq!(parse("5TiB"), Ok(5 << 40));
        for odd in ["", "MiB", "-1", "1.5G", "3 MiB", "3mb", "iB", "3iB", "99999999999T"] {
            assert!(parse(odd).unwrap_err().contains("500MiB"), "{odd}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!([parse_share("5%"), parse_share("0.5%"), parse_share("100%")], [Ok(50), Ok(5), Ok(1000)]);
        for odd in ["", "5", "%", "101%", "-1%", "0.05%", ".5%", "5.%"] {
            assert!(parse_share(odd).unwrap_err().contains("5%"), "{odd}");
        }
    }
}
