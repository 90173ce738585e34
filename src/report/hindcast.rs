//! The model against what was observed, and what it gets wrong.

use std::fmt::Write as _;

use serde_json::json;

use super::Failed;
use super::figure::{Figure, Section, table};
use super::folder::Folder;
use super::frame::Frame;
use super::html::{self, escaped, rounded};

/// Rows that the table of the worst shows.
const WORST: usize = 12;
const PERCENT: f64 = 100.0;
/// Columns of the scoreboard under the names that they have in the fan.
const FAN: &[(&str, &str)] = &[
    ("median", "p50"),
    ("value", "observed"),
    ("low", "obs_low"),
    ("high", "obs_high"),
    ("to", "period"),
];
const COMMAND: &str = "frugality hindcast";

/// The trajectories, what the model gets wrong, and how many observations its bands cover.
///
/// # Errors
/// When a table cannot be read.
pub fn sections(folders: &[Folder]) -> Result<(Section, Section, Option<(usize, usize)>), Failed> {
    let mut fan = Section::new("observed", "The model and what was observed");
    let mut wrong = Section::new("wrong", "What the model gets wrong");
    let mut covered = None;
    for folder in folders.iter().filter(|folder| folder.hindcast) {
        let fan_table = folder.table("fan", &[])?.map(|(mut frame, source)| {
            for (from, to) in FAN {
                frame.rename(from, to);
            }
            (frame, source)
        });
        if let Some((frame, source)) = fan_table
            && frame.lacks(&["quantity", "period", "p05", "p50", "p95"]).is_none()
        {
            fan.figures.push(Figure {
                id: "fan",
                title: "Trajectories against observations".to_owned(),
                says: "Bands: 90 % and 50 % of the model's draws; line: their median. Dots: what was observed, with the \
                       tolerance of the source."
                    .to_owned(),
                more: json!({}),
                data: frame,
                formula: format!("pd.read_csv(\"{}\")   # quantiles over draws, by quantity and period", source.path),
                commands: vec![folder.told(COMMAND)],
                sources: vec![source],
            });
        }
        if let Some((frame, source)) = folder.table("families", &[])?
            && frame.find("family").is_some()
        {
            wrong.figures.push(Figure {
                id: "families",
                title: "How often the bands hold, by family of observations".to_owned(),
                says: "Share of observations inside the 90 % band of their forecasts: the draws with the error of an observation \
                       around them; nine in ten is what a band of 90 % should hold. \
                       Rows for fitting were known when the model was tuned; nothing was fitted to rows for testing, but they were seen."
                    .to_owned(),
                more: json!({}),
                data: frame,
                formula: format!("pd.read_csv(\"{}\")", source.path),
                commands: vec![folder.told(COMMAND)],
                sources: vec![source],
            });
        }
        if let Some((frame, source)) = folder.table("scoreboard", &[])? {
            covered = count(&frame).or(covered);
            wrong.after.push_str(&worst(&frame));
            let _ = writeln!(
                wrong.after,
                "<div class=\"source\"><code>{}</code>{}</div>",
                html::escaped(&folder.told(COMMAND)),
                html::files(&[source])
            );
        }
        if let Some((frame, _)) = folder.table("event_tests", &[])? {
            wrong.after.push_str("<h3>Events that the model should have and may not</h3>\n");
            wrong.after.push_str(&events(&frame));
        }
        if let Some((frame, _)) = folder.table("inputs_after_2023", &[])? {
            wrong.after.push_str(
                "<h3>Inputs of after 2023</h3>\n<p>Facts of later than the period that the model may be tuned to, which its \
                 tables hold all the same: what rests on them is no forecast.</p>\n",
            );
            wrong.after.push_str(&whole(&frame));
        }
    }
    if fan.figures.is_empty() {
        fan.missing("No hindcast with trajectories was given, so the model is not set against what was observed.", COMMAND);
    }
    if wrong.figures.is_empty() && wrong.after.is_empty() {
        wrong.missing(
            "No scores were given, so this page cannot say what the model gets wrong.",
            COMMAND,
        );
    }
    Ok((fan, wrong, covered))
}

/// Whether a cell says yes, no or nothing.
fn yes(frame: &Frame, name: &str, row: usize) -> Option<bool> {
    match frame.text(name, row).as_str() {
        "true" | "1" | "yes" | "inside" => Some(true),
        "false" | "0" | "no" | "outside" => Some(false),
        _ => None,
    }
}

