//! The README says what the program does.

use crate::bench;
use std::process::Command;

const README: &str = include_str!("../../README.md");

fn segvault(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_segvault")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lines without the sizes of the repository: SQLite may lay out its pages differently.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains("repository") && !line.contains("times smaller")).collect()
}

#[test]
fn the_demo_prints_what_the_readme_shows() {
    let shown = README.split("cargo run --release -- demo\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(lines(&segvault(&["demo"])), lines(shown));
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let help = segvault(&["--help"]);
    let of_help: Vec<_> = help
        .split("Exit codes:")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .filter(|(code, _)| code.parse::<u8>().is_ok())
        .map(|(code, meaning)| (code, meaning.trim()))
        .collect();
    let of_readme: Vec<_> = README
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(code, _)| code.parse::<u8>().is_ok())
        .collect();
    assert!(of_help.len() > 15);
    assert_eq!(of_readme, of_help);
}

#[test]
fn every_verb_of_the_readme_is_there() {
    let help = segvault(&["--help"]);
    for verb in README.lines().filter_map(|line| line.strip_prefix("$ segvault ")?.split(' ').next()) {
        assert!(help.contains(&format!("  {verb} ")), "{verb}");
    }
}

#[test]
fn the_exit_codes_can_be_asked_for() {
    let codes = segvault(&["help", "exit-codes"]);
    assert!(segvault(&["--help"]).ends_with(&codes), "{codes}");
    for line in codes.lines().filter_map(|line| line.trim().split_once("  ")) {
        assert!(README.contains(&format!("| {} | {} |", line.0, line.1.trim())), "{line:?}");
    }
}

#[test]
fn an_error_is_explained() {
    let told = segvault(&["explain", "repository.locked"]);
    assert!(told.starts_with("repository.locked\nexit code 11: another segvault holds the lock\n"), "{told}");
    assert!(segvault(&["explain"]).lines().count() > 90);
    assert!(segvault(&["help", "backup"]).contains("--control-db"));
}

/// The table of `bench`, and its picture: sizes that rest on the data alone are those of this program, and both say the same.
#[test]
fn the_sizes_of_the_bench_are_those_of_the_program() {
    let of_readme = bench::rows(README);
    let of_program = bench::rows(&bench::shown().text);
    let picture = include_str!("../../docs/bench.svg");
    assert!(of_readme.len() > 9 && README.contains("](docs/bench.svg)"));
    for (tool, cells) in &of_readme {
        assert!(
            picture.contains(&format!("\n{tool}\n")) && picture.contains(&format!("\n{} · ", cells[0])),
            "{tool}"
        );
        let Some(found) =
            of_program.get(tool).filter(|found| found.last().is_some_and(|equal| equal == "yes"))
        else {
            continue;
        };
        for (said, found) in cells.iter().zip(found).take(4) {
            assert!((number(said) / number(found) - 1.0).abs() < 0.03, "{tool}: {said}, and now {found}");
        }
    }
}

/// A size, or a ratio.
fn number(cell: &str) -> f64 {
    let (number, unit) = cell.trim_start_matches('+').split_once(' ').unwrap();
    let unit = ["B", "KiB", "MiB"].iter().position(|known| *known == unit).unwrap_or(0);
    number.parse::<f64>().unwrap() * 1024_f64.powi(i32::try_from(unit).unwrap())
}
