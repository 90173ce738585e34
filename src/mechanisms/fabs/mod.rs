//! Fabs: wafers, memory and packages become chips.
//!
//! **Three bottlenecks** (Leontief): chips started of a SKU are at most good dies / dies per
//! chip, memory / GB per chip, and packaging wafers × packages per wafer. SKUs without
//! high-bandwidth memory or advanced packaging (0 in the chips table) skip that bottleneck.
//!
//! **Sharing a line.** Line *l* of capacity C promises vendor *v* the share w; the part
//! 1 − Σw works for customers outside the model and is always busy. A vendor is *entitled* to
//! C·w·(1 − withheld). Capacity goes to needs in proportion to w·(1 − withheld), no one
//! gets more than it needs, and what one leaves goes to the others. Withheld is
//! `Fears::memory_withheld` of the vendor's home (memory) or `Fears::foundry_withheld_vendor` (logic, packaging: what is withheld
//! from its home and from the vendor by name), and 0 for lines in that home: nobody withholds from himself.
//!
//! **Plan.** Demand a month of SKU *s*, chips: d = F + max(0, L − inventory − work)/h_b, with F the
//! smoothed orders (0 from `end` on), L the open orders that the vendor counts on, h_b months to work off
//! a backlog. A roadmap SKU about to be launched counts with a share q of the vendor's forecast
//! revenue over its price; the newest one on sale with at least q + (1 − q)·age/T_o of it, because vendors order parts for the
//! generation that is to take over before its orders show it. A variant being designed counts with the sales on which it was approved. Orders for SKUs that it beats, beyond
//! the room that is left to them, are planned as orders for it, in money. All of it times e^(w g h_p): a vendor plans for when the parts ordered now will be used, and believes the
//! share w of the trend g = clip((S/S̄ − 1)/T, ±g_max) of its forecast revenue S, S̄' = S̄ + (S − S̄)/T. Relative to what the lines can give h_p months ahead (capacity
//! and pipeline, stocks spread over h_b), φ_pack, φ_mem, φ_die = min(1, possible / Σ d·need).
//!
//! **Starts answer to the scarcest part.** Each die and the memory are ordered up to
//! (cycle + cover) months of use, use = d · min(φ of the *other* two parts; for dies also what of the need the memory at hand or due
//! within their cycle and cover meets, where memory takes longer than they do): start =
//! clip(use + (gap − use)/τ, 0, s·use) a month, gap = use·(cycle + cover) − stock − work in progress. So dies do not
//! pile up when memory or packaging is short, nor the other way round; and a gap is closed over τ months, because lines
//! that stand still one month and are overrun the next are nobody's practice.
//!
//! **Chips started.** Wanted units u = (f + (L + f·c − inventory − work − f)/τ)⁺, f = F·e^(w g c), c = cycle + cover, cut to
//! the dies, then to the memory, then to the packaging wafers that the vendor has; each cut is shared in proportion
//! to use × (margin per unit of the scarce part)^m, no SKU above its want. Slots are asked for only
//! after the first two cuts: a vendor without parts does not hold packaging.
//!
//! **Fusing.** A variant that differs from its parent in links alone is a setting made at test: chips of the parent
//! beyond its own orders become the variant as far as those who ordered it wait, and for a month of its forecast.
//!
//! **Yield** y = y∞' − (y∞' − y₀)(1 + X/X_ref)^(−b), X wafers since the start, all customers';
//! y∞' = y∞(1 − b_y·B). Good dies = wafers × gross dies × y × the die's factor.
//!
//! **Tools.** Bite of equipment rules B = B₀·withheld·e^(−ℓT) on lines with imported tools; T is the
//! stock of domestic tools, in annual outputs of January 2022, and grows by
//! e^(g_T·years)·(1 + p_T·withheld)/12 a month: withholding speeds substitution.
//!
//! **Expansion**, with *b* the months of work that vendors want and do not get, per unit of capacity C and pipeline P;
//! for packaging and memory at least h_b times what vendors plan to need, a month, when capacity ordered now delivers (t months
//! on: expansion and cycle), beyond C + P: Σ_v w (C + P)(n e^(w_x g (t − h_p))/Σ w (C + P) − 1)⁺:
//! ordered = min(g_cap(1 − B), η_x(b − b*)⁺ + r·W·u)·(C + P), at most up to
//! the ceiling, in after the line's lead time (log-normal around it). The second term is the
//! drive for self-reliance: W the strongest of the three kinds of withholding from the line's country, u its utilisation.
//! Above `late_above` the later cap holds.
//!
//! Wafers and memory count as dies and GB when finished; what is under way at the start counts as
//! opening stock. Money: vendors pay `Suppliers` the unit cost of each finished chip.
//!
//! Sources: learning curve and cycles as in the lines table; allocation by contract after
//! TSMC's and memory makers' practice; order-up-to levels are the textbook base-stock rule, approached after
//! Sterman (1989), Modeling managerial behavior: misperceptions of feedback in a dynamic decision making experiment.

