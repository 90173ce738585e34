//! What fleets can do, who uses them, and for what.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::power::{cheapest_on_sale, work_of_skus};
use super::{
    COMPUTE_ABROAD, COMPUTE_OWNED, COMPUTE_OWNED_TRAIN, COMPUTE_RENTED, COMPUTE_RENTED_ABROAD,
    COMPUTE_SHARE_LOCATED, COMPUTE_SHARE_OWNED, COMPUTE_SHARE_RENTED, COMPUTE_SHARE_USABLE,
    COMPUTE_USABLE, COMPUTE_USABLE_CONSTRAINED, CORE_SHARE, COUNTRY_DRAWN, COUNTRY_H100E,
    COUNTRY_POWER, DRAWN, DataCentreParameters, ENERGY, EXPERIMENT_SHARE, EXPERIMENTS, FirmTally,
    FleetTally, H100E_CONSTRAINED, H100E_TOTAL, H100E_UNCONSTRAINED, HEADROOM, INSTALLED, POWER,
    POWER_DRAWN_MW, REFUSED, RENT, RENTAL_PRICE, RETIRED, Rentals, SERVING_SHARE, TRAINING_SHARE,
    VALUE_H100E_MONTH, WAITING, WAREHOUSE, WAREHOUSE_H100E,
};
use crate::entities::boards::{ComputeMap, RentalMarket};
use crate::entities::chip::Catalogue;
use crate::entities::country::{Country, Grid};
use crate::entities::firm::{Compute, Firm, Group, Lab, Purse};
use crate::entities::ledger::{Account, Ledger, Purpose};
use crate::entities::site::{Halls, Retirements, Site, annuity_years, energy_usd_year};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{CountryId, FirmId, Roster, Settings, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::units::Money;

const TERA: f64 = 1e12;

/// Counts what is installed: compute, power, energy and capital by firm, country and SKU.
pub(crate) fn measure_fleets(
    roster: Res<Roster>,
    settings: Res<Settings>,
    p: Res<DataCentreParameters>,
    catalogue: Res<Catalogue>,
    vendors: Query<(&Vendor, &Sales)>,
    countries: Query<&Country>,
    sites: Query<(&Site, &Halls)>,
    mut firms: Query<(&Firm, &mut Compute)>,
    mut tally: ResMut<FleetTally>,
    mut map: ResMut<ComputeMap>,
    mut software: Local<Vec<f64>>,
    mut chips: Local<Vec<[f64; 3]>>,
    mut power: Local<Vec<(f64, f64)>>,
    mut homes: Local<Vec<CountryId>>,
) {
    // Price of a kWh and PUE, `[country]`; where firms are at home, `[firm]`.
    power.clear();
    power.extend(
        countries
            .iter_many(&roster.countries)
            .flatten()
            .map(|country| (country.row.power_price_usd_kwh, country.row.pue)),
    );
    homes.clear();
    homes.extend(firms.iter_many(&roster.firms).flatten().map(|(firm, _)| firm.home));
    let tally = &mut *tally;
    let map = &mut *map;
    tally.firms.clear();
    tally.firms.resize(roster.firms.len(), FirmTally::default());
    for count in [&mut tally.installed, &mut tally.waiting] {
        count.clear();
        count.resize(catalogue.skus.len(), 0);
    }
    let by_country =
        [&mut map.train_h100e, &mut map.serve_h100e, &mut map.power_mw, &mut map.drawn_mw];
    for values in by_country {
        values.clear();
        values.resize(roster.countries.len(), 0.0);
    }
    map.serve_of_firm.clear();
    map.serve_of_firm.resize(roster.firms.len() * roster.countries.len(), 0.0);
    software.clear();
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        software.push(vendor.row.software(sales.cumulative_units));
    }
    // Of each SKU: training and serving now, link (negative: not published).
    chips.clear();
    chips.extend(catalogue.skus.iter().map(|sku| {
        let software = software.get(sku.vendor.index()).copied().unwrap_or(1.0);
        let link = sku.row.interconnect_gbps.unwrap_or(-1.0);
        [software * sku.train_paper, software * sku.serve_paper, link]
    }));
    let life_years = (p.chip_life_months / 12.0).max(f64::MIN_POSITIVE);
    let (mut drawn_all, mut price_all) = (0.0, 0.0);
    for (site, halls) in sites.iter_many(&roster.sites).flatten() {
        let at = site.country.index();
        let (price, pue) = power[at];
        let home = homes[site.owner.index()];
        let firm = &mut tally.firms[site.owner.index()];
        let (mut train, mut serve, mut paid) = (0.0, 0.0, Money::ZERO);
        for kind in halls.fleet.kinds() {
            let [on_train, on_serve, link] = chips[kind.sku.index()];
            let count = kind.count as f64;
            let trains = count * on_train;
            train += trains;
            serve += count * on_serve;
            paid += kind.paid;
            if link >= 0.0 {
                firm.link += trains * link;
                firm.link_weight += trains;
            }
            tally.installed[kind.sku.index()] += kind.count;
        }
        for cohort in &halls.warehouse {
            let [_, on_serve, _] = chips[cohort.sku.index()];
            firm.waiting_serve += cohort.count as f64 * on_serve;
            firm.waiting_chips += cohort.count;
            tally.waiting[cohort.sku.index()] += cohort.count;
        }
        firm.train += train;
        firm.serve += serve;
        if home != site.country {
            firm.serve_abroad += serve;
        }
        firm.power_mw += halls.power_mw;
        firm.drawn_mw += halls.drawn_mw;
        firm.energy_usd_year += energy_usd_year(halls.drawn_mw, p.fleet_utilisation, price);
        firm.capital_usd_year += paid.amount(settings.quantum) / life_years;
        map.train_h100e[at] += train;
        map.serve_h100e[at] += serve;
        map.serve_of_firm[site.owner.index() * roster.countries.len() + at] += serve;
        map.power_mw[at] += halls.power_mw;
        map.drawn_mw[at] += halls.drawn_mw;
        drawn_all += halls.drawn_mw;
        price_all += halls.drawn_mw * price * pue;
    }
    if drawn_all > 0.0 {
        tally.energy_usd_kwh = price_all / drawn_all;
    } else {
        let sum: f64 = power.iter().map(|(price, pue)| price * pue).sum();
        tally.energy_usd_kwh = sum / roster.countries.len().max(1) as f64;
    }
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut compute))) = all.fetch_next() {
        let counted = tally.firms[firm.id.index()];
        compute.owned_train_h100e = counted.train;
        compute.owned_serve_h100e = counted.serve;
        compute.power_mw = counted.drawn_mw;
        compute.energy_usd_year = counted.energy_usd_year;
        compute.capital_usd_year = counted.capital_usd_year;
    }
}

