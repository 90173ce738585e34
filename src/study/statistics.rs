//! Means, differences and their intervals.

use crate::maths;

/// The level of every interval: this much of the probability lies inside.
pub const LEVEL: f64 = 0.9;

/// Mean and spread of numbers that come one by one (Welford).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a number.
    pub fn add(&mut self, x: f64) {
        self.n += 1;
        let off = x - self.mean;
        self.mean += off / self.n as f64;
        self.squares += off * (x - self.mean);
    }

    /// How many.
    #[must_use]
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// Their mean; not a number if there are none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.n == 0 { f64::NAN } else { self.mean }
    }

    /// Their variance (n − 1); not a number for fewer than two.
    #[must_use]
    pub fn variance(&self) -> f64 {
        if self.n < 2 { f64::NAN } else { self.squares / (self.n - 1) as f64 }
    }

    /// Variance of the mean.
    fn of_mean(&self) -> f64 {
        self.variance() / self.n as f64
    }

    /// Half the width of the mean's t-interval at [`LEVEL`].
    #[must_use]
    pub fn half_width(&self) -> f64 {
        if self.n < 2 { f64::NAN } else { t(self.n as f64 - 1.0) * self.of_mean().sqrt() }
    }
}

/// An effect: what happens under one policy less what happens under another, draw by draw.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paired {
    /// Under the policy.
    pub treated: Moments,
    /// Under its counterfactual.
    pub counterfactual: Moments,
    /// Differences.
    pub difference: Moments,
    above: u64,
    below: u64,
}

impl Paired {
    /// Adds a draw; one that lacks a value on either side does not count.
    pub fn add(&mut self, treated: f64, counterfactual: f64) {
        let difference = treated - counterfactual;
        if !difference.is_finite() {
            return;
        }
        self.treated.add(treated);
        self.counterfactual.add(counterfactual);
        self.difference.add(difference);
        self.above += u64::from(difference > 0.0);
        self.below += u64::from(difference < 0.0);
    }

    /// Share of draws in which the policy gives more.
    #[must_use]
    pub fn share_above(&self) -> f64 {
        self.above as f64 / self.difference.n() as f64
    }

    /// Share of draws in which the policy gives less.
    #[must_use]
    pub fn share_below(&self) -> f64 {
        self.below as f64 / self.difference.n() as f64
    }

    /// Half the width of the interval that one would have without pairs: Welch's, of two
    /// independent samples.
    #[must_use]
    pub fn half_width_unpaired(&self) -> f64 {
        welch(&self.treated, &self.counterfactual)
    }
}

/// Half the width of Welch's interval of the difference of two independent means.
#[must_use]
pub fn welch(one: &Moments, other: &Moments) -> f64 {
    let (a, b) = (one.of_mean(), other.of_mean());
    let both = a + b;
    if both.is_nan() || both == 0.0 {
        return both;
    }
    let freedom = |x: f64, of: &Moments| x * x / (of.n() as f64 - 1.0);
    let freedom = both * both / (freedom(a, one) + freedom(b, other));
    t(freedom) * both.sqrt()
}

