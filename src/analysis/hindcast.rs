//! Hindcast: a run that started in January 2022 against what really happened.
//!
//! Every observation says how a number is made from an output table; the number
//! is compared with the observed value and its tolerance.
//!
//! - **Tolerance units** z = (x − y) / half-width: x the model's value, y the
//!   observed one, half-width the distance from y to the end of the tolerance on the side of
//!   x (the whole tolerance where that distance is zero). |z| ≤ 1 is *inside*.
//! - **Ensemble**: with several runs, x is their median, and 5 % and 95 % points are given.
//!   CRPS = mean |zᵢ| − ½ mean |zᵢ − zⱼ| over runs i, j: the continuous ranked probability score in
//!   tolerance units; of one run it is |z|.
//! - **Missing** means that a run has no such number; it is never inside.
//! - **Share inside**: rows of one quantity, then quantities of one family, then families
//!   have equal weight, since rows of a family partly rest on the same figures.
//! - **Naive forecast**, for rows of a quantity that has earlier rows: shares, ratios and
//!   lags stay at the last observed value; levels grow as they grew between the last two,
//!   y₁ (y₁ / y₂)^((t − t₁)/(t₁ − t₂)), or stay where only one is known. The naive forecaster sees
//!   every earlier observation; the model sees none.
//! - **Free of inputs**: the same score over rows that no input of the world largely
//!   determines. A variant that the world scripted (`origin` = `historical_variant`) counts as such an input.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::outputs::{Gap, Outputs, quantile};
use crate::maths;
use crate::world::observation::{Aggregate, ObservationRow, Use};

/// The input that a scripted variant stands for.
const SCRIPTED_VARIANT: &str = "chips.origin";

/// What one run says about an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The model's value, in the unit of the observation.
    pub value: f64,
    /// Whether a variant scripted by the world is among the members.
    pub scripted: bool,
}

/// The number that `row` asks for, from one run.
///
/// # Errors
/// Why the run has no such number.
pub fn measure(run: &Outputs, row: &ObservationRow) -> Result<Measured, Gap> {
    let table = run.table(&row.table)?;
    let members = table.select(&row.members)?;
    let scripted = table.any_holds(&members, "origin", "historical_variant");
    let window = (row.from, row.to);
    let months = table.monthly(&members, &row.metric, row.across, window)?;
    let known = || months.iter().copied().flatten();
    // A pattern that selects nothing is a true nothing; empty cells of members are not.
    let nothing = members.is_empty();
    let or_empty = |x: Option<f64>| x.or(nothing.then_some(0.0)).ok_or(Gap::Empty);
    let some = || if known().next().is_some() || nothing { Ok(()) } else { Err(Gap::Empty) };
    let sum = |values: &[Option<f64>]| values.iter().copied().flatten().sum::<f64>();
    let when = |best: fn(f64, f64) -> bool| {
        let mut found: Option<(usize, f64)> = None;
        for (step, x) in months.iter().enumerate().filter_map(|(i, x)| Some((i, (*x)?))) {
            if found.is_none_or(|(_, so_far)| best(x, so_far)) {
                found = Some((step, x));
            }
        }
        found.map(|(step, _)| step as f64).ok_or(Gap::Empty)
    };
    let value = match row.aggregate {
        Aggregate::Sum => some().map(|()| sum(&months))?,
        Aggregate::Mean | Aggregate::Annual => {
            some()?;
            let mean = sum(&months) / known().count().max(1) as f64;
            if row.aggregate == Aggregate::Annual { 12.0 * mean } else { mean }
        }
        Aggregate::Last => or_empty(months.last().copied().flatten())?,
        Aggregate::Largest => or_empty(known().reduce(f64::max))?,
        Aggregate::Smallest => or_empty(known().reduce(f64::min))?,
        Aggregate::Ratio => {
            some()?;
            let per = row.per.as_deref().unwrap_or(&row.metric);
            let of = if row.per_members.is_empty() { &row.members } else { &row.per_members };
            let window = (row.per_from.unwrap_or(row.from), row.per_to.unwrap_or(row.to));
            let divisor = table.monthly(&table.select(of)?, per, row.across, window)?;
            let divisor = sum(&divisor);
            if divisor == 0.0 {
                return Err(Gap::Divisor);
            }
            sum(&months) / divisor
        }
        Aggregate::FirstAboveZero => {
            some()?;
            let first = months.iter().position(|x| x.is_some_and(|x| x > 0.0));
            first.unwrap_or(months.len()) as f64
        }
        Aggregate::MonthOfLargest => when(|x, so_far| x > so_far)?,
        Aggregate::MonthOfSmallest => when(|x, so_far| x < so_far)?,
    };
    let value = value * row.factor;
    if value.is_finite() { Ok(Measured { value, scripted }) } else { Err(Gap::Empty) }
}

