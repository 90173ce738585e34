//! Calibration: which readings of the parameters are compatible with what was seen by January 2024?
//!
//! **Method.** History matching in waves with polynomial emulators (Craig, Goldstein, Seheult & Smith 1997; Vernon,
//! Goldstein & Bower 2010), then one wave of points drawn from the emulated posterior and weighted by what the
//! model itself says of them (importance sampling, truncated after Ionides 2008).
//!
//! For an observation with value y and tolerance, the error of a run is
//! `e = (g(x) − g(y)) / half-width of g on the side of x`, where g is the logarithm for positive levels and the
//! identity for shares, ratios and months; cut off at ±[`FAR`]. Its squared implausibility is
//!
//! `I² = e(u)² / (s_em² + s_obs² + s_disc²)`
//!
//! with e(u) the emulator at u (the places of the parameters in their priors), s_em² its residual variance, which holds the
//! noise of the seeds; s_obs = 1/1.645 (a tolerance is taken for a 90 % interval); s_disc the discrepancy of the model, in tolerances:
//! a judgement, which the caller states. Rows of a quantity, quantities of a family weigh the same; a family has the mean. A point is ruled
//! out by a wave when a family's I exceeds its cut: 3 (Pukelsheim 1994), or the median of the wave's points where
//! that is larger, since a family that the model cannot meet must not rule out everything: it is reported
//! as a structural misfit.
//!
//! **Waves.** The first is a Latin hypercube of the prior, later ones are points of the region that no wave has ruled out.
//! They end when at least [`STILL`] of a wave's points outlive it, or with the last that is allowed. The last points come
//! from the density `exp(−½ Σ I²)` over families, as emulated (only parameters that some observation depends on move); their
//! weights are `exp(−½ Σ I² + ½ Σ I²_emulated)`, with the I of the run itself, no weight above the mean times √n.
//!
//! Only rows of the role `fit` are looked at.

use crate::maths;
use crate::parameters::Distribution;
use crate::random::{key_from, key_of, uniform};
use crate::study::{Domain, Factor, Pick};
use crate::world::observation::{ObservationRow, Use};

mod emulator;
mod region;
mod report;
mod waves;

pub use emulator::Emulator;
pub use region::{Families, Region, Wave, implausible};
pub use report::{Moved, moved, page, parameters_csv, posterior_csv, waves_csv};
pub use waves::{Waves, wave_study};

/// Largest error that counts, in tolerances: beyond, a run is just wrong.
pub const FAR: f64 = 20.0;
/// Share of a wave's points that outlive it, from which on the region has stopped shrinking.
pub const STILL: f64 = 0.75;
/// The cut of a family that the model can meet.
const CUT: f64 = 3.0;
/// A tolerance in standard deviations of the observation.
const TOLERANCE: f64 = 1.645;

/// What a calibration is asked.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Waves of history matching, at most.
    pub waves: usize,
    /// Points a wave.
    pub points: usize,
    /// Standard deviation of the model's discrepancy, in tolerances.
    pub discrepancy: f64,
    /// Seed of the draws of points.
    pub seed: u64,
}

/// The runs of a wave.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// `[point][row]`: the value of a row, the mean over seeds; not a number where it is missing.
    pub values: Vec<Vec<f64>>,
}

/// What is known of a wave.
#[derive(Clone, Debug)]
pub struct WaveReport {
    /// Points with a run.
    pub points: usize,
    /// Share of them that the wave does not rule out; of the last wave, of the model's own runs.
    pub plausible: f64,
    /// Median over observations of the variance that emulators explain.
    pub explained: f64,
    /// Parameters that some observation depends on.
    pub active: usize,
    /// Median of the sum over families of I², of the runs themselves.
    pub misfit: f64,
    /// Median I of each family, of the runs themselves.
    pub families: Vec<f64>,
    /// Cuts of each family.
    pub cuts: Vec<f64>,
}

/// What a calibration comes to.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Names of the families.
    pub families: Vec<String>,
    /// Places of the draws in the priors.
    pub places: Vec<Vec<f64>>,
    /// Values of the draws.
    pub draws: Vec<Vec<f64>>,
    /// Weights; their sum is 1.
    pub weights: Vec<f64>,
    /// Waves, the last of which are the draws.
    pub waves: Vec<WaveReport>,
    /// Rows that were used, and those that no run has.
    pub rows: (usize, usize),
    /// Share of each family's I² that is above its cut in the weighted draws: none, if the model meets it.
    pub misfits: Vec<f64>,
}

impl Calibration {
    /// Effective number of draws, 1 / Σ w².
    #[must_use]
    pub fn effective(&self) -> f64 {
        1.0 / self.weights.iter().map(|w| w * w).sum::<f64>()
    }
}

/// The rows that may be fitted to.
#[must_use]
pub fn fit_rows(observations: &[ObservationRow]) -> Vec<&ObservationRow> {
    observations.iter().filter(|row| row.role == Use::Fit).collect()
}