/// The quantile of Student's t distribution at which (1 − [`LEVEL`]) / 2 lies above.
///
/// Hill's approximation (Algorithm 396, Communications of the ACM 13, 1970), exact for 1 and 2 degrees
/// of freedom and right to five digits beyond; between 1 and 2 interpolated in the inverse.
#[must_use]
pub fn t(freedom: f64) -> f64 {
    let p = 1.0 - LEVEL;
    let one = 1.0 / maths_tan_half(p);
    let two = (2.0 / (p * (2.0 - p)) - 2.0).sqrt();
    if freedom.is_nan() || freedom < 1.0 {
        return f64::NAN;
    }
    if freedom <= 2.0 {
        let share = 2.0 * (1.0 - 1.0 / freedom);
        return one + (two - one) * share;
    }
    let n = freedom;
    let a = 1.0 / (n - 0.5);
    let b = 48.0 / (a * a);
    let mut c = ((20_700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
    let d = ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * std::f64::consts::FRAC_PI_2).sqrt() * n;
    let mut y = maths::pow(d * p, 2.0 / n);
    if y > 0.05 + a {
        let x = maths::normal_quantile(p / 2.0);
        y = x * x;
        if n < 5.0 {
            c += 0.3 * (n - 4.5) * (x + 0.6);
        }
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b;
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
        y = a * y * y;
        y = if y > 0.002 { maths::exp(y) - 1.0 } else { 0.5 * y * y + y };
    } else {
        y = ((1.0 / (((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0)
            + 0.5 / (n + 4.0))
            * y
            - 1.0)
            * (n + 1.0)
            / (n + 2.0)
            + 1.0 / y;
    }
    (n * y).sqrt()
}

/// tan(p π / 2) for a small p, by its series: the standard library's differs between machines.
fn maths_tan_half(p: f64) -> f64 {
    let x = p * std::f64::consts::FRAC_PI_2;
    let s = x * x;
    // x + x³/3 + 2x⁵/15 + 17x⁷/315 + 62x⁹/2835 + 1382x¹¹/155925
    x * (1.0
        + s * (1.0 / 3.0
            + s * (2.0 / 15.0
                + s * (17.0 / 315.0 + s * (62.0 / 2835.0 + s * (1382.0 / 155_925.0))))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_matches_the_tables() {
        for (freedom, wanted, tolerance) in [
            (1.0, 6.313_752, 1e-5),
            (2.0, 2.919_986, 1e-5),
            (3.0, 2.353_363, 2e-4),
            (4.0, 2.131_847, 1e-4),
            (9.0, 1.833_113, 1e-5),
            (19.0, 1.729_133, 1e-5),
            (199.0, 1.652_547, 1e-5),
            (1e6, 1.644_855, 1e-5),
        ] {
            assert!((t(freedom) - wanted).abs() < tolerance, "{freedom}: {}", t(freedom));
        }
        assert!(t(1.5) < t(1.0) && t(1.5) > t(2.0));
        assert!(t(0.5).is_nan());
    }

    #[test]
    fn a_paired_effect_by_hand() {
        // Treated 3, 5, 10; counterfactual 1, 4, 8: differences 2, 1, 2.
        let mut paired = Paired::default();
        for (x, y) in [(3.0, 1.0), (5.0, 4.0), (10.0, 8.0), (f64::NAN, 1.0)] {
            paired.add(x, y);
        }
        assert_eq!(paired.difference.n(), 3);
        assert!((paired.difference.mean() - 5.0 / 3.0).abs() < 1e-12);
        // Variance (1/9 + 4/9 + 1/9) / 2 = 1/3; half width 2.919986 × √(1/9).
        assert!((paired.difference.variance() - 1.0 / 3.0).abs() < 1e-12);
        assert!((paired.difference.half_width() - 2.919_986 / 3.0).abs() < 1e-5);
        assert_eq!((paired.share_above(), paired.share_below()), (1.0, 0.0));
        // Means 6 and 13/3, variances 13 and 37/3: of the mean 13/3 + 37/9 = 76/9. Welch's degrees of
        // freedom (76/9)² / ((13/3)²/2 + (37/9)²/2) = 3.9972; t there is 2.1324.
        assert!((paired.treated.variance() - 13.0).abs() < 1e-12);
        assert!((paired.counterfactual.variance() - 37.0 / 3.0).abs() < 1e-12);
        let wanted = 2.132_4 * (76.0_f64 / 9.0).sqrt();
        assert!(
            (paired.half_width_unpaired() - wanted).abs() < 2e-3,
            "{}",
            paired.half_width_unpaired()
        );
    }

    #[test]
    fn twins_that_never_differ_have_an_effect_of_nothing() {
        let mut paired = Paired::default();
        for x in [1.0, 2.0, 4.0] {
            paired.add(x, x);
        }
        assert_eq!((paired.difference.mean(), paired.difference.half_width()), (0.0, 0.0));
        assert_eq!((paired.share_above(), paired.share_below()), (0.0, 0.0));
        assert!(paired.half_width_unpaired() > 1.0);
    }
}
