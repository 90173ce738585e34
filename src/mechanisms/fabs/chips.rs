//! Chips packaged, finished and fused.
//!
//! **Chips started.** Wanted units u = (f + (L + f·c − inventory − work − f)/τ)⁺, f = F·e^(w g c), c = cycle + cover, cut to
//! the dies, then to the memory, then to the packaging wafers that the vendor has; each cut is shared in proportion
//! to use × (margin per unit of the scarce part)^m, no SKU above its want. Slots are asked for only
//! after the first two cuts: a vendor without parts does not hold packaging.
//!
//! **Fusing.** A variant that differs from its parent in links alone is a setting made at test: chips of the parent
//! beyond its own orders become the variant as far as those who ordered it wait, and for a month of its forecast.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::sharing::pour;
use super::{FabWorks, FabsParameters, Product, at, zero};
use crate::entities::boards::{ChipMarket, Dock};
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose as PaidFor};
use crate::entities::line::{LineKind, Parts};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster, Settings, SkuId};
use crate::maths;
use crate::units::{Count, Money};

/// Finishes wafers, memory and chips that are due, and pays for the chips.
pub(crate) fn finish(
    clock: Res<Clock>,
    settings: Res<Settings>,
    catalogue: Res<Catalogue>,
    mut works: ResMut<FabWorks>,
    mut parts: ResMut<Parts>,
    mut market: ResMut<ChipMarket>,
    mut ledger: ResMut<Ledger>,
) {
    let parts = &mut *parts;
    let now = clock.now;
    works.batches.retain(|batch| {
        if batch.due > now {
            return true;
        }
        let v = batch.vendor.index();
        match batch.product {
            Product::Die(die) => {
                parts.dies[v][die.index()] += batch.amount;
                parts.dies_in[v][die.index()] += batch.amount;
            }
            Product::Memory => {
                parts.memory_gb[v] += batch.amount;
                parts.memory_in[v] += batch.amount;
            }
        }
        false
    });
    market.output.fill(0);
    let (inventory, made) = (&mut parts.inventory, &mut parts.made);
    parts.in_work.retain(|(vendor, sku, due, units)| {
        if *due > now {
            return true;
        }
        inventory[sku.index()] += units;
        made[sku.index()] += units;
        market.output[sku.index()] += units;
        let cost = Money::from_amount(catalogue.sku(*sku).row.unit_cost_usd, settings.quantum);
        ledger.pay(
            Account::Vendor(*vendor),
            Account::Outside(Outside::Suppliers),
            cost.times(*units),
            PaidFor::Production,
        );
        false
    });
}

/// Turns finished chips that nobody waits for into the variant of them that buyers wait for, where all that
/// was cut are links: those are fused at test, in the same package.
pub(crate) fn fuse(
    catalogue: Res<Catalogue>,
    dock: Res<Dock>,
    mut parts: ResMut<Parts>,
    mut market: ResMut<ChipMarket>,
) {
    for (id, sku) in catalogue.iter() {
        let Some(parent) = sku.parent.filter(|parent| links_alone(&catalogue, *parent, id)) else {
            continue;
        };
        let (v, p) = (id.index(), parent.index());
        if !sku.on_sale {
            continue;
        }
        let under_way: Count =
            parts.in_work.iter().filter(|(_, of, ..)| *of == id).map(|(.., n)| n).sum();
        let at_hand = (parts.inventory[v] + under_way) as f64;
        let wanted = maths::whole(at(&dock.likely, v) + market.forecast[v] - at_hand);
        let spare = parts.inventory[p] - maths::whole(at(&dock.likely, p));
        let n = wanted.min(spare);
        if n > 0 {
            parts.inventory[p] -= n;
            parts.made[p] -= n;
            parts.inventory[v] += n;
            parts.made[v] += n;
            market.output[v] += n;
        }
    }
}

/// Whether `variant` differs from `parent` in nothing but its links.
fn links_alone(catalogue: &Catalogue, parent: SkuId, variant: SkuId) -> bool {
    let (a, b) = (catalogue.sku(parent), catalogue.sku(variant));
    a.die == b.die
        && a.row.tpp == b.row.tpp
        && a.row.memory_bandwidth_gbps == b.row.memory_bandwidth_gbps
        && a.row.hbm_gb == b.row.hbm_gb
}

/// Units of packaging wafers for one chip; 0 when it needs none.
pub(super) fn slots(sku: &Sku) -> f64 {
    if sku.row.packages_per_wafer > 0.0 { 1.0 / sku.row.packages_per_wafer } else { 0.0 }
}

/// Memory in `units` chips, whole GB.
fn memory_of(sku: &Sku, units: Count) -> Count {
    maths::whole(sku.row.hbm_gb * units as f64)
}

