//! Data centres: power, halls and the chips in them.

use bevy_ecs::prelude::{Component, Resource};

pub use super::fleet::{Cohort, Fleet, Kind};
use super::{CountryId, FirmId, SiteId, SkuId};
use crate::calendar::Month;
use crate::maths;
use crate::schema::{id_of, number, share, text};
use crate::units::Count;

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

/// Power and chips of a site. Written by `data_centres`; `shipping` adds to the warehouse.
#[derive(Component, Clone, Debug, Default)]
pub struct Halls {
    /// Power that the site may draw, overhead and PUE included.
    pub power_mw: f64,
    /// Power under construction: (month of arrival, MW), earliest first, each month once.
    pub building: Vec<(Month, f64)>,
    /// Power drawn when every installed chip runs.
    pub drawn_mw: f64,
    /// Installed chips.
    pub fleet: Fleet,
    /// Delivered chips that wait for power, in order of arrival.
    pub warehouse: Vec<Cohort>,
}

impl Halls {
    /// Power that the installed chips draw when all run, `draw` that of one chip, MW.
    pub fn draw_of_fleet(&self, draw: impl Fn(SkuId) -> f64) -> f64 {
        self.fleet.kinds().iter().map(|kind| kind.count as f64 * draw(kind.sku)).sum()
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
