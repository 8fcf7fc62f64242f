//! Plots as plain SVG: no scripts, no fonts of their own. What is black in them takes the colour of the text around it, so that they fit a light and a
//! dark page.

use crate::cli::failure::Failure;
use crate::cli::render::units::bytes;
use crate::engine::bench::columns::Columns;
use crate::engine::bench::report::{Report, Row};
use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries,
    PathElement, RGBColor, Rectangle, SVGBackend, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io;

/// Colours that can be told apart on light and on dark, by eyes that see few colours too.
const OURS: RGBColor = RGBColor(0x1f, 0x8a, 0x70);
const OTHERS: RGBColor = RGBColor(0x8a, 0x8f, 0x98);
const LINES: [RGBColor; 6] = [
    OURS,
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x75, 0x70, 0xc9),
    RGBColor(0xe0, 0x3c, 0x8a),
    RGBColor(0xa6, 0x76, 0x1d),
    OTHERS,
];
const WIDTH: u32 = 760;
/// Height of a bar with its gap.
const BAR: i32 = 26;
/// Where bars begin: labels stand to the left.
const LEFT: i32 = 150;
/// Room for the numbers behind bars.
const RIGHT: i32 = 250;
/// Half the width of a point, with some air.
const POINT: i32 = 7;
/// Labels are at least so far apart.
const LABEL: i32 = 15;
/// Columns that are plotted.
const COLUMNS: usize = 20;
/// Letters of a column's name that are shown.
const NAME: usize = 62;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A bar: its label, its length, its colour, and what stands behind it.
struct Bar {
    label: String,
    length: f64,
    ours: bool,
    told: String,
}

/// Stored bytes by tool, the smallest first.
pub(super) fn sizes(report: &Report) -> Result<String, Failure> {
    let mut rows: Vec<(&Row, u64)> =
        report.rows.iter().filter_map(|row| Some((row, row.measured.as_ref()?.stored))).collect();
    rows.sort_by_key(|(_, stored)| *stored);
    let bars: Vec<Bar> = rows
        .into_iter()
        .map(|(row, stored)| Bar {
            label: row.tool.clone(),
            length: number(stored),
            ours: row.own,
            told: format!(
                "{} · {:.2} x smaller{}",
                bytes(stored),
                number(report.data.at_first) / number(stored.max(1)),
                if row.differs.is_some() { " · NOT EQUAL" } else { "" }
            ),
        })
        .collect();
    bar_plot(&bars, LEFT, "Stored bytes by tool")
}

/// Where the bytes go, the largest first.
pub(super) fn columns(columns: &Columns) -> Result<String, Failure> {
    let shown = columns.columns.iter().take(COLUMNS);
    let bars: Vec<Bar> = shown
        .map(|column| Bar {
            label: shortened(&column.name),
            length: number(column.bytes),
            ours: true,
            told: format!("{:.1} % · {}", column.share * 100.0, bytes(column.bytes)),
        })
        .collect();
    bar_plot(&bars, 420, "Stored bytes by column")
}

/// The end of a long name says more than its beginning.
fn shortened(name: &str) -> String {
    let name = crate::cli::describe::one_line(name);
    let letters: Vec<char> = name.chars().collect();
    match letters.len().checked_sub(NAME) {
        Some(over) if over > 0 => std::iter::once('…').chain(letters.into_iter().skip(over + 1)).collect(),
        _ => name,
    }
}

fn bar_plot(bars: &[Bar], left: i32, what: &str) -> Result<String, Failure> {
    let height = u32::try_from(bars.len()).unwrap_or(1).saturating_mul(BAR.unsigned_abs()).saturating_add(8);
    let longest = bars.iter().map(|bar| bar.length).fold(1.0, f64::max);
    drawn(height, what, |area| {
        for (at, bar) in (0_i32..).zip(bars) {
            let top = at * BAR + 4;
            let middle = top + BAR / 2 - 2;
            let room = f64::from(i32::try_from(WIDTH).unwrap_or(0) - left - RIGHT);
            let end = left + pixels(bar.length / longest * room).max(1);
            let colour = if bar.ours { OURS } else { OTHERS };
            area.draw_text(&bar.label, &style(HPos::Right), (left - 8, middle))?;
            area.draw(&Rectangle::new([(left, top), (end, top + BAR - 6)], colour.filled()))?;
            area.draw_text(&bar.told, &style(HPos::Left), (end + 8, middle))?;
        }
        Ok(())
    })
}

