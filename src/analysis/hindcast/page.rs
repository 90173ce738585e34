//! Scores as a page of text and as CSV.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{P05, P95, Score, Tally, Verdict, tally};
use crate::record::outputs::{Outputs, quantile};
use crate::world::observation::{Aggregate, ObservationRow, Use};

/// A number for people: four significant digits.
pub(super) fn digits(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        return "–".to_owned();
    }
    if size != 0.0 && !(0.001..1e6).contains(&size) {
        return format!("{x:.2e}");
    }
    let decimals = match size {
        s if s >= 1000.0 => 0,
        s if s >= 100.0 => 1,
        s if s >= 1.0 => 2,
        0.0 => 0,
        _ => 4,
    };
    format!("{x:.decimals$}")
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share))
}

pub(super) fn tolerances(x: Option<f64>) -> String {
    x.map_or_else(|| "–".to_owned(), |x| format!("{x:+.2}"))
}

pub(super) fn padded(text: &str, width: usize) -> String {
    let short: String = if text.chars().count() > width {
        text.chars().take(width - 1).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    let gap = width - short.chars().count();
    short + &" ".repeat(gap)
}

pub(super) fn right(text: &str, width: usize) -> String {
    let gap = width.saturating_sub(text.chars().count());
    " ".repeat(gap) + text
}

pub(super) fn period(row: &ObservationRow) -> String {
    if row.from == row.to || row.aggregate == Aggregate::Last {
        row.to.to_string()
    } else {
        format!("{}–{}", row.from, row.to)
    }
}

/// The scores as a page of text: every row, then families and roles.
#[must_use]
pub fn text(runs: &[Outputs], scores: &[Score]) -> String {
    let mut page = String::new();
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let _ = writeln!(page, "Hindcast of {} run(s): {}", runs.len(), names.join(", "));
    let _ = writeln!(
        page,
        "z: distance from the observed value in tolerances; |z| ≤ 1 is inside. * an input largely determines the row."
    );
    for role in [Use::Fit, Use::Test] {
        let of_role: Vec<&Score> = scores.iter().filter(|s| s.row.role == role).collect();
        if of_role.is_empty() {
            continue;
        }
        let title = match role {
            Use::Fit => "FIT: ends by January 2024, may be tuned to",
            Use::Test => "TEST: later, only reported",
        };
        let _ = writeln!(page, "\n{title}");
        rows(&mut page, &of_role);
        summary(&mut page, &of_role);
    }
    let gaps: BTreeSet<String> = scores
        .iter()
        .filter_map(|score| match &score.verdict {
            Verdict::Missing(gap, _) => Some(format!("{}: {gap}", score.row.table)),
            _ => None,
        })
        .collect();
    if !gaps.is_empty() {
        let _ = writeln!(page, "\nMissing because of");
        for gap in gaps {
            let _ = writeln!(page, "  {gap}");
        }
    }
    page
}

fn rows(page: &mut String, scores: &[&Score]) {
    let mut family = "";
    for score in scores {
        let row = &score.row;
        if row.family != family {
            family = &row.family;
            let _ = writeln!(
                page,
                "\n  {} {} {} {} {} {} {}",
                padded(family, 60),
                padded("when", 17),
                right("observed", 9),
                padded("(low to high)", 23),
                right("model", 9),
                right("z", 7),
                right("naive z", 8),
            );
        }
        let mark = if score.inputs.is_empty() { ' ' } else { '*' };
        let (model, z) = match &score.verdict {
            Verdict::Missing(..) => ("missing".to_owned(), String::new()),
            _ => (digits(score.model()), format!("{:+.2}", score.z())),
        };
        let naive = score.naive_error().map_or_else(String::new, |e| format!("{e:.2}"));
        let verdict = match score.verdict {
            Verdict::Inside => "inside",
            Verdict::Outside => "OUTSIDE",
            Verdict::Missing(..) => "?",
        };
        let _ = writeln!(
            page,
            "{mark} {} {} {} {} {} {} {}  {verdict}",
            padded(&format!("{} [{}]", row.quantity, row.unit), 60),
            padded(&period(row), 17),
            right(&digits(row.value), 9),
            padded(&format!("({} to {})", digits(row.low), digits(row.high)), 23),
            right(&model, 9),
            right(&z, 7),
            right(&naive, 8),
        );
    }
}

fn summary(page: &mut String, scores: &[&Score]) {
    let _ = writeln!(
        page,
        "\n  {} inside/scored  missing  share  strict   bias  90 % band │ compared  model  naive  error  naive",
        padded("family", 22)
    );
    let families: BTreeSet<&str> = scores.iter().map(|s| s.row.family.as_str()).collect();
    let mut line = |name: &str, tally: &Tally| {
        let _ = writeln!(
            page,
            "  {} {} {} {} {} {} {} │ {} {} {} {} {}",
            padded(name, 22),
            right(&format!("{}/{}", tally.inside, tally.scored), 13),
            right(&tally.missing.to_string(), 8),
            right(&percent(tally.share), 6),
            right(&percent(tally.share_strict), 7),
            right(&tolerances(tally.bias), 6),
            right(&percent(tally.covered), 10),
            right(&tally.compared.to_string(), 8),
            right(&percent(tally.share_compared), 6),
            right(&percent(tally.share_naive), 6),
            right(&tally.error.map_or_else(|| "–".to_owned(), |e| format!("{e:.2}")), 6),
            right(&tally.error_naive.map_or_else(|| "–".to_owned(), |e| format!("{e:.2}")), 6),
        );
    };
    for family in families {
        line(family, &tally(scores.iter().copied().filter(|s| s.row.family == family)));
    }
    line("ALL, by family", &tally(scores.iter().copied()));
    line("free of inputs", &tally(scores.iter().copied().filter(|s| s.inputs.is_empty())));
}

/// The scores as CSV, a row an observation.
///
/// # Errors
/// When the text cannot be written.
pub fn csv(scores: &[Score]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "id",
        "family",
        "role",
        "quantity",
        "from",
        "to",
        "unit",
        "observed",
        "low",
        "high",
        "model",
        "p05",
        "p95",
        "z",
        "crps",
        "verdict",
        "naive",
        "naive_kind",
        "naive_error",
        "inputs",
        "why",
    ])?;
    let number = |x: f64| if x.is_finite() { x.to_string() } else { String::new() };
    for score in scores {
        let row = &score.row;
        let (verdict, why) = match &score.verdict {
            Verdict::Inside => ("inside", String::new()),
            Verdict::Outside => ("outside", String::new()),
            Verdict::Missing(gap, runs) => ("missing", format!("{gap} ({runs} runs)")),
        };
        let of = |x: f64| if score.missing() { String::new() } else { number(x) };
        writer.write_record([
            row.id.clone(),
            row.family.clone(),
            row.role.word().to_owned(),
            row.quantity.clone(),
            row.from.to_string(),
            row.to.to_string(),
            row.unit.clone(),
            number(row.value),
            number(row.low),
            number(row.high),
            of(score.model()),
            of(quantile(&score.values, P05)),
            of(quantile(&score.values, P95)),
            of(score.z()),
            of(score.crps()),
            verdict.to_owned(),
            score.naive.map_or_else(String::new, |n| number(n.value)),
            score.naive.map_or("", |n| n.kind.word()).to_owned(),
            score.naive_error().map_or_else(String::new, number),
            score.inputs.join(" "),
            why,
        ])?;
    }
    let bytes = writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