/// Publishes what an H100e-month is worth and what tenants abroad are asked for it.
pub(crate) fn value_compute(
    roster: Res<Roster>,
    p: Res<DataCentreParameters>,
    catalogue: Res<Catalogue>,
    vendors: Query<(&Vendor, &Sales)>,
    tally: Res<FleetTally>,
    mut market: ResMut<RentalMarket>,
    mut software: Local<Vec<f64>>,
    mut work: Local<Vec<f64>>,
    mut captive: Local<Vec<bool>>,
    mut attach: Local<Vec<f64>>,
) {
    work_of_skus(&catalogue, &roster, &vendors, &mut software, &mut work);
    captive.clear();
    attach.clear();
    for (vendor, _) in vendors.iter_many(&roster.vendors).flatten() {
        captive.push(vendor.captive.is_some());
        attach.push(vendor.row.attach);
    }
    let years = annuity_years(p.energy_discount_rate, p.chip_life_months / 12.0);
    // With nothing on open sale, what was last known stays.
    if let Some((_, usd, mw)) =
        cheapest_on_sale(&catalogue, &captive, &attach, &work, p.server_overhead)
    {
        let energy = energy_usd_year(mw, p.fleet_utilisation, tally.energy_usd_kwh);
        market.value_usd_month =
            (usd * p.hosting_overhead / years.max(f64::MIN_POSITIVE) + energy) / 12.0;
        market.price_usd_month = market.value_usd_month * (1.0 + p.abroad_rent_markup);
    }
}

