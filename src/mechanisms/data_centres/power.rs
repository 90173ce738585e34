//! Grids, halls, installation and retirement.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::DataCentreParameters;
use crate::calendar::Month;
use crate::entities::boards::{PowerPlans, RentalMarket, SpendOutlook};
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Country, Grid};
use crate::entities::firm::Purse;
use crate::entities::script::{Script, ShockKind};
use crate::entities::site::{Cohort, Halls, Retirements, Site, chip_mw, energy_usd_year};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster, SkuId, Switches};
use crate::maths;
use crate::random::{Luck, Purpose, Stream, key_of};
use crate::units::Count;

const QUARTER_MONTHS: f64 = 3.0;

/// Lets every grid's grant to AI grow by a month.
pub(crate) fn grow_grids(
    clock: Res<Clock>,
    roster: Res<Roster>,
    p: Res<DataCentreParameters>,
    script: Res<Script>,
    mut countries: Query<(&Country, &mut Grid)>,
) {
    let mut grids = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut grid))) = grids.fetch_next() {
        let row = &country.row;
        let shock: f64 = script
            .at_work(ShockKind::GridGrowth, clock.now)
            .filter(|s| s.subjects.is_empty() || s.subjects.contains(&row.id))
            .map(|s| s.quantity.max(0.0))
            .product();
        if row.ai_power_ceiling_mw <= 0.0 {
            continue;
        }
        let room = (1.0 - grid.connected_mw / row.ai_power_ceiling_mw).max(0.0);
        let queue = 1.0 + p.power_response * grid.pressure;
        let grown = grid.connected_mw * row.ai_power_growth * shock * queue / 12.0 * room;
        grid.connected_mw += grown;
        grid.headroom_mw += grown;
    }
}

/// Connects halls that are finished.
pub(crate) fn open_halls(clock: Res<Clock>, roster: Res<Roster>, mut sites: Query<&mut Halls>) {
    let mut halls = sites.iter_many_mut(&roster.sites);
    while let Some(Ok(mut halls)) = halls.fetch_next() {
        let ready = halls.building.iter().take_while(|(due, _)| *due <= clock.now).count();
        if ready > 0 {
            let opened: f64 = halls.building.drain(..ready).map(|(_, mw)| mw).sum();
            halls.power_mw += opened;
        }
    }
}

