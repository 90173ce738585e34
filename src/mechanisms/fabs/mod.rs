//! Fabs: wafers, memory and packages become chips.
//!
//! **Three bottlenecks** (Leontief): chips started of a SKU are at most good dies / dies per
//! chip, memory / GB per chip, and packaging wafers × packages per wafer. SKUs without
//! high-bandwidth memory or advanced packaging (0 in the chips table) skip that bottleneck.
//!
//! - `sharing`: how vendors share a line;
//! - `planning`: what vendors plan to make;
//! - `parts`: wafers and memory started;
//! - `chips`: chips started, finished and fused;
//! - `lines`: yield, tools, rules and expansion;
//! - `opening`: how works stand at the start of a run;
//! - `measures`: what is written down each month;
//! - here: what these share.
//!
//! Wafers and memory count as dies and GB when finished; what is under way at the start counts as
//! opening stock. Money: vendors pay `Suppliers` the unit cost of each finished chip.
//!
//! Sources: learning curve and cycles as in the lines table; allocation by contract after
//! TSMC's and memory makers' practice; order-up-to levels are the textbook base-stock rule, approached after
//! Sterman (1989), Modeling managerial behavior: misperceptions of feedback in a dynamic decision making experiment.

use std::collections::VecDeque;

use bevy_ecs::prelude::Resource;

use crate::calendar::Month;
use crate::entities::line::LineKind;
use crate::entities::{DieId, VendorId};
use crate::random::Stream;
use crate::units::Count;

pub mod chips;
pub mod lines;
mod measures;
mod opening;
pub mod parts;
pub mod planning;
mod sharing;

pub use self::measures::METRICS;
pub(crate) use self::measures::measure;
pub(crate) use self::opening::{line_state, opening_parts, works};

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

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(0.0)
}

/// Fills `values` with `n` zeros, keeping its memory.
fn zero<T: Copy + Default>(values: &mut Vec<T>, n: usize) {
    values.clear();
    values.resize(n, T::default());
}
