//! The few colours, and how tables look.

use anstyle::{AnsiColor, Reset, Style};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};
use std::borrow::Cow;
use std::io::IsTerminal;

/// All is well.
pub(in crate::cli) const GOOD: Style = AnsiColor::Green.on_default();
/// Look at this.
pub(in crate::cli) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// This failed.
pub(in crate::cli) const BAD: Style = AnsiColor::Red.on_default().bold();
/// A head line.
pub(in crate::cli) const HEAD: Style = Style::new().bold();
/// Back to plain text.
pub(in crate::cli) const PLAIN: Reset = Reset;

/// Text that is written line by line.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Text(String);

impl Text {
    /// One more line.
    pub(in crate::cli) fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// Lines that are lines already.
    pub(in crate::cli) fn lines(&mut self, lines: &str) {
        self.0.push_str(lines);
    }

    /// All of it.
    pub(in crate::cli) fn finish(self) -> String {
        self.0
    }
}

/// Each on a line of its own.
impl FromIterator<String> for Text {
    fn from_iter<I: IntoIterator<Item = String>>(lines: I) -> Self {
        let mut text = Self::default();
        lines.into_iter().for_each(|line| text.line(&line));
        text
    }
}

/// Text without control characters that a terminal would obey, but line ends, tabs and colours. Names have none where they are rendered; this is
/// for one that was forgotten.
pub(in crate::cli) fn harmless(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_odd) {
        let (before, odd) = rest.split_at(at);
        shown.push_str(before);
        let colour = colour(odd).unwrap_or("");
        shown.push_str(if colour.is_empty() { "\u{fffd}" } else { colour });
        let gone =
            if colour.is_empty() { odd.chars().next().map_or(0, char::len_utf8) } else { colour.len() };
        rest = odd.get(gone..).unwrap_or("");
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The colour that a text begins with.
fn colour(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\x1b[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    text.get(..end + 3).filter(|colour| colour.ends_with('m'))
}

/// A table without lines, as wide as its content (see [`fitted`]). Columns whose head begins with `>` are aligned to the right.
pub(in crate::cli) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .force_no_tty();
    table.set_header(head.iter().map(|name| name.trim_start_matches('>')));
    for (at, name) in head.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if name.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

/// A table's lines, its head in bold.
pub(in crate::cli) fn lines(table: &Table) -> String {
    let styled = |(at, line): (usize, String)| match (at, line.trim_end()) {
        (0, head) => format!("{HEAD}{head}{PLAIN}"),
        (_, line) => line.to_owned(),
    };
    table.lines().enumerate().map(styled).collect::<Text>().finish()
}

/// The lines of a table that may have a hundred thousand rows, as [`table`] and [`lines`] would make them, without holding all cells: `rows` are
/// made twice.
pub(in crate::cli) fn long_table<const N: usize, I: Iterator<Item = [String; N]>>(
    head: [&str; N],
    rows: impl Fn() -> I,
) -> String {
    let names = head.map(|name| name.trim_start_matches('>').to_owned());
    let mut widths = names.each_ref().map(|name| name.chars().count());
    for row in rows() {
        for (width, cell) in widths.iter_mut().zip(&row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: [String; N]| {
        let mut line = String::new();
        for ((name, cell), width) in head.iter().zip(row).zip(widths) {
            let cell =
                if name.starts_with('>') { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
            line.push_str(&cell);
        }
        line.trim_end().to_owned()
    };
    let mut text = Text::default();
    text.line(&format!("{HEAD}{}{PLAIN}", line(names)));
    rows().for_each(|row| text.line(&line(row)));
    text.finish()
}

/// A table's lines, without columns that it can do without where the terminal is too narrow for them: the first of these go first, and are named.
pub(in crate::cli) fn fitted(table: Table, less: &[&'static str]) -> String {
    let (text, hidden) = shortened(table, less);
    text + &note(&hidden)
}

/// What a terminal has no room for.
pub(in crate::cli) fn note(hidden: &[&str]) -> String {
    let named = hidden.join(", ");
    if hidden.is_empty() { named } else { format!("(on a wider terminal, and with --json, also: {named})\n") }
}

/// The same without the note; beside it the names of what is not shown.
pub(in crate::cli) fn shortened(table: Table, less: &[&'static str]) -> (String, Vec<&'static str>) {
    let is_terminal = std::io::stdout().is_terminal();
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().filter(|_| is_terminal);
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    fit(table, less, columns.unwrap_or(usize::MAX))
}

fn fit(mut table: Table, less: &[&'static str], columns: usize) -> (String, Vec<&'static str>) {
    let mut hidden = Vec::new();
    for name in less {
        if width(&table) <= columns {
            break;
        }
        let at = table.header().and_then(|head| head.cell_iter().position(|cell| cell.content() == *name));
        if let Some(column) = at.and_then(|at| table.column_mut(at)) {
            column.set_constraint(ColumnConstraint::Hidden);
            hidden.push(*name);
        }
    }
    (lines(&table), hidden)
}

fn width(table: &Table) -> usize {
    table.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_does_without_columns_where_it_would_not_fit() {
        let mut table = table(&["POINT", ">HISTORY", "STATE"]);
        table.add_row(["7", "12 MiB", "complete"]);
        let plain = |columns| {
            let (text, hidden) = fit(table.clone(), &["HISTORY"], columns);
            anstream::adapter::strip_str(&(text + &note(&hidden))).to_string()
        };
        assert_eq!(plain(24), "POINT  HISTORY  STATE\n7       12 MiB  complete\n");
        let narrow = "POINT  STATE\n7      complete\n(on a wider terminal, and with --json, also: HISTORY)\n";
        assert_eq!(plain(23), narrow);
        assert_eq!(plain(3), narrow, "what can't be done without stays");
    }

    #[test]
    fn colours_pass_and_nothing_else_that_a_terminal_obeys() {
        let text = format!("{BAD}damage:{PLAIN} a\tb\n");
        assert_eq!(harmless(&text), text);
        assert_eq!(
            harmless("a\x1b[2Jb\x07\x1b]0;c\u{9b}31m\x1b"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}]0;c\u{fffd}31m\u{fffd}"
        );
    }

    #[test]
    fn a_long_table_looks_like_any_other() {
        let (head, rows) = (
            [">POINT", "SOURCE", ">BYTES", "STATE"],
            [["7", "node-1", "12", "open"], ["1234567", "é", "1", ""]],
        );
        let mut all = table(&head);
        all.add_rows(rows);
        let rows = || rows.iter().map(|row| row.map(str::to_owned));
        assert_eq!(long_table(head, rows), lines(&all));
        assert_eq!(long_table(head, || rows().take(0)), lines(&table(&head)));
    }

    #[test]
    fn a_table_is_plain_columns() {
        let mut table = table(&[">POINT", "SOURCE"]);
        table.add_row(["7", "node-1"]).add_row(["12", "node 2"]);
        let text = anstream::adapter::strip_str(&lines(&table)).to_string();
        assert_eq!(text, "POINT  SOURCE\n    7  node-1\n   12  node 2\n");
    }
}