/// Once a quarter sites ask their grid for what their plans need, and start to build what is granted.
pub(crate) fn ask_for_power(
    clock: Res<Clock>,
    roster: Res<Roster>,
    p: Res<DataCentreParameters>,
    luck: Res<Luck>,
    plans: Res<PowerPlans>,
    outlook: Res<SpendOutlook>,
    mut chronicle: ResMut<Chronicle>,
    mut countries: Query<(&Country, &mut Grid)>,
    mut sites: Query<(&Site, &mut Halls)>,
    mut asks: Local<Vec<f64>>,
    mut by_country: Local<Vec<(f64, f64, f64, f64)>>,
    mut streams: Local<Vec<Stream>>,
) {
    if !clock.now.ends_quarter() {
        return;
    }
    if streams.len() != roster.sites.len() {
        streams.clear();
        for (site, _) in sites.iter_many(&roster.sites).flatten() {
            streams.push(luck.stream(Purpose::Delay, key_of(&[&site.row.id])));
        }
    }
    // (months a hall takes, purchases until it opens in months of today's, asked MW, share of an ask that is converted)
    by_country.clear();
    for (country, _) in countries.iter_many(&roster.countries).flatten() {
        let months = country.row.build_months as f64;
        let ahead = months.min(p.power_foresight_months);
        let x = (p.power_growth_belief * outlook.expected_growth * ahead / 12.0).max(0.0);
        let growth = if x > 0.0 { (maths::exp(x) - 1.0) / x } else { 1.0 };
        by_country.push((months, ahead * growth, 0.0, 0.0));
    }
    asks.clear();
    for (index, (site, halls)) in sites.iter_many(&roster.sites).flatten().enumerate() {
        let (_, purchases, asked, _) = &mut by_country[site.country.index()];
        let planned = plans.planned_mw_month.get(index).copied().unwrap_or(0.0);
        let committed = plans.committed_mw.get(index).copied().unwrap_or(0.0);
        let building: f64 = halls.building.iter().map(|(_, mw)| mw).sum();
        let wanted = (committed + planned * *purchases) * (1.0 + p.power_reserve);
        let ask = (wanted - halls.power_mw - building).max(0.0);
        let ask = if ask > p.smallest_build_share * halls.power_mw { ask } else { 0.0 };
        *asked += ask;
        asks.push(ask);
    }
    let mut granted = countries.iter_many_mut(&roster.countries);
    let mut index = 0;
    while let Some(Ok((country, mut grid))) = granted.fetch_next() {
        let (_, _, asked, _) = by_country[index];
        // Halls that were being built for general servers have their connection and are soon done.
        let converted =
            asked.min(p.conversion_share * country.row.ai_power_mw * QUARTER_MONTHS / 12.0);
        let given = (asked - converted).min(grid.headroom_mw.max(0.0));
        let refused = asked - converted - given;
        grid.connected_mw += converted;
        if refused > grid.refused_mw && refused > given && grid.refused_mw <= 0.0 {
            chronicle.log(
                clock.now,
                "power_refused",
                (&country.row.id, ""),
                (refused, "MW"),
                outlook.event,
                || {
                    format!(
                        "{} cannot connect {refused:.0} MW that data centres asked for",
                        country.row.name
                    )
                },
            );
        }
        grid.headroom_mw -= given;
        grid.refused_mw = refused;
        let share = if asked > 0.0 { refused / asked } else { 0.0 };
        grid.pressure +=
            (share - grid.pressure) * (QUARTER_MONTHS / p.power_response_months).min(1.0);
        // From here on the third number is the share of an ask that is granted.
        let of_asked = |mw: f64| if asked > 0.0 { mw / asked } else { 0.0 };
        (by_country[index].2, by_country[index].3) = (of_asked(given), of_asked(converted));
        index += 1;
    }
    let mut building = sites.iter_many_mut(&roster.sites);
    let mut index = 0;
    while let Some(Ok((site, mut halls))) = building.fetch_next() {
        let (months, _, granted, converted) = by_country[site.country.index()];
        if asks[index] > 0.0 {
            let late = streams[index].month(clock.now).lognormal(1.0, p.build_delay_sigma);
            for (share, months) in [(converted, p.conversion_months), (granted, months)] {
                let due = clock.now + maths::whole(months * late).max(1) as i32;
                build(&p, &mut halls, asks[index] * share, due);
            }
        }
        index += 1;
    }
}

/// Adds halls of `mw` that open from `due` on: a campus is energised hall by hall.
fn build(p: &DataCentreParameters, halls: &mut Halls, mw: f64, due: Month) {
    if mw <= 0.0 {
        return;
    }
    let stages = maths::whole(p.build_stages_months).max(1) as i32;
    let part = mw / f64::from(stages);
    // Months stand in order, each once.
    let first = halls.building.partition_point(|(month, _)| *month < due);
    for (at, month) in (first..).zip((0..stages).map(|stage| due + stage)) {
        match halls.building.get_mut(at) {
            Some((there, mw)) if *there == month => *mw += part,
            _ => halls.building.insert(at, (month, part)),
        }
    }
}

/// Work of one chip of each SKU now, reference chip = 1, software included.
pub(super) fn work_of_skus(
    catalogue: &Catalogue,
    roster: &Roster,
    vendors: &Query<(&Vendor, &Sales)>,
    software: &mut Vec<f64>,
    work: &mut Vec<f64>,
) {
    software.clear();
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        software.push(vendor.row.software(sales.cumulative_units));
    }
    work.clear();
    for sku in &catalogue.skus {
        work.push(sku.work_paper * software.get(sku.vendor.index()).copied().unwrap_or(1.0));
    }
}

/// Draw of each SKU's chip and server, W, `[sku]`: [`chip_mw`] without the hall.
fn watts_of_skus(catalogue: &Catalogue, overhead: f64, watts: &mut Vec<f64>) {
    for sku in &catalogue.skus[watts.len().min(catalogue.skus.len())..] {
        watts.push(sku.row.tdp_w * overhead);
    }
}

