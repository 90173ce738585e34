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
//! generation that is to take over before its orders show it. All of it times e^(w g h_p): a vendor plans for when the parts ordered now will be used, and believes the
//! share w of the trend g = clip((S/S̄ − 1)/T, ±g_max) of its forecast revenue S, S̄' = S̄ + (S − S̄)/T. Relative to what the lines can give h_p months ahead (capacity
//! and pipeline, stocks spread over h_b), φ_pack, φ_mem, φ_die = min(1, possible / Σ d·need).
//!
//! **Starts answer to the scarcest part.** Each die and the memory are ordered up to
//! (cycle + cover) months of use, use = d · min(φ of the *other* two parts): start =
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
//! **Expansion**, with *b* the months of work that vendors want and do not get, per unit of capacity C and
//! pipeline P: ordered = min(g_cap(1 − B), η_x(b − b*)⁺ + r·W·u)·(C + P), at most up to
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

use bevy_ecs::prelude::{Query, Res, ResMut, Resource};

use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Dock, Fears, SpendOutlook};
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::ledger::{Account, Ledger, Outside, Purpose as PaidFor};
use crate::entities::line::{Line, LineKind, LineRow, LineState, Parts};
use crate::entities::script::{Script, ShockKind, StockKind, StockRow};
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, DieId, Roster, Settings, SkuId, Switches, VendorId};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, Stream, key_of};
use crate::units::{Count, Money};

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
    phi: Vec<[f64; 3]>,
    /// Forecast revenue of each vendor, smoothed, S̄; 0 before there is any.
    sales_smooth: Vec<f64>,
    /// Believed trend of each vendor's sales, w·g, ln a month.
    trend: Vec<f64>,
    scripted_memory: f64,
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
pub(crate) fn parts(vendors: &[String], catalogue: &Catalogue, stocks: &[StockRow]) -> Parts {
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
        (0..self.lines).filter(move |l| self.facts[*l].kind == kind)
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
            for l in 0..self.lines {
                if self.facts[l].kind == kind {
                    let part = if entitled > 0.0 {
                        self.weight(l, v) * self.facts[l].capacity / entitled
                    } else {
                        0.0
                    };
                    let place = l * vendors + v;
                    self.want[place] = self.totals[v].max(0.0) * part * self.open[place];
                }
            }
        }
        for l in 0..self.lines {
            if self.facts[l].kind == kind {
                self.pour_line(l);
            }
        }
        for l in 0..self.lines {
            if self.facts[l].kind == kind {
                for v in 0..vendors {
                    let short = self.totals[v] - self.got_by(kind, v);
                    let place = l * vendors + v;
                    // A withheld part of a contract is not lent back.
                    self.want[place] = if self.open[place] >= 1.0 { short.max(0.0) } else { 0.0 };
                }
                self.pour_line(l);
            }
        }
    }

    /// Spreads what `vendor` lacks over its lines of `kind`, by entitlement.
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

/// Takes in dies and memory that reach vendors by other ways than their contracts: through
/// fronts, or bought ahead of a rule.
pub(crate) fn receive_scripted(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    script: Res<Script>,
    mut works: ResMut<FabWorks>,
    mut parts: ResMut<Parts>,
    vendors: Query<&Vendor>,
) {
    let (works, parts) = (&mut *works, &mut *parts);
    works.scripted_memory = 0.0;
    works.flow_rest.resize(script.flows.len(), 0.0);
    let kinds = catalogue.dies.len();
    for stock in [&mut parts.dies, &mut parts.dies_in, &mut parts.dies_used] {
        for of_vendor in stock.iter_mut() {
            of_vendor.resize(kinds, 0);
        }
    }
    for (flow, rest) in script.flows.iter().zip(&mut works.flow_rest) {
        let begun = flow.from.is_none_or(|from| from <= clock.now);
        if !begun || flow.until.is_some_and(|until| clock.now >= until) || flow.monthly <= 0.0 {
            continue;
        }
        let Some(vendor) =
            vendors.iter_many(&roster.vendors).flatten().find(|v| v.row.id == flow.place)
        else {
            continue;
        };
        let v = vendor.id.index();
        match flow.kind {
            StockKind::Dies => {
                let item = flow.item.as_deref().unwrap_or("");
                if let Some(die) = catalogue.dies.iter().position(|d| d.row.id == item) {
                    let n = maths::whole_carried(flow.monthly, rest);
                    parts.dies[v][die] += n;
                    parts.dies_in[v][die] += n;
                }
            }
            StockKind::Memory => {
                let n = maths::whole_carried(flow.monthly, rest);
                parts.memory_gb[v] += n;
                parts.memory_in[v] += n;
                works.scripted_memory += n as f64;
            }
            StockKind::Chips | StockKind::Installed => {}
        }
    }
}

