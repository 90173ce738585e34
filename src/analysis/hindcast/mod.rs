//! Hindcast: a run that started in January 2022 against what really happened.
//!
//! Every observation says how a number is made from an output table; the number
//! is compared with the observed value and its tolerance.
//!
//! - **Tolerance units** z = (x − y) / half-width: x the model's value, y the
//!   observed one, half-width the distance from y to the end of the tolerance on the side of
//!   x (the whole tolerance where that distance is zero). |z| ≤ 1 is *inside*.
//! - **Ensemble**: with several runs, x is their median, and 5 % and 95 % points are given.
//! - **Forecast**: what would be observed of the runs: each run's z with the error of an observation around it, normal with
//!   the tolerance as its 90 % band. It is what is scored; a forecaster who learns from observations has their error
//!   in his own. CRPS = mean |zᵢ| − ½ mean |zᵢ − zⱼ| over its members i, j: the continuous ranked probability score in
//!   tolerance units (Gneiting & Raftery 2007).
//! - **Missing** means that a run has no such number; it is never inside.
//! - **Share inside**: rows of one quantity, then quantities of one family, then families
//!   have equal weight, since rows of a family partly rest on the same figures.
//! - **Naive forecast**, for rows of a quantity that has earlier rows: last growth or constant share, with
//!   a spread from past errors of such forecasts (`naive`). The naive forecaster sees
//!   every earlier observation; the model sees none.
//! - **Skill** = 1 − CRPS of the model / CRPS of the naive forecast, medians over rows that have both.
//! - **Free of inputs**: the same score over rows that no input of the world largely
//!   determines. A variant that the world scripted (`origin` = `historical_variant`) counts as such an input.

use std::collections::BTreeMap;

use crate::maths;
use crate::record::observed::{Measured, measure};
use crate::record::outputs::{Gap, Outputs, quantile};
use crate::world::observation::ObservationRow;

mod board;
mod ensemble;
mod events;
mod figures;
mod naive;
mod page;
mod setup;
mod validation;

pub use board::{
    ALL, Family, LateInput, families, families_csv, fan_csv, inputs_csv, late_inputs,
    scoreboard_csv,
};
pub use ensemble::Ensemble;
pub use events::{EventResult, EventTest, events_csv, results};
pub use figures::figures;
pub use naive::{Naive, NaiveKind, naive};
pub use page::{csv, text};
pub use setup::{Draws, Setup, last_month, named, quoted};
pub use validation::{Findings, page as validation_page, summary};

/// The input that a scripted variant stands for.
const SCRIPTED_VARIANT: &str = "chips.origin";

