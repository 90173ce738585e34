//! The law of research as plain functions: input, direction, and productivity
//! solved from the observed frontier.
//!
//! **Input.** `R = [a (L/L₀)^ρ + (1 − a)(K_eff/K₀)^ρ]^(1/ρ)`, `ρ = (σ_R − 1)/σ_R`, Cobb–Douglas at
//! σ_R = 1, with `K_eff = K · (C*/C*₀)^(−χ)`. L staff (persons), K experiment compute (H100e), C* the
//! largest finished training run of this world (FLOP); L₀, K₀, C*₀ the same of the frontier lab in
//! the first complete month of the `frontier` table. (σ_R, χ) = (2.58, 0): people replace
//! experiments; (0.1, 0): they do not; (0.1, 1): nor do experiments that do not grow with the
//! frontier (Whitfill and Wu 2025 find the first and the last, by specification).
//!
//! **Direction.** Effort, staff and experiments alike, goes to training efficiency, serving
//! efficiency and quality with shares s. The odds of the two frugal directions together against
//! quality are `odds₀ · κ̄^ε`, κ̄ ≥ 1 the shadow price of compute as research feels it.

use crate::calendar::Month;
use crate::entities::script::FrontierRow;
use crate::maths;

/// Below this, `ρ · ln(input)` is a rounding error of the CES and its second-order
/// expansion about Cobb–Douglas is exact to the last digits.
const NEARLY_ZERO: f64 = 1e-4;

/// How staff and experiments make research input, and the frontier lab that both are measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Technology {
    /// Weight of labour, a.
    pub labour: f64,
    /// ρ = (σ − 1)/σ.
    pub rho: f64,
    /// Exponent χ with which useful experiments grow with the largest run.
    pub chi: f64,
    /// The reference lab: ln L₀, ln K₀, log10 C*₀.
    pub reference: Inputs,
}

/// Inputs of a lab, in logs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Inputs {
    /// ln of staff.
    pub ln_staff: f64,
    /// ln of experiment compute, H100e.
    pub ln_experiments: f64,
    /// log10 of the largest training run so far, FLOP.
    pub log10_run: f64,
}

impl Inputs {
    /// Inputs from levels.
    pub fn of(staff: f64, experiments_h100e: f64, log10_run: f64) -> Self {
        let ln = |x: f64| if x > 0.0 { maths::ln(x) } else { f64::NEG_INFINITY };
        Self { ln_staff: ln(staff), ln_experiments: ln(experiments_h100e), log10_run }
    }
}

/// ρ of an elasticity of substitution.
pub(super) fn rho_of(sigma: f64) -> f64 {
    if sigma > 0.0 { (sigma - 1.0) / sigma } else { f64::NEG_INFINITY }
}

/// Research input R, in logs, and its elasticity with respect to experiment compute:
/// `R = [a (L/L₀)^ρ + (1 − a)(K_eff/K₀)^ρ]^(1/ρ)`, `K_eff = K (C*/C*₀)^(−χ)`, and
/// `α_K = (1 − a)(K_eff/K₀)^ρ / R^ρ`. Nothing without staff.
pub(super) fn research_input(technology: &Technology, inputs: &Inputs) -> (f64, f64) {
    let Technology { labour: a, rho, chi, reference } = *technology;
    let l = inputs.ln_staff - reference.ln_staff;
    let decades = inputs.log10_run - reference.log10_run;
    let k =
        inputs.ln_experiments - reference.ln_experiments - chi * decades * std::f64::consts::LN_10;
    if l == f64::NEG_INFINITY {
        return (f64::NEG_INFINITY, 0.0);
    }
    if k == f64::NEG_INFINITY {
        // Substitutes do something with bare hands; complements nothing.
        let alone = if rho > 0.0 { l + maths::ln(a) / rho } else { f64::NEG_INFINITY };
        return (alone, 0.0);
    }
    if rho == f64::NEG_INFINITY {
        return if k < l { (k, 1.0) } else { (l, 0.0) };
    }
    let gap = l - k;
    if (rho * gap).abs() < NEARLY_ZERO {
        let mean = a * l + (1.0 - a) * k;
        return (mean + rho * a * (1.0 - a) * gap * gap / 2.0, 1.0 - a);
    }
    // Relative to the larger term, so that no power overflows.
    let (x, y) = (rho * l, rho * k);
    let top = x.max(y);
    let labour = a * maths::exp(x - top);
    let experiments = (1.0 - a) * maths::exp(y - top);
    let sum = labour + experiments;
    ((top + maths::ln(sum)) / rho, experiments / sum)
}