/// `x` in tolerance units of `row`.
#[must_use]
pub fn z(row: &ObservationRow, x: f64) -> f64 {
    let side = if x >= row.value { row.high - row.value } else { row.value - row.low };
    let half = if side > 0.0 { side } else { (row.high - row.low) / 2.0 };
    if x == row.value { 0.0 } else { (x - row.value) / half }
}

/// How a naive forecast was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NaiveKind {
    /// The last observed value.
    Constant,
    /// The last observed value, grown as between the last two.
    LastGrowth,
}

/// A forecast from earlier observations of the same quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Naive {
    /// How it was made.
    pub kind: NaiveKind,
    /// The forecast, in the unit of the observation.
    pub value: f64,
}

/// The naive forecast of `row` from the rows of the same quantity that end before it.
#[must_use]
pub fn naive(row: &ObservationRow, all: &[ObservationRow]) -> Option<Naive> {
    let mut earlier: Vec<&ObservationRow> = all
        .iter()
        .filter(|other| {
            other.quantity == row.quantity
                && other.aggregate == row.aggregate
                && other.members == row.members
                && other.to < row.to
        })
        .collect();
    earlier.sort_by_key(|other| other.to);
    let last = earlier.pop()?;
    let before = earlier.pop().filter(|before| {
        !matches!(row.unit.as_str(), "share" | "ratio" | "month")
            && before.value > 0.0
            && last.value > 0.0
    });
    Some(match before {
        Some(before) => {
            let steps = f64::from(row.to - last.to) / f64::from(last.to - before.to);
            let value = last.value * maths::pow(last.value / before.value, steps);
            Naive { kind: NaiveKind::LastGrowth, value }
        }
        None => Naive { kind: NaiveKind::Constant, value: last.value },
    })
}

/// What became of an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the tolerance.
    Inside,
    /// Not within it.
    Outside,
    /// No value: why, and in how many of the runs.
    Missing(Gap, usize),
}

/// An observation and what the runs make of it.
#[derive(Clone, Debug)]
pub struct Score {
    /// The observation.
    pub row: ObservationRow,
    /// The model's values, sorted; empty when missing.
    pub values: Vec<f64>,
    /// What became of it.
    pub verdict: Verdict,
    /// Inputs that largely determine it in these runs.
    pub inputs: Vec<String>,
    /// The naive forecast, where there is an earlier observation.
    pub naive: Option<Naive>,
}

impl Score {
    /// The median of the runs; not a number when missing.
    #[must_use]
    pub fn model(&self) -> f64 {
        quantile(&self.values, 1.0 / 2.0)
    }

    /// The median in tolerance units.
    #[must_use]
    pub fn z(&self) -> f64 {
        z(&self.row, self.model())
    }

    /// Continuous ranked probability score in tolerance units; not a number when missing.
    #[must_use]
    pub fn crps(&self) -> f64 {
        let zs: Vec<f64> = self.values.iter().map(|x| z(&self.row, *x)).collect();
        let n = zs.len() as f64;
        let miss = zs.iter().map(|z| z.abs()).sum::<f64>() / n;
        let spread: f64 = zs.iter().flat_map(|a| zs.iter().map(move |b| (a - b).abs())).sum();
        miss - spread / (2.0 * n * n)
    }

    /// Whether the observed value lies between the 5 % and 95 % points of the runs.
    #[must_use]
    pub fn covered(&self) -> bool {
        let (low, high) = (quantile(&self.values, P05), quantile(&self.values, P95));
        low <= self.row.value && self.row.value <= high
    }

    /// The error of the naive forecast in tolerance units.
    #[must_use]
    pub fn naive_error(&self) -> Option<f64> {
        self.naive.map(|naive| z(&self.row, naive.value).abs())
    }

    const fn missing(&self) -> bool {
        matches!(self.verdict, Verdict::Missing(..))
    }
}

/// Ends of the 90 % band.
const P05: f64 = 0.05;
const P95: f64 = 0.95;

/// Scores `runs` (replicates of one world) against `observations`, in order of
/// family, quantity and date.
#[must_use]
pub fn score(runs: &[Outputs], observations: &[ObservationRow]) -> Vec<Score> {
    let mut scores: Vec<Score> = observations
        .iter()
        .map(|row| {
            let mut values = Vec::with_capacity(runs.len());
            let mut gap: Option<Gap> = None;
            let mut scripted = false;
            for run in runs {
                match measure(run, row) {
                    Ok(measured) => {
                        values.push(measured.value);
                        scripted |= measured.scripted;
                    }
                    Err(why) => gap = gap.or(Some(why)),
                }
            }
            values.sort_by(f64::total_cmp);
            let model = quantile(&values, 1.0 / 2.0);
            let verdict = match gap {
                Some(gap) => Verdict::Missing(gap, runs.len() - values.len()),
                None if model >= row.low && model <= row.high => Verdict::Inside,
                None => Verdict::Outside,
            };
            if matches!(verdict, Verdict::Missing(..)) {
                values.clear();
            }
            let mut inputs = row.inputs.clone();
            if scripted {
                inputs.push(SCRIPTED_VARIANT.to_owned());
            }
            let naive = naive(row, observations);
            Score { row: row.clone(), values, verdict, inputs, naive }
        })
        .collect();
    scores.sort_by(|a, b| {
        let key = |s: &Score| (s.row.family.clone(), s.row.quantity.clone(), s.row.to);
        key(a).cmp(&key(b)).then_with(|| a.row.id.cmp(&b.row.id))
    });
    scores
}

