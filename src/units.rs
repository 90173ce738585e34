//! Amounts that must add up: money and chips are whole numbers.
//!
//! Rates, shares and logarithms are `f64` with the unit in the name
//! (`power_mw`, `spend_usd_year`). What is bought, shipped and owed is counted.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use crate::maths;

/// Accelerators, dies or memory stacks: things that are made, moved and lost
/// one by one.
pub type Count = i64;

/// An amount of money in whole quanta of the ledger (a cent in the reference
/// world; the quantum is a cell of the world file, so that currency is a unit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The nearest whole number of quanta to `amount`, `quantum` in the same currency.
    #[must_use]
    pub fn from_amount(amount: f64, quantum: f64) -> Self {
        Self(maths::whole(amount / quantum))
    }

    /// This amount in units of currency.
    #[must_use]
    pub fn amount(self, quantum: f64) -> f64 {
        self.0 as f64 * quantum
    }

    /// The number of quanta.
    #[must_use]
    pub const fn quanta(self) -> i64 {
        self.0
    }

    /// `n` times this amount, saturating.
    #[must_use]
    pub const fn times(self, n: Count) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// This amount times a real factor, rounded to whole quanta.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self(maths::whole(self.0 as f64 * factor))
    }

    /// How many items of price `price` this amount buys (0 for a free or negative price).
    #[must_use]
    pub const fn buys(self, price: Self) -> Count {
        if price.0 <= 0 || self.0 <= 0 { 0 } else { self.0 / price.0 }
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}
impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Add::add)
    }
}
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_whole_and_scales_with_its_quantum() {
        let price = Money::from_amount(25_000.004, 0.01);
        assert_eq!(price.quanta(), 2_500_000);
        assert_eq!(price.times(3).quanta(), 7_500_000);
        assert_eq!(price.times(10).buys(price), 10);
        let doubled = Money::from_amount(2.0 * 25_000.004, 2.0 * 0.01);
        assert_eq!(doubled, price);
    }
}
