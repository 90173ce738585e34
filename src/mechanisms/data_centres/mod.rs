//! Data centres: power, the chips in the halls, and what a firm does with its compute.
//!
//! **Grid.** What a country's grid grants to AI, `R` (MW; connected or reserved for halls under
//! construction), grows by `ΔR = R · g · s · (1 + s_R P) · (1 − R/R_max) / 12` a month: g the country's
//! `ai_power_growth` (ln/year), s the factor of scripted `grid_growth` shocks, R_max its ceiling, P the share of what was asked for
//! that was refused, smoothed over T_R months: lines, turbines and permits answer to a queue years later.
//! A hall takes L months from grant to power, so R starts at the logistic path L months on; of what
//! the path says for those months the share `opening_pipeline` was already being built in January
//! 2022. Sites ask once a quarter for
//! `(committed + planned · L · e̅) · (1 + reserve) − power − building`, with committed the draw of
//! everything installed, waiting, shipped and ordered (MW), planned what the owner's purchases draw
//! a month, and `e̅ = (e^x − 1)/x`, `x = belief · growth of AI spend · L/12`, the mean growth until
//! the hall opens. Up to `conversion_share` of the AI power of January 2022 a year is met by halls that were being
//! built for general servers: they have their connection and open `conversion_months` after. For the rest a country's
//! headroom is shared out in proportion. The months that building takes are log-normal around L.
//!
//! **Halls.** A chip draws `TDP · overhead · PUE` (MW). Delivered chips are installed in order of
//! arrival while the sum stays within the site's power; others wait. A chip retires when its age
//! reaches the service life, or when `performance · value · κ < energy`, per month: value is what an
//! H100e earns at replacement cost ([`RentalMarket::value_usd_month`]), κ the owner's shadow price
//! of compute. Where chips wait for power, an installed chip gives way to a waiting one that does
//! `displacement_ratio` times as much per watt.
//!
//! **Value of an H100e-month** `= (min over chips on open sale of price · attach / performance ·
//! hosting / a + energy per H100e-year) / 12`, a the annuity over the life; hosts ask tenants abroad
//! for it times `1 + abroad_rent_markup`.
//!
//! **Renting.** A tenant of the rentals table uses its share of the host's compute outside core
//! workloads and pays `(capital · hosting + energy) · (1 + rent_markup)` for it. Clouds that are
//! neither developers nor constrained offer a share of what is left to tenants abroad; bids (written by
//! `procurement`, which applies `remote_access` rules) are served in proportion.
//!
//! **Split.** Core workloads need `core₀ · e^(−x_core (ln A_serve − ln A_serve,0))` of what the firm
//! owns. Serving: `ω' = clip(ω + r(max(utilisation, min(pressure, 2)) − target), floor, 1 − core)`; of the rest x_T
//! trains and 1 − x_T experiments. Firms that are not developers serve with all that is not core.
//!
//! Sources: IEA, *Energy and AI* (2025) for lead times and growth; Uptime Institute and LBNL (2024)
//! for PUE and server overhead; each parameter's row for the rest.

use bevy_ecs::prelude::Resource;

use crate::calendar::Month;
use crate::entities::country::{CountryRow, Grid};
use crate::entities::firm::{Compute, FirmRow};
use crate::entities::site::{Cohort, Halls, SiteRow};
use crate::entities::{FirmId, SkuId};
use crate::maths;
use crate::units::{Count, Money};

mod compute;
mod power;
#[cfg(test)]
mod tests;

#[cfg(doc)]
use crate::entities::boards::RentalMarket;

pub(crate) use compute::{
    let_capacity, measure_fleets, record_compute, split_compute, value_compute,
};
pub(crate) use power::{ask_for_power, grow_grids, install_chips, open_halls, retire_chips};

