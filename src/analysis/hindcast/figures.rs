//! A figure a family: what was observed, over the fan of the draws.
//!
//! Small multiples, a panel a quantity. Light band: 5 to 95 %, dark band: 25 to 75 %, line: median; dots with
//! bars: observed value and tolerance, hollow for rows of the split `test`. Blue and vermilion of Okabe and
//! Ito's palette, which the colour-blind tell apart.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Score;
use super::board::FAN;
use super::page::digits;
use crate::calendar::Month;
use crate::maths;
use crate::record::outputs::quantile;
use crate::world::observation::{ObservationRow, Use};

const BLUE: &str = "#0072B2";
const VERMILION: &str = "#D55E00";
/// Size of a panel.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 190.0;
/// Room around its axes.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 26.0;
/// Panels in a row.
const ACROSS: usize = 3;
/// How many times larger the largest value must be than the smallest for a logarithmic axis.
const WIDE: f64 = 20.0;

/// The figures, a family each.
#[must_use]
pub fn figures(scores: &[Score]) -> Vec<(String, String)> {
    let mut families: BTreeMap<&str, BTreeMap<&str, Vec<&Score>>> = BTreeMap::new();
    for score in scores.iter().filter(|s| !s.missing()) {
        let quantities = families.entry(&score.row.family).or_default();
        quantities.entry(&score.row.quantity).or_default().push(score);
    }
    families.into_iter().map(|(name, of)| (name.to_owned(), figure(name, &of))).collect()
}

fn figure(name: &str, quantities: &BTreeMap<&str, Vec<&Score>>) -> String {
    let rows = quantities.len().div_ceil(ACROSS) as f64;
    let (width, height) = (WIDTH * ACROSS as f64, HEIGHT * rows + 52.0);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"10\" role=\"img\">\n<title>{0}: observed and modelled</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"18\" font-size=\"14\" font-weight=\"bold\">{0}</text>",
        escaped(name)
    );
    let _ = writeln!(
        svg,
        "<text x=\"10\" y=\"34\" fill=\"#444\">bands: 5–95 % and 25–75 % of the draws, line: median; dots: observed with tolerance, filled: fit, hollow: test; dashed: end of fit rows</text>"
    );
    for (at, (quantity, scores)) in quantities.iter().enumerate() {
        let (column, row) = ((at % ACROSS) as f64, (at / ACROSS) as f64);
        let _ = writeln!(
            svg,
            "<g transform=\"translate({},{})\">",
            column * WIDTH,
            46.0 + row * HEIGHT
        );
        panel(&mut svg, quantity, scores);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// The middle of the months that a row is about: where it stands.
fn place(row: &ObservationRow) -> f64 {
    f64::from(row.from.index() + row.to.index()) / 2.0
}

fn panel(svg: &mut String, quantity: &str, scores: &[&Score]) {
    let mut scores = scores.to_vec();
    scores.sort_by(|a, b| place(&a.row).total_cmp(&place(&b.row)));
    let unit = scores.first().map_or("", |s| s.row.unit.as_str());
    let fan: Vec<[f64; 5]> = scores.iter().map(|s| FAN.map(|p| quantile(&s.values, p))).collect();
    let seen = scores.iter().flat_map(|s| [s.row.low, s.row.value, s.row.high]);
    let all: Vec<f64> =
        fan.iter().flatten().copied().chain(seen).filter(|x| x.is_finite()).collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = least > 0.0 && most > WIDE * least;
    let scale = |x: f64| if log { maths::log10(x) } else { x };
    let (bottom, top) = if log { (scale(least), scale(most)) } else { (least.min(0.0), most) };
    let span = if top > bottom { top - bottom } else { 1.0 };
    let begin = f64::from(Month::new(2022, 1).index());
    let end = f64::from(Month::new(2026, 1).index());
    let x_of = |month: f64| LEFT + (month - begin) / (end - begin) * (WIDTH - LEFT - RIGHT);
    let y_of = |x: f64| {
        let share = ((scale(x) - bottom) / span).clamp(-1.0, 2.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    axes(svg, quantity, unit, &x_of);
    for tick in 0..=3 {
        let at = bottom + span * f64::from(tick) / 3.0;
        let value = if log { maths::exp10(at) } else { at };
        let y = y_of(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 4.0,
            y + 3.0,
            digits(value)
        );
    }
    let months: Vec<f64> = scores.iter().map(|s| x_of(place(&s.row))).collect();
    for (low, high, opacity) in [(0, 4, "0.18"), (1, 3, "0.35")] {
        band(svg, &months, &fan, (low, high), opacity, &y_of);
    }
    let line: Vec<String> =
        months.iter().zip(&fan).map(|(x, f)| format!("{x:.1},{:.1}", y_of(f[2]))).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{BLUE}\" stroke-width=\"1.5\"/>",
        line.join(" ")
    );
    for ((x, score), fan) in months.iter().zip(&scores).zip(&fan) {
        let row = &score.row;
        let fill = if row.role == Use::Fit { VERMILION } else { "white" };
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"4\" height=\"1.5\" fill=\"{BLUE}\"/><line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{VERMILION}\"/><circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{fill}\" stroke=\"{VERMILION}\"><title>{}: observed {} ({} to {}), model {}</title></circle>",
            x - 2.0,
            y_of(fan[2]),
            y_of(row.low),
            y_of(row.high),
            y_of(row.value),
            escaped(&row.id),
            digits(row.value),
            digits(row.low),
            digits(row.high),
            digits(fan[2]),
        );
    }
}

fn axes(svg: &mut String, quantity: &str, unit: &str, x_of: &dyn Fn(f64) -> f64) {
    let short: String = quantity.chars().take(52).collect();
    let dots = if quantity.chars().count() > 52 { "…" } else { "" };
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"12\" font-weight=\"bold\">{}{dots}<title>{}</title></text><text x=\"{LEFT}\" y=\"25\" fill=\"#444\">{}</text>",
        escaped(&short),
        escaped(quantity),
        escaped(unit)
    );
    let floor = HEIGHT - BOTTOM;
    for year in 2022..=2026 {
        let x = x_of(f64::from(Month::new(year, 1).index()));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{floor}\" y2=\"{:.1}\" stroke=\"#444\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{year}</text>",
            floor + 3.0,
            floor + 14.0
        );
    }
    let split = x_of(f64::from(ObservationRow::FIT_ENDS.index()));
    let _ = writeln!(
        svg,
        "<line x1=\"{split:.1}\" x2=\"{split:.1}\" y1=\"{TOP}\" y2=\"{floor}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>"
    );
}

/// The area between two points of the fan; a bar where there is one period only.
fn band(
    svg: &mut String,
    months: &[f64],
    fan: &[[f64; 5]],
    (low, high): (usize, usize),
    opacity: &str,
    y_of: &dyn Fn(f64) -> f64,
) {
    if let ([x], [f]) = (months, fan) {
        let (top, bottom) = (y_of(f[high]), y_of(f[low]));
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"12\" height=\"{:.1}\" fill=\"{BLUE}\" opacity=\"{opacity}\"/>",
            x - 6.0,
            bottom - top
        );
        return;
    }
    let up = months.iter().zip(fan).map(|(x, f)| format!("{x:.1},{:.1}", y_of(f[high])));
    let down = months.iter().zip(fan).rev().map(|(x, f)| format!("{x:.1},{:.1}", y_of(f[low])));
    let points: Vec<String> = up.chain(down).collect();
    let _ = writeln!(
        svg,
        "<polygon points=\"{}\" fill=\"{BLUE}\" opacity=\"{opacity}\"/>",
        points.join(" ")
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
