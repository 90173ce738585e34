//! What vendors plan to make, and what of it each part can follow.
//!
//! **Plan.** Demand a month of SKU *s*, chips: d = F + max(0, L − inventory − work)/h_b, with F the
//! smoothed orders (0 from `end` on), L the open orders that the vendor counts on, h_b months to work off
//! a backlog. A roadmap SKU about to be launched counts with a share q of the vendor's forecast
//! revenue over its price; the newest one on sale with at least q + (1 − q)·age/T_o of it, because vendors order parts for the
//! generation that is to take over before its orders show it. A variant being designed counts with the sales on which it
//! was approved. Orders for SKUs that it beats, beyond
//! the room that is left to them, are planned as orders for it, in money. All of it times e^(w g h_p): a vendor plans for when the parts ordered now will be used, and believes the
//! share w of the trend g = clip((S/S̄ − 1)/T, ±g_max) of its forecast revenue S, S̄' = S̄ + (S − S̄)/T. Relative to what the lines can give h_p months ahead (capacity
//! and pipeline, stocks spread over h_b), φ_pack, φ_mem, φ_die = min(1, possible / Σ d·need).

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::chips::slots;
use super::{FabWorks, FabsParameters, Product, at, zero};
use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Dock};
use crate::entities::chip::{Catalogue, Origin};
use crate::entities::line::{LineKind, Parts};
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, DieId, Roster, SkuId};
use crate::maths;
use crate::units::Count;