/// The error of `x` in tolerances of `row`, cut off at ±[`FAR`].
#[must_use]
pub fn error(row: &ObservationRow, x: f64) -> f64 {
    let level = !matches!(row.unit.as_str(), "share" | "ratio" | "month") && row.low > 0.0;
    let g = |x: f64| if level { maths::ln(x.max(row.low * NEARLY_ZERO)) } else { x };
    let side = if x >= row.value { g(row.high) - g(row.value) } else { g(row.value) - g(row.low) };
    let half = if side > 0.0 { side } else { (g(row.high) - g(row.low)) / 2.0 };
    if !x.is_finite() || half <= 0.0 {
        return f64::NAN;
    }
    ((g(x) - g(row.value)) / half).clamp(-FAR, FAR)
}

/// Of the least value that would do: what counts as nothing.
const NEARLY_ZERO: f64 = 1e-6;

/// The value of `factor` at place `u` of its prior, with seven digits.
#[must_use]
pub fn value(factor: &Factor, u: f64) -> f64 {
    let Pick::Number(x) = factor.at(u) else { return f64::NAN };
    let short: f64 = format!("{x:.6e}").parse().unwrap_or(x);
    match factor.domain {
        Domain::Range { low, high, distribution } if distribution != Distribution::Whole => {
            short.clamp(low, high)
        }
        _ => x,
    }
}

/// A Latin hypercube: of `n` slices of each parameter, each is used once.
#[must_use]
pub fn hypercube(n: usize, factors: &[Factor], seed: u64) -> Vec<Vec<f64>> {
    let mut points = vec![Vec::with_capacity(factors.len()); n];
    for factor in factors {
        let key = key_from(&[seed, key_of(&["calibration", &factor.name])]);
        let mut order: Vec<(u64, usize)> =
            (0..n).map(|row| (key_from(&[key, 0, row as u64]), row)).collect();
        order.sort_unstable();
        for (rank, (_, row)) in order.into_iter().enumerate() {
            let jitter = uniform(key_from(&[key, 1, row as u64]));
            points[row].push((rank as f64 + jitter) / n as f64);
        }
    }
    points
}

/// Rows by family and quantity, with the names of families.
fn grouped(rows: &[&ObservationRow]) -> (Vec<String>, Families) {
    let mut names: Vec<&str> = rows.iter().map(|row| row.family.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let families = names
        .iter()
        .map(|name| {
            let mut of: Vec<usize> = (0..rows.len()).filter(|r| rows[*r].family == *name).collect();
            of.sort_by_key(|r| (rows[*r].quantity.as_str(), *r));
            let same = |a: &usize, b: &usize| rows[*a].quantity == rows[*b].quantity;
            of.chunk_by(same).map(<[usize]>::to_vec).collect()
        })
        .collect();
    (names.into_iter().map(str::to_owned).collect(), families)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|x| x.is_finite());
    values.sort_by(f64::total_cmp);
    crate::record::outputs::quantile(&values, 1.0 / 2.0)
}

/// Calibrates `factors` to `rows`. `simulate` runs the points of a wave (places in the priors), waves counted from 1.
///
/// # Errors
/// What `simulate` says.
pub fn calibrate<E>(
    factors: &[Factor],
    rows: &[&ObservationRow],
    settings: Settings,
    simulate: &mut dyn FnMut(usize, &[Vec<f64>]) -> Result<Simulated, E>,
) -> Result<Calibration, E> {
    let (names, families) = grouped(rows);
    let variance = 1.0 / (TOLERANCE * TOLERANCE) + settings.discrepancy * settings.discrepancy;
    let errors = |simulated: &Simulated| -> Vec<Vec<f64>> {
        let of = |values: &Vec<f64>| rows.iter().zip(values).map(|(r, x)| error(r, *x)).collect();
        simulated.values.iter().map(of).collect()
    };
    let mut waves: Vec<Wave> = Vec::new();
    let mut reports = Vec::new();
    let mut points = hypercube(settings.points, factors, settings.seed);
    // Runs of all waves so far.
    let mut known: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for number in 1..=settings.waves {
        let runs = errors(&simulate(number, &points)?);
        let region = Region { families: &families, variance, waves: &waves };
        let fresh: Vec<(Vec<f64>, Vec<f64>)> = points.into_iter().zip(runs).collect();
        // Earlier runs help where they still count.
        known.retain(|(point, _)| region.worst(point) <= 1.0);
        known.extend(fresh.iter().cloned());
        let wave = learnt(&families, variance, &known, &fresh);
        let seen: Vec<bool> = fresh
            .iter()
            .map(|(point, _)| {
                let alone = std::slice::from_ref(&wave);
                Region { families: &families, variance, waves: alone }.worst(point) <= 1.0
            })
            .collect();
        waves.push(wave);
        let region = Region { families: &families, variance, waves: &waves };
        let plausible = seen.iter().filter(|x| **x).count() as f64 / seen.len().max(1) as f64;
        reports.push(reported(&region, &fresh, plausible));
        let starts: Vec<Vec<f64>> = known.iter().map(|(point, _)| point.clone()).collect();
        let last = number == settings.waves || (number > 1 && plausible >= STILL);
        let seed = key_from(&[settings.seed, number as u64]);
        points = region.sample(settings.points, &starts, last, seed);
        if last {
            break;
        }
    }
    let runs = errors(&simulate(reports.len() + 1, &points)?);
    let region = Region { families: &families, variance, waves: &waves };
    let fresh: Vec<(Vec<f64>, Vec<f64>)> = points.into_iter().zip(runs).collect();
    let own: Vec<Vec<f64>> = fresh
        .iter()
        .map(|(_, errors)| implausible(&families, errors, &vec![variance; errors.len()]))
        .collect();
    let weights = weighted(&region, &fresh, &own);
    let plausible = waves.last().map_or(0.0, |wave| {
        let fine = |squares: &&Vec<f64>| {
            squares.iter().zip(&wave.cuts).all(|(square, cut)| square.sqrt() <= *cut)
        };
        own.iter().filter(fine).count() as f64 / own.len().max(1) as f64
    });
    reports.push(reported(&region, &fresh, plausible));
    let misfits = (0..names.len())
        .map(|f| {
            let above = weights.iter().zip(&own).filter(|(_, squares)| squares[f].sqrt() > CUT);
            // Not `sum`, which makes nothing into −0.
            above.fold(0.0, |sum, (weight, _)| sum + weight)
        })
        .collect();
    let missing =
        (0..rows.len()).filter(|r| fresh.iter().all(|(_, errors)| !errors[*r].is_finite())).count();
    let places: Vec<Vec<f64>> = fresh.into_iter().map(|(point, _)| point).collect();
    let draws = places
        .iter()
        .map(|point| factors.iter().zip(point).map(|(f, u)| value(f, *u)).collect())
        .collect();
    Ok(Calibration {
        families: names,
        places,
        draws,
        weights,
        waves: reports,
        rows: (rows.len() - missing, missing),
        misfits,
    })
}

