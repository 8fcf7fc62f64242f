//! The integration tests: one binary. Each module reads like the sentences it proves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::allow_attributes,
    clippy::pedantic,
    missing_docs,
    dead_code,
    reason = "tests may panic, and read better without ceremony"
)]

mod architecture;
mod axon_fixtures;
mod bad_input;
mod bench;
mod cli;
mod codec;
mod control_db;
mod copy;
mod cut;
mod daily;
mod delta;
mod disk_contract;
mod examples;
mod format_document;
mod fuzz_corpus;
mod gaps;
mod giants;
mod giving_up;
mod heal;
mod json;
mod kill;
mod layouts;
mod letting_go;
mod licences;
mod live;
mod model;
mod old_repositories;
mod operator;
mod parity;
mod plain_files;
mod points;
mod prune;
mod readme;
mod recompress;
mod restore;
mod retention;
mod round_trip;
mod second_reader;
mod seen;
mod sees;
mod serve;
mod server;
mod source;
mod stats;
mod store;
mod support;
mod targets;
mod terminal;
mod verify;
mod watch;

mod against;
mod crashes;
mod faults;
mod prove;
mod repair;
mod security;
