//! What a forecaster without a model would have said.
//!
//! **Point.** From the earlier rows of the same quantity: shares, ratios and lags stay at the last observed
//! value; levels grow as they grew between the last two, y₁ (y₁ / y₂)^((t − t₁)/(t₁ − t₂)), or stay where only
//! one is known.
//!
//! **Spread.** As wide as such forecasts have been wrong so far: with eⱼ the errors (in tolerances) of the point
//! forecasts of earlier rows of the same family, each over the square root of its horizon in years, the
//! forecast is a normal distribution around the point with the standard deviation
//! σ = median |eⱼ| / 0.6745 · √h, h its own horizon in years. Where the family has fewer than three such
//! errors, those of all families count; where these are fewer too, the forecast is the point alone. The median
//! keeps a forecast that was wrong by a factor of a hundred from making all later ones useless.
//!
//! Its CRPS is computed as the model's is, from an ensemble: the 99 quantiles (k − ½) / 99 of that distribution.

use super::{crps, z};
use crate::calendar::Month;
use crate::maths;
use crate::record::outputs::quantile;
use crate::world::observation::ObservationRow;

/// How a naive forecast was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NaiveKind {
    /// The last observed value.
    Constant,
    /// The last observed value, grown as between the last two.
    LastGrowth,
}

impl NaiveKind {
    /// As tables write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::LastGrowth => "last_growth",
        }
    }
}

/// A forecast from earlier observations of the same quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Naive {
    /// How it was made.
    pub kind: NaiveKind,
    /// The forecast, in the unit of the observation.
    pub value: f64,
    /// Months from the last observation that it rests on.
    pub horizon: i32,
    /// Standard deviation in tolerances; none for a point.
    pub spread: Option<f64>,
}

/// Errors that a spread rests on, at least.
const ERRORS: usize = 3;
/// Median of the absolute value of a standard normal number.
const MEDIAN_OF_NORMAL: f64 = 0.6745;
/// Quantiles that stand for the distribution.
const MEMBERS: u32 = 99;

impl Naive {
    /// The error of the point forecast, in tolerances of `row`.
    #[must_use]
    pub fn error(&self, row: &ObservationRow) -> f64 {
        z(row, self.value).abs()
    }

    /// Its continuous ranked probability score, in tolerances of `row`.
    #[must_use]
    pub fn crps(&self, row: &ObservationRow) -> f64 {
        let centre = z(row, self.value);
        let Some(spread) = self.spread else { return centre.abs() };
        let member = |k: u32| {
            let p = (f64::from(k) + 1.0 / 2.0) / f64::from(MEMBERS);
            centre + spread * maths::normal_quantile(p)
        };
        crps(&(0..MEMBERS).map(member).collect::<Vec<_>>())
    }

    /// The width of its 90 % band, in tolerances; none for a point.
    #[must_use]
    pub fn width(&self) -> Option<f64> {
        self.spread.map(|spread| 2.0 * maths::normal_quantile(super::P95) * spread)
    }
}

/// The point forecast of `row` from the rows of the same quantity that end before it, and not after `known`.
fn point(row: &ObservationRow, all: &[ObservationRow], known: Option<Month>) -> Option<Naive> {
    let mut earlier: Vec<&ObservationRow> = all
        .iter()
        .filter(|other| {
            other.quantity == row.quantity
                && other.aggregate == row.aggregate
                && other.members == row.members
                && other.to < row.to
                && known.is_none_or(|known| other.to <= known)
        })
        .collect();
    earlier.sort_by_key(|other| other.to);
    let last = earlier.pop()?;
    let horizon = row.to - last.to;
    let before = earlier.pop().filter(|before| {
        !matches!(row.unit.as_str(), "share" | "ratio" | "month")
            && before.value > 0.0
            && last.value > 0.0
            && before.to < last.to
    });
    let (kind, value) = match before {
        Some(before) => {
            let steps = f64::from(horizon) / f64::from(last.to - before.to);
            let value = last.value * maths::pow(last.value / before.value, steps);
            (NaiveKind::LastGrowth, value)
        }
        None => (NaiveKind::Constant, last.value),
    };
    Some(Naive { kind, value, horizon, spread: None })
}

/// The naive forecast of every row, by one who knows the observations that end by `known`; of each row, only
/// what ends before it.
#[must_use]
pub fn naive(all: &[ObservationRow], known: Option<Month>) -> Vec<Option<Naive>> {
    let points: Vec<Option<Naive>> = all.iter().map(|row| point(row, all, known)).collect();
    let errors: Vec<(&ObservationRow, f64)> = all
        .iter()
        .zip(&points)
        .filter_map(|(row, naive)| {
            let naive = naive.as_ref()?;
            let error = naive.error(row) / years(naive.horizon).sqrt();
            (known.is_none_or(|known| row.to <= known) && error.is_finite()).then_some((row, error))
        })
        .collect();
    let spread = |row: &ObservationRow, naive: &Naive| {
        let of = |same: &dyn Fn(&ObservationRow) -> bool| {
            let mut found: Vec<f64> = errors
                .iter()
                .filter(|(other, _)| other.to < row.to && same(other))
                .map(|(_, error)| *error)
                .collect();
            found.sort_by(f64::total_cmp);
            (found.len() >= ERRORS).then(|| quantile(&found, 1.0 / 2.0))
        };
        let median = of(&|other| other.family == row.family).or_else(|| of(&|_| true))?;
        Some(median / MEDIAN_OF_NORMAL * years(naive.horizon).sqrt())
    };
    all.iter()
        .zip(&points)
        .map(|(row, naive)| naive.map(|naive| Naive { spread: spread(row, &naive), ..naive }))
        .collect()
}

fn years(months: i32) -> f64 {
    f64::from(months) / 12.0
}
