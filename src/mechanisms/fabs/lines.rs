//! What comes to lines: capacity, yield, tools, rules, and what vendors receive by other ways.
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

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{FabWorks, FabsParameters, Facts, at, zero};
use crate::entities::boards::{Fears, SpendOutlook};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::line::{Line, LineKind, LineState, Parts};
use crate::entities::script::{Script, ShockKind, StockKind};
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, Roster, Switches};
use crate::maths;

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
    works.of_kind.iter_mut().for_each(Vec::clear);
    // Who makes a die never changes.
    for die in &catalogue.dies[works.die_lines.len().min(catalogue.dies.len())..] {
        let all = lines.iter_many(&roster.lines).flatten().enumerate();
        let makers = all.filter(|(_, (line, _))| {
            line.row.kind == LineKind::Logic && line.row.nodes.contains(&die.row.node)
        });
        works.die_lines.push(makers.map(|(l, _)| l).collect());
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
        works.of_kind[row.kind as usize].push(l);
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
/// let y = frugality::mechanisms::fabs::lines::learned_yield(0.3, 0.6, 1.0, 1.0);
/// assert!((y - 0.45).abs() < 1e-12);
/// ```
#[must_use]
pub fn learned_yield(start: f64, end: f64, learned: f64, exponent: f64) -> f64 {
    (end - (end - start) * maths::pow(1.0 + learned.max(0.0), -exponent)).clamp(0.0, 1.0)
}

/// Capacity of a line, with what is on order.
fn size(state: &LineState) -> f64 {
    state.capacity + state.pipeline.iter().map(|(_, amount)| amount).sum::<f64>()
}

impl FabWorks {
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
    mut sizes: Local<Vec<f64>>,
) {
    let works = &mut *works;
    sizes.clear();
    sizes.extend(lines.iter_many(&roster.lines).flatten().map(|(_, state)| size(state)));
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
        let size = sizes[l];
        state.backlog_months = if size > 0.0 { works.unmet[l] / size } else { 0.0 };
        if !switches.expansion || size <= 0.0 {
            works.expanding[l] = false;
            continue;
        }
        let home = line.country.index();
        let withheld = at(&fears.equipment_withheld, home)
            .max(at(&fears.memory_withheld, home))
            .max(at(&fears.foundry_withheld, home));
        let ahead = row.expansion_months as f64 + row.cycle_months as f64 - p.plan_horizon_months;
        let planned = works.planned_short(l, &sizes, p.expansion_foresight, ahead.max(0.0));
        let waiting = works.unmet[l].max(planned * p.backlog_plan_months) / size;
        let cap = if size > row.late_above { row.growth_cap_late } else { row.growth_cap };
        let growth = (p.expansion_response * (waiting - p.expansion_target_months).max(0.0)
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
                        .filter(|_| waiting > p.expansion_target_months),
                    || {
                        format!(
                            "{} begins to expand: {waiting:.1} months of work wait or are planned.",
                            row.name
                        )
                    },
                );
            }
        }
        works.expanding[l] = ordered > 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yield_learns_with_cumulative_wafers() {
        // 0.6 − 0.35 · (1 + 3)^(−0.5) = 0.6 − 0.175 = 0.425
        assert!((learned_yield(0.25, 0.6, 3.0, 0.5) - 0.425).abs() < 1e-12);
        assert_eq!(learned_yield(0.25, 0.6, 0.0, 0.5), 0.25);
    }
}