/// Cuts `units` of the SKUs in `members` so that Σ units·use ≤ `available`, shared by
/// use × merit, no SKU above its units.
fn cut(
    available: f64,
    members: &[(usize, f64, f64)],
    units: &mut [f64],
    scratch: &mut [Vec<f64>; 3],
) {
    let need: f64 = members.iter().map(|(s, uses, _)| units[*s] * uses).sum();
    if need <= available {
        return;
    }
    let [weights, needs, got] = scratch;
    weights.clear();
    needs.clear();
    for (s, uses, merit) in members {
        needs.push(units[*s] * uses);
        weights.push(units[*s] * uses * merit);
    }
    zero(got, needs.len());
    pour(available.max(0.0), weights, needs, got);
    for ((s, uses, _), got) in members.iter().zip(got.iter()) {
        units[*s] = got / uses;
    }
}

/// Weights of [all other SKUs, variants] of a vendor for scarce parts. With c the share of variants in the value `asked`
/// for and e that of China, for which they are made, in the sales of twelve months, variants are weighted by
/// `((1 − θ) c + θ e)/c` and the others so that the shares sum to one.
fn turn_and_earn(asked: [f64; 2], sales: &Sales, theta: f64) -> [f64; 2] {
    let (asked_for, sold) = (asked[0] + asked[1], sales.trailing_usd.iter().sum::<f64>());
    if asked[0] <= 0.0 || asked[1] <= 0.0 || sold <= 0.0 {
        return [1.0, 1.0];
    }
    let c = asked[1] / asked_for;
    let e = sales.trailing_china_usd.iter().sum::<f64>() / sold;
    let due = (1.0 - theta) * c + theta * e;
    [(1.0 - due) / (1.0 - c), due / c]
}