/// `x` in tolerance units of `row`.
#[must_use]
pub fn z(row: &ObservationRow, x: f64) -> f64 {
    let side = if x >= row.value { row.high - row.value } else { row.value - row.low };
    let half = if side > 0.0 { side } else { (row.high - row.low) / 2.0 };
    if x == row.value { 0.0 } else { (x - row.value) / half }
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

impl Tally {
    /// 1 − CRPS of the model over that of the naive forecast, medians of the rows that have both.
    #[must_use]
    pub fn skill(&self) -> Option<f64> {
        self.error.zip(self.error_naive).map(|(model, naive)| 1.0 - model / naive)
    }
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

    /// The forecast of the observation, in tolerance units from its value, sorted: what would be *observed* of the runs. An
    /// observation has an error, too, normal, with the tolerance as its 90 % band; it is spread over equal parts, not
    /// drawn. Empty when missing.
    #[must_use]
    pub fn forecast(&self) -> Vec<f64> {
        let errors: Vec<f64> = (0..ERROR_PARTS)
            .map(|k| (f64::from(k) + 1.0 / 2.0) / f64::from(ERROR_PARTS))
            .map(|share| maths::normal_quantile(share) / maths::normal_quantile(P95))
            .collect();
        let mut seen: Vec<f64> = self
            .values
            .iter()
            .map(|x| z(&self.row, *x))
            .flat_map(|z| errors.iter().map(move |error| z + error))
            .collect();
        seen.sort_by(f64::total_cmp);
        seen
    }

    /// Continuous ranked probability score of that forecast, in tolerance units; not a number when missing.
    #[must_use]
    pub fn crps(&self) -> f64 {
        crps(&self.forecast())
    }

    /// The width of its 90 % band, in tolerance units.
    #[must_use]
    pub fn width(&self) -> f64 {
        let forecast = self.forecast();
        quantile(&forecast, P95) - quantile(&forecast, P05)
    }

    /// Whether the observed value lies in that band.
    #[must_use]
    pub fn covered(&self) -> bool {
        let forecast = self.forecast();
        quantile(&forecast, P05) <= 0.0 && 0.0 <= quantile(&forecast, P95)
    }

    /// The 5 % and 95 % points of the runs themselves.
    #[must_use]
    pub fn band(&self) -> (f64, f64) {
        (quantile(&self.values, P05), quantile(&self.values, P95))
    }

    /// Whether the observed value lies between the 5 % and 95 % points of the runs themselves.
    #[must_use]
    pub fn covered_by_runs(&self) -> bool {
        let (low, high) = self.band();
        low <= self.row.value && self.row.value <= high
    }

    /// The error of the naive forecast in tolerance units.
    #[must_use]
    pub fn naive_error(&self) -> Option<f64> {
        self.naive.map(|naive| naive.error(&self.row))
    }

    /// The CRPS of the naive forecast in tolerance units.
    #[must_use]
    pub fn naive_crps(&self) -> Option<f64> {
        self.naive.map(|naive| naive.crps(&self.row))
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn missing(&self) -> bool {
        matches!(self.verdict, Verdict::Missing(..))
    }
}

/// The continuous ranked probability score of an ensemble whose members are `errors` off:
/// mean |eᵢ| − ½ mean |eᵢ − eⱼ|.
#[must_use]
pub fn crps(errors: &[f64]) -> f64 {
    let mut sorted = errors.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let miss = sorted.iter().map(|e| e.abs()).sum::<f64>() / n;
    // Of sorted numbers, Σᵢⱼ |eᵢ − eⱼ| = 2 Σ (2i − n + 1) eᵢ, i from 0.
    let spread: f64 =
        sorted.iter().enumerate().map(|(i, e)| (2.0 * i as f64 - n + 1.0) * e).sum::<f64>() * 2.0;
    miss - spread / (2.0 * n * n)
}

/// Ends of the 90 % band.
const P05: f64 = 0.05;
const P95: f64 = 0.95;
/// Equal parts into which the error of an observation is cut.
const ERROR_PARTS: u32 = 49;

/// Scores `runs` (replicates of one world) against `observations`, in order of
/// family, quantity and date.
#[must_use]
pub fn score(runs: &[Outputs], observations: &[ObservationRow]) -> Vec<Score> {
    let measured = |row: &ObservationRow| runs.iter().map(|run| measure(run, row)).collect();
    scores(observations, observations.iter().map(measured).collect())
}

/// Scores what runs say of each of `observations`, in order of family, quantity and date. A row is missing when
/// half of the runs or more have no such number.
pub(crate) fn scores(
    observations: &[ObservationRow],
    measured: Vec<Vec<Result<Measured, Gap>>>,
) -> Vec<Score> {
    let naive = naive(observations, None);
    let mut scores: Vec<Score> = observations
        .iter()
        .zip(measured)
        .zip(naive)
        .map(|((row, measured), naive)| {
            let runs = measured.len();
            let mut values = Vec::with_capacity(runs);
            let mut gap: Option<Gap> = None;
            let mut scripted = false;
            for one in measured {
                match one {
                    Ok(measured) => {
                        values.push(measured.value);
                        scripted |= measured.scripted;
                    }
                    Err(why) => gap = gap.or(Some(why)),
                }
            }
            values.sort_by(f64::total_cmp);
            let model = quantile(&values, 1.0 / 2.0);
            let lacking = runs - values.len();
            let verdict = match gap {
                Some(gap) if 2 * lacking >= runs => Verdict::Missing(gap, lacking),
                _ if model >= row.low && model <= row.high => Verdict::Inside,
                _ => Verdict::Outside,
            };
            if matches!(verdict, Verdict::Missing(..)) {
                values.clear();
            }
            let mut inputs = row.inputs.clone();
            if scripted {
                inputs.push(SCRIPTED_VARIANT.to_owned());
            }
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
    /// Share of the rows whose observed value the 90 % band of its forecast covers; none for one run.
    pub covered: Option<f64>,
    /// The same of the band of the runs themselves, observations taken to be exact.
    pub covered_by_runs: Option<f64>,
    /// Rows with a value and a naive forecast.
    pub compared: usize,
    /// Share of these that the model has inside, weighted as above.
    pub share_compared: Option<f64>,
    /// Share of these that the naive forecast has inside, weighted as above.
    pub share_naive: Option<f64>,
    /// Median CRPS on these rows, tolerance units.
    pub error: Option<f64>,
    /// Median CRPS of the naive forecast on these rows, tolerance units.
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
    let several = with.iter().all(|s| s.values.len() > 1);
    Tally {
        scored: with.len(),
        inside: with.iter().filter(|s| s.verdict == Verdict::Inside).count(),
        missing: scores.len() - with.len(),
        share: weighted(&with, inside),
        share_strict: weighted(&scores, inside),
        bias: median(with.iter().map(|s| s.z())),
        covered: weighted(&with, |s| f64::from(s.covered())).filter(|_| several),
        covered_by_runs: weighted(&with, |s| f64::from(s.covered_by_runs())).filter(|_| several),
        compared: compared.len(),
        share_compared: weighted(&compared, inside),
        share_naive: weighted(&compared, |s| f64::from(errors(s) <= 1.0)),
        error: median(compared.iter().map(|s| s.crps())),
        error_naive: median(compared.iter().filter_map(|s| s.naive_crps())),
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

#[cfg(test)]
mod tests;