/// Plans demand by SKU, and how much of it each part can follow.
pub(crate) fn plan(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    market: Res<ChipMarket>,
    dock: Res<Dock>,
    parts: Res<Parts>,
    p: Res<FabsParameters>,
    mut works: ResMut<FabWorks>,
    vendors: Query<&Vendor>,
    mut newest: Local<Vec<Option<SkuId>>>,
) {
    let works = &mut *works;
    let now = clock.now;
    let skus = catalogue.skus.len();
    zero(&mut works.in_work, skus);
    for (_, sku, _, units) in &parts.in_work {
        works.in_work[sku.index()] += units;
    }
    zero(&mut works.demand, skus);
    zero(&mut works.gap, skus);
    zero(&mut works.start, skus);
    zero(&mut works.phi, works.vendors);
    zero(&mut works.memory_in_time, works.vendors);
    zero(&mut works.need, works.vendors);
    works.last_packaging.resize(works.vendors, 0.0);
    works.last_memory.resize(works.vendors, 0.0);
    let plan_months = p.backlog_plan_months.max(1.0);
    // Forecast revenue of each vendor, for what is to be launched.
    zero(&mut works.totals, works.vendors);
    for (id, sku) in catalogue.iter() {
        if sku.on_sale {
            works.totals[sku.vendor.index()] += market.forecast[id.index()] * sku.price_usd;
        }
    }
    read_trends(works, &p);
    // The newest generation on sale of each vendor: the latest launch, of equal ones the strongest.
    zero(&mut newest, works.vendors);
    for (id, sku) in catalogue.iter().filter(|(_, sku)| sku.on_sale) {
        if matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated) {
            let rank = |id: SkuId| {
                let row = &catalogue.sku(id).row;
                (row.launch, row.tflops_16bit)
            };
            let latest = &mut newest[sku.vendor.index()];
            if latest.is_none_or(|before| rank(before) < rank(id)) {
                *latest = Some(id);
            }
        }
    }
    retire_old(works, &catalogue, &market, &dock, &p, &newest, now);
    for (id, sku) in catalogue.iter() {
        let s = id.index();
        let at_hand = (parts.inventory[s] + works.in_work[s]) as f64;
        let building = sku.row.end.is_none_or(|end| now < end);
        let cycle = |works: &FabWorks| {
            if slots(sku) > 0.0 {
                works.cycle(LineKind::Packaging, sku.vendor.index()).map_or(0.0, f64::from)
            } else {
                p.assembly_months
            }
        };
        let to_launch = sku.row.launch - now;
        let trend = works.trend[sku.vendor.index()];
        let ahead = || maths::exp(trend * p.plan_horizon_months);
        let known_ahead = matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated)
            && sku.row.end.is_none_or(|end| end > sku.row.launch);
        if sku.on_sale && building {
            let v = sku.vendor.index();
            let (mut forecast, mut open) = (market.forecast[s], at(&dock.likely, s));
            if outclassed(&catalogue, newest[v], id) {
                forecast *= works.old_room[v];
                open *= works.old_room[v];
            }
            if known_ahead && newest[v] == Some(id) {
                let share = takeover(p.prelaunch_share, -to_launch, p.takeover_months);
                forecast = forecast.max(share * works.totals[v] / sku.row.price_usd);
                open += works.rolled_usd[v] / sku.price_usd.max(f64::MIN_POSITIVE);
            }
            let months = cycle(works) + p.chip_cover_months;
            works.demand[s] = (forecast + (open - at_hand).max(0.0) / plan_months) * ahead();
            let soon = forecast * maths::exp(trend * months);
            let gap = soon * months + open - at_hand;
            works.gap[s] = gap.max(0.0);
            works.start[s] = starts(soon, gap, p.start_adjustment_months);
        } else if !sku.on_sale
            && (known_ahead || sku.approved_units_month > 0.0)
            && building
            && to_launch > 0
            && f64::from(to_launch) <= p.prelaunch_months
        {
            let expected = if known_ahead {
                p.prelaunch_share * works.totals[sku.vendor.index()] * ahead() / sku.row.price_usd
            } else {
                sku.approved_units_month
            };
            works.demand[s] = expected;
            let cycle = cycle(works);
            if f64::from(to_launch) <= cycle + 1.0 {
                let target = expected * (cycle + p.chip_cover_months);
                works.gap[s] = (target - at_hand).max(0.0);
                works.start[s] = starts(expected, target - at_hand, p.start_adjustment_months);
            }
        } else {
            works.gap[s] = (at(&dock.likely, s) - at_hand).max(0.0);
            works.start[s] = works.gap[s];
        }
    }
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let (mut need_slots, mut need_memory, mut need_wafers) = (0.0, 0.0, 0.0);
        for (id, sku) in catalogue.iter().filter(|(_, sku)| sku.vendor == vendor.id) {
            let demand = works.demand[id.index()];
            need_slots += demand * slots(sku);
            need_memory += demand * sku.row.hbm_gb;
            need_wafers += demand * sku.row.dies_per_chip as f64
                / good_dies(works, &catalogue, sku.die, v).max(f64::MIN_POSITIVE);
        }
        let packaging = works.entitled(LineKind::Packaging, v, true).max(works.last_packaging[v]);
        let memory = works.entitled(LineKind::Memory, v, true).max(works.last_memory[v])
            + parts.memory_gb[v] as f64 / plan_months;
        let mut banked = 0.0;
        for (d, n) in parts.dies[v].iter().enumerate().filter(|(_, n)| **n != 0) {
            let good = good_dies(works, &catalogue, DieId::at(d), v);
            if good > 0.0
                && catalogue.iter().any(|(id, sku)| {
                    sku.vendor == vendor.id
                        && sku.die.index() == d
                        && works.demand[id.index()] > 0.0
                })
            {
                banked += *n as f64 / good / plan_months;
            }
        }
        let wafers = works.entitled(LineKind::Logic, v, true) + banked;
        // Dies started now meet the memory that is at hand or under way when they are used: what takes longer than they do
        // cannot be ordered after them.
        let in_time = match (works.cycle(LineKind::Logic, v), works.cycle(LineKind::Memory, v)) {
            (Some(logic), Some(slower)) if slower > logic => {
                let horizon = f64::from(logic) + p.die_cover_months;
                let due = now + maths::whole(horizon) as i32;
                let coming: Count = works
                    .batches
                    .iter()
                    .filter(|b| b.vendor.index() == v && b.product == Product::Memory)
                    .filter(|b| b.due <= due)
                    .map(|b| b.amount)
                    .sum();
                (parts.memory_gb[v] + coming) as f64 / horizon
            }
            _ => f64::INFINITY,
        };
        let follow = |possible: f64, need: f64| {
            if need > 0.0 { (possible / need).min(1.0) } else { 1.0 }
        };
        works.phi[v] = [
            follow(packaging, need_slots),
            follow(memory, need_memory),
            follow(wafers, need_wafers),
        ];
        works.memory_in_time[v] = follow(in_time, need_memory);
        works.need[v] = [need_slots, need_memory];
    }
}

/// Writes the part of the forecasts and orders of its older generations that each vendor still builds for, and the
/// money of the orders that the newest is to fill: what the newest is planned to take of its sales is not built twice. Variants are made for those who may not have the newest.
fn retire_old(
    works: &mut FabWorks,
    catalogue: &Catalogue,
    market: &ChipMarket,
    dock: &Dock,
    p: &FabsParameters,
    newest: &[Option<SkuId>],
    now: Month,
) {
    zero(&mut works.old_room, works.vendors);
    for (id, sku) in catalogue.iter() {
        let v = sku.vendor.index();
        if sku.on_sale && outclassed(catalogue, newest[v], id) {
            works.old_room[v] += market.forecast[id.index()] * sku.price_usd;
        }
    }
    for (v, old) in works.old_room.iter_mut().enumerate() {
        let age = newest[v].map_or(0, |id| now - catalogue.sku(id).row.launch);
        let room = works.totals[v] * (1.0 - takeover(p.prelaunch_share, age, p.takeover_months));
        *old = if *old > room { room / *old } else { 1.0 };
    }
    // Orders for the old that are not built for are filled with the newest.
    zero(&mut works.rolled_usd, works.vendors);
    for (id, sku) in catalogue.iter() {
        let v = sku.vendor.index();
        if sku.on_sale && outclassed(catalogue, newest[v], id) {
            let open = at(&dock.likely, id.index());
            works.rolled_usd[v] += (1.0 - works.old_room[v]) * open * sku.price_usd;
        }
    }
}

