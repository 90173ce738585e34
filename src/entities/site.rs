//! Data centres: power, halls and the chips in them.

use bevy_ecs::prelude::{Component, Resource};

use super::{CountryId, FirmId, SiteId, SkuId};
use crate::calendar::Month;
use crate::maths;
use crate::schema::{id_of, number, share, text};
use crate::units::{Count, Money};

crate::table! {
    /// Data centres at the start: one row an owner and country.
    pub struct SiteRow in "data_centres" {
        /// The firm that owns it.
        owner: String = id_of("firms"),
        /// Where it stands.
        country: String = id_of("countries"),
        /// Power for AI in January 2022, halls that can be converted included.
        power_mw: f64 = number("MW", 0.0, 1e5),
        /// Share of the owner's new capacity that goes here.
        build_share: f64 = share(),
        /// Where the figures come from.
        source: String = text(),
    }
}

/// A data centre.
#[derive(Component, Clone, Debug)]
pub struct Site {
    /// Dense id.
    pub id: SiteId,
    /// Owner.
    pub owner: FirmId,
    /// Where it stands.
    pub country: CountryId,
    /// What the table says.
    pub row: SiteRow,
}

/// Chips of one SKU installed in one quarter.
#[derive(Clone, Copy, Debug)]
pub struct Cohort {
    /// The SKU.
    pub sku: SkuId,
    /// Quarter of installation ([`Month::quarter`]).
    pub quarter: i32,
    /// Chips.
    pub count: Count,
    /// What was paid for one, all fees included.
    pub paid: Money,
}

/// Power and chips of a site. Written by `data_centres`; `shipping` adds to the warehouse.
#[derive(Component, Clone, Debug, Default)]
pub struct Halls {
    /// Power that the site may draw, overhead and PUE included.
    pub power_mw: f64,
    /// Power under construction: (month of arrival, MW).
    pub building: Vec<(Month, f64)>,
    /// Power drawn when every installed chip runs.
    pub drawn_mw: f64,
    /// Installed chips, oldest quarter first.
    pub cohorts: Vec<Cohort>,
    /// Delivered chips that wait for power, in order of arrival.
    pub warehouse: Vec<Cohort>,
    /// How often installed chips were taken out: sums over cohorts from before no longer hold.
    pub removals: u32,
}

/// The power that a site's cohorts draw, added up in their order. Cohorts of past quarters only ever
/// leave, so their sum is kept until some do.
#[derive(Clone, Copy, Debug)]
pub struct DrawSum {
    cohorts: usize,
    mw: f64,
    removals: u32,
}

impl Default for DrawSum {
    fn default() -> Self {
        // Where the library's sums begin.
        Self { cohorts: 0, mw: -0.0, removals: 0 }
    }
}

impl DrawSum {
    /// `Σ count · draw` over the cohorts of `halls`, in `quarter`; `draw` must never change.
    pub fn of(&mut self, halls: &Halls, quarter: i32, draw: impl Fn(SkuId) -> f64) -> f64 {
        if self.removals != halls.removals || self.cohorts > halls.cohorts.len() {
            *self = Self { removals: halls.removals, ..Self::default() };
        }
        let add = |mw: f64, c: &Cohort| mw + c.count as f64 * draw(c.sku);
        let rest = &halls.cohorts[self.cohorts..];
        let past = rest.iter().take_while(|c| c.quarter < quarter).count();
        self.mw = rest[..past].iter().fold(self.mw, add);
        self.cohorts += past;
        rest[past..].iter().fold(self.mw, add)
    }
}

/// Power that one chip draws from the grid at full load, MW: `TDP × overhead × PUE`, overhead the
/// rest of the server for each watt of the chip.
///
/// ```
/// // An H100 of 700 W, 1.45 W of server a watt, PUE 1.4: 1.421 kW.
/// let mw = frugality::entities::site::chip_mw(700.0, 1.45, 1.4);
/// assert!((mw - 0.001421).abs() < 1e-12);
/// ```
#[must_use]
#[inline]
pub fn chip_mw(tdp_w: f64, overhead: f64, pue: f64) -> f64 {
    const WATTS_A_MEGAWATT: f64 = 1e6;
    tdp_w * overhead * pue / WATTS_A_MEGAWATT
}

/// Cost of the energy of a constant draw, USD a year: `MW × utilisation × 8760 h × price`.
#[must_use]
pub fn energy_usd_year(mw: f64, utilisation: f64, price_usd_kwh: f64) -> f64 {
    const KILOWATTS_A_MEGAWATT: f64 = 1e3;
    const HOURS_A_YEAR: f64 = 8760.0;
    mw * KILOWATTS_A_MEGAWATT * utilisation * HOURS_A_YEAR * price_usd_kwh
}

/// Years of a constant flow that one payment now is worth over `years` at `rate` a year:
/// `(1 − e^(−rate·years)) / rate`.
#[must_use]
pub fn annuity_years(rate: f64, years: f64) -> f64 {
    if rate == 0.0 { years } else { (1.0 - maths::exp(-rate * years)) / rate }
}

/// Chips taken out of service since the start, `[sku]`. Written by `data_centres`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Retirements {
    /// Chips by SKU.
    pub retired: Vec<Count>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_sum_is_the_sum_to_the_bit() {
        let draw = |sku: SkuId| 0.1 + 0.007 * f64::from(sku.0);
        let cohort = |sku: u16, quarter: i32, count: Count| Cohort {
            sku: SkuId(sku),
            quarter,
            count,
            paid: Money::ZERO,
        };
        let (mut halls, mut kept) = (Halls::default(), DrawSum::default());
        let mut check = |halls: &Halls, quarter: i32| {
            let all: f64 = halls.cohorts.iter().map(|c| c.count as f64 * draw(c.sku)).sum();
            assert_eq!(kept.of(halls, quarter, draw).to_bits(), all.to_bits());
        };
        check(&halls, 0);
        for quarter in 0..20 {
            // The cohorts of this quarter come in and grow.
            halls.cohorts.push(cohort(quarter as u16 % 7, quarter, 3));
            check(&halls, quarter);
            halls.cohorts.push(cohort(quarter as u16 % 5, quarter, 11));
            halls.cohorts[quarter as usize].count += i64::from(quarter == 0);
            check(&halls, quarter);
        }
        // Some leave; the same number comes in.
        halls.cohorts.remove(3);
        halls.cohorts.push(cohort(1, 20, 8));
        halls.removals += 1;
        check(&halls, 20);
    }
}