/// Share of what a firm owns that its core workloads need:
/// `core₀ · e^(−x (ln A_serve − ln A_serve,0))`.
fn core_need(firm: &Firm, lab: Option<&Lab>, elasticity: f64) -> f64 {
    let learnt = lab.map_or(0.0, |lab| lab.ln_a_serve - firm.row.ln_a_serve);
    if elasticity == 0.0 || learnt == 0.0 {
        return firm.row.core_share;
    }
    (firm.row.core_share * maths::exp(-elasticity * learnt)).clamp(0.0, 1.0)
}

/// Lets hosts' compute to their tenants and to bidders abroad, and moves the rent.
pub(crate) fn let_capacity(
    roster: Res<Roster>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    p: Res<DataCentreParameters>,
    rentals: Res<Rentals>,
    tally: Res<FleetTally>,
    mut market: ResMut<RentalMarket>,
    mut ledger: ResMut<Ledger>,
    mut firms: Query<(&Firm, &mut Compute, &mut Purse, Option<&Lab>)>,
    mut free: Local<Vec<f64>>,
    mut offered: Local<Vec<f64>>,
    mut moved: Local<Vec<(FirmId, FirmId, f64, f64)>>,
) {
    let market = &mut *market;
    free.clear();
    offered.clear();
    moved.clear();
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut compute, _, lab))) = all.fetch_next() {
        let compute = &mut *compute;
        compute.rented_train_h100e = 0.0;
        compute.rented_serve_h100e = 0.0;
        compute.rented_abroad_h100e = 0.0;
        compute.rent_usd_year = 0.0;
        free.push(1.0 - core_need(firm, lab, p.core_efficiency_elasticity));
        let lent: f64 = rentals.rows.iter().filter(|r| r.1 == firm.id).map(|r| r.2).sum();
        let cloud = !firm.row.developer && firm.row.group != Group::Constrained;
        let left = (1.0 - lent).max(0.0) * compute.owned_serve_h100e * free[firm.id.index()];
        offered.push(if cloud { p.abroad_offer_share * left } else { 0.0 });
    }
    market.offered_h100e = offered.iter().sum();
    market.let_h100e.clear();
    market.let_h100e.resize(roster.firms.len(), 0.0);
    if !switches.rental {
        return;
    }
    // (tenant, host, share of the host's whole fleet, rent a year)
    for (tenant, host, share) in &rentals.rows {
        let fleet = &tally.firms[host.index()];
        let part = share * free[host.index()];
        let cost = fleet.capital_usd_year * p.hosting_overhead + fleet.energy_usd_year;
        moved.push((*tenant, *host, part, part * cost * (1.0 + p.rent_markup)));
    }
    let price = market.price_usd_month;
    let wanted: f64 = market.bid_usd_month.iter().sum::<f64>() / price;
    if wanted > 0.0 && market.offered_h100e > 0.0 {
        let served = (market.offered_h100e / wanted).min(1.0);
        for (tenant, bid) in market.bid_usd_month.iter().enumerate() {
            let gets = bid / price * served;
            if gets <= 0.0 {
                continue;
            }
            market.let_h100e[tenant] = gets;
            for (host, on_offer) in offered.iter().enumerate() {
                let serve = tally.firms[host].serve;
                if *on_offer > 0.0 && serve > 0.0 {
                    let rents = gets * on_offer / market.offered_h100e;
                    let to = (FirmId::at(tenant), FirmId::at(host), rents / serve);
                    moved.push((to.0, to.1, to.2, rents * price * 12.0));
                }
            }
        }
    }
    let abroad_from = rentals.rows.len();
    for (at, (tenant, host, part, usd_year)) in moved.iter().enumerate() {
        let fleet = tally.firms[host.index()];
        let rent = Money::from_amount(usd_year / 12.0, settings.quantum);
        ledger.pay(Account::Firm(*tenant), Account::Firm(*host), rent, Purpose::Rent);
        for (firm, sign) in [(tenant, 1.0), (host, -1.0)] {
            let Ok((_, mut compute, mut purse, _)) = firms.get_mut(roster.firms[firm.index()])
            else {
                continue;
            };
            compute.rented_train_h100e += sign * part * fleet.train;
            compute.rented_serve_h100e += sign * part * fleet.serve;
            compute.rent_usd_year += sign * usd_year;
            if at >= abroad_from && firm == tenant {
                compute.rented_abroad_h100e += part * fleet.serve;
                // Rounded to a cent, a rent may exceed the bid that it answers.
                let spent = rent.min(purse.unspent);
                purse.unspent -= spent;
            }
        }
    }
}