/// Whether the vendor's newest generation takes the place of a SKU of its roadmap: more dense 16-bit throughput per
/// watt and per dollar of launch price. What it does not beat is another line of products.
fn outclassed(catalogue: &Catalogue, newest: Option<SkuId>, id: SkuId) -> bool {
    let Some(newest) = newest.filter(|newest| *newest != id) else { return false };
    let (new, old) = (&catalogue.sku(newest).row, &catalogue.sku(id).row);
    matches!(old.origin, Origin::Roadmap | Origin::Extrapolated)
        && new.tflops_16bit * old.tdp_w >= old.tflops_16bit * new.tdp_w
        && new.tflops_16bit * old.price_usd >= old.tflops_16bit * new.price_usd
}

/// Starts of a month that replace what leaves (`use`) and close the `gap` between the position aimed
/// at and the present one over `months`: (u + (g − u)/τ)⁺, Sterman's (1989) stock management rule. The gap is
/// counted before this month's starts, so that it equals the use in a steady state; with τ = 1 it is closed at once.
///
/// ```
/// # use frugality::mechanisms::fabs::planning::starts;
/// // Steady: as much as leaves. A gap of 40 over a use of 10, closed over 3 months: 10 + 30/3.
/// assert_eq!((starts(10.0, 10.0, 3.0), starts(10.0, 40.0, 3.0)), (10.0, 20.0));
/// // Closed at once; and far too much in stock: nothing.
/// assert_eq!((starts(10.0, 40.0, 1.0), starts(10.0, -50.0, 3.0)), (40.0, 0.0));
/// ```
#[must_use]
pub fn starts(leaving: f64, gap: f64, months: f64) -> f64 {
    (leaving + (gap - leaving) / months.max(1.0)).max(0.0)
}

/// Share of its forecast revenue for which a vendor orders parts of its newest generation, `age` months after launch:
/// what was built before launch, and from there in a line to all of it.
///
/// ```
/// # use frugality::mechanisms::fabs::planning::takeover;
/// // Half before launch, all after a year: three quarters after six months.
/// assert_eq!((takeover(0.5, 0, 12.0), takeover(0.5, 6, 12.0), takeover(0.5, 30, 12.0)), (0.5, 0.75, 1.0));
/// ```
#[must_use]
pub fn takeover(before: f64, age: i32, months: f64) -> f64 {
    before + (1.0 - before) * (f64::from(age) / months.max(1.0)).clamp(0.0, 1.0)
}

/// Follows the trend of vendors' forecast revenue, which stands in `totals`.
fn read_trends(works: &mut FabWorks, p: &FabsParameters) {
    works.sales_smooth.resize(works.vendors, 0.0);
    works.trend.resize(works.vendors, 0.0);
    let months = p.forecast_trend_months.max(1.0);
    let ends = works.totals.iter().zip(&mut works.sales_smooth).zip(&mut works.trend);
    for ((now, smooth), trend) in ends {
        if *smooth <= 0.0 {
            *smooth = *now;
        }
        *trend = if *smooth > 0.0 {
            let seen = (now / *smooth - 1.0) / months;
            p.forecast_trend_belief * seen.clamp(-p.forecast_trend_max, p.forecast_trend_max)
        } else {
            0.0
        };
        *smooth += (now - *smooth) / months;
    }
}

/// Good dies of a wafer of `die` at the vendor's best line: gross × yield × factor. Where no line
/// makes it any more, what a wafer at full yield would give.
fn good_dies(works: &FabWorks, catalogue: &Catalogue, die: DieId, vendor: usize) -> f64 {
    let row = &catalogue.dies[die.index()].row;
    let yields = works.die_lines[die.index()]
        .iter()
        .filter(|l| works.weight(**l, vendor) > 0.0)
        .map(|l| works.facts[*l].yields)
        .fold(0.0, f64::max);
    row.gross_dies_per_wafer * row.yield_factor * if yields > 0.0 { yields } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_read_a_bounded_trend() {
        let mut p = FabsParameters::from_values(&mut |_| 0.0);
        p.forecast_trend_belief = 0.5;
        p.forecast_trend_months = 6.0;
        p.forecast_trend_max = 0.1;
        let mut works = FabWorks { vendors: 2, totals: vec![100.0, 100.0], ..FabWorks::default() };
        read_trends(&mut works, &p);
        assert_eq!(works.trend, [0.0, 0.0]);
        // 130 / 100: 0.3 / 6 = 0.05 a month, half believed; 500 / 100 is cut to 0.1, half believed.
        works.totals = vec![130.0, 500.0];
        read_trends(&mut works, &p);
        assert!((works.trend[0] - 0.025).abs() < 1e-12 && (works.trend[1] - 0.05).abs() < 1e-12);
        // The level moves a sixth of the way: 105.
        assert!((works.sales_smooth[0] - 105.0).abs() < 1e-9);
    }
}
