//! People and scripts: arguments, rendering, progress, exit codes. The only floor that prints, and reads clock and environment.

pub mod args;
mod ask;
mod bus;
mod config;
mod demo;
mod describe;
mod describe_bench;
mod describe_retention;
mod describe_server;
mod duration;
mod empty;
pub mod exit;
mod explain;
mod failure;
mod hooks;
mod machine;
mod manual;
mod metrics;
mod place_args;
mod progress;
mod random;
mod render;
mod repository;
mod run;
mod run_demo;
#[cfg(test)]
mod schemas;
mod server;
mod server_args;
mod signals;
mod size;
mod started;
mod storage_args;
mod text_file;
mod when;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::Screen;
use crate::cli::run::Run;
use crate::cli::signals::Signals;
use crate::repo::store::Healings;
use std::ffi::OsString;

/// Does what was typed (the first argument is the program's name), prints what there is to say, and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let wants_json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let typed = arguments.clone();
    let (arguments, config) = match config::complete(arguments) {
        Ok(completed) => completed,
        Err(error) if is_for_nagios(&typed) => return render::nagios_unknown(&describe::chain(&error)),
        Err(error) => return end(Screen::bare(wants_json), &Signals::default(), &Failure::Config(error)),
    };
    match args::parse(arguments).map_err(|error| empty::named(error, &typed)) {
        Ok(cli) => begin(&cli, config, typed.clone()),
        Err(error) if error.use_stderr() && is_for_nagios(&typed) => {
            let why = render::first_paragraph(&error.render().to_string());
            render::nagios_unknown(why.trim_start_matches("error: "))
        }
        Err(error) => Screen::bare(wants_json).parser(&error),
    }
}

/// Who reads this protocol takes our code for a wrong use, 2, for "critical", and looks at stdout alone.
fn is_for_nagios(typed: &[OsString]) -> bool {
    let has = |word: &str| typed.iter().any(|typed| typed == word);
    has("status") && has("--nagios")
}

fn begin(cli: &args::Cli, config: config::Config, typed: Vec<OsString>) -> Exit {
    let screen = Screen::new(&cli.global);
    let signals = match Signals::listen(!matches!(cli.verb, args::Verb::Watch(_))) {
        Ok(signals) => signals,
        Err(error) => return end(screen, &Signals::default(), &Failure::Signals(error)),
    };
    if let Err(error) = bus::listen(cli.global.json) {
        return end(screen, &signals, &Failure::Signals(error));
    }
    let run = Run { global: &cli.global, screen, signals, healings: Healings::default(), config, typed };
    let exit = run.verb(cli).unwrap_or_else(|failure| end(screen, &run.signals, &failure));
    run.tell_healed(exit)
}

fn end(screen: Screen, signals: &Signals, failure: &Failure) -> Exit {
    let exit = failure.exit(signals);
    screen.failure(failure, exit);
    exit
}
