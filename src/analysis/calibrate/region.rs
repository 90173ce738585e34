//! The plausible region: what no wave has ruled out, and points in it.

use super::emulator::{Emulator, legendre};
use crate::maths;
use crate::random::{key_from, uniform};

/// How observations become families: for each family, its quantities, each the positions of its rows.
pub type Families = Vec<Vec<Vec<usize>>>;

/// What a wave knows.
#[derive(Clone, Debug)]
pub struct Wave {
    /// A polynomial each observation; none where there are too few values.
    pub emulators: Vec<Option<Emulator>>,
    /// The largest implausibility that is let pass, a family each.
    pub cuts: Vec<f64>,
}

/// Squared implausibility of each family: the mean over quantities of the mean over rows of
/// `e² / variance`; a row that is none does not count.
#[must_use]
pub fn implausible(families: &Families, errors: &[f64], variances: &[f64]) -> Vec<f64> {
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
        if n > 0.0 { Some(sum / n) } else { None }
    };
    families
        .iter()
        .map(|quantities| {
            let of = |rows: &Vec<usize>| {
                let known = rows.iter().filter(|r| errors[**r].is_finite());
                mean(&mut known.map(|r| errors[*r] * errors[*r] / variances[*r]))
            };
            mean(&mut quantities.iter().filter_map(of)).unwrap_or(0.0)
        })
        .collect()
}

/// The waves so far, and what they take for variance besides the emulators' own.
#[derive(Clone, Debug)]
pub struct Region<'a> {
    /// Families.
    pub families: &'a Families,
    /// Variance of observation and discrepancy, in squared tolerances.
    pub variance: f64,
    /// Waves.
    pub waves: &'a [Wave],
}

/// What all emulators say of a point.
#[derive(Clone, Debug)]
struct State {
    point: Vec<f64>,
    /// `[wave][row]`.
    errors: Vec<Vec<f64>>,
    /// The largest implausibility over its cut, a wave each.
    worst: Vec<f64>,
    /// Sum of squared implausibilities of the last wave.
    sum: f64,
}