/// Brings lines up to date: new lines and ordered capacity come in, tools, bite and yield move, shocks strike.
pub(crate) fn update_lines(
    clock: Res<Clock>,
    roster: Res<Roster>,
    switches: Res<Switches>,
    fears: Res<Fears>,
    script: Res<Script>,
    catalogue: Res<Catalogue>,
    p: Res<FabsParameters>,
    mut works: ResMut<FabWorks>,
    mut chronicle: ResMut<Chronicle>,
    mut lines: Query<(&Line, &mut LineState)>,
    vendors: Query<&Vendor>,
) {
    let works = &mut *works;
    let now = clock.now;
    let output = maths::exp(p.tools_growth * clock.years()) / 12.0;
    for (country, tools) in works.tools.iter_mut().enumerate() {
        *tools += output * (1.0 + p.tools_pull * at(&fears.equipment_withheld, country));
    }
    let cells = works.vendors * works.lines;
    zero(&mut works.weight, cells);
    zero(&mut works.open, cells);
    zero(&mut works.want, cells);
    zero(&mut works.got, cells);
    zero(&mut works.unmet, works.lines);
    zero(&mut works.used, works.lines);
    works.facts.clear();
    if works.die_lines.len() != catalogue.dies.len() {
        works.die_lines.clear();
        works.die_lines.resize(catalogue.dies.len(), Vec::new());
        for (l, (line, _)) in lines.iter_many(&roster.lines).flatten().enumerate() {
            for (die, makers) in catalogue.dies.iter().zip(&mut works.die_lines) {
                if line.row.kind == LineKind::Logic && line.row.nodes.contains(&die.row.node) {
                    makers.push(l);
                }
            }
        }
    }
    let horizon = now + maths::whole(p.plan_horizon_months) as i32;
    let mut at_work = lines.iter_many_mut(&roster.lines);
    while let Some(Ok((line, mut state))) = at_work.fetch_next() {
        let state = &mut *state;
        let row = &line.row;
        if row.start == Some(now) && now > clock.start {
            state.capacity = row.capacity;
            chronicle.log(
                now,
                "line_started",
                (&row.id, &row.owner),
                (row.capacity, "wafer or GB per month"),
                None,
                || format!("{} begins to deliver.", row.name),
            );
        }
        let mut arrived = 0.0;
        state.pipeline.retain(|(due, amount)| {
            if *due <= now {
                arrived += amount;
            }
            *due > now
        });
        state.capacity += arrived;
        state.equipment_bite = if row.imported_tools {
            let withheld = at(&fears.equipment_withheld, line.country.index());
            let tools = at(&works.tools, line.country.index());
            p.equipment_bite_max * withheld * maths::exp(-p.tools_relief * tools)
        } else {
            0.0
        };
        state.yield_now = if switches.yield_learning && row.kind == LineKind::Logic {
            let end = row.yield_end * (1.0 - p.yield_equipment_cut * state.equipment_bite);
            learned_yield(
                row.yield_start,
                end,
                state.cumulative_wafers / row.yield_wafers,
                p.yield_learning_exponent,
            )
        } else {
            row.yield_start
        };
        let shocks: f64 = script
            .at_work(ShockKind::LineCapacity, now)
            .filter(|shock| shock.subjects.is_empty() || shock.subjects.contains(&row.id))
            .map(|shock| shock.quantity.max(0.0))
            .product();
        let coming: f64 = state
            .pipeline
            .iter()
            .filter(|(due, _)| *due <= horizon)
            .map(|(_, amount)| amount)
            .sum();
        let l = line.id.index();
        let mut promised = 0.0;
        for (vendor, weight, from, until) in &line.contracts {
            let holds = from.is_none_or(|m| m <= now) && until.is_none_or(|m| now < m);
            if holds && vendor.index() < works.vendors {
                works.weight[l * works.vendors + vendor.index()] += weight;
                promised += weight;
            }
        }
        if promised > 1.0 {
            for weight in &mut works.weight[l * works.vendors..(l + 1) * works.vendors] {
                *weight /= promised;
            }
        }
        works.facts.push(Facts {
            kind: row.kind,
            capacity: state.capacity * shocks,
            ahead: state.capacity * shocks + coming,
            yields: state.yield_now,
            cycle: row.cycle_months as i32,
            price: row.price_usd,
            promised: promised.min(1.0),
        });
        for vendor in vendors.iter_many(&roster.vendors).flatten() {
            let place = l * works.vendors + vendor.id.index();
            let withheld = if line.country == vendor.home {
                0.0
            } else {
                let home = vendor.home.index();
                match row.kind {
                    LineKind::Memory => at(&fears.memory_withheld, home),
                    LineKind::Logic | LineKind::Packaging => {
                        at(&fears.foundry_withheld_vendor, vendor.id.index())
                    }
                }
            };
            works.open[place] = (1.0 - withheld).clamp(0.0, 1.0);
            works.weight[place] *= works.open[place];
        }
    }
}