crate::parameters! {
    /// Parameters of data centres.
    pub struct DataCentreParameters in "data_centres" {
        /// Watts of server for each watt of accelerator.
        server_overhead,
        /// Mean draw over full draw of an installed fleet.
        fleet_utilisation,
        /// Service life of an accelerator.
        chip_life_months,
        /// Rate at which lifetime cost is discounted.
        energy_discount_rate,
        /// Quarters before the start over which the opening fleet was installed.
        opening_fleet_quarters,
        /// Share of the power that the grid's path would connect within a lead time that was already being built at the start.
        opening_pipeline,
        /// Halls under construction for general servers that may become AI halls, share of the country's AI power of January
        /// 2022 a year (share/year).
        conversion_share,
        /// Months until such a hall is an AI hall (month).
        conversion_months,
        /// Power that sites want beyond what their plans need.
        power_reserve,
        /// Growth of a grid's grant to AI when all that is asked for is refused, over that when nothing is, less one, s_R.
        power_response,
        /// Months over which a grid learns what it refuses, T_R.
        power_response_months,
        /// Longest time ahead that planners of power look.
        power_foresight_months,
        /// Share of the expected growth of AI spend that planners of power believe in.
        power_growth_belief,
        /// Smallest extension worth asking for, relative to the site's power.
        smallest_build_share,
        /// Standard deviation of the logarithm of building time.
        build_delay_sigma,
        /// Months over which what was granted at once is energised, in equal stages.
        build_stages_months,
        /// How much more per watt a waiting chip must do to replace an installed one.
        displacement_ratio,
        /// Cost of running a chip in a hall for each unit of its price, the price included, energy not.
        hosting_overhead,
        /// Margin over cost in rent between a lab and its host.
        rent_markup,
        /// Margin over replacement cost in rent to tenants abroad.
        abroad_rent_markup,
        /// Share of a cloud's compute outside core work that it offers to tenants abroad.
        abroad_offer_share,
        /// Elasticity of the compute that core workloads need to serving efficiency.
        core_efficiency_elasticity,
        /// Speed at which the serving share follows utilisation.
        service_share_adjustment,
        /// Utilisation of serving compute aimed at.
        serving_utilisation_target,
        /// Serving share that a developer keeps at least, so that it can come back.
        serving_share_floor,
        /// Serving share of a developer at the start.
        serving_share_start,
        /// Share of what is not core work that a developer keeps for development, however long the queue of customers.
        development_reserve,
        /// Share of research compute (neither core nor serving) that trains models to be released.
        training_share_of_research,
    }
}

/// The tenants × hosts table. Built at the start from [`crate::entities::firm::RentalRow`].
#[derive(Resource, Clone, Debug, Default)]
pub struct Rentals {
    /// (tenant, host, share of the host's compute outside core workloads).
    pub rows: Vec<(FirmId, FirmId, f64)>,
}

impl Rentals {
    /// The table with each host's shares scaled down to 1 where they exceed it.
    pub(crate) fn new(mut rows: Vec<(FirmId, FirmId, f64)>) -> Self {
        let hosts: Vec<FirmId> = rows.iter().map(|row| row.1).collect();
        for host in hosts {
            let sum: f64 = rows.iter().filter(|r| r.1 == host).map(|r| r.2).sum();
            if sum > 1.0 {
                rows.iter_mut().filter(|r| r.1 == host).for_each(|r| r.2 /= sum);
            }
        }
        Self { rows }
    }
}