use std::collections::VecDeque;

use bevy_ecs::prelude::{Query, Res, ResMut, Resource};

use crate::calendar::Month;
use crate::entities::boards::ChipMarket;
use crate::entities::chip::Catalogue;
use crate::entities::line::{Line, LineKind, LineRow, LineState, Parts};
use crate::entities::script::{StockKind, StockRow};
use crate::entities::{DieId, Roster, VendorId};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, Stream, key_of};
use crate::units::Count;

pub mod chips;
pub mod lines;
pub mod parts;
pub mod planning;

crate::parameters! {
    /// Parameters of fabrication.
    pub struct FabsParameters in "fabs" {
        /// Exponent b of yield learning.
        yield_learning_exponent,
        /// Cut of the final yield at full bite of equipment rules, b_y.
        yield_equipment_cut,
        /// Bite of fully withheld equipment before domestic tools relieve it, B₀.
        equipment_bite_max,
        /// Relief by domestic tools, per annual output of January 2022, ℓ.
        tools_relief,
        /// Growth of the output of domestic tools, g_T.
        tools_growth,
        /// Extra output of domestic tools when equipment is withheld, p_T.
        tools_pull,
        /// Growth of capacity ordered for each month of excess backlog, η_x.
        expansion_response,
        /// Share of the trend of vendors' sales beyond their own plans that lines build for, w_x.
        expansion_foresight,
        /// Backlog that calls for no expansion, b*, in months of capacity.
        expansion_target_months,
        /// Standard deviation of the log of expansion lead times.
        expansion_delay_sigma,
        /// Growth of capacity that a state orders for what is withheld from it, r.
        self_reliance_push,
        /// Months of use kept in dies, beyond the cycle.
        die_cover_months,
        /// Months of use kept in memory, beyond the cycle.
        memory_cover_months,
        /// Months of orders kept in finished chips, beyond the cycle.
        chip_cover_months,
        /// Months in which vendors plan to work off a backlog, h_b.
        backlog_plan_months,
        /// Months ahead at which vendors look at lines' capacity, h_p.
        plan_horizon_months,
        /// Share of the trend of its sales that a vendor believes will last, w.
        forecast_trend_belief,
        /// Months over which a vendor reads the trend, T.
        forecast_trend_months,
        /// Largest trend that a vendor builds for, g_max.
        forecast_trend_max,
        /// Largest start of parts in a month, in months of use, s.
        start_surge,
        /// Months over which starts close a gap of stock, τ.
        start_adjustment_months,
        /// Exponent on margin per scarce part when SKUs share it, m.
        margin_exponent,
        /// Weight θ of past sales against orders in what variants get of a vendor's scarce parts.
        turn_and_earn,
        /// Months before launch from which a roadmap SKU is built.
        prelaunch_months,
        /// Share of the vendor's forecast revenue for which a SKU is built before its launch.
        prelaunch_share,
        /// Months after launch in which a vendor expects its newest generation to take over its sales.
        takeover_months,
        /// Months to assemble a chip that needs no advanced packaging.
        assembly_months,
    }
}

/// What a logic or memory line makes for a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Die(DieId),
    Memory,
}

/// Wafers under way.
#[derive(Clone, Copy, Debug)]
struct Batch {
    vendor: VendorId,
    product: Product,
    due: Month,
    amount: Count,
}

/// What the month needs to know of a line.
#[derive(Clone, Copy, Debug)]
struct Facts {
    kind: LineKind,
    /// Capacity this month, shocks included.
    capacity: f64,
    /// Capacity when the pipeline up to the planning horizon is in.
    ahead: f64,
    yields: f64,
    cycle: i32,
    price: f64,
    /// Share promised to vendors, at most 1.
    promised: f64,
}