/// Splits usable compute among core workloads, serving, training and experiments.
pub(crate) fn split_compute(
    roster: Res<Roster>,
    p: Res<DataCentreParameters>,
    catalogue: Res<Catalogue>,
    tally: Res<FleetTally>,
    mut firms: Query<(&Firm, &mut Compute, Option<&Lab>)>,
) {
    let (mut link, mut weight) = (0.0, 0.0);
    for firm in &tally.firms {
        link += firm.link;
        weight += firm.link_weight;
    }
    let typical = if weight > 0.0 { link / weight } else { 0.0 };
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut compute, lab))) = all.fetch_next() {
        let compute = &mut *compute;
        let own = &tally.firms[firm.id.index()];
        let running = 1.0 - compute.idle_share;
        let train = running * (compute.owned_train_h100e + compute.rented_train_h100e).max(0.0);
        let serve = running * (compute.owned_serve_h100e + compute.rented_serve_h100e).max(0.0);
        let need = core_need(firm, lab, p.core_efficiency_elasticity);
        // What was lent out is not there for core work; the core keeps its machines.
        let core = if serve > 0.0 { (need * running * own.serve / serve).min(1.0) } else { need };
        let free = 1.0 - core;
        let serving = if firm.row.developer {
            // Full machines cannot tell a small shortage from a large one; what was wanted can.
            let felt = compute.utilisation.max(compute.demand_pressure.min(2.0));
            let step = p.service_share_adjustment * (felt - p.serving_utilisation_target);
            let most = free * (1.0 - p.development_reserve);
            (compute.serving_share + step).max(p.serving_share_floor).clamp(0.0, most)
        } else {
            free
        };
        compute.core_share = core;
        compute.serving_share = serving;
        compute.training_share = (free - serving) * p.training_share_of_research;
        compute.experiment_share = free - serving - compute.training_share;
        compute.serving_h100e = serving * serve;
        compute.training_h100e = compute.training_share * train;
        compute.experiments_h100e = compute.experiment_share * train;
        compute.training_flop_s = compute.training_h100e * catalogue.reference_tflops * TERA;
        // Rented machines are linked like the world's mean machine.
        let rented = compute.rented_train_h100e.max(0.0);
        let linked = own.link_weight + rented;
        compute.training_interconnect_gbps =
            if linked > 0.0 { (own.link + rented * typical) / linked } else { typical };
    }
}

/// What a firm can use: owned and rented, less what it lends and what stands idle for an experiment, H100e.
fn usable_h100e(counted: &FirmTally, compute: &Compute) -> f64 {
    (1.0 - compute.idle_share) * (counted.serve + compute.rented_serve_h100e)
}

