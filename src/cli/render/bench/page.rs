//! One self-contained page: no network, no scripts; light and dark; prints well.

use super::{BenchDocument, data, machine, plots, remarks, table};
use crate::cli::failure::Failure;
use crate::engine::bench::report::Row;

const STYLE: &str = "
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --soft: #5b6570; --rule: #d5dae0; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ed; --soft: #a3adb8; --rule: #39424c; } }
@media print { :root { --paper: #ffffff; --ink: #000000; --soft: #444444; --rule: #bbbbbb; } figure, table { break-inside: avoid; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.25rem; } h2 { font-size: 1.15rem; margin-top: 2.25rem; }
p, li { overflow-wrap: anywhere; } .soft { color: var(--soft); font-size: 0.9rem; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; max-width: 760px; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.5rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child, .words td, .words th { text-align: left; }
.words td { white-space: normal; } tr.ours td:first-child { font-weight: 600; }
code { font-size: 0.9em; overflow-wrap: anywhere; }
@media print { body { font-size: 10pt; max-width: none; margin: 0; } table { font-size: 6.5pt; } th, td { padding: 0.1rem 0.25rem; } }
";

/// What stands in a picture that stands alone: it brings its own colours.
const ALONE: &str = "<style>svg{color:#1b1f24;background:#fff}@media (prefers-color-scheme:dark){svg{color:#e6e9ed;background:#14181d}}</style>";

/// The page.
pub(super) fn page(document: &BenchDocument<'_>) -> Result<String, Failure> {
    let report = document.report;
    let mut body = format!(
        "<h1>What the archive saves on this data</h1>\n<p class=\"soft\">{}</p>\n",
        escaped(&machine(document))
    );
    body += &list(&data(&report.data));
    body += "<h2>Size by tool</h2>\n<p>What is stored after one backup of the same data, all files of each repository, the smallest first. \
             Green: segvault.</p>\n";
    body += &figure(&plots::sizes(report)?);
    body += "<h2>All figures</h2>\n";
    body += &figures(document);
    body += &list(&remarks(report));
    if report.month.is_some() {
        body += "<h2>Growth over a month</h2>\n<p>The backups that were made of a month of hourly ones. The scale is logarithmic.</p>\n";
        body += &figure(&plots::growth(report)?);
    }
    body += "<h2>Speed against size</h2>\n<p>Of the first backup. The scale of speed is logarithmic. To the left: smaller; up: faster.</p>\n";
    body += &figure(&plots::speed(report)?);
    if let Some(columns) = report.columns.as_ref().filter(|columns| !columns.columns.is_empty()) {
        body += "<h2>Where the bytes go</h2>\n<p>The largest columns of the default setting, of the bytes that columns take.</p>\n";
        body += &figure(&plots::columns(columns)?);
    }
    body += "<h2>To do it again</h2>\n";
    body += &["<p><code>", &escaped(&document.command), "</code></p>\n"].concat();
    body += &versions(&report.rows);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>segvault bench</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    ))
}

/// The plot of sizes, alone.
pub(super) fn picture(document: &BenchDocument<'_>) -> Result<String, Failure> {
    let picture = plots::sizes(document.report)?;
    Ok(match picture.find('>') {
        Some(at) => {
            let (head, rest) = picture.split_at(at + 1);
            format!("{head}{ALONE}{rest}")
        }
        None => picture,
    })
}

fn figure(picture: &str) -> String {
    format!("<figure>\n{picture}</figure>\n")
}

fn list(sentences: &[String]) -> String {
    let items: Vec<String> = sentences.iter().map(|one| format!("<li>{}</li>\n", escaped(one))).collect();
    format!("<ul>\n{}</ul>\n", items.concat())
}

fn figures(document: &BenchDocument<'_>) -> String {
    let head: Vec<String> = table::HEAD
        .iter()
        .map(|name| format!("<th>{}</th>", escaped(name.trim_start_matches('>'))))
        .collect();
    let rows: Vec<String> = document
        .report
        .rows
        .iter()
        .zip(table::rows(document.report))
        .map(|(row, cells)| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
            format!("<tr{}>{}</tr>\n", if row.own { " class=\"ours\"" } else { "" }, cells.concat())
        })
        .collect();
    format!(
        "<div class=\"wide\"><table>\n<tr>{}</tr>\n{}</table></div>\n<p class=\"soft\">{}</p>\n",
        head.concat(),
        rows.concat(),
        escaped(super::LEGEND)
    )
}

fn versions(rows: &[Row]) -> String {
    let cell = |text: &str| format!("<td>{}</td>", escaped(text));
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let version = row.version.as_deref().unwrap_or(if row.own { "this program" } else { "" });
            format!("<tr>{}{}{}</tr>\n", cell(&row.tool), cell(version), cell(&row.settings))
        })
        .collect();
    format!(
        "<table class=\"words\">\n<tr><th>tool</th><th>version</th><th>settings</th></tr>\n{}</table>\n",
        rows.concat()
    )
}

/// Text in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
