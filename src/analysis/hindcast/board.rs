//! The tables of a hindcast: rows, families, inputs, fan.

use std::collections::BTreeSet;

use super::{Score, Tally, Verdict, naive, tally};
use crate::calendar::Month;
use crate::record::CsvText;
use crate::record::outputs::quantile;
use crate::schema::Value;
use crate::world::observation::{ObservationRow, Use};
use crate::world::{Definition, Loaded};

/// First month of what may have been known when the world was written, but not by then.
pub const LATER: Month = Month::new(2024, 1);

/// The name of the tally over all families.
pub const ALL: &str = "ALL";

/// `scoreboard.csv`: a row an observation.
#[must_use]
pub fn scoreboard_csv(scores: &[Score]) -> CsvText {
    let mut csv = CsvText::new([
        "id",
        "family",
        "split",
        "quantity",
        "from",
        "to",
        "unit",
        "value",
        "low",
        "high",
        "median",
        "p05",
        "p95",
        "inside",
        "covered",
        "covered_by_runs",
        "z",
        "crps",
        "width",
        "naive",
        "naive_kind",
        "naive_crps",
        "naive_width",
        "runs",
        "inputs",
        "missing",
    ]);
    for score in scores {
        let row = &score.row;
        let some = !score.missing();
        let (low, high) = score.band();
        let of = |x: f64| if some { x } else { f64::NAN };
        csv.text(&row.id)
            .text(&row.family)
            .text(row.role.word())
            .text(&row.quantity)
            .word(Some(row.from))
            .word(Some(row.to))
            .text(&row.unit)
            .number(row.value)
            .number(row.low)
            .number(row.high)
            .number(of(score.model()))
            .number(of(low))
            .number(of(high))
            .word(some.then(|| score.verdict == Verdict::Inside))
            .word(some.then(|| score.covered()))
            .word(some.then(|| score.covered_by_runs()))
            .number(of(score.z()))
            .number(of(score.crps()))
            .number(of(score.width()))
            .number(score.naive.map_or(f64::NAN, |n| n.value))
            .text(score.naive.map_or("", |n| n.kind.word()))
            .number(score.naive_crps().unwrap_or(f64::NAN))
            .number(score.naive.and_then(|n| n.width()).unwrap_or(f64::NAN))
            .word(Some(score.values.len()))
            .text(&score.inputs.join(" "))
            .text(&match &score.verdict {
                Verdict::Missing(gap, runs) => format!("{gap} ({runs} runs)"),
                _ => String::new(),
            });
        csv.end();
    }
    csv
}

/// The scores of a family, or of all, in one split.
#[derive(Clone, Debug)]
pub struct Family {
    /// The family, or [`ALL`].
    pub name: String,
    /// The split.
    pub role: Use,
    /// Whether rows that an input largely determines are left out.
    pub free: bool,
    /// Counts and shares.
    pub tally: Tally,
    /// Share of rows whose CRPS is below the naive one's, among those that have both.
    pub better: Option<f64>,
    /// Median width of the model's 90 % band, of rows whose naive forecast has one; tolerances.
    pub width: Option<f64>,
    /// Median width of the naive forecast's, on the same rows.
    pub naive_width: Option<f64>,
    /// CRPS skill against a naive forecaster who knows the fit rows only.
    pub skill_from_fit: Option<f64>,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|x| x.is_finite());
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| quantile(&values, 1.0 / 2.0))
}

fn family(name: &str, role: Use, free: bool, scores: &[&Score], fixed: &[Fixed<'_>]) -> Family {
    let both: Vec<(&Score, f64)> = scores
        .iter()
        .filter(|s| !s.missing())
        .filter_map(|s| Some((*s, s.naive_crps()?)))
        .collect();
    let better = both.iter().filter(|(s, naive)| s.crps() < *naive).count() as f64;
    let banded: Vec<(f64, f64)> = scores
        .iter()
        .filter(|s| !s.missing())
        .filter_map(|s| Some((s.width(), s.naive?.width()?)))
        .collect();
    let known: Vec<(f64, f64)> = scores
        .iter()
        .filter(|s| !s.missing())
        .filter_map(|s| Some((s.crps(), fixed.iter().find(|f| f.0 == s.row.id)?.1)))
        .collect();
    let ratio = |pairs: &[(f64, f64)]| {
        let model = median(pairs.iter().map(|p| p.0).collect())?;
        Some(1.0 - model / median(pairs.iter().map(|p| p.1).collect())?)
    };
    Family {
        name: name.to_owned(),
        role,
        free,
        tally: tally(scores.iter().copied()),
        better: (!both.is_empty()).then(|| better / both.len() as f64),
        width: median(banded.iter().map(|b| b.0).collect()),
        naive_width: median(banded.iter().map(|b| b.1).collect()),
        skill_from_fit: ratio(&known),
    }
}

/// An observation's id and the CRPS of a naive forecast of it.
type Fixed<'a> = (&'a str, f64);