/// Shares of research effort in training efficiency, serving efficiency and quality: the odds of
/// the two frugal directions against quality are `odds₀ · κ̄^ε`, split by `train_share`.
pub(super) fn direction(odds: f64, train_share: f64, epsilon: f64, kappa: f64) -> [f64; 3] {
    let frugal = odds * maths::pow(kappa.max(1.0), epsilon);
    let all = 1.0 + frugal;
    [frugal * train_share / all, frugal * (1.0 - train_share) / all, 1.0 / all]
}

/// The knots of one column of the `frontier` table.
fn knots(
    rows: &[FrontierRow],
    of: impl Fn(&FrontierRow) -> Option<f64>,
) -> impl Iterator<Item = (Month, f64)> {
    rows.iter().filter_map(move |row| of(row).map(|value| (row.month, value)))
}

/// ln of a column at `month`, straight between its knots; none outside them.
fn between(
    rows: &[FrontierRow],
    of: impl Fn(&FrontierRow) -> Option<f64>,
    month: Month,
) -> Option<f64> {
    let mut before: Option<(Month, f64)> = None;
    for (at, value) in knots(rows, of) {
        if value <= 0.0 {
            continue;
        }
        let ln = maths::ln(value);
        if at == month {
            return Some(ln);
        }
        if at > month {
            let (from, low) = before?;
            let way = f64::from(month - from) / f64::from(at - from);
            return Some(low + (ln - low) * way);
        }
        before = Some((at, ln));
    }
    None
}

/// Inputs of the observed frontier, a month each, from the first month in which staff, experiments
/// and largest run are all known to the last. Rows are sorted by month; staff and experiments are
/// straight in logs between rows, the largest run holds until a larger one.
pub(super) fn observed(rows: &[FrontierRow]) -> Vec<(Month, Inputs)> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let months = last.month - first.month;
    let mut inputs = Vec::new();
    for i in 0..=months {
        let month = first.month + i;
        let run = knots(rows, |row| row.log10_largest_run)
            .take_while(|(at, _)| *at <= month)
            .map(|(_, value)| value)
            .reduce(f64::max);
        let staff = between(rows, |row| row.staff, month);
        let experiments = between(rows, |row| row.experiments_h100e, month);
        if let (Some(ln_staff), Some(ln_experiments), Some(log10_run)) = (staff, experiments, run) {
            inputs.push((month, Inputs { ln_staff, ln_experiments, log10_run }));
        }
    }
    inputs
}

/// Productivity with which a lab on the observed frontier grows by `growth` a year on average. From
/// `dA/A = θ (s⁰R)^λ A^(−β) dt`, `A(0) = 1` and `A(T) = e^(gT)`:
/// `θ = (e^(βgT) − 1) / (βT) / mean over the observed months of (s⁰R)^λ`, for β = 0
/// `θ = g / mean`. Where nothing was observed, R = 1 and `θ = g / s⁰^λ`.
///
/// The nearby `g / mean of (s⁰R)^λ e^(−βgt)` takes A from a steady path instead of from the law; since
/// observed inputs accelerated, it lets the frontier grow 7 % too fast.
pub(super) fn productivity(
    technology: &Technology,
    observed: &[(Month, Inputs)],
    growth: f64,
    share: f64,
    lambda: f64,
    beta: f64,
) -> f64 {
    let of = |ln_input: f64| effort(share, ln_input, lambda, 0.0, 0.0);
    if observed.is_empty() {
        let alone = of(0.0);
        return if alone > 0.0 { growth / alone } else { 0.0 };
    }
    let sum: f64 =
        observed.iter().map(|(_, inputs)| of(research_input(technology, inputs).0)).sum();
    let mean = sum / observed.len() as f64;
    let years = observed.len() as f64 / 12.0;
    let gain = if beta > 0.0 {
        (maths::exp(beta * growth * years) - 1.0) / (beta * years)
    } else {
        growth
    };
    if mean > 0.0 && mean.is_finite() { gain / mean } else { 0.0 }
}

