//! How hard a verb that writes works: its compression, and the memory it may take.

use crate::repo::codec::Compression;
use crate::repo::store::Effort;
use clap::{Args, ValueEnum};

/// Under which its options stand. Said of each: said of all, it would go on to what stands behind them.
const HEADING: &str = "Effort";

/// How hard to compress, in how much memory.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffortArgs {
    /// How hard to compress what is new
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Choice::Default, help_heading = HEADING)]
    pub compression: Choice,
    /// Use at most about so much memory, by working on fewer blocks at once (512MiB, 2GiB) [default: one worker for each core]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = HEADING)]
    pub memory: Option<u64>,
}

/// How hard to compress.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Choice {
    /// Nothing: deduplicated only
    Raw,
    /// zstd: quick
    Fast,
    /// Event columns: half of that and less, where there are events
    Default,
    /// Event columns with a coder that learns: a little smaller, and slower, also to read
    High,
    /// Event columns in larger blocks, with a coder that mixes what it knows: smallest, and much slower, also to read
    Max,
}

impl EffortArgs {
    /// What a writer is told; refused if not even one worker has room.
    pub fn effort(self) -> Result<Effort, String> {
        let compression = match self.compression {
            Choice::Raw => Compression::Raw,
            Choice::Fast => Compression::Fast,
            Choice::Default => Compression::Default,
            Choice::High => Compression::High,
            Choice::Max => Compression::Max,
        };
        let (effort, needed) =
            (Effort { compression, memory: self.memory }, Effort::least_memory(compression));
        match self.memory.filter(|memory| *memory < needed) {
            Some(_) => Err(format!("--memory is too small: this compression needs {} MiB", needed >> 20)),
            None => Ok(effort),
        }
    }
}

/// Reads a whole number and its unit: `MiB` or `GiB`; `M` and `G` will do.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size: give a number and MiB or GiB, like 512MiB or 2GiB");
    let units = [("MiB", 20), ("GiB", 30), ("M", 20), ("G", 30)];
    let found = units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (digits, shift) = found.ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let count = digits.parse::<u64>().map_err(|_| wrong())?;
    count.checked_mul(1 << shift).filter(|size| *size < 1 << 60).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        assert_eq!(
            [size("512MiB"), size("2GiB"), size("3G"), size("192M")].map(Result::unwrap),
            [512 << 20, 2 << 30, 3 << 30, 192 << 20]
        );
        for odd in
            ["", "MiB", "512", "-1MiB", "1.5GiB", "1 GiB", "99999999999999999999GiB", "18446744073709MiB"]
        {
            assert!(size(odd).unwrap_err().contains("like 512MiB"), "{odd}");
        }
    }

    #[test]
    fn too_little_memory_for_one_worker_is_refused() {
        let args = |compression, memory: u64| EffortArgs { compression, memory: Some(memory << 20) };
        assert!(args(Choice::Default, 191).effort().unwrap_err().contains("192 MiB"));
        assert!(args(Choice::Max, 383).effort().unwrap_err().contains("384 MiB"));
        assert!(args(Choice::Default, 192).effort().is_ok() && args(Choice::Max, 384).effort().is_ok());
    }
}