/// Work in progress, remainders of whole numbers and the month's scratch tables of `fabs`.
#[derive(Resource, Debug, Default)]
pub struct FabWorks {
    vendors: usize,
    lines: usize,
    dies: usize,
    /// Domestic tools by country, annual outputs of January 2022.
    tools: Vec<f64>,
    batches: Vec<Batch>,
    luck: Vec<Stream>,
    /// Whether a line ordered capacity last month.
    expanding: Vec<bool>,
    die_rest: Vec<f64>,
    memory_rest: Vec<f64>,
    chip_rest: Vec<f64>,
    flow_rest: Vec<f64>,
    /// SKUs of each vendor, in order, `[vendor]`.
    skus_of: Vec<Vec<usize>>,
    /// Lines that make a die, `[die]`.
    die_lines: Vec<Vec<usize>>,
    facts: Vec<Facts>,
    /// Lines of each kind, in order.
    of_kind: [Vec<usize>; LineKind::WORDS.len()],
    /// Weight of a vendor at a line after withholding, `[line][vendor]`.
    weight: Vec<f64>,
    /// 1 − withheld, `[line][vendor]`.
    open: Vec<f64>,
    want: Vec<f64>,
    got: Vec<f64>,
    /// Needs that call for expansion, in line units, `[line]`.
    unmet: Vec<f64>,
    used: Vec<f64>,
    /// Packaging wafers and GB that each vendor got last month.
    last_packaging: Vec<f64>,
    last_memory: Vec<f64>,
    in_work: Vec<Count>,
    demand: Vec<f64>,
    gap: Vec<f64>,
    /// Chips that are to be started this month, by SKU: the part of the gap that is closed now.
    start: Vec<f64>,
    units: Vec<f64>,
    started: Vec<Count>,
    die_rate: Vec<f64>,
    want_dies: Vec<f64>,
    memory_rate: Vec<f64>,
    totals: Vec<f64>,
    /// Part of the forecasts of older generations that is still built for, `[vendor]`.
    old_room: Vec<f64>,
    /// Orders for older generations that the newest is to fill, USD, `[vendor]`.
    rolled_usd: Vec<f64>,
    /// Part of the plan that packaging, memory and logic can follow, `[vendor]`.
    phi: Vec<[f64; 3]>,
    /// Packaging wafers and GB of memory a month that the plan needs, `[vendor]`.
    need: Vec<[f64; 2]>,
    /// Part of the plan for which memory will be there when dies started now are used, `[vendor]`.
    memory_in_time: Vec<f64>,
    /// Forecast revenue of each vendor, smoothed, S̄; 0 before there is any.
    sales_smooth: Vec<f64>,
    /// Believed trend of each vendor's sales, w·g, ln a month.
    trend: Vec<f64>,
    scripted_memory: f64,
    /// What each memory line started in the months of its cycle, oldest first, `[line]`.
    cooking: Vec<VecDeque<f64>>,
}

/// How a line stands at the start of a run.
pub(crate) fn line_state(row: &LineRow, start: Month) -> LineState {
    let running = row.start.is_none_or(|first| first <= start);
    LineState {
        capacity: if running { row.capacity } else { 0.0 },
        pipeline: Vec::new(),
        cumulative_wafers: 0.0,
        yield_now: row.yield_start,
        utilisation: 0.0,
        backlog_months: 0.0,
        equipment_bite: 0.0,
    }
}

/// The works at the start of a run; `lines` in the order of ids.
pub(crate) fn works(lines: &[LineRow], vendors: usize, countries: usize, luck: &Luck) -> FabWorks {
    FabWorks {
        vendors,
        lines: lines.len(),
        tools: vec![0.0; countries],
        luck: lines.iter().map(|l| luck.stream(Purpose::Delay, key_of(&["line", &l.id]))).collect(),
        expanding: vec![false; lines.len()],
        ..FabWorks::default()
    }
}