/// Takes chips out of service that are too old or do not earn their energy.
pub(crate) fn retire_chips(
    clock: Res<Clock>,
    roster: Res<Roster>,
    p: Res<DataCentreParameters>,
    catalogue: Res<Catalogue>,
    market: Res<RentalMarket>,
    mut retirements: ResMut<Retirements>,
    vendors: Query<(&Vendor, &Sales)>,
    countries: Query<&Country>,
    purses: Query<&Purse>,
    mut sites: Query<(&Site, &mut Halls)>,
    mut software: Local<Vec<f64>>,
    mut work: Local<Vec<f64>>,
    mut energy: Local<Vec<Vec<f64>>>,
    mut kappas: Local<Vec<f64>>,
) {
    kappas.clear();
    kappas.extend(purses.iter_many(&roster.firms).flatten().map(|purse| purse.kappa));
    // Energy of a chip's month, USD, `[country][sku]`; neither's row ever changes.
    energy.resize_with(roster.countries.len(), Vec::new);
    for (country, known) in countries.iter_many(&roster.countries).flatten().zip(energy.iter_mut())
    {
        let row = &country.row;
        for sku in &catalogue.skus[known.len().min(catalogue.skus.len())..] {
            let mw = chip_mw(sku.row.tdp_w, p.server_overhead, row.pue);
            let year = energy_usd_year(mw, p.fleet_utilisation, row.power_price_usd_kwh);
            known.push(year / 12.0);
        }
    }
    work_of_skus(&catalogue, &roster, &vendors, &mut software, &mut work);
    let life = maths::whole(p.chip_life_months / QUARTER_MONTHS).max(1) as i32;
    let mut all = sites.iter_many_mut(&roster.sites);
    while let Some(Ok((site, mut halls))) = all.fetch_next() {
        let energy = &energy[site.country.index()];
        let kappa = kappas[site.owner.index()];
        let earns = market.value_usd_month * kappa;
        let quarter = clock.now.quarter();
        let at_a_loss =
            |sku: SkuId| earns.is_finite() && work[sku.index()] * earns < energy[sku.index()];
        // A cohort came over three months, and goes over three. Whether any goes, the oldest one tells.
        let oldest = quarter - life + 1;
        if halls.fleet.cohorts().first().is_some_and(|cohort| cohort.quarter < oldest) {
            let months_left = Count::from(clock.now.months_left_in_quarter());
            let retired = &mut retirements.retired;
            halls.fleet.take_out_before(oldest, |cohort| {
                let due = cohort.quarter + 1 == oldest;
                let leave =
                    if due { -(-cohort.count).div_euclid(months_left) } else { cohort.count };
                retired[cohort.sku.index()] += leave;
                leave
            });
        }
        if halls.fleet.kinds().iter().any(|kind| at_a_loss(kind.sku)) {
            halls.fleet.take_out(|cohort| {
                if !at_a_loss(cohort.sku) {
                    return 0;
                }
                retirements.retired[cohort.sku.index()] += cohort.count;
                cohort.count
            });
        }
    }
}

/// Installs waiting chips in order of arrival as far as power reaches.
pub(crate) fn install_chips(
    clock: Res<Clock>,
    roster: Res<Roster>,
    switches: Res<Switches>,
    p: Res<DataCentreParameters>,
    catalogue: Res<Catalogue>,
    mut retirements: ResMut<Retirements>,
    vendors: Query<(&Vendor, &Sales)>,
    countries: Query<&Country>,
    mut sites: Query<(&Site, &mut Halls)>,
    mut software: Local<Vec<f64>>,
    mut work: Local<Vec<f64>>,
    mut watts: Local<Vec<f64>>,
    mut pue_of: Local<Vec<f64>>,
) {
    pue_of.clear();
    pue_of.extend(countries.iter_many(&roster.countries).flatten().map(|c| c.row.pue));
    watts_of_skus(&catalogue, p.server_overhead, &mut watts);
    work_of_skus(&catalogue, &roster, &vendors, &mut software, &mut work);
    let quarter = clock.now.quarter();
    let mut all = sites.iter_many_mut(&roster.sites);
    while let Some(Ok((site, mut halls))) = all.fetch_next() {
        let halls = &mut *halls;
        let pue = pue_of[site.country.index()];
        let draw = |sku: SkuId| chip_mw(watts[sku.index()], 1.0, pue);
        halls.drawn_mw = halls.draw_of_fleet(draw);
        if halls.warehouse.is_empty() {
            continue;
        }
        if switches.power {
            install(halls, quarter, &draw);
            if displace(halls, &p, &draw, &work, &mut retirements) {
                halls.drawn_mw = halls.draw_of_fleet(draw);
                install(halls, quarter, &draw);
            }
        } else {
            let waiting: f64 = halls.warehouse.iter().map(|c| c.count as f64 * draw(c.sku)).sum();
            halls.power_mw = halls.power_mw.max(halls.drawn_mw + waiting);
            install(halls, quarter, &draw);
        }
    }
}

