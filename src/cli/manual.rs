//! Completions and manual pages, from the same source as `--help`.

use crate::cli::args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The completions for a shell.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "segvault", &mut script);
    script
}

/// segvault(1).
pub(super) fn page() -> Result<Vec<u8>, Failure> {
    render(&plain(), "segvault(1)").map_err(Failure::Output)
}

/// Writes segvault(1) and a page for each verb; gives their paths. A dry run only gives them.
pub(super) fn write_pages(directory: &Path, dry_run: bool) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path, source| Failure::File { path: path.to_path_buf(), source };
    if !dry_run {
        fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
    }
    let mut command = plain();
    command.build();
    let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set());
    let mut written = Vec::new();
    for command in std::iter::once(&command).chain(verbs) {
        let name = command.get_display_name().unwrap_or("segvault").to_owned();
        let path = directory.join(format!("{name}.1"));
        let page = render(command, &name).map_err(|source| failed(&path, source))?;
        if !dry_run {
            fs::write(&path, page).map_err(|source| failed(&path, source))?;
        }
        written.push(path);
    }
    Ok(written)
}

/// The command without the list of exit codes: pages have a section for it.
fn plain() -> clap::Command {
    args::command().after_long_help(None::<&str>)
}

fn render(command: &clap::Command, _name: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    exit_status().to_writer(&mut page)?;
    Ok(page)
}

fn exit_status() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        section.control("TP", []);
        section.text([bold(exit.code().to_string())]);
        section.text([roman(exit.meaning())]);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_gets_completions_of_every_verb() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).unwrap();
            for verb in ["backup", "points", "restore", "verify"] {
                assert!(script.contains(verb), "{shell} {verb}");
            }
        }
    }

    #[test]
    fn every_verb_has_a_page_with_its_exit_codes() {
        let directory = tempfile::tempdir().unwrap();
        let written = write_pages(directory.path(), false).unwrap();
        let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert!(names.contains(&"segvault.1") && names.contains(&"segvault-backup.1"), "{names:?}");
        for path in &written {
            let page = fs::read_to_string(path).unwrap();
            assert!(
                page.contains("EXIT STATUS") && page.contains("nothing was published"),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn the_page_is_roff() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        assert!(page.contains(".TH segvault 1"));
    }
}