/// Writes the metrics of this room.
pub(crate) fn record_compute(
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    tally: Res<FleetTally>,
    map: Res<ComputeMap>,
    market: Res<RentalMarket>,
    retirements: Res<Retirements>,
    firms: Query<(&Firm, &Compute)>,
    grids: Query<&Grid>,
    mut readings: ResMut<Readings>,
    mut homes: Local<Vec<bool>>,
) {
    homes.clear();
    homes.resize(roster.countries.len(), false);
    let (mut total, mut waiting, mut usable, mut rented) = (0.0, 0.0, 0.0, 0.0);
    let mut groups = [0.0; 2];
    for (firm, compute) in firms.iter_many(&roster.firms).flatten() {
        let row = firm.id.index();
        let counted = &tally.firms[row];
        total += counted.serve;
        waiting += counted.waiting_serve;
        match firm.row.group {
            Group::Constrained => {
                groups[0] += counted.serve;
                usable += usable_h100e(counted, compute);
                rented += compute.rented_abroad_h100e;
                homes[firm.home.index()] = true;
            }
            Group::Unconstrained => groups[1] += counted.serve,
            Group::Neither => {}
        }
        for (metric, value) in [
            (&COMPUTE_OWNED, counted.serve),
            (&COMPUTE_OWNED_TRAIN, counted.train),
            (&COMPUTE_RENTED, compute.rented_serve_h100e),
            (&COMPUTE_USABLE, usable_h100e(counted, compute).max(0.0)),
            (&COMPUTE_RENTED_ABROAD, compute.rented_abroad_h100e),
            (&COMPUTE_ABROAD, counted.serve_abroad),
            (&WAREHOUSE, counted.waiting_chips as f64),
            (&POWER, counted.power_mw),
            (&DRAWN, counted.drawn_mw),
            (&CORE_SHARE, compute.core_share),
            (&SERVING_SHARE, compute.serving_share),
            (&TRAINING_SHARE, compute.training_share),
            (&EXPERIMENT_SHARE, compute.experiment_share),
            (&EXPERIMENTS, compute.experiments_h100e),
            (&ENERGY, compute.energy_usd_year),
            (&RENT, compute.rent_usd_year),
        ] {
            readings.set_for(metric, row, value);
        }
    }
    let located: f64 =
        map.serve_h100e.iter().zip(homes.iter()).filter(|(_, home)| **home).map(|(x, _)| x).sum();
    let share = |x: f64| if total > 0.0 { x / total } else { 0.0 };
    readings.set(&H100E_TOTAL, total);
    readings.set(&H100E_CONSTRAINED, groups[0]);
    readings.set(&H100E_UNCONSTRAINED, groups[1]);
    readings.set(&COMPUTE_SHARE_OWNED, share(groups[0]));
    readings.set(&COMPUTE_SHARE_LOCATED, share(located));
    readings.set(&COMPUTE_SHARE_RENTED, share(rented));
    readings.set(&COMPUTE_SHARE_USABLE, share(usable));
    readings.set(&COMPUTE_USABLE_CONSTRAINED, usable);
    readings.set(&WAREHOUSE_H100E, waiting);
    readings.set(&VALUE_H100E_MONTH, market.value_usd_month);
    readings.set(&RENTAL_PRICE, market.price_usd_month);
    for (row, grid) in grids.iter_many(&roster.countries).flatten().enumerate() {
        readings.set_for(&COUNTRY_POWER, row, map.power_mw[row]);
        readings.set_for(&COUNTRY_DRAWN, row, map.drawn_mw[row]);
        readings.set_for(&HEADROOM, row, grid.headroom_mw);
        readings.set_for(&REFUSED, row, grid.refused_mw);
        readings.set_for(&COUNTRY_H100E, row, map.serve_h100e[row]);
    }
    readings.set(&POWER_DRAWN_MW, map.drawn_mw.iter().sum());
    for (row, retired) in retirements.retired.iter().enumerate().take(catalogue.skus.len()) {
        readings.set_for(&INSTALLED, row, tally.installed[row] as f64);
        readings.set_for(&WAITING, row, tally.waiting[row] as f64);
        readings.set_for(&RETIRED, row, *retired as f64);
    }
}
