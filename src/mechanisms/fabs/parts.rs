//! Wafers and memory started, up to what the other parts can use.
//!
//! **Starts answer to the scarcest part.** Each die and the memory are ordered up to
//! (cycle + cover) months of use, use = d · min(φ of the *other* two parts; for dies also what of the need the memory at hand or due
//! within their cycle and cover meets, where memory takes longer than they do): start =
//! clip(use + (gap − use)/τ, 0, s·use) a month, gap = use·(cycle + cover) − stock − work in progress. So dies do not
//! pile up when memory or packaging is short, nor the other way round; and a gap is closed over τ months, because lines
//! that stand still one month and are overrun the next are nobody's practice.

use bevy_ecs::prelude::{Res, ResMut};

use super::chips::slots;
use super::planning::starts;
use super::{Batch, FabWorks, FabsParameters, Product, zero};
use crate::entities::chip::Catalogue;
use crate::entities::line::{LineKind, Parts};
use crate::entities::{Clock, DieId, VendorId};
use crate::maths;
use crate::units::Count;

/// Starts logic wafers and memory, up to what the other parts can use.
pub(crate) fn start_parts(
    clock: Res<Clock>,
    catalogue: Res<Catalogue>,
    parts: Res<Parts>,
    p: Res<FabsParameters>,
    mut works: ResMut<FabWorks>,
) {
    let works = &mut *works;
    let (vendors, dies) = (works.vendors, catalogue.dies.len());
    works.dies = dies;
    works.die_rest.resize(vendors * dies, 0.0);
    works.memory_rest.resize(vendors, 0.0);
    zero(&mut works.die_rate, vendors * dies);
    zero(&mut works.memory_rate, vendors);
    for (id, sku) in catalogue.iter() {
        let v = sku.vendor.index();
        let [pack, memory, logic] = works.phi[v];
        let demand = works.demand[id.index()];
        let pack = if slots(sku) > 0.0 { pack } else { 1.0 };
        let for_dies =
            if sku.row.hbm_gb > 0.0 { pack.min(memory).min(works.memory_in_time[v]) } else { pack };
        works.die_rate[v * dies + sku.die.index()] +=
            demand * for_dies * sku.row.dies_per_chip as f64;
        works.memory_rate[v] += demand * pack.min(logic) * sku.row.hbm_gb;
    }

    start_logic(&clock, &catalogue, &parts, &p, works);

    // Memory: GB, by vendor, over all memory lines.
    zero(&mut works.totals, vendors);
    for v in 0..vendors {
        let Some(cycle) = works.cycle(LineKind::Memory, v) else { continue };
        let rate = works.memory_rate[v];
        let under_way = works
            .batches
            .iter()
            .filter(|b| b.vendor.index() == v && b.product == Product::Memory)
            .map(|b| b.amount)
            .sum::<Count>();
        let position = (parts.memory_gb[v] + under_way) as f64;
        let gap = rate * (f64::from(cycle) + p.memory_cover_months) - position;
        let wanted = starts(rate, gap, p.start_adjustment_months);
        works.totals[v] = wanted.min(p.start_surge * rate);
        let short = gap - works.entitled(LineKind::Memory, v, false);
        works.ask_for_more(LineKind::Memory, v, short);
    }
    works.share(LineKind::Memory);
    for v in 0..vendors {
        works.last_memory[v] = works.got_by(LineKind::Memory, v);
        for l in 0..works.lines {
            let got = works.got[l * vendors + v];
            if works.facts[l].kind == LineKind::Memory && got > 0.0 {
                let amount = maths::whole_carried(got, &mut works.memory_rest[v]);
                works.batches.push(Batch {
                    vendor: VendorId::at(v),
                    product: Product::Memory,
                    due: clock.now + works.facts[l].cycle,
                    amount,
                });
            }
        }
    }
}

/// Logic: wafers, by vendor and die; a die that several lines make is spread by entitlement.
fn start_logic(
    clock: &Clock,
    catalogue: &Catalogue,
    parts: &Parts,
    p: &FabsParameters,
    works: &mut FabWorks,
) {
    let (vendors, dies) = (works.vendors, works.dies);
    zero(&mut works.want_dies, vendors * dies);
    for v in 0..vendors {
        for d in 0..dies {
            let rate = works.die_rate[v * dies + d];
            if rate <= 0.0 {
                continue;
            }
            let entitled: f64 = works.die_lines[d]
                .iter()
                .map(|l| works.weight(*l, v) * works.facts[*l].capacity)
                .sum();
            if entitled <= 0.0 {
                continue;
            }
            let cycle = works.die_lines[d]
                .iter()
                .filter(|l| works.weight(**l, v) > 0.0)
                .map(|l| works.facts[*l].cycle)
                .max()
                .unwrap_or(0);
            let under_way: Count = works
                .batches
                .iter()
                .filter(|b| b.vendor.index() == v && b.product == Product::Die(DieId::at(d)))
                .map(|b| b.amount)
                .sum();
            let position = (parts.dies[v][d] + under_way) as f64;
            let gap = rate * (f64::from(cycle) + p.die_cover_months) - position;
            let wanted = starts(rate, gap, p.start_adjustment_months);
            let want = wanted.min(p.start_surge * rate);
            works.want_dies[v * dies + d] = want;
            for l in &works.die_lines[d] {
                let part = works.weight(*l, v) * works.facts[*l].capacity / entitled;
                let wafers = part / yield_of(works, catalogue, d, *l);
                works.want[l * vendors + v] += want * wafers;
                works.unmet[*l] += gap.max(0.0) * wafers;
            }
        }
    }
    for l in 0..works.lines {
        if works.facts[l].kind != LineKind::Logic {
            continue;
        }
        let row = l * vendors..(l + 1) * vendors;
        // `pour` leaves in `want` what is still wanted: keep the wants to split by die.
        works.totals.clear();
        works.totals.extend_from_slice(&works.want[row.clone()]);
        works.pour_line(l);
        works.unmet[l] = (works.unmet[l] - works.used[l]).max(0.0);
        for v in 0..vendors {
            let (wanted, got) = (works.totals[v], works.got[l * vendors + v]);
            if wanted <= 0.0 || got <= 0.0 {
                continue;
            }
            for d in 0..dies {
                let want = works.want_dies[v * dies + d];
                if want <= 0.0 || !works.die_lines[d].contains(&l) {
                    continue;
                }
                let entitled: f64 = works.die_lines[d]
                    .iter()
                    .map(|k| works.weight(*k, v) * works.facts[*k].capacity)
                    .sum();
                let part = works.weight(l, v) * works.facts[l].capacity / entitled;
                let amount = maths::whole_carried(
                    want * part * got / wanted,
                    &mut works.die_rest[d * vendors + v],
                );
                if amount > 0 {
                    works.batches.push(Batch {
                        vendor: VendorId::at(v),
                        product: Product::Die(DieId::at(d)),
                        due: clock.now + works.facts[l].cycle,
                        amount,
                    });
                }
            }
        }
    }
}

/// Good dies of a wafer of die `d` at line `l`; never 0.
fn yield_of(works: &FabWorks, catalogue: &Catalogue, d: usize, l: usize) -> f64 {
    let row = &catalogue.dies[d].row;
    (row.gross_dies_per_wafer * works.facts[l].yields * row.yield_factor).max(f64::MIN_POSITIVE)
}