/// Yield after `learned` = X / X_ref wafers: y∞ − (y∞ − y₀)(1 + learned)^(−b).
///
/// ```
/// # // y∞ 0.6, y₀ 0.3, X = X_ref, b = 1: 0.6 − 0.3 / 2 = 0.45
/// let y = frugality::mechanisms::fabs::learned_yield(0.3, 0.6, 1.0, 1.0);
/// assert!((y - 0.45).abs() < 1e-12);
/// ```
#[must_use]
pub fn learned_yield(start: f64, end: f64, learned: f64, exponent: f64) -> f64 {
    (end - (end - start) * maths::pow(1.0 + learned.max(0.0), -exponent)).clamp(0.0, 1.0)
}

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

/// Starts of a month that replace what leaves (`use`) and close the `gap` between the position aimed
/// at and the present one over `months`: (u + (g − u)/τ)⁺, Sterman's (1989) stock management rule. The gap is
/// counted before this month's starts, so that it equals the use in a steady state; with τ = 1 it is closed at once.
///
/// ```
/// # use frugality::mechanisms::fabs::starts;
/// // Steady: as much as leaves. A gap of 40 over a use of 10, closed over 3 months: 10 + 30/3.
/// assert_eq!((starts(10.0, 10.0, 3.0), starts(10.0, 40.0, 3.0)), (10.0, 20.0));
/// // Closed at once; and far too much in stock: nothing.
/// assert_eq!((starts(10.0, 40.0, 1.0), starts(10.0, -50.0, 3.0)), (40.0, 0.0));
/// ```
#[must_use]
pub fn starts(leaving: f64, gap: f64, months: f64) -> f64 {
    (leaving + (gap - leaving) / months.max(1.0)).max(0.0)
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
fn slots(sku: &Sku) -> f64 {
    if sku.row.packages_per_wafer > 0.0 { 1.0 / sku.row.packages_per_wafer } else { 0.0 }
}

/// Memory in `units` chips, whole GB.
fn memory_of(sku: &Sku, units: Count) -> Count {
    maths::whole(sku.row.hbm_gb * units as f64)
}

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
    mut newest: bevy_ecs::prelude::Local<Vec<Option<SkuId>>>,
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
    for (id, sku) in catalogue.iter() {
        let s = id.index();
        let at_hand = (parts.inventory[s] + works.in_work[s]) as f64;
        let building = sku.row.end.is_none_or(|end| now < end);
        let cycle = if slots(sku) > 0.0 {
            works.cycle(LineKind::Packaging, sku.vendor.index()).map_or(0.0, f64::from)
        } else {
            p.assembly_months
        };
        let to_launch = sku.row.launch - now;
        let trend = works.trend[sku.vendor.index()];
        let ahead = maths::exp(trend * p.plan_horizon_months);
        let known_ahead = matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated)
            && sku.row.end.is_none_or(|end| end > sku.row.launch);
        if sku.on_sale && building {
            let forecast = market.forecast[s];
            let open = at(&dock.likely, s);
            let months = cycle + p.chip_cover_months;
            works.demand[s] = (forecast + (open - at_hand).max(0.0) / plan_months) * ahead;
            if known_ahead && newest[sku.vendor.index()] == Some(id) {
                let share = takeover(p.prelaunch_share, -to_launch, p.takeover_months);
                let planned = share * works.totals[sku.vendor.index()] * ahead / sku.row.price_usd;
                works.demand[s] = works.demand[s].max(planned);
            }
            let soon = forecast * maths::exp(trend * months);
            let gap = soon * months + open - at_hand;
            works.gap[s] = gap.max(0.0);
            works.start[s] = starts(soon, gap, p.start_adjustment_months);
        } else if !sku.on_sale
            && known_ahead
            && to_launch > 0
            && f64::from(to_launch) <= p.prelaunch_months
        {
            let expected = p.prelaunch_share * works.totals[sku.vendor.index()] * ahead
                / sku.row.price_usd;
            works.demand[s] = expected;
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
        let follow = |possible: f64, need: f64| {
            if need > 0.0 { (possible / need).min(1.0) } else { 1.0 }
        };
        works.phi[v] = [
            follow(packaging, need_slots),
            follow(memory, need_memory),
            follow(wafers, need_wafers),
        ];
    }
}