impl Region<'_> {
    fn variances(&self, wave: &Wave) -> Vec<f64> {
        let of = |e: &Option<Emulator>| self.variance + e.as_ref().map_or(0.0, |e| e.variance);
        wave.emulators.iter().map(of).collect()
    }

    /// Squared implausibilities of a point as `wave` sees it.
    #[must_use]
    pub fn seen(&self, wave: &Wave, point: &[f64]) -> Vec<f64> {
        let of = |e: &Option<Emulator>| e.as_ref().map_or(f64::NAN, |e| e.at(point));
        let errors: Vec<f64> = wave.emulators.iter().map(of).collect();
        implausible(self.families, &errors, &self.variances(wave))
    }

    /// The largest implausibility of a point over its cut, over all waves: 1 at most within the region.
    #[must_use]
    pub fn worst(&self, point: &[f64]) -> f64 {
        let of = |wave: &Wave| ratio(&self.seen(wave, point), &wave.cuts);
        self.waves.iter().map(of).fold(0.0, f64::max)
    }

    /// Parameters that some emulator depends on.
    #[must_use]
    pub fn active(&self) -> Vec<usize> {
        let emulators = self.waves.iter().flat_map(|w| w.emulators.iter().flatten());
        let mut active: Vec<usize> =
            emulators.flat_map(|e| e.terms.iter().map(|term| term.0)).collect();
        active.sort_unstable();
        active.dedup();
        active
    }

    /// `n` points of the region, each the end of a Markov chain that begins at one of `starts` and moves one active
    /// parameter at a time (Metropolis within Gibbs); other parameters are drawn from their prior. With
    /// `posterior`, points are as dense as `exp(−½ Σ I²)`, the sum over families as the last wave sees them; without,
    /// evenly dense.
    #[must_use]
    pub fn sample(
        &self,
        n: usize,
        starts: &[Vec<f64>],
        posterior: bool,
        seed: u64,
    ) -> Vec<Vec<f64>> {
        let active = self.active();
        let variances: Vec<Vec<f64>> = self.waves.iter().map(|w| self.variances(w)).collect();
        let mut order: Vec<usize> = (0..starts.len()).collect();
        let worst: Vec<f64> = starts.iter().map(|point| self.worst(point)).collect();
        order.sort_by(|a, b| worst[*a].total_cmp(&worst[*b]));
        let plausible = worst.iter().filter(|w| **w <= 1.0).count();
        let least = starts.len().div_ceil(TENTH).max(1);
        order.truncate(plausible.max(least));
        // For each active parameter, the terms that move with it: wave, row, coefficients.
        let moved: Vec<Vec<(usize, usize, [f64; 2])>> = active
            .iter()
            .map(|j| {
                let mut all = Vec::new();
                for (w, wave) in self.waves.iter().enumerate() {
                    for (r, emulator) in wave.emulators.iter().enumerate() {
                        let terms = emulator.iter().flat_map(|e| &e.terms);
                        all.extend(terms.filter(|t| t.0 == *j).map(|t| (w, r, t.1)));
                    }
                }
                all
            })
            .collect();
        (0..n)
            .map(|chain| {
                let mut point = starts[order[chain % order.len()]].clone();
                for (j, u) in point.iter_mut().enumerate() {
                    if active.binary_search(&j).is_err() {
                        *u = uniform(key_from(&[seed, chain as u64, 0, j as u64]));
                    }
                }
                let mut state = self.state(point, &variances);
                for step in 0..SWEEPS * active.len() {
                    let draw =
                        |k: u64| uniform(key_from(&[seed, chain as u64, 1 + k, step as u64]));
                    let at = (step + chain) % active.len();
                    let old = state.point[active[at]];
                    // A third of the steps go anywhere, the others nearby.
                    let new = if draw(0) < 1.0 / 3.0 {
                        draw(1)
                    } else {
                        folded(old + NEARBY * maths::normal_quantile(draw(1)))
                    };
                    let next = self.moved(&state, active[at], new, &moved[at], &variances);
                    let inside = next
                        .worst
                        .iter()
                        .zip(&state.worst)
                        .all(|(next, now)| *next <= now.max(1.0));
                    let odds = if posterior { (state.sum - next.sum) / 2.0 } else { 0.0 };
                    if inside && (odds >= 0.0 || draw(2) < maths::exp(odds)) {
                        state = next;
                    }
                }
                state.point
            })
            .collect()
    }

    fn state(&self, point: Vec<f64>, variances: &[Vec<f64>]) -> State {
        let of = |e: &Option<Emulator>| e.as_ref().map_or(f64::NAN, |e| e.at(&point));
        let errors: Vec<Vec<f64>> =
            self.waves.iter().map(|w| w.emulators.iter().map(of).collect()).collect();
        let mut state = State { errors, point, worst: vec![0.0; self.waves.len()], sum: 0.0 };
        self.judge(&mut state, variances);
        state
    }

    fn moved(
        &self,
        state: &State,
        j: usize,
        u: f64,
        terms: &[(usize, usize, [f64; 2])],
        variances: &[Vec<f64>],
    ) -> State {
        let (old, new) = (legendre(state.point[j]), legendre(u));
        let mut next = state.clone();
        next.point[j] = u;
        for (w, r, b) in terms {
            next.errors[*w][*r] += b[0] * (new[0] - old[0]) + b[1] * (new[1] - old[1]);
        }
        self.judge(&mut next, variances);
        next
    }

    fn judge(&self, state: &mut State, variances: &[Vec<f64>]) {
        for (w, wave) in self.waves.iter().enumerate() {
            let seen = implausible(self.families, &state.errors[w], &variances[w]);
            state.worst[w] = ratio(&seen, &wave.cuts);
            if w + 1 == self.waves.len() {
                state.sum = seen.iter().sum();
            }
        }
    }
}

/// The largest implausibility over its cut.
fn ratio(squares: &[f64], cuts: &[f64]) -> f64 {
    squares.iter().zip(cuts).map(|(square, cut)| square.sqrt() / cut).fold(0.0, f64::max)
}

/// Of starting points that no wave lets pass, the best of so many are used: one in ten.
const TENTH: usize = 10;
/// Steps of a chain for each active parameter.
const SWEEPS: usize = 30;
/// Standard deviation of a step nearby.
const NEARBY: f64 = 0.15;

/// A number outside 0 to 1, reflected at the ends.
fn folded(u: f64) -> f64 {
    let u = u.abs();
    let u = u - 2.0 * (u / 2.0).floor();
    if u > 1.0 { 2.0 - u } else { u }
}