fn count(frame: &Frame) -> Option<(usize, usize)> {
    let held: Vec<bool> = (0..frame.rows()).filter_map(|row| yes(frame, "covered", row)).collect();
    (!held.is_empty()).then(|| (held.iter().filter(|held| **held).count(), held.len()))
}

/// The first of `names` that is a column.
fn column<'a>(frame: &Frame, names: &[&'a str]) -> Option<&'a str> {
    names.iter().find(|name| frame.find(name).is_some()).copied()
}

/// The rows that the bands do not cover, those first whose error is largest for their tolerance.
fn worst(frame: &Frame) -> String {
    let median = column(frame, &["model_median", "median", "model", "p50"]).unwrap_or("p50");
    let number = |name: &str, row: usize| frame.number(name, row);
    let mut rows: Vec<(f64, usize)> = (0..frame.rows())
        .filter(|row| yes(frame, "covered", *row) == Some(false))
        .map(|row| {
            let tolerance = (number("high", row) - number("low", row)).abs() / 2.0;
            let off = (number(median, row) - number("value", row)).abs() / tolerance;
            (if off.is_nan() { 0.0 } else { off }, row)
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let missed = rows.len();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .take(WORST)
        .map(|(off, row)| {
            let text = |name: &str| escaped(&frame.text(name, *row));
            let value = |name: &str| escaped(&rounded(number(name, *row)));
            vec![
                format!("{}<br><span class=\"note\">{}</span>", text("quantity"), text("id")),
                text("split"),
                [text("from"), text("to")].join(" – "),
                format!(
                    "{} <span class=\"unit\">{}</span><br><span class=\"note\">{} to {}</span>",
                    value("value"),
                    text("unit"),
                    value("low"),
                    value("high")
                ),
                format!(
                    "{}<br><span class=\"note\">{} to {}</span>",
                    value(median),
                    value("p05"),
                    value("p95")
                ),
                escaped(&rounded(*off)),
            ]
        })
        .collect();
    if cells.is_empty() {
        return String::new();
    }
    format!(
        "<h3>Where the model is furthest off</h3>\n<p>{} of the {missed} observations outside the 90 % band, by distance of the \
         median from what was observed, in tolerances of the source.</p>\n{}",
        cells.len(),
        table(
            "worst",
            &["Quantity", "Use", "Period", "Observed", "Model", "Tolerances off"],
            &cells
        )
    )
}

/// Tests of events: what was to happen, and in which share of draws it did.
fn events(frame: &Frame) -> String {
    if frame.lacks(&["about", "passed"]).is_some() {
        return whole(frame);
    }
    let rows: Vec<Vec<String>> = (0..frame.rows())
        .map(|row| {
            let text = |name: &str| frame.text(name, row);
            let either = |month: &str, number: &str| {
                let x = frame.number(number, row);
                if !text(month).is_empty() {
                    text(month)
                } else if x.is_finite() {
                    rounded(x)
                } else {
                    "–".to_owned()
                }
            };
            let share = frame.number("share_within", row) * PERCENT;
            let passed = match yes(frame, "passed", row) {
                Some(true) => "<span class=\"verdict supported\">passed</span>",
                Some(false) => "<span class=\"verdict refuted\">failed</span>",
                None => "<span class=\"verdict undecided\">open</span>",
            };
            vec![
                format!(
                    "{}<br><span class=\"note\">{}</span>",
                    escaped(&text("about")),
                    escaped(&[text("test"), text("arm")].join(" · "))
                ),
                escaped(&either("observed_month", "observed")),
                escaped(&either("median_month", "median")),
                if share.is_finite() { format!("{} %", rounded(share)) } else { "–".to_owned() },
                passed.to_owned(),
            ]
        })
        .collect();
    table("events", &["Event", "Observed", "Model, median", "Draws within tolerance", ""], &rows)
}

/// A table as it is.
fn whole(frame: &Frame) -> String {
    let heads: Vec<String> = frame.columns.iter().map(|c| c.name.replace('_', " ")).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = (0..frame.rows())
        .map(|row| {
            frame
                .columns
                .iter()
                .map(|column| {
                    let number = frame.number(&column.name, row);
                    let text = frame.text(&column.name, row);
                    escaped(&if number.is_finite() { rounded(number) } else { text })
                })
                .collect()
        })
        .collect();
    table("whole", &heads, &rows)
}