/// Share of its forecast revenue for which a vendor orders parts of its newest generation, `age` months after launch:
/// what was built before launch, and from there in a line to all of it.
///
/// ```
/// # use frugality::mechanisms::fabs::takeover;
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
        let for_dies = if sku.row.hbm_gb > 0.0 { pack.min(memory) } else { pack };
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
            let entitled: f64 = works.die_lines[d]
                .iter()
                .map(|l| works.weight(*l, v) * works.facts[*l].capacity)
                .sum();
            if rate <= 0.0 || entitled <= 0.0 {
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
                    &mut works.die_rest[v * dies + d],
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

/// Starts chips: wants cut to dies, memory and packaging slots, whole units, parts taken from stock.
pub(crate) fn start_chips(
    clock: Res<Clock>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    p: Res<FabsParameters>,
    mut works: ResMut<FabWorks>,
    mut parts: ResMut<Parts>,
    vendors: Query<&Vendor>,
    mut members: bevy_ecs::prelude::Local<Vec<(usize, f64, f64)>>,
    mut scratch: bevy_ecs::prelude::Local<[Vec<f64>; 3]>,
) {
    let (works, parts) = (&mut *works, &mut *parts);
    let skus = catalogue.skus.len();
    works.chip_rest.resize(skus, 0.0);
    zero(&mut works.started, skus);
    works.units.clear();
    works.units.extend_from_slice(&works.start);
    zero(&mut works.totals, works.vendors);
    // Merit of a SKU for a part: (margin per unit of the part)^m.
    let merit = |sku: &Sku, uses: f64| {
        // In quanta of the ledger, so that currency is a unit; a loss still leaves a merit.
        let margin = ((sku.price_usd - sku.row.unit_cost_usd) / settings.quantum).max(1.0);
        if p.margin_exponent == 0.0 { 1.0 } else { maths::pow(margin / uses, p.margin_exponent) }
    };
    let mut skus_of = std::mem::take(&mut works.skus_of);
    skus_of.resize_with(works.vendors, Vec::new);
    let known: usize = skus_of.iter().map(Vec::len).sum();
    for (id, sku) in catalogue.iter().skip(known) {
        skus_of[sku.vendor.index()].push(id.index());
    }
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let of_vendor = || skus_of[v].iter().map(|s| (*s, &catalogue.skus[*s]));
        // Nothing is wanted: nothing is cut, and no slots are asked for.
        if of_vendor().all(|(s, _)| works.units[s] <= 0.0) {
            continue;
        }
        for d in 0..works.dies {
            members.clear();
            members.extend(
                of_vendor().filter(|(s, sku)| sku.die.index() == d && works.units[*s] > 0.0).map(
                    |(s, sku)| {
                        let uses = sku.row.dies_per_chip as f64;
                        (s, uses, merit(sku, uses))
                    },
                ),
            );
            if !members.is_empty() {
                cut(parts.dies[v][d] as f64, &members, &mut works.units, &mut scratch);
            }
        }
        members.clear();
        members.extend(
            of_vendor()
                .filter(|(s, sku)| sku.row.hbm_gb > 0.0 && works.units[*s] > 0.0)
                .map(|(s, sku)| (s, sku.row.hbm_gb, merit(sku, sku.row.hbm_gb))),
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
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let got = works.got_by(LineKind::Packaging, v);
        works.last_packaging[v] = got;
        members.clear();
        members.extend(
            catalogue
                .iter()
                .filter(|(id, sku)| {
                    sku.vendor == vendor.id && slots(sku) > 0.0 && works.units[id.index()] > 0.0
                })
                .map(|(id, sku)| (id.index(), slots(sku), merit(sku, slots(sku)))),
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

/// Books how lines ran, and orders capacity where work waits.
pub(crate) fn expand(
    clock: Res<Clock>,
    roster: Res<Roster>,
    switches: Res<Switches>,
    fears: Res<Fears>,
    p: Res<FabsParameters>,
    outlook: Option<Res<SpendOutlook>>,
    mut works: ResMut<FabWorks>,
    mut chronicle: ResMut<Chronicle>,
    mut lines: Query<(&Line, &mut LineState)>,
) {
    let works = &mut *works;
    let mut at_work = lines.iter_many_mut(&roster.lines);
    while let Some(Ok((line, mut state))) = at_work.fetch_next() {
        let state = &mut *state;
        let (row, l) = (&line.row, line.id.index());
        let facts = works.facts[l];
        let outsiders = (1.0 - facts.promised) * facts.capacity;
        let busy = works.used[l] + outsiders;
        state.cumulative_wafers += busy;
        state.utilisation =
            if facts.capacity > 0.0 { (busy / facts.capacity).min(1.0) } else { 0.0 };
        let size = state.capacity + state.pipeline.iter().map(|(_, amount)| amount).sum::<f64>();
        state.backlog_months = if size > 0.0 { works.unmet[l] / size } else { 0.0 };
        if !switches.expansion || size <= 0.0 {
            works.expanding[l] = false;
            continue;
        }
        let home = line.country.index();
        let withheld = at(&fears.equipment_withheld, home)
            .max(at(&fears.memory_withheld, home))
            .max(at(&fears.foundry_withheld, home));
        let cap = if size > row.late_above { row.growth_cap_late } else { row.growth_cap };
        let growth = (p.expansion_response
            * (state.backlog_months - p.expansion_target_months).max(0.0)
            + p.self_reliance_push * withheld * state.utilisation)
            .min(cap * (1.0 - state.equipment_bite));
        let ordered = (growth * size).min(row.capacity_ceiling - size).max(0.0);
        if ordered > 0.0 {
            let lead = works.luck[l]
                .month(clock.now)
                .lognormal(row.expansion_months as f64, p.expansion_delay_sigma);
            let due = clock.now + (maths::whole(lead) as i32).max(1);
            state.pipeline.push((due, ordered));
            if !works.expanding[l] {
                chronicle.log(
                    clock.now,
                    "expansion_ordered",
                    (&row.id, &row.owner),
                    (ordered, "wafer or GB per month"),
                    // Nobody would wait for as much without the growth of demand; what self-reliance
                    // alone asks for has no event.
                    outlook
                        .as_ref()
                        .and_then(|outlook| outlook.event)
                        .filter(|_| state.backlog_months > p.expansion_target_months),
                    || {
                        format!(
                            "{} begins to expand: {:.1} months of work wait.",
                            row.name, state.backlog_months
                        )
                    },
                );
            }
        }
        works.expanding[l] = ordered > 0.0;
    }
}

/// Writes the metrics of fabrication.
pub(crate) fn measure(
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    works: Res<FabWorks>,
    parts: Res<Parts>,
    market: Res<ChipMarket>,
    mut readings: ResMut<Readings>,
    lines: Query<(&Line, &LineState)>,
) {
    let (mut packaging, mut memory, mut memory_usd) = (0.0, 0.0, 0.0);
    let (mut price_sum, mut price_weight) = (0.0, 0.0);
    for (line, state) in lines.iter_many(&roster.lines).flatten() {
        let l = line.id.index();
        let facts = works.facts[l];
        let busy = state.utilisation * facts.capacity;
        match facts.kind {
            LineKind::Packaging => packaging += busy,
            LineKind::Memory => {
                memory += busy;
                memory_usd += busy * facts.price;
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
        HBM_GB = "hbm_gb", "GB/month", "High-bandwidth memory started this month on all lines, and scripted purchases.";
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
    use super::*;

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
