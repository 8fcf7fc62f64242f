//! The few colours, and how tables look.

use anstyle::{AnsiColor, Reset, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table};

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

/// A table without lines, as wide as its content. Columns whose head begins with `>` are aligned to the right.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_plain_columns() {
        let mut table = table(&[">POINT", "SOURCE"]);
        table.add_row(["7", "node-1"]).add_row(["12", "node 2"]);
        let text = anstream::adapter::strip_str(&lines(&table)).to_string();
        assert_eq!(text, "POINT  SOURCE\n    7  node-1\n   12  node 2\n");
    }
}
