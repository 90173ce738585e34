//! Arithmetic that gives the same bits on every machine.
//!
//! The standard library's `exp`, `ln` and `powf` depend on the C library and on
//! the processor's features; these wrap `pxfm`, which is pure Rust. Powers are
//! written as `exp(y ln x)`: a correctly rounded `pow` costs eight times as much
//! and the model does not need its last bit.

/// `e^x`.
#[must_use]
pub fn exp(x: f64) -> f64 {
    pxfm::f_exp(x)
}

/// Natural logarithm.
#[must_use]
pub fn ln(x: f64) -> f64 {
    pxfm::f_log(x)
}

/// Logarithm to base ten.
#[must_use]
pub fn log10(x: f64) -> f64 {
    pxfm::f_log10(x)
}

/// `10^x`.
#[must_use]
pub fn exp10(x: f64) -> f64 {
    pxfm::f_exp10(x)
}

/// `x^y` for `x ≥ 0`, as `exp(y ln x)`; `0^y` is 0 for `y > 0` and 1 for `y = 0`.
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        1.0
    } else if y == 1.0 {
        x
    } else if x <= 0.0 {
        0.0
    } else {
        exp(y * ln(x))
    }
}

/// Logistic function `Λ(x) = 1 / (1 + e^−x)`.
#[must_use]
pub fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + exp(-x))
    } else {
        let e = exp(x);
        e / (1.0 + e)
    }
}

/// Inverse of [`logistic`]; `p` must lie strictly between 0 and 1.
#[must_use]
pub fn logit(p: f64) -> f64 {
    ln(p / (1.0 - p))
}

/// Nearest whole number, halves away from zero; anything that is not finite
/// becomes 0 (the audit stops a run that carries such a value).
#[must_use]
pub fn whole(x: f64) -> i64 {
    if !x.is_finite() {
        return 0;
    }
    // What `round` says, without a call: old x86-64 has no instruction for it.
    let cut = x as i64;
    let rest = x - cut as f64;
    cut.saturating_add(i64::from(rest >= 0.5)).saturating_sub(i64::from(rest <= -0.5))
}

/// Largest whole number not above `x`; 0 where `x` is not finite.
#[must_use]
pub fn whole_below(x: f64) -> i64 {
    if !x.is_finite() {
        return 0;
    }
    let cut = x as i64;
    cut.saturating_sub(i64::from(cut as f64 > x))
}

/// A whole number for a monthly flow `x`, carrying what was cut off to the next
/// month in `remainder`, so that slow flows are neither lost nor doubled.
pub fn whole_carried(x: f64, remainder: &mut f64) -> i64 {
    let wanted = if x.is_finite() { x } else { 0.0 } + *remainder;
    let n = wanted.floor();
    *remainder = wanted - n;
    n as i64
}

/// Splits `total` into whole parts in proportion to `weights` (largest
/// remainder; equal remainders go to the lower index). Parts sum to `total`
/// exactly; all zero when no weight is positive.
pub fn apportion(total: i64, weights: &[f64], parts: &mut Vec<i64>) {
    parts.clear();
    parts.resize(weights.len(), 0);
    let sum: f64 = weights.iter().map(|w| w.max(0.0)).sum();
    if total <= 0 || sum <= 0.0 || !sum.is_finite() {
        return;
    }
    let mut left = total;
    for (part, weight) in parts.iter_mut().zip(weights) {
        *part = whole_below(total as f64 * (weight.max(0.0) / sum)).min(left);
        left -= *part;
    }
    while left > 0 {
        let mut best = None;
        let mut largest = f64::NEG_INFINITY;
        for (i, weight) in weights.iter().enumerate() {
            let rest = total as f64 * (weight.max(0.0) / sum) - parts[i] as f64;
            if *weight > 0.0 && rest > largest {
                largest = rest;
                best = Some(i);
            }
        }
        let Some(best) = best else { return };
        parts[best] += 1;
        left -= 1;
    }
}

/// Standard normal quantile of `p` in (0, 1).
///
/// Acklam's rational approximation, relative error below 1.2e-9 (checked
/// against tabulated quantiles in the tests).
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    const TAIL: f64 = 0.024_25;
    let tail = |q: f64| {
        (((((C[0] * q + C[1]) * q + C[2]) * q + C[3]) * q + C[4]) * q + C[5])
            / ((((D[0] * q + D[1]) * q + D[2]) * q + D[3]) * q + 1.0)
    };
    if p < TAIL {
        tail((-2.0 * ln(p)).sqrt())
    } else if p > 1.0 - TAIL {
        -tail((-2.0 * ln(1.0 - p)).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        (((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5]) * q
            / (((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_sum_to_the_total_and_follow_the_weights() {
        let mut parts = Vec::new();
        apportion(10, &[1.0, 1.0, 1.0], &mut parts);
        assert_eq!(parts, [4, 3, 3]);
        apportion(7, &[0.0, 2.0, 5.0], &mut parts);
        assert_eq!(parts, [0, 2, 5]);
        apportion(7, &[0.0, 0.0], &mut parts);
        assert_eq!(parts, [0, 0]);
    }

    #[test]
    fn quantiles_match_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.01, -2.326_347_874_040_841),
            (0.999, 3.090_232_306_167_813),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-8, "{p}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whole_numbers_are_those_of_the_library(
            x in proptest::num::f64::ANY,
            near in -1_000_000_i64..1_000_000,
            ulps in -2_i64..3,
        ) {
            let half = near as f64 / 2.0;
            let beside = f64::from_bits(half.to_bits().wrapping_add_signed(ulps));
            for x in [x, half, beside, x * 1e-300, x % 1e19] {
                let finite = |y: f64| if x.is_finite() { y as i64 } else { 0 };
                proptest::prop_assert_eq!(whole(x), finite(x.round()));
                proptest::prop_assert_eq!(whole_below(x), finite(x.floor()));
            }
        }
    }

    #[test]
    fn carried_remainders_lose_nothing() {
        let mut rest = 0.0;
        let sum: i64 = (0..10).map(|_| whole_carried(0.25, &mut rest)).sum();
        assert_eq!(sum, 2);
        assert!((rest - 0.5).abs() < 1e-12);
    }

    #[test]
    fn powers_and_logistic() {
        assert!((pow(2.0, 10.0) - 1024.0).abs() < 1e-9);
        assert_eq!(pow(0.0, 0.5), 0.0);
        assert_eq!(pow(0.0, 0.0), 1.0);
        assert!((logistic(logit(0.3)) - 0.3).abs() < 1e-15);
        assert!(logistic(-800.0) >= 0.0 && logistic(800.0) <= 1.0);
    }
}
