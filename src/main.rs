//! segvault archives, restores and proves the history of an Axon Server. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    segvault::cli::main(std::env::args_os()).into()
}