/// Parts at the start of a run: stocks of the table, `vendors` being the vendors' ids in order.
/// Rows that name nothing known (installed chips, say) are left alone.
pub(crate) fn opening_parts(
    vendors: &[String],
    catalogue: &Catalogue,
    stocks: &[StockRow],
) -> Parts {
    let (v, d, s) = (vendors.len(), catalogue.dies.len(), catalogue.skus.len());
    let mut parts = Parts {
        dies: vec![vec![0; d]; v],
        memory_gb: vec![0; v],
        in_work: Vec::new(),
        inventory: vec![0; s],
        dies_in: vec![vec![0; d]; v],
        dies_used: vec![vec![0; d]; v],
        memory_in: vec![0; v],
        memory_used: vec![0; v],
        made: vec![0; s],
        written_off: vec![0; s],
    };
    for row in stocks {
        let Some(vendor) = vendors.iter().position(|id| *id == row.place) else { continue };
        let amount = maths::whole(row.amount);
        let item = row.item.as_deref().unwrap_or("");
        match row.kind {
            StockKind::Dies => {
                if let Some(die) = catalogue.dies.iter().position(|x| x.row.id == item) {
                    parts.dies[vendor][die] += amount;
                    parts.dies_in[vendor][die] += amount;
                }
            }
            StockKind::Memory => {
                parts.memory_gb[vendor] += amount;
                parts.memory_in[vendor] += amount;
            }
            StockKind::Chips => {
                if let Some(sku) = catalogue.skus.iter().position(|x| x.id == item) {
                    parts.inventory[sku] += amount;
                    parts.made[sku] += amount;
                }
            }
            StockKind::Installed => {}
        }
    }
    parts
}

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(0.0)
}

/// Fills `values` with `n` zeros, keeping its memory.
fn zero<T: Copy + Default>(values: &mut Vec<T>, n: usize) {
    values.clear();
    values.resize(n, T::default());
}

/// Shares `capacity` among `needs` in proportion to `weights`, nobody above its need, what
/// one leaves to the others; adds to `got`.
fn pour(mut capacity: f64, weights: &[f64], needs: &mut [f64], got: &mut [f64]) {
    for _ in 0..weights.len() {
        let open: f64 =
            weights.iter().zip(needs.iter()).filter(|(_, n)| **n > 0.0).map(|(w, _)| w).sum();
        if open <= 0.0 || capacity <= 0.0 {
            return;
        }
        let mut poured = 0.0;
        let mut filled = false;
        for ((weight, need), got) in weights.iter().zip(needs.iter_mut()).zip(got.iter_mut()) {
            if *need > 0.0 && *weight > 0.0 {
                let offer = capacity * weight / open;
                if offer >= *need {
                    poured += *need;
                    *got += *need;
                    *need = 0.0;
                    filled = true;
                }
            }
        }
        if !filled {
            for ((weight, need), got) in weights.iter().zip(needs.iter_mut()).zip(got.iter_mut()) {
                if *need > 0.0 && *weight > 0.0 {
                    let offer = capacity * weight / open;
                    *got += offer;
                    *need -= offer;
                }
            }
            return;
        }
        capacity -= poured;
    }
}

