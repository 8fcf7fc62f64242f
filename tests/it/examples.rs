//! The examples in the help are run, in their order, in one room: a server's directory beside a repository.

use crate::support::program::{Room, SERVER, told};
use segvault::cli::args::examples::EXAMPLES;
use segvault::cli::args::parse;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

/// Words as a shell cuts them: quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

const CONFIGURATION: &str = "
[source.orders]
data-dir = \"axonserver\"
control-db = \"axonserver/backups\"
[profile.quick]
steps = [\"backup\"]
";

#[test]
fn the_examples_of_the_help_work() {
    let room = Room::empty();
    fs::rename(room.server(SERVER), room.path("axonserver")).unwrap();
    room.write("segvault.toml", CONFIGURATION.as_bytes());
    for (verb, lines) in EXAMPLES {
        for line in lines {
            let words = words(line);
            assert_eq!((words[0].as_str(), words[1].as_str()), ("segvault", verb));
            assert!(parse(words.iter().map(OsString::from)).is_ok(), "{line}");
            // Nobody answers at these addresses here.
            if line.contains("http://") {
                continue;
            }
            let mut command = Command::new(env!("CARGO_BIN_EXE_segvault"));
            command
                .args(&words[1..])
                .current_dir(room.path(""))
                .env("SEGVAULT_REPOSITORY", room.repository());
            let (ended, stdout, stderr) = told(command.output().unwrap());
            assert!(matches!(ended, Some(0 | 3)), "{line} ends with {ended:?}\n{stdout}\n{stderr}");
        }
    }
}

#[test]
fn each_verb_shows_its_examples() {
    let room = Room::empty();
    for (verb, lines) in EXAMPLES.iter().filter(|(verb, _)| *verb != "help") {
        let (help, _) = room.ends(0, &format!("{verb} --help"));
        assert!(lines.iter().all(|line| help.contains(line)), "{verb}: {help}");
    }
}
