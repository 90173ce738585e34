//! What chips cost this month, how long they are waited for and what work they do.
//!
//! Work of a chip is `W = P · m`: P work on paper ([`crate::entities::chip::Performance`]), m the vendor's software
//! maturity. Buyers take it for `W (W/W*)^ν`, W* that of the best chip on sale: work spread over many weak chips
//! needs more links, hosts, parallel ranks and repairs.
//!
//! To house a chip costs `E = host + TDP · overhead · PUE · (H + 8760 h · utilisation · power price · a)`, host what
//! a buyer adds for any chip of the vendor (processors, network, racks), H the cost of a watt of hall, a the annuity
//! over the life.

use bevy_ecs::prelude::Query;

use super::ProcurementParameters;
use crate::entities::boards::ChipMarket;
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::{Firm, Group};
use crate::entities::site::{annuity_years, chip_mw, energy_usd_year};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{CountryId, FirmId, Roster, SkuId, Switches, VendorId};
use crate::maths;

/// Watts in a megawatt.
const WATTS_PER_MW: f64 = 1e6;

/// Prices, waits and performance of this month.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    /// SKUs on sale.
    pub on_sale: Vec<SkuId>,
    /// Work of one chip, reference chip = 1, `[sku]`.
    pub work: Vec<f64>,
    /// What buyers take that for: worth less where it is spread over many weak chips, `[sku]`.
    pub value: Vec<f64>,
    /// Months of queue, `[sku]`.
    pub wait: Vec<f64>,
    /// (home, captive buyer, attach, software), `[vendor]`.
    pub vendors: Vec<(CountryId, Option<FirmId>, f64, f64)>,
    /// What a buyer adds for one chip, USD, `[vendor]`.
    pub hosts: Vec<f64>,
    pub vendor_ids: Vec<String>,
    /// (bloc, hall and lifetime energy of one MW at the chip, USD, PUE), `[country]`.
    pub countries: Vec<(Bloc, f64, f64)>,
    /// Annuity over the life, years.
    pub years: f64,
}

impl Prices {
    pub fn refresh(
        &mut self,
        roster: &Roster,
        p: &ProcurementParameters,
        catalogue: &Catalogue,
        chips: &ChipMarket,
        vendors: &Query<(&Vendor, &Sales)>,
        countries: &Query<&Country>,
    ) {
        self.years = annuity_years(p.energy_discount_rate, p.chip_life_months / 12.0);
        self.vendors.clear();
        self.hosts.clear();
        for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
            if self.vendor_ids.len() < roster.vendors.len() {
                self.vendor_ids.push(vendor.row.id.clone());
            }
            let software = vendor.row.software(sales.cumulative_units);
            self.vendors.push((vendor.home, vendor.captive, vendor.row.attach, software));
            self.hosts.push(vendor.row.host_usd);
        }
        self.countries.clear();
        for country in countries.iter_many(&roster.countries).flatten() {
            let row = &country.row;
            let a_megawatt = energy_usd_year(1.0, p.fleet_utilisation, row.power_price_usd_kwh);
            let hall = p.hall_usd_watt * WATTS_PER_MW;
            self.countries.push((row.bloc, (a_megawatt * self.years + hall) * row.pue, row.pue));
        }
        self.on_sale.clear();
        self.work.clear();
        let mut best = 0.0_f64;
        self.wait.clear();
        for (id, sku) in catalogue.iter() {
            if sku.on_sale {
                self.on_sale.push(id);
            }
            let software = self.vendors.get(sku.vendor.index()).map_or(1.0, |v| v.3);
            let work = sku.work_paper * software;
            self.work.push(work);
            if sku.on_sale {
                best = best.max(work);
            }
            let wait = chips.wait_months.get(id.index()).copied().unwrap_or(0.0);
            self.wait.push(if wait.is_finite() { wait.max(0.0) } else { 0.0 });
        }
        // Only what is on sale is compared.
        self.value.resize(self.work.len(), 0.0);
        for id in &self.on_sale {
            self.value[id.index()] = concentrated(self.work[id.index()], best, p.concentration);
        }
    }

    /// Host, hall and lifetime energy of a chip in a country, USD.
    pub fn housing(&self, sku: &Sku, overhead: f64, country: CountryId) -> f64 {
        self.hosts[sku.vendor.index()]
            + chip_mw(sku.row.tdp_w, overhead, 1.0) * self.countries[country.index()].1
    }

    /// Whether `vendor` sells to `firm` at all, rules apart: captive silicon has one buyer, and
    /// firms of the US and allied blocs do not buy from vendors of the Chinese one.
    pub fn sells_to(&self, vendor: VendorId, firm: &Firm, switches: &Switches) -> bool {
        let (home, captive, ..) = self.vendors[vendor.index()];
        let bloc = |country: CountryId| self.countries[country.index()].0;
        let domestic = home == firm.home && captive.is_none();
        if domestic && firm.row.group == Group::Constrained && !switches.domestic_chips {
            return false;
        }
        captive.is_none_or(|buyer| buyer == firm.id)
            && !(bloc(home) == Bloc::China && matches!(bloc(firm.home), Bloc::Us | Bloc::Allied))
    }
}

/// What `work` of one chip is worth when the best chip on sale does `best`: w (w / best)^ν. More weak chips for the same
/// work need more links, hosts, parallel ranks and repairs.
///
/// ```text
/// work 0.25, best 1, ν = 0.5: 0.25 · 0.5 = 0.125
/// ```
fn concentrated(work: f64, best: f64, exponent: f64) -> f64 {
    if work > 0.0 && best > work { work * maths::pow(work / best, exponent) } else { work }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_weak_chips_are_worth_less_than_few_strong_ones() {
        // A quarter of the best chip's work, ν = 0.5: a quarter of it times a half.
        assert!((concentrated(0.25, 1.0, 0.5) - 0.125).abs() < 1e-12);
        assert_eq!(concentrated(1.0, 1.0, 0.5), 1.0);
        assert_eq!(concentrated(0.25, 1.0, 0.0), 0.25);
    }
}