/// Growth in the month: a line a tool, on a scale that shows how many times one is larger than another.
pub(super) fn growth(report: &Report) -> Result<String, Failure> {
    let rows: Vec<_> = report.rows.iter().filter_map(|row| Some((row, row.growth.as_ref()?))).collect();
    let all = || rows.iter().flat_map(|(_, growth)| &growth.steps).map(|step| number(step.stored.max(1)));
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(1.0, f64::max));
    drawn(380, "Stored bytes over a month", |area| {
        let range = (least.min(most) / 1.3..most * 1.3).log_scale();
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(150)
            .x_label_area_size(44)
            .y_label_area_size(78)
            .build_cartesian_2d(0.0..30.0, range)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc("day of the month")
            .y_label_formatter(&|size: &f64| bytes(whole(*size)))
            .y_labels(6)
            .label_style(style(HPos::Center))
            .light_line_style(BLACK.mix(0.0))
            .bold_line_style(BLACK.mix(0.15))
            .draw()?;
        let mut labels = Vec::new();
        for ((row, growth), colour) in rows.iter().zip(LINES.iter().cycle()) {
            let points: Vec<(f64, f64)> = growth
                .steps
                .iter()
                .map(|step| (f64::from(step.hour) / 24.0, number(step.stored.max(1))))
                .collect();
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
            if let Some(last) = points.last() {
                labels.push((chart.backend_coord(last), row.tool.clone(), *colour));
            }
        }
        label(area, labels, 8)
    })
}

/// How fast a first backup is against how small it is: to the left and up is better.
pub(super) fn speed(report: &Report) -> Result<String, Failure> {
    let points: Vec<(&Row, f64, f64)> = report
        .rows
        .iter()
        .filter_map(|row| {
            let measured = row.measured.as_ref()?;
            let share = number(measured.stored) / number(report.data.at_first.max(1)) * 100.0;
            Some((row, share, number(measured.encode_speed.max(1)) / 1_048_576.0))
        })
        .collect();
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let fastest = points.iter().map(|point| point.2).fold(0.001, f64::max);
    let slowest = points.iter().map(|point| point.2).fold(fastest, f64::min);
    drawn(420, "Speed of a backup against what it stores", |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(130)
            .x_label_area_size(44)
            .y_label_area_size(78)
            .build_cartesian_2d(0.0..most * 1.05, (slowest / 1.5..fastest * 1.5).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("stored, % of the history (less is better)")
            .y_desc("MiB of history a second")
            .y_label_formatter(&|speed: &f64| {
                if *speed < 1.0 { format!("{speed:.2}") } else { format!("{speed:.0}") }
            })
            .y_labels(6)
            .label_style(style(HPos::Center))
            .light_line_style(BLACK.mix(0.0))
            .bold_line_style(BLACK.mix(0.15))
            .draw()?;
        let mut labels = Vec::new();
        for (row, share, speed) in &points {
            let colour = if row.own { OURS } else { OTHERS };
            chart.draw_series(std::iter::once(Circle::new((*share, *speed), 5, colour.filled())))?;
            labels.push((chart.backend_coord(&(*share, *speed)), row.tool.clone(), colour));
        }
        label(area, labels, 22)
    })
}

/// Names beside their points: pushed down where they would stand on each other, with a line from the point.
fn label(area: &Area<'_>, mut labels: Vec<((i32, i32), String, RGBColor)>, away: i32) -> Result<(), Drawing> {
    labels.sort_by_key(|((x, y), name, _)| (*y, *x, name.clone()));
    let mut taken: Vec<(i32, i32, i32)> =
        labels.iter().map(|((x, y), ..)| (*y, x - POINT, x + POINT)).collect();
    for ((x, y), name, colour) in labels {
        let (from, wide) = (x + away, i32::try_from(name.chars().count()).unwrap_or(0) * 8);
        let mut line = y;
        while taken
            .iter()
            .any(|(at, begin, end)| (at - line).abs() < LABEL && from < *end && from + wide > *begin)
        {
            line += 1;
        }
        taken.push((line, from, from + wide));
        area.draw(&PathElement::new(vec![(x, y), (from - 3, line)], colour.mix(0.7).stroke_width(1)))?;
        area.draw_text(&name, &style(HPos::Left), (from, line))?;
    }
    Ok(())
}

type Drawing = plotters::drawing::DrawingAreaErrorKind<io::Error>;

/// A picture, as an element of a page.
fn drawn(
    height: u32,
    what: &str,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Drawing>,
) -> Result<String, Failure> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    draw(&area)
        .and_then(|()| area.present())
        .map_err(|error| Failure::Output(io::Error::other(error.to_string())))?;
    drop(area);
    let sized = format!("<svg width=\"{WIDTH}\" height=\"{height}\" ");
    let named = format!("<svg role=\"img\" aria-label=\"{what}\" ");
    Ok(text.replace(&sized, &named).replace("\"#000000\"", "\"currentColor\""))
}

fn style(side: HPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", 13).into_font()).color(&BLACK).pos(Pos::new(side, VPos::Center))
}

#[expect(clippy::cast_precision_loss, reason = "places in a picture")]
fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "places in a picture")]
fn pixels(place: f64) -> i32 {
    place as i32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a label")]
fn whole(size: f64) -> u64 {
    size.max(0.0) as u64
}
