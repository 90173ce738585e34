//! Fabrication lines: logic, memory, packaging.

use bevy_ecs::prelude::{Component, Resource};

use super::{CountryId, DieId, LineId, SkuId, VendorId};
use crate::calendar::Month;
use crate::schema::{choice, flag, id_of, month, number, optional, share, text, whole};
use crate::units::Count;

crate::choice! {
    /// What a line makes.
    pub enum LineKind {
        /// Logic wafers of a node; capacity in wafers a month.
        Logic = "logic",
        /// High-bandwidth memory; capacity in GB a month.
        Memory = "memory",
        /// Advanced packaging; capacity in wafers a month.
        Packaging = "packaging",
    }
}

crate::table! {
    /// Logic, memory and packaging lines.
    pub struct LineRow in "lines" {
        /// Name for people.
        name: String = text(),
        /// What it makes.
        kind: LineKind = choice(LineKind::WORDS),
        /// Company that runs it.
        owner: String = text(),
        /// Where it stands, and whose rules its exports answer to.
        country: String = id_of("countries"),
        /// Nodes that it makes (logic; words of the dies table).
        nodes: Vec<String> = optional(crate::schema::words()),
        /// First month of output; empty: running at the start.
        start: Option<Month> = optional(month()),
        /// Capacity at the start or at `start`, per month: wafers (logic, packaging) or GB (memory).
        capacity: f64 = number("wafer or GB per month", 0.0, 1e10),
        /// Months from an order for capacity to output.
        expansion_months: i64 = whole("month", 1, 120),
        /// Cap on ordered growth, of capacity and pipeline.
        growth_cap: f64 = number("share/month", 0.0, 1.0),
        /// Capacity above which the later cap holds.
        late_above: f64 = number("wafer or GB per month", 0.0, 1e12),
        /// Cap on growth above that capacity.
        growth_cap_late: f64 = number("share/month", 0.0, 1.0),
        /// Capacity that sites, tools and people allow in the end.
        capacity_ceiling: f64 = number("wafer or GB per month", 0.0, 1e12),
        /// Months from start to finished output.
        cycle_months: i64 = whole("month", 0, 24),
        /// Yield of the reference die at the start.
        yield_start: f64 = share(),
        /// Yield in the end, with free access to tools.
        yield_end: f64 = share(),
        /// Cumulative wafers that set the pace of learning.
        yield_wafers: f64 = number("wafer", 1.0, 1e9),
        /// Whether it depends on imported tools that equipment rules can withhold.
        imported_tools: bool = flag(),
        /// Price of a wafer, or of a GB of memory.
        price_usd: f64 = number("USD", 0.0, 1e6),
        /// Where the figures come from.
        source: String = text(),
    }
}

crate::table! {
    /// Which vendor a line works for, and how much of it is promised.
    pub struct ContractRow in "contracts" {
        /// The line.
        line: String = id_of("lines"),
        /// The vendor.
        vendor: String = id_of("vendors"),
        /// Share of the line promised, by contract or custom.
        weight: f64 = share(),
        /// First month; empty: from the start.
        from: Option<Month> = optional(month()),
        /// First month without; empty: to the end.
        until: Option<Month> = optional(month()),
        /// Where the figure comes from.
        source: String = text(),
    }
}

/// A line.
#[derive(Component, Clone, Debug)]
pub struct Line {
    /// Dense id.
    pub id: LineId,
    /// Where it stands.
    pub country: CountryId,
    /// What the table says.
    pub row: LineRow,
    /// Promised shares, in the order of vendors: (vendor, weight, from, until).
    pub contracts: Vec<(VendorId, f64, Option<Month>, Option<Month>)>,
}

/// How a line runs. Written by `fabs`.
#[derive(Component, Clone, Debug)]
pub struct LineState {
    /// Effective capacity a month.
    pub capacity: f64,
    /// Capacity ordered and not yet in: (month of arrival, amount).
    pub pipeline: Vec<(Month, f64)>,
    /// Wafers run since the start, for yield learning.
    pub cumulative_wafers: f64,
    /// Yield of the reference die now.
    pub yield_now: f64,
    /// Share of capacity used this month.
    pub utilisation: f64,
    /// Months of capacity that vendors want and do not get.
    pub backlog_months: f64,
    /// How hard equipment rules bite now, 0 to 1.
    pub equipment_bite: f64,
}

/// Stocks of parts and work in progress, by vendor. Written by `fabs`
/// (`policy` scripts inflows through it, too).
#[derive(Resource, Clone, Debug, Default)]
pub struct Parts {
    /// Good dies in stock, `[vendor][die]`.
    pub dies: Vec<Vec<Count>>,
    /// High-bandwidth memory in stock, GB, `[vendor]`.
    pub memory_gb: Vec<Count>,
    /// Chips being packaged: (vendor, sku, finished in, units).
    pub in_work: Vec<(VendorId, SkuId, Month, Count)>,
    /// Finished chips at the vendor's dock, `[sku]`.
    pub inventory: Vec<Count>,
    /// Since the start, for the books: dies made or received, `[vendor][die]`.
    pub dies_in: Vec<Vec<Count>>,
    /// Dies packaged, `[vendor][die]`.
    pub dies_used: Vec<Vec<Count>>,
    /// Memory made or received, `[vendor]`.
    pub memory_in: Vec<Count>,
    /// Memory packaged, `[vendor]`.
    pub memory_used: Vec<Count>,
    /// Chips finished since the start, `[sku]`; opening stocks of chips count as made.
    pub made: Vec<Count>,
    /// Finished chips written off, `[sku]`.
    pub written_off: Vec<Count>,
}

impl Parts {
    /// Room for one more SKU, at the end.
    pub fn add_sku(&mut self) {
        self.inventory.push(0);
        self.made.push(0);
        self.written_off.push(0);
    }

    /// Dies in stock of `vendor`.
    #[must_use]
    pub fn dies_of(&self, vendor: VendorId, die: DieId) -> Count {
        self.dies[vendor.index()][die.index()]
    }
}
