//! Generations after a vendor's last roadmap SKU, made when their month comes.
//!
//! From the vendor's newest generation: every T ± spread months (drawn once by vendor, so that dates are spread),
//! performance × f, bandwidth × f_b, interconnect × f_c, memory × f_m, power × f_w, unit cost × f_p, price × f_p from what the last
//! one sells for by then (so what the market did to its price is not forgotten; never below cost × the lowest markup), dies
//! × f_d (rounded), packages of a wafer × f_k. It is a new die, of the last one's size on the last one's node, and is announced some
//! months ahead, so that it can be built for its launch.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{DesignBook, DesignParameters, add_sku, sku_of};
use crate::calendar::Month;
use crate::entities::DieId;
use crate::entities::boards::{ChipMarket, Fears};
use crate::entities::chip::{Catalogue, ChipRow, Die, DieRow, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::line::Parts;
use crate::entities::order::OrderBook;
use crate::entities::rule::Rulebook;
use crate::entities::site::Retirements;
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, Roster};
use crate::maths;
use crate::random::{Luck, Purpose, key_of};

/// Announces the next generation of each vendor whose roadmap has run out, when its month comes.
pub(crate) fn continue_roadmaps(
    p: Res<DesignParameters>,
    clock: Res<Clock>,
    roster: Res<Roster>,
    vendors: Query<&Vendor>,
    luck: Res<Luck>,
    mut designs: ResMut<DesignBook>,
    mut catalogue: ResMut<Catalogue>,
    mut book: ResMut<Rulebook>,
    (mut parts, mut orders): (ResMut<Parts>, ResMut<OrderBook>),
    (mut market, mut retirements, mut fears): (
        ResMut<ChipMarket>,
        ResMut<Retirements>,
        ResMut<Fears>,
    ),
    mut chronicle: ResMut<Chronicle>,
) {
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        let newest = catalogue
            .iter()
            .filter(|(_, s)| {
                s.vendor == vendor.id
                    && matches!(s.row.origin, Origin::Roadmap | Origin::Extrapolated)
            })
            .max_by_key(|(id, s)| (s.row.launch, *id));
        let Some((newest, last)) = newest else { continue };
        let next = &mut designs.next[vendor.id.index()];
        let due = match *next {
            Some((of, due)) if of == newest => due,
            _ => {
                let due = last.row.launch + interval(&p, &luck, &vendor.row.id, last.row.launch);
                *next = Some((newest, due));
                due
            }
        };
        if due - clock.now > maths::whole(p.generation_notice_months) as i32 {
            continue;
        }
        let mut row = next_generation(&p, &vendor.row.id, last, due.max(clock.now));
        row.die.clone_from(&row.id);
        let die = DieRow { id: row.die.clone(), ..catalogue.dies[last.die.index()].row.clone() };
        let mut sku = sku_of(row, vendor.id, last, &catalogue, clock.now);
        sku.die = DieId::at(catalogue.dies.len());
        catalogue.dies.push(Die { row: die });
        chronicle.log(
            clock.now,
            "sku_announced",
            (&vendor.row.id, &sku.id),
            (sku.train_paper, "H100"),
            None,
            || format!("{} announces {}", vendor.row.name, sku.row.name),
        );
        add_sku(
            sku,
            vendor.home,
            &mut catalogue,
            &mut book,
            (&mut parts, &mut orders),
            (&mut market, &mut retirements, &mut fears),
        );
    }
}

/// Months between the generation that `vendor` launched in `launch` and the next: the interval, shifted by a draw of that month.
pub(super) fn interval(p: &DesignParameters, luck: &Luck, vendor: &str, launch: Month) -> i32 {
    let u = luck.stream(Purpose::Delay, key_of(&["generation", vendor])).month(launch).uniform();
    let shift = maths::whole((2.0 * u - 1.0) * p.generation_spread_months) as i32;
    (maths::whole(p.generation_interval_months).max(1) as i32 + shift).max(1)
}

/// The row of the generation after `last`.
pub(super) fn next_generation(
    p: &DesignParameters,
    vendor: &str,
    sku: &Sku,
    launch: Month,
) -> ChipRow {
    let last = &sku.row;
    let unit_cost_usd = last.unit_cost_usd * p.generation_price;
    let dies = maths::whole(last.dies_per_chip as f64 * p.generation_dies).max(1);
    let more_dies = dies as f64 / last.dies_per_chip.max(1) as f64;
    ChipRow {
        id: format!("{vendor}-{launch}"),
        name: format!("{vendor} generation of {launch}"),
        launch,
        end: Some(launch + maths::whole(p.generation_life_months).max(1) as i32),
        tflops_16bit: last.tflops_16bit * p.generation_performance,
        tops_8bit: last.tops_8bit * p.generation_performance,
        tpp: last.tpp.map(|x| x * p.generation_performance),
        performance_density: last
            .performance_density
            .map(|x| x * p.generation_performance / more_dies),
        interconnect_gbps: last.interconnect_gbps.map(|x| x * p.generation_interconnect),
        memory_bandwidth_gbps: last.memory_bandwidth_gbps.map(|x| x * p.generation_bandwidth),
        hbm_gb: last.hbm_gb * p.generation_memory,
        tdp_w: last.tdp_w * p.generation_power,
        dies_per_chip: dies,
        packages_per_wafer: last.packages_per_wafer * p.generation_packages,
        price_usd: (sku.price_usd * p.generation_price)
            .max(unit_cost_usd * p.generation_lowest_markup),
        unit_cost_usd,
        origin: Origin::Extrapolated,
        parent: None,
        caused_by: None,
        source: "generated in the run".to_owned(),
        ..last.clone()
    }
}