/// `(s R)^λ A^(−β)`, in a way that is 0 for a lab without effort.
pub(super) fn effort(share: f64, ln_input: f64, lambda: f64, ln_a: f64, beta: f64) -> f64 {
    if share <= 0.0 || ln_input == f64::NEG_INFINITY {
        return 0.0;
    }
    maths::exp(lambda * (maths::ln(share) + ln_input) - beta * ln_a)
}

/// Share of what is public that a lab of this input absorbs, `R/(R + R_half)`.
pub(super) fn absorption(input: f64, half: f64) -> f64 {
    if input <= 0.0 { 0.0 } else { input / (input + half.max(0.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn technology(sigma: f64, chi: f64) -> Technology {
        Technology {
            labour: 0.5,
            rho: rho_of(sigma),
            chi,
            reference: Inputs::of(100.0, 1000.0, 24.0),
        }
    }

    fn level(sigma: f64, chi: f64, staff: f64, experiments: f64, run: f64) -> f64 {
        let inputs = Inputs::of(staff, experiments, run);
        maths::exp(research_input(&technology(sigma, chi), &inputs).0)
    }

    #[test]
    fn research_input_by_hand() {
        // L/L₀ = 4, K/K₀ = 9, equal weights.
        // σ = 1, Cobb–Douglas: √(4 · 9) = 6.
        assert!((level(1.0, 0.0, 400.0, 9000.0, 24.0) - 6.0).abs() < 1e-9);
        // σ = 2, ρ = 1/2: (½·2 + ½·3)² = 6.25.
        assert!((level(2.0, 0.0, 400.0, 9000.0, 24.0) - 6.25).abs() < 1e-9);
        // σ = ½, ρ = −1: 1/(½/4 + ½/9) = 72/13 = 5.538 46.
        assert!((level(0.5, 0.0, 400.0, 9000.0, 24.0) - 72.0 / 13.0).abs() < 1e-9);
        // χ = 1 and a largest run ten times larger: K_eff/K₀ = 0.9; σ = 1: √(4 · 0.9).
        assert!((level(1.0, 1.0, 400.0, 9000.0, 25.0) - 3.6_f64.sqrt()).abs() < 1e-9);
        // The reference lab has R = 1 in every regime.
        for (sigma, chi) in [(2.58, 0.0), (0.1, 0.0), (0.1, 1.0), (1.0, 0.5)] {
            assert!((level(sigma, chi, 100.0, 1000.0, 24.0) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn input_is_smooth_at_cobb_douglas_and_total_at_the_edges() {
        let at = |sigma| level(sigma, 0.0, 400.0, 9000.0, 24.0);
        assert!((at(1.0 + 1.2e-4) - at(1.0)).abs() < 1e-3);
        assert!((at(1.0 + 1.24e-4) - at(1.0 + 1.23e-4)).abs() < 1e-6);
        assert!((at(1.0 - 1e-9) - at(1.0)).abs() < 1e-8);
        assert_eq!(level(2.58, 0.0, 0.0, 9000.0, 24.0), 0.0);
        assert_eq!(level(0.1, 0.0, 400.0, 0.0, 24.0), 0.0);
        assert!(level(2.58, 0.0, 400.0, 0.0, 24.0) > 0.0);
        // Far-off inputs overflow nothing.
        assert!(level(0.1, 1.0, 1e5, 1e9, 32.0).is_finite());
        assert!(level(0.1, 0.0, 1e-6, 1e9, 32.0).is_finite());
    }

    #[test]
    fn the_elasticity_is_the_derivative() {
        for sigma in [0.1, 0.5, 1.0, 2.58] {
            let t = technology(sigma, 0.3);
            let at = |k: f64| research_input(&t, &Inputs::of(150.0, k, 24.4));
            let h = 1e-5;
            let slope = (at(1200.0 * maths::exp(h)).0 - at(1200.0 * maths::exp(-h)).0) / (2.0 * h);
            assert!((slope - at(1200.0).1).abs() < 1e-6, "σ {sigma}: {slope} {}", at(1200.0).1);
        }
    }

    #[test]
    fn direction_by_hand() {
        // Odds 1, half to training; κ̄ = 4, ε = ½: odds 2, so frugal 2/3, a third each.
        let s = direction(1.0, 0.5, 0.5, 4.0);
        for (share, expected) in s.iter().zip([1.0 / 3.0; 3]) {
            assert!((share - expected).abs() < 1e-12);
        }
        // κ̄ below one is no abundance: direction is the unconstrained one.
        assert_eq!(direction(1.0, 0.5, 0.5, 0.7), direction(1.0, 0.5, 0.5, 1.0));
    }

    /// The static sign condition: with experiments lower by Δln K and κ̄ higher by Δln κ, growth of
    /// efficiency rises iff ε > α_K (−Δln K)/((1 − s) Δln κ); λ and θ cancel.
    #[test]
    fn the_premium_is_positive_only_above_the_critical_elasticity() {
        for sigma in [0.1, 1.0, 2.58] {
            let t = technology(sigma, 0.0);
            let base = Inputs::of(120.0, 1500.0, 24.0);
            let (ln_k, ln_kappa) = (-0.01, 0.02);
            let (ln_r0, alpha) = research_input(&t, &base);
            let constrained = Inputs { ln_experiments: base.ln_experiments + ln_k, ..base };
            let (ln_r1, _) = research_input(&t, &constrained);
            let s0 = direction(1.0, 0.5, 0.0, 1.0);
            let frugal = s0[0] + s0[1];
            let critical = alpha * -ln_k / ((1.0 - frugal) * ln_kappa);
            for (epsilon, sign) in [(critical * 0.95, -1.0), (critical * 1.05, 1.0)] {
                let s1 = direction(1.0, 0.5, epsilon, maths::exp(ln_kappa));
                for x in 0..2 {
                    let premium = maths::ln(effort(s1[x], ln_r1, 0.5, 0.0, 0.3))
                        - maths::ln(effort(s0[x], ln_r0, 0.5, 0.0, 0.3));
                    assert!(premium * sign > 0.0, "σ {sigma} ε {epsilon}: {premium}");
                }
            }
        }
    }

    fn row(month: Month, staff: f64, experiments: f64, run: Option<f64>) -> FrontierRow {
        FrontierRow {
            id: month.to_string(),
            month,
            capability: None,
            staff: Some(staff),
            experiments_h100e: Some(experiments),
            log10_largest_run: run,
            source: String::new(),
        }
    }

    #[test]
    fn productivity_by_hand() {
        // Three months; R doubles by experiments and staff alike: R = 1, √2, 2 (any σ).
        // λ = ½, s = ¼, β = 0: mean = ½ · (1 + 2^¼ + 2^½)/3 = ½ · (1 + 1.189 207 + 1.414 214)/3
        // = 0.600 570; θ = 1.2/0.600 570 = 1.998 101.
        let start = Month::new(2022, 1);
        let rows =
            [row(start, 100.0, 1000.0, Some(24.0)), row(start + 2, 200.0, 2000.0, Some(24.0))];
        let seen = observed(&rows);
        assert_eq!(seen.len(), 3);
        let t = Technology { reference: seen[0].1, ..technology(0.3, 0.0) };
        let theta = productivity(&t, &seen, 1.2, 0.25, 0.5, 0.0);
        assert!((theta - 1.998_101).abs() < 1e-5, "{theta}");
        // β = 0.4 over a quarter: (e^(0.4·1.2·0.25) − 1)/(0.4 · 0.25) = 1.274 969; /0.600 570 = 2.122 931.
        let harder = productivity(&t, &seen, 1.2, 0.25, 0.5, 0.4);
        assert!((harder - 2.122_931).abs() < 1e-5, "{harder}");
        // Without any record R = 1: θ = g / s^λ = 1.2/0.5.
        assert!((productivity(&t, &[], 1.2, 0.25, 0.5, 0.4) - 2.4).abs() < 1e-12);
    }

    #[test]
    fn the_largest_run_holds_until_a_larger_one() {
        let start = Month::new(2022, 1);
        let rows = [
            row(start, 100.0, 1000.0, Some(24.0)),
            row(start + 2, 100.0, 1000.0, None),
            row(start + 3, 100.0, 1000.0, Some(25.0)),
            row(start + 4, 100.0, 1000.0, Some(24.5)),
        ];
        let runs: Vec<f64> = observed(&rows).iter().map(|(_, x)| x.log10_run).collect();
        assert_eq!(runs, [24.0, 24.0, 24.0, 25.0, 25.0]);
    }
}