impl FabWorks {
    fn of_kind(&self, kind: LineKind) -> impl Iterator<Item = usize> + '_ {
        self.of_kind[kind as usize].iter().copied()
    }

    fn weight(&self, line: usize, vendor: usize) -> f64 {
        self.weight[line * self.vendors + vendor]
    }

    /// What `vendor` is entitled to at the lines of `kind` together, now or ahead.
    fn entitled(&self, kind: LineKind, vendor: usize, ahead: bool) -> f64 {
        self.of_kind(kind)
            .map(|l| {
                let facts = &self.facts[l];
                self.weight(l, vendor) * if ahead { facts.ahead } else { facts.capacity }
            })
            .sum()
    }

    /// What `vendor` got at the lines of `kind` this month.
    fn got_by(&self, kind: LineKind, vendor: usize) -> f64 {
        self.of_kind(kind).map(|l| self.got[l * self.vendors + vendor]).sum()
    }

    /// Longest cycle among the lines of `kind` that work for `vendor`.
    fn cycle(&self, kind: LineKind, vendor: usize) -> Option<i32> {
        self.of_kind(kind)
            .filter(|l| self.weight(*l, vendor) > 0.0)
            .map(|l| self.facts[l].cycle)
            .max()
    }

    /// Pours line `l` over its row of `want` into its row of `got`.
    fn pour_line(&mut self, l: usize) {
        let row = l * self.vendors..(l + 1) * self.vendors;
        let free = self.facts[l].capacity * self.facts[l].promised - self.used[l];
        pour(
            free,
            &self.weight[row.clone()],
            &mut self.want[row.clone()],
            &mut self.got[row.clone()],
        );
        self.used[l] = self.got[row].iter().sum();
    }

    /// Shares the lines of `kind` among vendors, whose wants in line units are `totals`: wants
    /// are spread over lines by entitlement; a second pass lends free capacity across lines.
    fn share(&mut self, kind: LineKind) {
        let vendors = self.vendors;
        for v in 0..vendors {
            let entitled = self.entitled(kind, v, false);
            for at in 0..self.of_kind[kind as usize].len() {
                let l = self.of_kind[kind as usize][at];
                let part = if entitled > 0.0 {
                    self.weight(l, v) * self.facts[l].capacity / entitled
                } else {
                    0.0
                };
                let place = l * vendors + v;
                self.want[place] = self.totals[v].max(0.0) * part * self.open[place];
            }
        }
        for at in 0..self.of_kind[kind as usize].len() {
            let l = self.of_kind[kind as usize][at];
            self.pour_line(l);
        }
        for at in 0..self.of_kind[kind as usize].len() {
            let l = self.of_kind[kind as usize][at];
            for v in 0..vendors {
                let place = l * vendors + v;
                // A withheld part of a contract is not lent back.
                self.want[place] = if self.open[place] >= 1.0 && self.totals[v] > 0.0 {
                    (self.totals[v] - self.got_by(kind, v)).max(0.0)
                } else {
                    0.0
                };
            }
            self.pour_line(l);
        }
    }

    /// Spreads what `vendor` lacks over its lines of `kind`, by entitlement.
    /// What vendors plan to need of line `l` in `months` beyond what it and its like will then have, a month:
    /// Σ w S (n e^(w_x g t)/Σ w S − 1)⁺, n their need at the planning horizon, g the trend they believe.
    fn planned_short(&self, l: usize, size: &[f64], foresight: f64, months: f64) -> f64 {
        let kind = self.facts[l].kind;
        let part = match kind {
            LineKind::Packaging => 0,
            LineKind::Memory => 1,
            LineKind::Logic => return 0.0,
        };
        let mut short = 0.0;
        for (v, need) in self.need.iter().enumerate() {
            let here = self.weight(l, v) * size[l];
            if here <= 0.0 || need[part] <= 0.0 {
                continue;
            }
            let all: f64 = self.of_kind(kind).map(|k| self.weight(k, v) * size[k]).sum();
            let then = need[part] * maths::exp(foresight * self.trend[v].max(0.0) * months);
            short += here * (then / all - 1.0).max(0.0);
        }
        short
    }

    fn ask_for_more(&mut self, kind: LineKind, vendor: usize, short: f64) {
        let entitled = self.entitled(kind, vendor, true);
        if entitled <= 0.0 || short <= 0.0 {
            return;
        }
        for l in 0..self.lines {
            if self.facts[l].kind == kind {
                self.unmet[l] += short * self.weight(l, vendor) * self.facts[l].ahead / entitled;
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::chips::{cut, turn_and_earn};
    use super::lines::learned_yield;
    use super::planning::read_trends;
    use super::*;
    use crate::calendar::Month;
    use crate::entities::vendor::Sales;

    #[test]
    fn lines_pour_by_weight_and_leave_nobody_above_its_need() {
        // 100 wafers, weights 0.6 : 0.3 : 0.1. The first needs 20; 80 are left for 0.3 : 0.1,
        // that is 60 and 20; the third needs 50, so nothing is left over.
        let (mut needs, mut got) = (vec![20.0, 500.0, 50.0], vec![0.0; 3]);
        pour(100.0, &[0.6, 0.3, 0.1], &mut needs, &mut got);
        assert_eq!(got, [20.0, 60.0, 20.0]);
        assert_eq!(needs, [0.0, 440.0, 30.0]);
        // No weight, no wafers.
        let (mut needs, mut got) = (vec![20.0, 500.0], vec![0.0; 2]);
        pour(100.0, &[0.0, 0.0], &mut needs, &mut got);
        assert_eq!(got, [0.0, 0.0]);
    }

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

    #[test]
    fn yield_learns_with_cumulative_wafers() {
        // 0.6 − 0.35 · (1 + 3)^(−0.5) = 0.6 − 0.175 = 0.425
        assert!((learned_yield(0.25, 0.6, 3.0, 0.5) - 0.425).abs() < 1e-12);
        assert_eq!(learned_yield(0.25, 0.6, 0.0, 0.5), 0.25);
    }
}