/// The scores of every family and of all, by split, with and without rows that inputs determine.
#[must_use]
pub fn families(scores: &[Score]) -> Vec<Family> {
    let rows: Vec<ObservationRow> = scores.iter().map(|s| s.row.clone()).collect();
    let fixed: Vec<Fixed<'_>> = rows
        .iter()
        .zip(naive(&rows, Some(ObservationRow::FIT_ENDS)))
        .filter_map(|(row, naive)| Some((row.id.as_str(), naive?.crps(row))))
        .collect();
    let names: BTreeSet<&str> = scores.iter().map(|s| s.row.family.as_str()).collect();
    let mut all = Vec::new();
    for role in [Use::Fit, Use::Test] {
        for free in [false, true] {
            let of = |name: Option<&str>| -> Vec<&Score> {
                scores
                    .iter()
                    .filter(|s| s.row.role == role && name.is_none_or(|n| s.row.family == n))
                    .filter(|s| !free || s.inputs.is_empty())
                    .collect()
            };
            for name in &names {
                let scores = of(Some(name));
                if !scores.is_empty() {
                    all.push(family(name, role, free, &scores, &fixed));
                }
            }
            let scores = of(None);
            if !scores.is_empty() {
                all.push(family(ALL, role, free, &scores, &fixed));
            }
        }
    }
    all
}

/// `families.csv`.
#[must_use]
pub fn families_csv(families: &[Family]) -> CsvText {
    let mut csv = CsvText::new([
        "family",
        "split",
        "rows",
        "scored",
        "missing",
        "inside",
        "share_inside",
        "coverage",
        "coverage_by_runs",
        "bias",
        "compared",
        "crps",
        "naive_crps",
        "skill",
        "share_better",
        "skill_from_fit",
        "width",
        "naive_width",
    ]);
    for f in families {
        let t = &f.tally;
        let or = |x: Option<f64>| x.unwrap_or(f64::NAN);
        csv.text(&f.name)
            .text(f.role.word())
            .text(if f.free { "free_of_inputs" } else { "all" })
            .word(Some(t.scored))
            .word(Some(t.missing))
            .word(Some(t.inside))
            .number(or(t.share))
            .number(or(t.covered))
            .number(or(t.covered_by_runs))
            .number(or(t.bias))
            .word(Some(t.compared))
            .number(or(t.error))
            .number(or(t.error_naive))
            .number(or(t.skill()))
            .number(or(f.better))
            .number(or(f.skill_from_fit))
            .number(or(f.width))
            .number(or(f.naive_width));
        csv.end();
    }
    csv
}

/// Months after 2023 that the world was told, up to `last`: what history gave away.
#[derive(Clone, Debug)]
pub struct LateInput {
    /// Table and row.
    pub table: &'static str,
    /// The row.
    pub id: String,
    /// The month.
    pub month: Month,
    /// What people call it.
    pub says: String,
    /// Rows of the split `test` that name this input.
    pub determines: Vec<String>,
}

/// Every row of the world that is dated after 2023 and up to `last`.
#[must_use]
pub fn late_inputs(loaded: &Loaded, last: Month) -> Vec<LateInput> {
    let mut all = Vec::new();
    for (table, rows) in &loaded.cells.tables {
        let Some((table, columns)) = Definition::columns(table) else { continue };
        if table == "observations" {
            continue;
        }
        let at = |name: &str| columns.iter().position(|column| column.name == name);
        for (id, row) in rows {
            if at("enabled").is_some_and(|at| row.cells[at].value == Value::Flag(false)) {
                continue;
            }
            let months = row.cells.iter().filter_map(|cell| match cell.value {
                Value::Month(month) if month >= LATER && month <= last => Some(month),
                _ => None,
            });
            let Some(month) = months.min() else { continue };
            let text = |name: &str| match at(name).map(|at| &row.cells[at].value) {
                Some(Value::Text(text)) => text.clone(),
                _ => String::new(),
            };
            let kind = text("kind");
            let names = |word: &str| {
                word == table
                    || word.split_once('.').is_some_and(|(first, _)| first == table)
                    || word.split_once(':').is_some_and(|(first, k)| first == table && k == kind)
            };
            let determines = loaded
                .definition
                .observations
                .iter()
                .filter(|row| row.role == Use::Test && row.inputs.iter().any(|w| names(w)))
                .map(|row| row.id.clone())
                .collect();
            let says = if text("name").is_empty() { kind } else { text("name") };
            all.push(LateInput { table, id: id.clone(), month, says, determines });
        }
    }
    all.sort_by(|a, b| (a.table, a.month, &a.id).cmp(&(b.table, b.month, &b.id)));
    all
}

/// `inputs_after_2023.csv`.
#[must_use]
pub fn inputs_csv(inputs: &[LateInput]) -> CsvText {
    let mut csv = CsvText::new(["table", "id", "month", "says", "test_rows_that_name_such_inputs"]);
    for input in inputs {
        csv.text(input.table)
            .text(&input.id)
            .word(Some(input.month))
            .text(&input.says)
            .text(&input.determines.join(" "));
        csv.end();
    }
    csv
}

/// Points of the fan.
pub const FAN: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// `fan.csv`: quantiles of the draws for each period of each quantity.
#[must_use]
pub fn fan_csv(scores: &[Score]) -> CsvText {
    let mut csv = CsvText::new([
        "family", "quantity", "unit", "id", "split", "from", "to", "p05", "p25", "median", "p75",
        "p95", "value", "low", "high",
    ]);
    for score in scores.iter().filter(|s| !s.missing()) {
        let row = &score.row;
        csv.text(&row.family)
            .text(&row.quantity)
            .text(&row.unit)
            .text(&row.id)
            .text(row.role.word())
            .word(Some(row.from))
            .word(Some(row.to));
        for p in FAN {
            csv.number(quantile(&score.values, p));
        }
        csv.number(row.value).number(row.low).number(row.high);
        csv.end();
    }
    csv
}