/// Scores of a set of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows with a value.
    pub scored: usize,
    /// Rows inside their tolerance.
    pub inside: usize,
    /// Rows without a value.
    pub missing: usize,
    /// Share inside of the rows with a value, quantities and families weighted equally; none
    /// when no row has a value.
    pub share: Option<f64>,
    /// The same, missing rows counted as outside.
    pub share_strict: Option<f64>,
    /// Median of z: the bias in tolerance units.
    pub bias: Option<f64>,
    /// Share of the rows whose observed value the 90 % band of the runs covers; none for one run.
    pub covered: Option<f64>,
    /// Rows with a value and a naive forecast.
    pub compared: usize,
    /// Share of these that the model has inside, weighted as above.
    pub share_compared: Option<f64>,
    /// Share of these that the naive forecast has inside, weighted as above.
    pub share_naive: Option<f64>,
    /// Median CRPS on these rows, tolerance units.
    pub error: Option<f64>,
    /// Median error of the naive forecast on these rows, tolerance units.
    pub error_naive: Option<f64>,
}

/// Tallies `scores`: rows of a quantity, quantities of a family and families
/// have equal weight.
#[must_use]
pub fn tally<'a>(scores: impl IntoIterator<Item = &'a Score>) -> Tally {
    let scores: Vec<&Score> = scores.into_iter().collect();
    let with: Vec<&Score> = scores.iter().copied().filter(|s| !s.missing()).collect();
    let compared: Vec<&Score> = with.iter().copied().filter(|s| s.naive.is_some()).collect();
    let inside = |s: &Score| f64::from(s.verdict == Verdict::Inside);
    let errors = |s: &Score| s.naive_error().unwrap_or(f64::NAN);
    Tally {
        scored: with.len(),
        inside: with.iter().filter(|s| s.verdict == Verdict::Inside).count(),
        missing: scores.len() - with.len(),
        share: weighted(&with, inside),
        share_strict: weighted(&scores, inside),
        bias: median(with.iter().map(|s| s.z())),
        covered: weighted(&with, |s| f64::from(s.covered()))
            .filter(|_| with.iter().all(|s| s.values.len() > 1)),
        compared: compared.len(),
        share_compared: weighted(&compared, inside),
        share_naive: weighted(&compared, |s| f64::from(errors(s) <= 1.0)),
        error: median(compared.iter().map(|s| s.crps())),
        error_naive: median(compared.iter().map(|s| errors(s))),
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| quantile(&values, 1.0 / 2.0))
}

/// Mean over families of the mean over quantities of the mean over rows.
fn weighted(scores: &[&Score], of: impl Fn(&Score) -> f64) -> Option<f64> {
    let mut families: BTreeMap<&str, BTreeMap<&str, (f64, f64)>> = BTreeMap::new();
    for score in scores {
        let quantities = families.entry(&score.row.family).or_default();
        let (sum, rows) = quantities.entry(&score.row.quantity).or_default();
        *sum += of(score);
        *rows += 1.0;
    }
    let total: f64 = families
        .values()
        .map(|quantities| {
            quantities.values().map(|(sum, rows)| sum / rows).sum::<f64>() / quantities.len() as f64
        })
        .sum();
    (!families.is_empty()).then(|| total / families.len() as f64)
}

/// A number for people: four significant digits.
fn digits(x: f64) -> String {
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

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share))
}

fn tolerances(x: Option<f64>) -> String {
    x.map_or_else(|| "–".to_owned(), |x| format!("{x:+.2}"))
}

fn padded(text: &str, width: usize) -> String {
    let short: String = if text.chars().count() > width {
        text.chars().take(width - 1).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    let gap = width - short.chars().count();
    short + &" ".repeat(gap)
}

fn right(text: &str, width: usize) -> String {
    let gap = width.saturating_sub(text.chars().count());
    " ".repeat(gap) + text
}

fn period(row: &ObservationRow) -> String {
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
            score
                .naive
                .map_or("", |n| match n.kind {
                    NaiveKind::Constant => "constant",
                    NaiveKind::LastGrowth => "last_growth",
                })
                .to_owned(),
            score.naive_error().map_or_else(String::new, number),
            score.inputs.join(" "),
            why,
        ])?;
    }
    let bytes = writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
