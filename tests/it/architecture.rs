//! The house holds: who may use whom, how long a file may be, where disks are written. The compiler does not know these rules.
//!
//! Each rule is a function from (path, text) pairs to complaints; each is shown to bite.

use std::fs;
use std::path::Path;

/// A source file: its path from the root of the package, and its text.
type Source = (String, String);

/// A room, and the rooms that it may use.
const ROOMS: [(&str, &[&str]); 6] = [
    ("axon", &[]),
    ("repo", &["axon"]),
    ("source", &["axon"]),
    ("engine", &["axon", "repo", "source"]),
    ("cli", &["axon", "repo", "source", "engine"]),
    ("main", &["cli"]),
];

/// Pure parts of the repository, and what they never use.
const PURE: [&str; 3] = ["format", "chunking", "codec"];
const IMPURE: [&str; 4] = ["disk", "local_disk", "store", "index"];

/// Where directories are written: the repository's disk, the restores' target, a bench's scratch directory, the demo's directory, the man pages,
/// the schemas (by their test).
const WRITERS: [&str; 8] = [
    "src/repo/local_disk",
    "src/engine/restore/staging",
    "src/engine/restore/delta/folder",
    "src/engine/restore/control_db",
    "src/engine/bench",
    "src/cli/demo",
    "src/cli/manual",
    "src/cli/schemas",
];
const WRITES: [&str; 7] =
    ["fs::write(", "fs::rename(", "renameat", "hard_link(", "linkat(", ".sync_all(", ".sync_data("];

const LONGEST_FILE: usize = 400;

#[test]
fn rooms_use_only_the_rooms_below_them() {
    assert_eq!(foreign_paths(&sources()), NOTHING);
}

#[test]
fn every_room_is_there() {
    for (room, _) in ROOMS {
        assert!(sources().iter().any(|(path, _)| module_of(path).first() == Some(&room)), "{room} is gone");
    }
}

#[test]
fn imports_say_where_they_come_from() {
    assert_eq!(vague_imports(&sources()), NOTHING);
}

#[test]
fn files_are_short() {
    assert_eq!(long_files(&sources()), NOTHING);
}

#[test]
fn one_file_at_most_is_unsafe() {
    assert_eq!(unsafe_files(&sources()), NOTHING);
}

#[test]
fn disks_are_written_in_few_places() {
    assert_eq!(stray_writes(&sources()), NOTHING);
}

#[test]
fn every_test_module_runs() {
    assert_eq!(unlisted_tests(&read_tree("tests/it")), NOTHING);
}

/// A reader that used the program's own would prove nothing of FORMAT.md.
#[test]
fn the_second_reader_has_nothing_of_the_program() {
    let files = read_tree("tests/it/second_reader");
    assert!(files.len() > 5, "the second reader was not found");
    assert_eq!(borrowed(&files), NOTHING);
}

#[test]
fn every_source_file_says_what_it_is_for() {
    assert_eq!(silent_files(&sources()), NOTHING);
}

const NOTHING: [String; 0] = [];

fn sources() -> Vec<Source> {
    let sources = read_tree("src");
    assert!(sources.len() > 30, "the sources were not found");
    sources
}

/// All Rust files below a directory of the package.
fn read_tree(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        if full.is_dir() {
            let entries = fs::read_dir(full).unwrap();
            waiting.extend(
                entries.map(|entry| format!("{path}/{}", entry.unwrap().file_name().to_str().unwrap())),
            );
        } else if path.ends_with(".rs") {
            found.push((path, fs::read_to_string(full).unwrap()));
        }
    }
    found.sort();
    found
}

/// Paths that lead from one room into another that it may not use, or from a pure part of the repository to the disk.
fn foreign_paths(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        for target in paths_in(path, &code_of(text)) {
            let target: Vec<&str> = target.iter().map(String::as_str).collect();
            if !may_use(&module_of(path), &target) {
                complaints.push(format!("{path} uses {}", target.join("::")));
            }
        }
    }
    complaints
}

fn may_use(from: &[&str], to: &[&str]) -> bool {
    let (Some(room), Some(other)) = (from.first(), to.first()) else { return from.is_empty() };
    if room != other {
        return ROOMS.iter().any(|(name, allowed)| name == room && allowed.contains(other));
    }
    let pure = *room == "repo" && from.get(1).is_some_and(|part| PURE.contains(part));
    !(pure && to.get(1).is_some_and(|part| IMPURE.contains(part)))
}