/// The emulators and cuts that a wave teaches.
fn learnt(
    families: &Families,
    variance: f64,
    known: &[(Vec<f64>, Vec<f64>)],
    fresh: &[(Vec<f64>, Vec<f64>)],
) -> Wave {
    let points: Vec<&[f64]> = known.iter().map(|(point, _)| point.as_slice()).collect();
    let rows = known.first().map_or(0, |(_, errors)| errors.len());
    let emulators = (0..rows)
        .map(|r| {
            let values: Vec<f64> = known.iter().map(|(_, errors)| errors[r]).collect();
            Emulator::fit(&points, &values)
        })
        .collect();
    let mut wave = Wave { emulators, cuts: vec![CUT; families.len()] };
    let region = Region { families, variance, waves: &[] };
    let seen: Vec<Vec<f64>> = fresh.iter().map(|(point, _)| region.seen(&wave, point)).collect();
    for (f, cut) in wave.cuts.iter_mut().enumerate() {
        let middle = median(seen.iter().map(|squares| squares[f].sqrt()).collect());
        if middle > *cut {
            *cut = middle;
        }
    }
    wave
}

fn reported(region: &Region<'_>, fresh: &[(Vec<f64>, Vec<f64>)], plausible: f64) -> WaveReport {
    let own: Vec<Vec<f64>> = fresh
        .iter()
        .map(|(_, errors)| {
            implausible(region.families, errors, &vec![region.variance; errors.len()])
        })
        .collect();
    let last = region.waves.last();
    let emulators = last.into_iter().flat_map(|wave| wave.emulators.iter().flatten());
    WaveReport {
        points: fresh.len(),
        plausible,
        explained: median(emulators.map(|e| e.explained).collect()),
        active: Region { waves: last.map_or(&[], std::slice::from_ref), ..region.clone() }
            .active()
            .len(),
        misfit: median(own.iter().map(|squares| squares.iter().sum()).collect()),
        families: (0..region.families.len())
            .map(|f| median(own.iter().map(|squares| squares[f].sqrt()).collect()))
            .collect(),
        cuts: last.map_or_else(Vec::new, |wave| wave.cuts.clone()),
    }
}

/// Importance weights of the last points; their sum is 1.
fn weighted(region: &Region<'_>, fresh: &[(Vec<f64>, Vec<f64>)], own: &[Vec<f64>]) -> Vec<f64> {
    let Some(wave) = region.waves.last() else {
        return vec![1.0 / fresh.len() as f64; fresh.len()];
    };
    let logs: Vec<f64> = fresh
        .iter()
        .zip(own)
        .map(|((point, _), own)| {
            let emulated: f64 = region.seen(wave, point).iter().sum();
            (emulated - own.iter().sum::<f64>()) / 2.0
        })
        .collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = logs.iter().map(|log| maths::exp(log - most)).collect();
    let n = weights.len() as f64;
    let cap = weights.iter().sum::<f64>() / n * n.sqrt();
    for weight in &mut weights {
        *weight = weight.min(cap);
    }
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests;