fn install(halls: &mut Halls, quarter: i32, draw: &dyn Fn(SkuId) -> f64) {
    let mut emptied = 0;
    for at in 0..halls.warehouse.len() {
        let waiting = halls.warehouse[at];
        let mw = draw(waiting.sku);
        let free = halls.power_mw - halls.drawn_mw;
        let fits = if mw > 0.0 { maths::whole_below(free / mw).max(0) } else { waiting.count };
        let count = fits.min(waiting.count);
        if count > 0 {
            halls.fleet.add(Cohort { quarter, count, ..waiting });
            halls.drawn_mw += count as f64 * mw;
            halls.warehouse[at].count -= count;
        }
        if halls.warehouse[at].count > 0 {
            break;
        }
        emptied = at + 1;
    }
    halls.warehouse.drain(..emptied);
}

/// Takes out chips, oldest first, that do so much less per watt than the first waiting one that
/// their power is worth more to it; says whether any did.
fn displace(
    halls: &mut Halls,
    p: &DataCentreParameters,
    draw: &dyn Fn(SkuId) -> f64,
    work: &[f64],
    retirements: &mut Retirements,
) -> bool {
    let Some(first) = halls.warehouse.first().copied() else { return false };
    let per_mw = |sku: SkuId| work[sku.index()] / draw(sku);
    let best = per_mw(first.sku);
    let gives_way = |sku: SkuId| per_mw(sku) * p.displacement_ratio < best;
    let mut wanted = first.count as f64 * draw(first.sku) - (halls.power_mw - halls.drawn_mw);
    if wanted <= 0.0 || !halls.fleet.kinds().iter().any(|kind| gives_way(kind.sku)) {
        return false;
    }
    halls.fleet.take_out(|cohort| {
        if wanted <= 0.0 || !gives_way(cohort.sku) {
            return 0;
        }
        let mw = draw(cohort.sku);
        let count = maths::whole((wanted / mw).ceil()).min(cohort.count);
        retirements.retired[cohort.sku.index()] += count;
        wanted -= count as f64 * mw;
        count
    });
    true
}

/// The cheapest way to buy work on the open market, as (SKU, USD for the chip and its system per
/// H100e of work, MW per H100e at the chip): no captive silicon, no compliance variants.
pub(super) fn cheapest_on_sale(
    catalogue: &Catalogue,
    captive: &[bool],
    attach: &[f64],
    work: &[f64],
    overhead: f64,
) -> Option<(SkuId, f64, f64)> {
    use crate::entities::chip::Origin;
    let open = |sku: &Sku| {
        sku.on_sale
            && matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated)
            && !captive.get(sku.vendor.index()).copied().unwrap_or(true)
    };
    let mut best: Option<(SkuId, f64, f64)> = None;
    for (id, sku) in catalogue.iter() {
        if !open(sku) || work[id.index()] <= 0.0 {
            continue;
        }
        let cost = sku.price_usd * attach[sku.vendor.index()] / work[id.index()];
        if best.is_none_or(|(_, least, _)| cost < least) {
            let mw = chip_mw(sku.row.tdp_w, overhead, 1.0) / work[id.index()];
            best = Some((id, cost, mw));
        }
    }
    best
}
