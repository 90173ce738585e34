//! What fabrication writes down each month.

use std::collections::VecDeque;

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::FabWorks;
use crate::entities::Roster;
use crate::entities::boards::ChipMarket;
use crate::entities::chip::Catalogue;
use crate::entities::line::{Line, LineKind, LineState, Parts};
use crate::metric::Readings;
use crate::units::Count;

/// What comes out of a line that takes `cycle` months and starts `started` now. What was under way at the start of a run is
/// taken to be what was started in its first month.
fn after_cycle(cooking: &mut VecDeque<f64>, started: f64, cycle: i32) -> f64 {
    cooking.push_back(started);
    let months = usize::try_from(cycle).unwrap_or(0);
    let finished = cooking.front().copied().unwrap_or(0.0);
    if cooking.len() > months {
        cooking.pop_front();
    }
    finished
}

/// Writes the metrics of fabrication.
pub(crate) fn measure(
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    mut works: ResMut<FabWorks>,
    parts: Res<Parts>,
    market: Res<ChipMarket>,
    mut readings: ResMut<Readings>,
    lines: Query<(&Line, &LineState)>,
) {
    let works = &mut *works;
    works.cooking.resize_with(works.lines, VecDeque::new);
    let (mut packaging, mut memory, mut memory_usd) = (0.0, 0.0, 0.0);
    let (mut price_sum, mut price_weight) = (0.0, 0.0);
    for (line, state) in lines.iter_many(&roster.lines).flatten() {
        let l = line.id.index();
        let facts = works.facts[l];
        let busy = state.utilisation * facts.capacity;
        match facts.kind {
            LineKind::Packaging => packaging += busy,
            LineKind::Memory => {
                let finished = after_cycle(&mut works.cooking[l], busy, facts.cycle);
                memory += finished;
                memory_usd += finished * facts.price;
                price_sum += facts.capacity * facts.price;
                price_weight += facts.capacity;
            }
            LineKind::Logic => {}
        }
        readings.set_for(&LINE_CAPACITY, l, facts.capacity);
        readings.set_for(&LINE_OUTPUT, l, busy);
        readings.set_for(&LINE_OUTPUT_USD, l, busy * facts.price);
        readings.set_for(
            &LINE_VENDORS_SHARE,
            l,
            if busy > 0.0 { works.used[l] / busy } else { 0.0 },
        );
        readings.set_for(&LINE_UTILISATION, l, state.utilisation);
        readings.set_for(&LINE_BACKLOG, l, state.backlog_months);
        readings.set_for(&LINE_YIELD, l, state.yield_now);
        readings.set_for(&LINE_PIPELINE, l, state.pipeline.iter().map(|(_, a)| a).sum());
        readings.set_for(&LINE_BITE, l, state.equipment_bite);
    }
    if price_weight > 0.0 {
        memory_usd += works.scripted_memory * price_sum / price_weight;
    }
    readings.set(&PACKAGING_WAFERS, packaging);
    readings.set(&HBM_GB, memory + works.scripted_memory);
    readings.set(&HBM_USD, memory_usd);
    for v in 0..works.vendors {
        readings.set_for(&DIE_BANK, v, parts.dies[v].iter().sum::<Count>() as f64);
        readings.set_for(&MEMORY_BANK, v, parts.memory_gb[v] as f64);
        readings.set_for(&PACKAGING_GOT, v, works.last_packaging[v]);
    }
    for (id, sku) in catalogue.iter() {
        if sku.on_sale || parts.made[id.index()] > 0 {
            readings.set_for(&STARTED_UNITS, id.index(), works.started[id.index()] as f64);
            readings.set_for(&MADE_UNITS, id.index(), market.output[id.index()] as f64);
        }
    }
}

crate::metrics! {
    World {
        PACKAGING_WAFERS = "packaging_wafers", "wafer/month", "Advanced-packaging wafers run this month on all lines, customers outside the model included.";
        HBM_GB = "hbm_gb", "GB/month", "High-bandwidth memory finished this month on all lines, customers outside the model included, and scripted purchases.";
        HBM_USD = "hbm_usd", "USD/month", "The same in money: each line's GB at its price, scripted purchases at the mean price by capacity.";
    }
    Vendor {
        DIE_BANK = "die_bank_dies", "dies", "Good dies in the vendor's stock at the end of the month.";
        MEMORY_BANK = "memory_bank_gb", "GB", "High-bandwidth memory in the vendor's stock at the end of the month.";
        PACKAGING_GOT = "packaging_got_wafers", "wafer/month", "Packaging wafers that the vendor got this month.";
    }
    Sku {
        STARTED_UNITS = "started_units", "chips/month", "Chips whose packaging or assembly began this month.";
        MADE_UNITS = "made_units", "chips/month", "Chips finished this month.";
    }
    Line {
        LINE_CAPACITY = "line_capacity", "wafer or GB per month", "Capacity this month, shocks included.";
        LINE_OUTPUT = "line_output", "wafer or GB per month", "Capacity in use this month, customers outside the model included: utilisation × capacity.";
        LINE_OUTPUT_USD = "line_output_usd", "USD/month", "Output × the line's price.";
        LINE_VENDORS_SHARE = "line_vendors_share", "share", "Part of the output that works for vendors of the model.";
        LINE_UTILISATION = "line_utilisation", "share", "Capacity in use / capacity.";
        LINE_BACKLOG = "line_backlog_months", "month", "Work that vendors want and do not get / (capacity + pipeline).";
        LINE_YIELD = "line_yield", "share", "Yield of the reference die.";
        LINE_PIPELINE = "line_pipeline", "wafer or GB per month", "Capacity ordered and not yet in.";
        LINE_BITE = "line_equipment_bite", "share", "Bite B of equipment rules: share of growth that they take.";
    }
}
