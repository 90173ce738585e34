//! Chip vendors.

use bevy_ecs::prelude::Component;

use super::{CountryId, FirmId, VendorId};
use crate::calendar::Month;
use crate::schema::{id_of, number, optional, share, text, whole};

crate::table! {
    /// Chip vendors, captive silicon of clouds included.
    pub struct VendorRow in "vendors" {
        /// Name for people.
        name: String = text(),
        /// Country whose rules the vendor's exports answer to.
        home: String = id_of("countries"),
        /// The only buyer, for captive silicon.
        captive: Option<String> = optional(id_of("firms")),
        /// Revenue for each unit of accelerator price (systems, networking).
        attach: f64 = number("ratio", 1.0, 3.0),
        /// What a buyer adds for one accelerator whoever sold it: host processors, network
        /// cards, switches, racks, commissioning. It decides, and is paid out of the rest of capex.
        host_usd: f64 = number("USD", 0.0, 1e5),
        /// Software maturity at the start: share of paper performance that users get.
        software_start: f64 = share(),
        /// Software maturity in the end.
        software_end: f64 = share(),
        /// Cumulative units at which half of the gap to the end is closed.
        software_half_units: f64 = number("chips", 1.0, 1e9),
        /// Months from the vendor's dock to the buyer's.
        shipping_months: i64 = whole("month", 0, 24),
        /// Revenue besides accelerators, annual, January 2022 (games, professional cards).
        other_revenue_usd_bn: f64 = number("bn USD/year", 0.0, 500.0),
        /// Share of the other revenue that comes from China.
        other_revenue_china_share: f64 = share(),
        /// Cash at the start.
        cash_usd_bn: f64 = number("bn USD", 0.0, 1e3),
        /// Where the figures come from.
        source: String = text(),
    }
}

/// A vendor.
#[derive(Component, Clone, Debug)]
pub struct Vendor {
    /// Dense id.
    pub id: VendorId,
    /// Country whose rules its exports answer to.
    pub home: CountryId,
    /// The only buyer, for captive silicon.
    pub captive: Option<FirmId>,
    /// What the table says.
    pub row: VendorRow,
}

impl VendorRow {
    /// Software maturity after `units` sold: the share of paper performance that users get,
    /// `start + (end − start) · u / (u + half)`.
    ///
    /// ```
    /// # use frugality::entities::vendor::VendorRow;
    /// # let row = VendorRow { id: "v".into(), name: "V".into(), home: "usa".into(), captive: None,
    /// #     attach: 1.0, host_usd: 0.0, software_start: 0.4, software_end: 0.8, software_half_units: 1e6,
    /// #     shipping_months: 1, other_revenue_usd_bn: 0.0, other_revenue_china_share: 0.0,
    /// #     cash_usd_bn: 0.0, source: "none".into() };
    /// // A million units sold, half of the gap of 0.4 is closed: 0.4 + 0.4 / 2.
    /// assert!((row.software(1_000_000) - 0.6).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn software(&self, units: i64) -> f64 {
        let learnt = units.max(0) as f64 / (units.max(0) as f64 + self.software_half_units);
        self.software_start + (self.software_end - self.software_start) * learnt
    }
}

/// Sales of a vendor. Written by `allocation` and `shipping`.
#[derive(Component, Clone, Debug, Default)]
pub struct Sales {
    /// Accelerator and system revenue this month, `attach` included.
    pub revenue_usd: f64,
    /// The part from buyers headquartered in China.
    pub revenue_china_usd: f64,
    /// Revenue of the last twelve months.
    pub trailing_usd: [f64; 12],
    /// Revenue from China of the last twelve months.
    pub trailing_china_usd: [f64; 12],
    /// Revenue that rules cost this month: licence refusals and closed channels at list price.
    pub lost_to_rules_usd: f64,
    /// The same, cumulative.
    pub lost_to_rules_total_usd: f64,
    /// Units shipped since the start (software maturity learns from it).
    pub cumulative_units: i64,
}

impl Sales {
    /// Opens `month`: this month's revenue is zero, and the month a year ago is forgotten.
    pub fn open(&mut self, month: Month) {
        let slot = month.month() as usize - 1;
        self.revenue_usd = 0.0;
        self.revenue_china_usd = 0.0;
        self.trailing_usd[slot] = 0.0;
        self.trailing_china_usd[slot] = 0.0;
    }

    /// Books `usd` for `units` sold in `month`, `china_usd` of it to buyers headquartered in China.
    pub fn book(&mut self, month: Month, usd: f64, china_usd: f64, units: i64) {
        let slot = month.month() as usize - 1;
        self.revenue_usd += usd;
        self.revenue_china_usd += china_usd;
        self.trailing_usd[slot] += usd;
        self.trailing_china_usd[slot] += china_usd;
        self.cumulative_units += units;
    }
}
