//! `help` and `explain`: what the program says of itself.

use crate::cli::args;
use crate::cli::args::{Explain, Help};
use crate::cli::exit::Exit;
use crate::cli::explain;
use crate::cli::failure::Failure;
use crate::cli::render;
use crate::cli::run::Run;
use serde_json::json;

impl Run<'_> {
    pub(super) fn help(&self, asked: &Help) -> Result<Exit, Failure> {
        let topic: Vec<&str> = asked.topic.iter().map(String::as_str).collect();
        match topic.as_slice() {
            ["exit-codes"] => self.exit_codes()?,
            ["errors"] => self.errors(&explain::all())?,
            names => render::print_text(&of_verb(names)?)?,
        }
        Ok(Exit::Done)
    }

    fn exit_codes(&self) -> Result<(), Failure> {
        let codes = Exit::ALL.map(|exit| json!({ "code": exit.code(), "meaning": exit.meaning() }));
        self.screen.result("exit-codes", &json!({ "exit_codes": codes }), args::exit_codes)
    }

    fn errors(&self, errors: &[explain::Explanation]) -> Result<(), Failure> {
        self.screen.result("errors", &json!({ "errors": errors }), || render::explain::list(errors))
    }

    pub(super) fn explain(&self, asked: &Explain) -> Result<Exit, Failure> {
        let Some(id) = &asked.id else {
            self.errors(&explain::all())?;
            return Ok(Exit::Done);
        };
        let found = explain::find(id);
        if found.is_empty() {
            return Err(Failure::Usage { message: unknown(id), hint: "see all with 'segvault explain'" });
        }
        self.screen.result("errors", &json!({ "errors": found }), || render::explain::each(&found))?;
        Ok(Exit::Done)
    }
}

fn unknown(id: &str) -> String {
    let guess = explain::nearest(id).map(|near| format!("; is it {near}?")).unwrap_or_default();
    format!("no error has the id '{id}'{guess}")
}

/// The help of a verb, or of the program if none is named.
fn of_verb(names: &[&str]) -> Result<String, Failure> {
    let mut command = args::command();
    command.build();
    let mut found = &mut command;
    for name in names {
        let Some(inner) = found.find_subcommand_mut(name) else {
            let message = format!("there is no help on '{}'", names.join(" "));
            return Err(Failure::Usage { message, hint: "see the verbs with 'segvault --help'" });
        };
        found = inner;
    }
    Ok(found.render_long_help().ansi().to_string())
}