/// `use crate::{`, `use crate::*` and their like hide who uses whom.
fn vague_imports(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let code: String = code_of(text).split_whitespace().collect::<Vec<_>>().join(" ");
        for vague in ["crate::{", "crate::*", "use crate;", "use crate as", "segvault::{", "segvault::*"] {
            if code.contains(vague) {
                complaints.push(format!("{path} has `{vague}`"));
            }
        }
    }
    complaints
}

/// Files with more lines than 400, their tests not counted.
fn long_files(sources: &[Source]) -> Vec<String> {
    let lines = |text: &str| before_tests(text).lines().count();
    let long = sources.iter().filter(|(_, text)| lines(text) > LONGEST_FILE);
    long.map(|(path, text)| format!("{path} has {} lines", lines(text))).collect()
}

/// Files with unsafe code, if they are more than one.
fn unsafe_files(sources: &[Source]) -> Vec<String> {
    let is_unsafe = |text: &str| words(&code_of(text)).any(|word| word == "unsafe");
    let found: Vec<_> =
        sources.iter().filter(|(_, text)| is_unsafe(text)).map(|(path, _)| path.clone()).collect();
    if found.len() > 1 { found } else { Vec::new() }
}

/// Places outside [`WRITERS`] that write, rename or sync files. Tests may.
fn stray_writes(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let code = code_of(before_tests(text));
        let own = WRITERS.iter().any(|writer| path.starts_with(writer));
        let strays = WRITES.iter().filter(|write| !own && code.contains(**write));
        complaints.extend(strays.map(|write| format!("{path} has `{write}`")));
    }
    complaints
}

/// Test modules that no `mod` line names: the compiler never sees them.
fn unlisted_tests(tests: &[Source]) -> Vec<String> {
    let listed = |root: &str, module: &str| {
        let line = format!("mod {module};");
        let root = tests.iter().find(|(path, _)| path == root);
        root.is_some_and(|(_, text)| {
            code_of(text).lines().any(|code| code.trim().trim_start_matches("pub ") == line)
        })
    };
    let mut complaints = Vec::new();
    for (path, _) in tests.iter().filter(|(path, _)| path != "tests/it/main.rs") {
        // The file of a directory's module is named where the directory is.
        let place = path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let (directory, module) = place.rsplit_once('/').unwrap();
        let main = if directory == "tests/it" { "main" } else { "mod" };
        let root = format!("{directory}/{main}.rs");
        if !listed(&root, module) {
            complaints.push(format!("{path} is not listed in {root}"));
        }
    }
    complaints
}

/// Files, but for those of tests, that name the program's library.
fn borrowed(files: &[Source]) -> Vec<String> {
    let readers = files.iter().filter(|(path, _)| !path.ends_with("/tests.rs"));
    let borrowers = readers.filter(|(_, text)| words(&code_of(text)).any(|word| word == "segvault"));
    borrowers.map(|(path, _)| format!("{path} uses the program")).collect()
}

/// Files that do not open with `//!`; the compiler itself asks it of the two roots.
fn silent_files(sources: &[Source]) -> Vec<String> {
    let rooms = sources.iter().filter(|(path, _)| path != "src/main.rs" && path != "src/lib.rs");
    rooms.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path.clone()).collect()
}

/// The module that a file is: `src/repo/format/id.rs` is `repo`, `format`, `id`.
fn module_of(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "lib").collect()
}

/// What stands before the unit tests: a module `tests` at the very end of the file. Anything else counts as code.
fn before_tests(text: &str) -> &str {
    let Some(at) = text.rfind("\n#[cfg(test)]\n") else { return text };
    let (before, tests) = text.split_at(at);
    let heads = ["\nmod tests {", "\npub(crate) mod tests {"];
    let body = heads.iter().find_map(|head| tests.split_once(head)).map(|(_, body)| body);
    let at_the_end =
        body.is_some_and(|body| body.find("\n}").is_none_or(|end| body[end + 2..].trim().is_empty()));
    if at_the_end { before } else { text }
}

/// All paths in `code` that begin at the crate's root or at a module above, as seen from the root. Inside unit tests
/// `super` is the file itself.
fn paths_in(file: &str, code: &str) -> Vec<Vec<String>> {
    let own: Vec<String> = module_of(file).into_iter().map(str::to_owned).collect();
    let production = before_tests(code).len();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(length) = code[at..].find("::") {
        let begin = word_before(code, at + length);
        let path = path_at(&code[begin..]);
        at += length + 2;
        let above = if begin > production { own.len() + 1 } else { own.len() };
        if !code[..begin].ends_with("::") {
            found.extend(resolve(&own, above, &path));
        }
    }
    found
}