/// What was counted in the halls this month, for `record_compute` and the renting.
#[derive(Resource, Clone, Debug, Default)]
pub struct FleetTally {
    firms: Vec<FirmTally>,
    installed: Vec<Count>,
    waiting: Vec<Count>,
    /// Mean price of a kWh at the chip (PUE included) over everything installed, USD.
    energy_usd_kwh: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct FirmTally {
    train: f64,
    serve: f64,
    serve_abroad: f64,
    waiting_serve: f64,
    waiting_chips: Count,
    link: f64,
    link_weight: f64,
    power_mw: f64,
    drawn_mw: f64,
    energy_usd_year: f64,
    capital_usd_year: f64,
}

/// Power for AI that a country's logistic path gives after `years`, relative to the start.
fn path(row: &CountryRow, years: f64) -> f64 {
    let start = row.ai_power_mw;
    if start <= 0.0 {
        return 1.0;
    }
    let ceiling = row.ai_power_ceiling_mw.max(start);
    let rest = ceiling / start - 1.0;
    (1.0 + rest) / (1.0 + rest * maths::exp(-row.ai_power_growth * years))
}

/// A country's grid at the start. `granted_mw` is what its sites have, halls under construction
/// included (the sum over [`start_halls`]).
pub(crate) fn start_grid(row: &CountryRow, granted_mw: f64) -> Grid {
    let reserved = row.ai_power_mw * path(row, row.build_months as f64 / 12.0);
    let connected_mw = reserved.max(granted_mw);
    Grid { connected_mw, headroom_mw: connected_mw - granted_mw, refused_mw: 0.0, pressure: 0.0 }
}

/// A site at the start: its power, the halls that were already being built, and the opening fleet
/// (SKU, chips, price paid for one), spread over the quarters before the start.
pub(crate) fn start_halls(
    site: &SiteRow,
    country: &CountryRow,
    fleet: &[(SkuId, Count, Money)],
    start: Month,
    p: &DataCentreParameters,
) -> Halls {
    const QUARTER_MONTHS: i32 = 3;
    let mut halls = Halls { power_mw: site.power_mw, ..Halls::default() };
    let quarters = country.build_months as i32 / QUARTER_MONTHS;
    for quarter in 1..=quarters {
        let years = |q: i32| f64::from(q * QUARTER_MONTHS) / 12.0;
        let grown = path(country, years(quarter)) - path(country, years(quarter - 1));
        let mw = site.power_mw * grown * p.opening_pipeline;
        if mw > 0.0 {
            halls.building.push((start + quarter * QUARTER_MONTHS, mw));
        }
    }
    let ages = maths::whole(p.opening_fleet_quarters).max(1);
    let weights = vec![1.0; ages as usize];
    let mut parts = Vec::new();
    for age in 0..ages {
        for (sku, chips, paid) in fleet {
            maths::apportion(*chips, &weights, &mut parts);
            let count = parts[age as usize];
            if count > 0 {
                let quarter = start.quarter() - (ages - age) as i32;
                halls.fleet.add(Cohort { sku: *sku, quarter, count, paid: *paid });
            }
        }
    }
    halls
}

/// A firm's compute before the first month.
pub(crate) fn start_compute(firm: &FirmRow, p: &DataCentreParameters) -> Compute {
    let free = 1.0 - firm.core_share;
    let serving = if firm.developer { p.serving_share_start.min(free) } else { free };
    let training = (free - serving) * p.training_share_of_research;
    Compute {
        core_share: firm.core_share,
        serving_share: serving,
        training_share: training,
        experiment_share: free - serving - training,
        utilisation: p.serving_utilisation_target,
        ..Compute::default()
    }
}

crate::metrics! {
    World {
        H100E_TOTAL = "h100e_total", "H100e", "Installed and powered compute of all firms, serving performance: the sum of count × serve_paper × software maturity of the vendor.";
        H100E_CONSTRAINED = "h100e_constrained", "H100e", "Installed compute owned by firms of the constrained group, serving performance.";
        H100E_UNCONSTRAINED = "h100e_unconstrained", "H100e", "Installed compute owned by firms of the unconstrained group, serving performance.";
        COMPUTE_SHARE_OWNED = "compute_share_owned", "share", "h100e_constrained / h100e_total: share of the world's installed compute that constrained firms own, wherever it stands.";
        COMPUTE_SHARE_LOCATED = "compute_share_located", "share", "Share of the world's installed compute that stands in the home countries of constrained firms, whoever owns it.";
        COMPUTE_SHARE_RENTED = "compute_share_rented", "share", "Compute that constrained firms rent abroad (H100e, serving performance) over h100e_total.";
        COMPUTE_SHARE_USABLE = "compute_share_usable", "share", "Compute owned by constrained firms, plus rented from hosts, minus lent to tenants, over h100e_total.";
        COMPUTE_USABLE_CONSTRAINED = "compute_usable_constrained_h100e", "H100e", "The same in H100e: what constrained firms can use, serving performance.";
        WAREHOUSE_H100E = "warehouse_h100e", "H100e", "Delivered chips that wait for power, serving performance.";
        POWER_DRAWN_MW = "power_drawn_mw", "MW", "Power that all installed accelerators draw at full load, server overhead and PUE included.";
        VALUE_H100E_MONTH = "value_h100e_usd_month", "USD/H100e-month", "What an H100e earns in a month at replacement cost: cheapest chip on open sale, hosting and energy included.";
        RENTAL_PRICE = "rental_price_usd_month", "USD/H100e-month", "What hosts ask of tenants abroad.";
    }
    Firm {
        COMPUTE_OWNED = "compute_owned_h100e", "H100e", "Installed and powered compute that the firm owns, serving performance.";
        COMPUTE_OWNED_TRAIN = "compute_owned_train_h100e", "H100e", "Installed and powered compute that the firm owns, training performance.";
        COMPUTE_USABLE = "compute_usable_h100e", "H100e", "compute_owned_h100e + compute_rented_h100e, at least 0: what the firm can use, serving performance.";
        COMPUTE_RENTED = "compute_rented_h100e", "H100e", "Compute rented from hosts minus compute lent to tenants, serving performance.";
        COMPUTE_RENTED_ABROAD = "compute_rented_abroad_h100e", "H100e", "Part of the rented compute that comes from the open market abroad.";
        COMPUTE_ABROAD = "compute_abroad_h100e", "H100e", "Installed compute of the firm's own sites outside its home country, serving performance.";
        WAREHOUSE = "warehouse_chips", "chips", "Delivered chips that wait for power.";
        POWER = "power_mw", "MW", "Power that the firm's sites have connected.";
        DRAWN = "drawn_mw", "MW", "Power that the firm's installed accelerators draw at full load.";
        CORE_SHARE = "core_share", "share", "Share of usable compute that core workloads take.";
        SERVING_SHARE = "serving_share", "share", "Share of usable compute that serves tokens.";
        TRAINING_SHARE = "training_share", "share", "Share of usable compute that trains models for release.";
        EXPERIMENT_SHARE = "experiment_share", "share", "Share of usable compute that runs experiments.";
        EXPERIMENTS = "experiments_h100e", "H100e", "Compute for experiments, training performance.";
        ENERGY = "energy_usd_year", "USD/year", "Annual cost of energy of the installed fleet at mean utilisation.";
        RENT = "rent_usd_year", "USD/year", "Annual rent paid (negative: received).";
    }
    Country {
        COUNTRY_POWER = "ai_power_mw", "MW", "Power that sites of the country have connected for AI.";
        COUNTRY_DRAWN = "ai_drawn_mw", "MW", "Power that accelerators of the country draw at full load.";
        HEADROOM = "headroom_mw", "MW", "Power that the grid grants to AI and no site has been granted yet.";
        REFUSED = "refused_mw", "MW", "Power that sites asked for last quarter and were not granted.";
        COUNTRY_H100E = "installed_h100e", "H100e", "Installed compute that stands in the country, serving performance.";
    }
    Sku {
        INSTALLED = "installed_chips", "chips", "Chips installed.";
        WAITING = "waiting_chips", "chips", "Chips delivered that wait for power.";
        RETIRED = "retired_chips", "chips", "Chips taken out of service since the start.";
    }
}
