//! The law of training as plain functions: compute of a run, what it is worth at its scale, tokens.
//!
//! **Compute of a run**, FLOP:
//! `C = peak · MFU · (N/N₀)^(−e_N) · min(1, I/I₀)^(e_I) · run time`, peak the 16-bit FLOP/s of the
//! firm's training part, N its H100e (penalised above N₀), I its mean interconnect (GB/s; weak links
//! cost). What a firm *could* have spent on a run that ends now is the same flow gathered over the
//! run time n: `C_possible' = C_possible (1 − 1/n) + flow of the month`. MFU: model FLOP utilisation
//! of published runs.
//!
//! **Scale**: part of the gains in training efficiency pays only near the scale they were made for
//! (Gundlach et al. 2025):
//! `ln A_eff(C) = ln A − f · max(0, ln A − ln A_base) · clip(½ − ¼ log₁₀(C/C_ref), 0, 1)`.
//!
//! **Tiers**: the run is the big one; a small one is distilled from it: less compute, less quality.
//! Tokens of an H100e in a month at A_serve = 1: `τ = τ₀ (C/C₀)^(−ς) · tier factor`. Cost follows the
//! *size* of the run, not its quality, or a better algorithm would be dearer to serve.

use super::TrainingParameters;
use crate::entities::firm::Compute;
use crate::entities::model::Tier;
use crate::maths;

/// Seconds of a month of 8760/12 hours.
const SECONDS_A_MONTH: f64 = 8760.0 / 12.0 * 3600.0;

/// A natural logarithm in dex.
pub(super) fn dex(ln: f64) -> f64 {
    ln / std::f64::consts::LN_10
}

/// The scale-dependent part `f · max(0, ln A − ln A_base)` of training efficiency.
pub(super) fn at_stake(p: &TrainingParameters, on: bool, ln_a: f64) -> f64 {
    if on { p.scale_dependent_share * (ln_a - p.ln_a_base).max(0.0) } else { 0.0 }
}

/// `ln A_eff(C)`: training efficiency at the scale of a run of `log10_flop`.
pub(super) fn effective_ln_a(p: &TrainingParameters, on: bool, ln_a: f64, log10_flop: f64) -> f64 {
    let decades = log10_flop - p.scale_reference_log10_flop;
    let lost = ((1.0 - decades / 2.0) / 2.0).clamp(0.0, 1.0);
    ln_a - at_stake(p, on, ln_a) * lost
}

/// log10 of the compute of a run of `quality` dex, given ln A and B: the inverse of
/// `q = C + log10 A_eff(C) + B`, which is straight in three pieces.
pub(super) fn run_of_quality(
    p: &TrainingParameters,
    on: bool,
    quality: f64,
    ln_a: f64,
    bonus: f64,
) -> f64 {
    let whole = quality - bonus - dex(ln_a);
    let stake = dex(at_stake(p, on, ln_a));
    let quarter = stake / 2.0 / 2.0;
    let middle = (whole + stake / 2.0 + quarter * p.scale_reference_log10_flop) / (1.0 + quarter);
    let decades = middle - p.scale_reference_log10_flop;
    if decades >= 2.0 {
        whole
    } else if decades <= -2.0 {
        whole + stake
    } else {
        middle
    }
}

/// FLOP that the training part yields in a month.
pub(super) fn monthly_flop(p: &TrainingParameters, compute: &Compute) -> f64 {
    let size = if p.cluster_reference_h100e > 0.0 {
        (compute.training_h100e / p.cluster_reference_h100e).max(1.0)
    } else {
        1.0
    };
    let links = if p.interconnect_reference_gbps > 0.0 && compute.training_interconnect_gbps > 0.0 {
        (compute.training_interconnect_gbps / p.interconnect_reference_gbps).min(1.0)
    } else {
        1.0
    };
    let flow = compute.training_flop_s.max(0.0)
        * p.mfu
        * maths::pow(size, -p.cluster_size_penalty)
        * maths::pow(links, p.interconnect_penalty)
        * SECONDS_A_MONTH;
    if flow.is_finite() { flow } else { 0.0 }
}

/// Tokens of an H100e in a month at A_serve = 1, millions.
pub(super) fn tokens(p: &TrainingParameters, log10_flop: f64, tier: Tier) -> f64 {
    let size = log10_flop - p.serving_reference_log10_flop;
    let factor = match tier {
        Tier::Big => 1.0,
        Tier::Small => p.small_tier_tokens,
    };
    p.tokens_m_per_h100e_month * maths::exp10(-p.serving_size_exponent * size) * factor
}