/// A path from the root; none for one that begins elsewhere.
fn resolve(own: &[String], depth: usize, path: &[&str]) -> Option<Vec<String>> {
    let rest = |skip: usize| path.iter().skip(skip).map(|part| (*part).to_owned());
    match path.first()? {
        &"crate" | &"segvault" => Some(rest(1).collect()),
        &"super" => {
            let ups = path.iter().take_while(|part| **part == "super").count();
            Some(own.iter().take(depth.saturating_sub(ups)).cloned().chain(rest(ups)).collect())
        }
        _ => None,
    }
}

/// Where the word begins that ends at `at`.
fn word_before(code: &str, at: usize) -> usize {
    code[..at]
        .rfind(|letter: char| !is_word(letter))
        .map_or(0, |before| before + code[before..].chars().next().map_or(1, char::len_utf8))
}

/// The parts of the path that `code` begins with.
fn path_at(code: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = code;
    loop {
        let end = rest.find(|letter: char| !is_word(letter)).unwrap_or(rest.len());
        if end > 0 {
            parts.push(&rest[..end]);
        }
        match rest[end..].strip_prefix("::") {
            Some(behind) if end > 0 => rest = behind,
            _ => return parts,
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter| !is_word(letter)).filter(|word| !word.is_empty())
}

/// The text without comments, strings and characters, lines kept: they may say what they like.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        match literal_length(rest, after_word) {
            Some(length) => {
                code.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
                code.push(' ');
                rest = &rest[length..];
            }
            None => {
                code.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    code
}

/// The length of the comment or literal that `text` begins with.
fn literal_length(text: &str, after_word: bool) -> Option<usize> {
    let through =
        |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    if text.starts_with("//") {
        return Some(through(0, "\n") - 1);
    }
    if text.starts_with("/*") {
        return Some(through(2, "*/"));
    }
    if let Some(raw) = text.strip_prefix('r').filter(|_| !after_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return Some(through(hashes + 2, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    match text.chars().next()? {
        '"' => Some(quoted_length(text, '"')),
        // A lifetime has no second quote right behind its first letter.
        '\'' if text[1..].starts_with('\\') || text.chars().nth(2) == Some('\'') => {
            Some(quoted_length(text, '\''))
        }
        _ => None,
    }
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// One file with this text.
fn one(path: &str, text: &str) -> Vec<Source> {
    vec![(path.to_owned(), text.to_owned())]
}

#[test]
fn a_path_into_another_room_is_found_however_it_is_written() {
    let bad = [
        ("src/axon/name.rs", "use crate::repo::disk::Disk;"),
        ("src/axon/name.rs", "fn f() -> crate::source::Listing { todo!() }"),
        ("src/axon/name.rs", "pub(crate) use crate::engine;"),
        ("src/repo/disk.rs", "use crate::source::listing;"),
        ("src/repo/disk.rs", "use {std::fs, crate::source::listing};"),
        ("src/source/listing.rs", "use crate::repo::disk::Disk;"),
        ("src/source/listing.rs", "use super::super::repo::disk::Disk;"),
        ("src/source/mod.rs", "use super::repo::disk::Disk;"),
        ("src/repo/store/mod.rs", "use crate::engine::backup;"),
        ("src/engine/restore/plan.rs", "let x = crate::cli::exit::DONE;"),
        ("src/repo/format/id.rs", "use crate::repo::disk::Disk;"),
        ("src/repo/format/id.rs", "use super::super::disk::Disk;"),
        ("src/repo/chunking.rs", "use super::index::Index;"),
        ("src/repo/codec.rs", "use crate::repo::store::Reader;"),
        ("src/axon/name.rs", "use crate::somewhere::Else;"),
        ("src/axon/name.rs", "\n#[cfg(test)]\nmod tests {\n use crate::repo::disk::Disk;\n}"),
        ("src/main.rs", "fn main() { segvault::repo::init() }"),
    ];
    for (path, text) in bad {
        assert_eq!(foreign_paths(&one(path, text)).len(), 1, "{path}: {text}");
    }
}

#[test]
fn paths_that_are_allowed_are_left_alone() {
    let good = [
        ("src/axon/name.rs", "use crate::axon::token::Token;"),
        ("src/axon/event/wire.rs", "use super::Malformed; use super::super::token::Token;"),
        (
            "src/axon/name.rs",
            "\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::super::token::Token;\n}",
        ),
        ("src/repo/store/mod.rs", "use crate::repo::disk::Disk; use crate::axon::token::Token;"),
        ("src/engine/backup.rs", "use crate::source::x; use crate::repo::y; use crate::axon::z;"),
        ("src/cli/mod.rs", "use crate::engine::x; use crate::repo::error::Error;"),
        (
            "src/axon/name.rs",
            "//! [`crate::repo`]\n/* crate::repo::x */ const A: &str = \"crate::repo::\\\" x\";",
        ),
        (
            "src/axon/name.rs",
            "const A: &str = r#\"crate::repo::\"x\"#; fn f<'a>(x: &'a str, y: char) -> bool { y == '\"' }",
        ),
        ("src/main.rs", "fn main() { segvault::cli::run() }"),
    ];
    for (path, text) in good {
        assert_eq!(foreign_paths(&one(path, text)), NOTHING, "{path}: {text}");
    }
}

#[test]
fn vague_imports_are_found() {
    for text in [
        "use crate::{axon, repo};",
        "use crate::*;",
        "use crate as all;",
        "use segvault::{axon, cli};",
        "pub use crate::{\n    axon,\n};",
    ] {
        assert_eq!(vague_imports(&one("src/cli/mod.rs", text)).len(), 1, "{text}");
    }
    assert_eq!(
        vague_imports(&one("src/cli/mod.rs", "// use crate::*\nuse crate::axon::token::Token;")),
        NOTHING
    );
}

#[test]
fn long_files_are_found_and_their_tests_not_counted() {
    let (allowed, long) = ("x\n".repeat(400), "x\n".repeat(401));
    let tests = format!("\n#[cfg(test)]\nmod tests {{\n{allowed}}}\n");
    assert_eq!(long_files(&one("src/a.rs", &allowed)), NOTHING);
    assert_eq!(long_files(&one("src/a.rs", &format!("{allowed}{tests}"))), NOTHING);
    assert_eq!(long_files(&one("src/a.rs", &long)).len(), 1);
    assert_eq!(long_files(&one("src/a.rs", &format!("{long}{tests}"))).len(), 1);
    assert_eq!(long_files(&one("src/a.rs", &format!("{tests}{long}"))).len(), 1, "code behind the tests");
    assert_eq!(long_files(&one("src/a.rs", &format!("\n#[cfg(test)]\nuse a;\n{long}"))).len(), 1);
}

#[test]
fn a_second_unsafe_file_is_found() {
    let one_file = one("src/source/a.rs", "#![expect(unsafe_code)]\nlet map = unsafe { map() };");
    let talk = one("src/source/b.rs", "// unsafe\n#![deny(unsafe_code)] const A: &str = \"unsafe\";");
    assert_eq!(unsafe_files(&[one_file.clone(), talk].concat()), NOTHING);
    let second = one("src/source/c.rs", "unsafe fn f() {}");
    assert_eq!(unsafe_files(&[one_file, second].concat()).len(), 2);
}

#[test]
fn stray_writes_are_found() {
    for text in [
        "std::fs::write(path, bytes)?;",
        "fs::rename(a, b)?;",
        "file.sync_all()?;",
        "rustix::fs::renameat_with(a)",
    ] {
        assert_eq!(stray_writes(&one("src/engine/backup.rs", text)).len(), 1, "{text}");
        assert_eq!(stray_writes(&one("src/repo/local_disk.rs", text)), NOTHING, "{text}");
        assert_eq!(
            stray_writes(&one("src/engine/backup.rs", &format!("\n#[cfg(test)]\nmod tests {{ {text} }}"))),
            NOTHING
        );
    }
}

#[test]
fn tests_that_never_run_are_found() {
    let main = one("tests/it/main.rs", "mod a;\n// mod b;\nmod support;");
    let support = one("tests/it/support/mod.rs", "pub mod disk;");
    let listed = [main, support, one("tests/it/a.rs", ""), one("tests/it/support/disk.rs", "")].concat();
    assert_eq!(unlisted_tests(&listed), NOTHING);
    for lost in ["tests/it/b.rs", "tests/it/support/other.rs", "tests/it/c/mod.rs"] {
        assert_eq!(unlisted_tests(&[listed.clone(), one(lost, "")].concat()).len(), 1, "{lost}");
    }
}

#[test]
fn a_second_reader_that_borrows_is_found() {
    let own = "use crate::support::archive::tree;\nfn f() { g(\"segvault.point\") } // segvault::repo";
    assert_eq!(borrowed(&one("tests/it/second_reader/a.rs", own)), NOTHING);
    let uses = "use segvault::repo::format::point::Point;";
    assert_eq!(borrowed(&one("tests/it/second_reader/tests.rs", uses)), NOTHING);
    assert_eq!(borrowed(&one("tests/it/second_reader/a.rs", uses)).len(), 1);
}

#[test]
fn files_without_a_first_word_are_found() {
    assert_eq!(silent_files(&one("src/a.rs", "use std::fs;")).len(), 1);
    assert_eq!(silent_files(&one("src/a.rs", "//! For this.\nuse std::fs;")), NOTHING);
}
