//! Design: chips come to market, generations follow each other, and vendors cut chips below rules.
//!
//! - `demand`: what each vendor sells to whom;
//! - `generations`: what comes after the known roadmaps;
//! - `cuts`: the smallest cut that falls below the rules, what it takes and what it leaves;
//! - `variants`: which cuts pay, and what becomes of them;
//! - `sale`: what can be ordered;
//! - here: what these share.
//!
//! Sources: A800 (fuse of links, weeks), H20 (bins of H100 dies, months): vendor filings and trade
//! press of 2022–24, as cited in `chips.csv`.

mod cuts;
mod demand;
mod generations;
mod sale;
#[cfg(test)]
mod tests;
mod variants;

use bevy_ecs::prelude::Resource;

pub(crate) use self::demand::watch_demand;
pub(crate) use self::generations::continue_roadmaps;
pub(crate) use self::sale::open_and_close_sales;
pub(crate) use self::variants::{finish_variants, start_variants};
use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Fears};
use crate::entities::chip::{Catalogue, ChipRow, Sku};
use crate::entities::chronicle::EventId;
use crate::entities::line::Parts;
use crate::entities::order::OrderBook;
use crate::entities::rule::Rulebook;
use crate::entities::site::Retirements;
use crate::entities::{CountryId, RuleId, SkuId, VendorId};

crate::parameters! {
    /// Parameters of design.
    pub struct DesignParameters in "design" {
        /// Months that a cut of interconnect takes.
        cut_months_interconnect,
        /// Months that a cut of memory bandwidth takes.
        cut_months_bandwidth,
        /// Months that a cut of compute takes.
        cut_months_compute,
        /// Cost of a cut of interconnect.
        cut_cost_interconnect_usd,
        /// Cost of a cut of memory bandwidth.
        cut_cost_bandwidth_usd,
        /// Cost of a cut of compute.
        cut_cost_compute_usd,
        /// Share by which a cut stays below a minimum of interconnect (links come in groups).
        cut_margin_interconnect,
        /// Share by which a cut stays below any other minimum.
        cut_margin,
        /// Months over which a vendor counts a variant's sales, H.
        variant_horizon_months,
        /// Annual discount rate of a design project, r.
        design_discount_rate,
        /// Exponent of a variant's price on the performance that it keeps, ξ.
        variant_price_exponent,
        /// Share of a chip's power that falls with its compute.
        variant_power_response,
        /// Factor by which a variant must beat the vendor's best free chip.
        variant_improvement,
        /// Exponent of performance on interconnect, e.
        interconnect_value_exponent,
        /// Share of the gap that a vendor's estimate of demand closes in a month.
        demand_smoothing,
        /// Share of that estimate forgotten in a month in which rules keep orders away.
        demand_fading,
        /// Months between generations, T.
        generation_interval_months,
        /// Largest shift of a vendor's generations, months.
        generation_spread_months,
        /// Months before its launch in which a generation is announced.
        generation_notice_months,
        /// Months for which a generation is made.
        generation_life_months,
        /// Factor on performance from one generation to the next, f.
        generation_performance,
        /// Factor on memory bandwidth, f_b.
        generation_bandwidth,
        /// Factor on interconnect, f_c.
        generation_interconnect,
        /// Factor on memory, f_m.
        generation_memory,
        /// Factor on power, f_w.
        generation_power,
        /// Factor on price and unit cost, f_p.
        generation_price,
        /// Lowest launch price over unit cost.
        generation_lowest_markup,
        /// Factor on dies in a package, f_d.
        generation_dies,
        /// Factor on packages of a wafer, f_k.
        generation_packages,
    }
}

/// A variant being designed.
#[derive(Clone, Debug)]
struct Project {
    vendor: VendorId,
    parent: SkuId,
    country: CountryId,
    rule: RuleId,
    row: ChipRow,
    /// Its place in the catalogue, where it stands from its first month on, so that it can be built for its launch.
    sku: Option<SkuId>,
    /// Sales on which it was approved, chips a month.
    sales: f64,
    event: EventId,
}

/// Projects under way, what vendors expect to sell where, and when generations come.
#[derive(Resource, Clone, Debug, Default)]
pub struct DesignBook {
    projects: Vec<Project>,
    /// Country that each SKU was cut for, `[sku]`.
    made_for: Vec<Option<CountryId>>,
    /// Monthly value of orders by vendor and buyers' country, USD.
    demand: Vec<Vec<f64>>,
    /// Newest generation of each vendor, and the month in which the next one comes, `[vendor]`.
    next: Vec<Option<(SkuId, Month)>>,
    /// What it was last decided on: SKUs known, and which rules on chips were announced and in force.
    watched: (usize, Vec<(RuleId, bool)>),
    /// Worth of each SKU to buyers, whose row never changes, `[sku]`.
    worth: Vec<f64>,
}

/// The design book at the start: `vendors` in the order of ids.
pub(crate) fn opening_book(vendors: usize, countries: usize) -> DesignBook {
    DesignBook {
        demand: vec![vec![0.0; countries]; vendors],
        next: vec![None; vendors],
        ..DesignBook::default()
    }
}

/// Puts a SKU at the end of the catalogue and of every book that counts by SKU.
fn add_sku(
    sku: Sku,
    home: CountryId,
    catalogue: &mut Catalogue,
    book: &mut Rulebook,
    (parts, orders): (&mut Parts, &mut OrderBook),
    (market, retirements, fears): (&mut ChipMarket, &mut Retirements, &mut Fears),
) {
    book.add_sku(&sku, home);
    parts.add_sku();
    orders.add_sku();
    market.add_sku();
    retirements.retired.push(0);
    fears.add_sku();
    catalogue.skus.push(sku);
}

/// A SKU from its row, on sale if it is launched.
fn sku_of(row: ChipRow, vendor: VendorId, like: &Sku, catalogue: &Catalogue, now: Month) -> Sku {
    let paper = catalogue.performance(&row);
    Sku {
        id: row.id.clone(),
        vendor,
        die: like.die,
        parent: None,
        caused_by: None,
        train_paper: paper.train,
        serve_paper: paper.serve,
        work_paper: paper.work,
        price_usd: row.price_usd,
        on_sale: row.launch <= now,
        approved_units_month: 0.0,
        row,
    }
}

crate::metrics! {
    World {
        VARIANTS_ON_SALE = "variants_on_sale", "SKUs", "Compliance variants on sale, historical or designed.";
        VARIANT_PROJECTS = "variant_projects", "projects", "Compliance variants being designed.";
    }
    Vendor {
        DEMAND_BEHIND_RULES = "demand_behind_rules_usd", "USD/month", "Orders a month, smoothed, that the vendor expects from countries where a rule in force asks for a licence: what a compliance variant could win.";
        VARIANT_WORTH = "variant_worth_usd", "USD", "Discounted margin that the compliance variants started this month are expected to win, less their cost.";
        DESIGN_COST = "design_cost_usd", "USD", "Cost of compliance variants started this month.";
    }
    Sku {
        ON_SALE = "on_sale", "flag", "1 if the chip can be ordered this month.";
    }
}