/// Starts chips: wants cut to dies, memory and packaging slots, whole units, parts taken from stock.
pub(crate) fn start_chips(
    clock: Res<Clock>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    p: Res<FabsParameters>,
    mut works: ResMut<FabWorks>,
    mut parts: ResMut<Parts>,
    vendors: Query<(&Vendor, &Sales)>,
    mut members: Local<Vec<(usize, f64, f64)>>,
    mut scratch: Local<[Vec<f64>; 3]>,
    mut earned: Local<Vec<[f64; 2]>>,
) {
    let (works, parts) = (&mut *works, &mut *parts);
    earned.clear();
    let skus = catalogue.skus.len();
    works.chip_rest.resize(skus, 0.0);
    zero(&mut works.started, skus);
    works.units.clear();
    works.units.extend_from_slice(&works.start);
    zero(&mut works.totals, works.vendors);
    // Merit of a SKU for a part: (margin per unit of the part)^m, times what its customers have earned.
    let merit = |sku: &Sku, uses: f64, earned: [f64; 2]| {
        // In quanta of the ledger, so that currency is a unit; a loss still leaves a merit.
        let margin = ((sku.price_usd - sku.row.unit_cost_usd) / settings.quantum).max(1.0);
        let margin = if p.margin_exponent == 0.0 {
            1.0
        } else {
            maths::pow(margin / uses, p.margin_exponent)
        };
        margin * earned[usize::from(sku.parent.is_some())]
    };
    let mut skus_of = std::mem::take(&mut works.skus_of);
    skus_of.resize_with(works.vendors, Vec::new);
    let known: usize = skus_of.iter().map(Vec::len).sum();
    for (id, sku) in catalogue.iter().skip(known) {
        skus_of[sku.vendor.index()].push(id.index());
    }
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let of_vendor = || skus_of[v].iter().map(|s| (*s, &catalogue.skus[*s]));
        let asked = |variants: bool| -> f64 {
            let of_kind = of_vendor().filter(|(_, sku)| sku.parent.is_some() == variants);
            of_kind.map(|(s, sku)| works.units[s] * sku.price_usd).sum()
        };
        let weights = turn_and_earn([asked(false), asked(true)], sales, p.turn_and_earn);
        earned.push(weights);
        // Nothing is wanted: nothing is cut, and no slots are asked for.
        if of_vendor().all(|(s, _)| works.units[s] <= 0.0) {
            continue;
        }
        for (first, of_die) in of_vendor() {
            let wanted = |(s, sku): &(usize, &Sku)| sku.die == of_die.die && works.units[*s] > 0.0;
            if of_vendor().find(wanted).is_none_or(|(s, _)| s != first) {
                continue;
            }
            members.clear();
            members.extend(of_vendor().filter(wanted).map(|(s, sku)| {
                let uses = sku.row.dies_per_chip as f64;
                (s, uses, merit(sku, uses, weights))
            }));
            let dies = parts.dies_of(vendor.id, of_die.die) as f64;
            cut(dies, &members, &mut works.units, &mut scratch);
        }
        members.clear();
        members.extend(
            of_vendor()
                .filter(|(s, sku)| sku.row.hbm_gb > 0.0 && works.units[*s] > 0.0)
                .map(|(s, sku)| (s, sku.row.hbm_gb, merit(sku, sku.row.hbm_gb, weights))),
        );
        cut(parts.memory_gb[v] as f64, &members, &mut works.units, &mut scratch);
        works.totals[v] = of_vendor().map(|(s, sku)| works.units[s] * slots(sku)).sum();
        // More packaging is asked for what dies and memory could follow, at hand or ahead.
        let [_, memory, logic] = works.phi[v];
        let wanted: f64 = of_vendor().map(|(s, sku)| works.gap[s] * slots(sku)).sum();
        let wanted = (wanted * memory.min(logic)).max(works.totals[v]);
        let short = wanted - works.entitled(LineKind::Packaging, v, false);
        works.ask_for_more(LineKind::Packaging, v, short);
    }
    works.skus_of = skus_of;
    works.share(LineKind::Packaging);
    for (vendor, _) in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let weights = earned[v];
        let got = works.got_by(LineKind::Packaging, v);
        works.last_packaging[v] = got;
        members.clear();
        members.extend(
            catalogue
                .iter()
                .filter(|(id, sku)| {
                    sku.vendor == vendor.id && slots(sku) > 0.0 && works.units[id.index()] > 0.0
                })
                .map(|(id, sku)| (id.index(), slots(sku), merit(sku, slots(sku), weights))),
        );
        cut(got, &members, &mut works.units, &mut scratch);
    }
    for (id, sku) in catalogue.iter() {
        let (s, v, d) = (id.index(), sku.vendor.index(), sku.die.index());
        if works.units[s] <= 0.0 {
            continue;
        }
        let mut n = maths::whole_carried(works.units[s], &mut works.chip_rest[s]);
        n = n.min(parts.dies[v][d] / sku.row.dies_per_chip.max(1));
        if sku.row.hbm_gb > 0.0 {
            n = n.min(maths::whole_below(parts.memory_gb[v] as f64 / sku.row.hbm_gb));
            if memory_of(sku, n) > parts.memory_gb[v] {
                n -= 1;
            }
        }
        if n <= 0 {
            continue;
        }
        let (dies, memory) = (n * sku.row.dies_per_chip, memory_of(sku, n));
        parts.dies[v][d] -= dies;
        parts.dies_used[v][d] += dies;
        parts.memory_gb[v] -= memory;
        parts.memory_used[v] += memory;
        works.started[s] = n;
        let cycle = if slots(sku) > 0.0 {
            works.cycle(LineKind::Packaging, v).unwrap_or(0)
        } else {
            maths::whole(p.assembly_months) as i32
        };
        parts.in_work.push((sku.vendor, id, clock.now + cycle, n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Month;

    #[test]
    fn a_scarce_part_is_shared_by_use_and_merit() {
        // 120 units of a part; 100 chips that use 1 at merit 1, 100 chips that use 2 at merit 0.5:
        // weights 100 : 100, so 60 each: 60 chips and 30 chips.
        let mut units = [100.0, 100.0];
        cut(120.0, &[(0, 1.0, 1.0), (1, 2.0, 0.5)], &mut units, &mut Default::default());
        assert_eq!(units, [60.0, 30.0]);
        // Enough for all: nothing is cut.
        let mut units = [100.0, 10.0];
        cut(120.0, &[(0, 1.0, 1.0), (1, 2.0, 0.5)], &mut units, &mut Default::default());
        assert_eq!(units, [100.0, 10.0]);
    }

    #[test]
    fn variants_get_what_their_customers_have_earned() {
        // Variants ask for 10 of 100, China bought 25 of 100 over a year. At θ = 0.8 they are due 0.2 · 0.1 + 0.8 · 0.25 = 0.22 of the
        // value: weights 0.78/0.9 and 0.22/0.1, which share 9 : 1 as 78 : 22.
        let mut sales = Sales::default();
        sales.book(Month::new(2024, 1), 75.0, 0.0, 1);
        sales.book(Month::new(2023, 9), 25.0, 25.0, 1);
        let [others, variants] = turn_and_earn([90.0, 10.0], &sales, 0.8);
        assert!((others - 0.78 / 0.9).abs() < 1e-12 && (variants - 2.2).abs() < 1e-12);
        // By orders alone; nobody to share with; nothing sold yet.
        assert_eq!(turn_and_earn([90.0, 10.0], &sales, 0.0), [1.0, 1.0]);
        assert_eq!(turn_and_earn([90.0, 0.0], &sales, 0.8), [1.0, 1.0]);
        assert_eq!(turn_and_earn([90.0, 10.0], &Sales::default(), 0.8), [1.0, 1.0]);
        // Who bought nothing for a year is not shut out.
        assert!(turn_and_earn([90.0, 10.0], &closed(), 0.8)[1] > 0.0);
    }

    fn closed() -> Sales {
        let mut sales = Sales::default();
        sales.book(Month::new(2024, 1), 75.0, 0.0, 1);
        sales
    }
}
