//! Chips: the catalogue of SKUs and the dies they carry.

use bevy_ecs::prelude::Resource;

use super::{DieId, RuleId, SkuId, VendorId};
use crate::calendar::Month;
use crate::maths;
use crate::schema::{choice, flag, id_of, month, number, optional, share, text};

crate::choice! {
    /// How a SKU came about.
    pub enum Origin {
        /// On a vendor's roadmap, whatever the rules say.
        Roadmap = "roadmap",
        /// A compliance variant as history had it.
        HistoricalVariant = "historical_variant",
        /// A generation after the known roadmap, made from parameters.
        Extrapolated = "extrapolated",
        /// A compliance variant that the model designed.
        Designed = "designed",
    }
}

crate::choice! {
    /// An attribute of a chip that a rule can bound.
    pub enum Attribute {
        /// Total processing performance: TOPS × bit length.
        Tpp = "tpp",
        /// TPP per mm² of applicable die area.
        PerformanceDensity = "performance_density",
        /// Bidirectional interconnect, GB/s.
        Interconnect = "interconnect_gbps",
        /// Memory bandwidth, GB/s.
        MemoryBandwidth = "memory_bandwidth_gbps",
    }
}

crate::table! {
    /// Dies, by the process node that makes them.
    pub struct DieRow in "dies" {
        /// Node: a word that logic lines carry too.
        node: String = text(),
        /// Area; empty where unpublished.
        area_mm2: Option<f64> = optional(number("mm²", 1.0, 2000.0)),
        /// Whole dies on a 300 mm wafer, before yield.
        gross_dies_per_wafer: f64 = number("dies/wafer", 1.0, 1000.0),
        /// Yield relative to the line's yield for its reference die.
        yield_factor: f64 = number("ratio", 0.0, 2.0),
        /// Where the figures come from.
        source: String = text(),
    }
}

crate::table! {
    /// Chips (SKUs): what they do, what they take to make, and what rules see of them.
    pub struct ChipRow in "chips" {
        /// Name for people.
        name: String = text(),
        /// The vendor.
        vendor: String = id_of("vendors"),
        /// First month of volume shipments.
        launch: Month = month(),
        /// First month without new wafer starts; empty: to the end.
        end: Option<Month> = optional(month()),
        /// Dense 16-bit throughput.
        tflops_16bit: f64 = number("TFLOP/s", 0.1, 1e6),
        /// Dense 8-bit throughput.
        tops_8bit: f64 = number("TOP/s", 0.1, 1e7),
        /// Total processing performance; empty where unpublished.
        tpp: Option<f64> = optional(number("TPP", 0.0, 1e8)),
        /// Performance density; empty where the die area is unpublished.
        performance_density: Option<f64> = optional(number("TPP/mm²", 0.0, 1e5)),
        /// Bidirectional interconnect.
        interconnect_gbps: Option<f64> = optional(number("GB/s", 0.0, 1e6)),
        /// Memory bandwidth.
        memory_bandwidth_gbps: Option<f64> = optional(number("GB/s", 0.0, 1e7)),
        /// High-bandwidth memory; 0 for cards with ordinary memory.
        hbm_gb: f64 = number("GB", 0.0, 1e5),
        /// Thermal design power.
        tdp_w: f64 = number("W", 1.0, 1e5),
        /// The die.
        die: String = id_of("dies"),
        /// Dies in a package.
        dies_per_chip: i64 = crate::schema::whole("dies", 1, 64),
        /// Packages from a wafer of advanced packaging; 0 when none is needed.
        packages_per_wafer: f64 = number("packages/wafer", 0.0, 1000.0),
        /// List price at launch.
        price_usd: f64 = number("USD", 1.0, 1e7),
        /// Cost of making one.
        unit_cost_usd: f64 = number("USD", 0.0, 1e7),
        /// Whether the vendor markets it for data centres.
        marketed_for_datacentre: bool = flag(),
        /// How it came about.
        origin: Origin = choice(Origin::WORDS),
        /// The SKU it is a cut of.
        parent: Option<String> = optional(id_of("chips")),
        /// The rule without which it would not exist.
        caused_by: Option<String> = optional(id_of("rules")),
        /// Share sold on boards or in servers, the rest as racks, which brokers cannot divert; empty: all.
        board_share: Option<f64> = optional(share()),
        /// Where the figures come from.
        source: String = text(),
    }
}

crate::parameters! {
    /// What performance is measured against.
    pub struct CatalogueParameters in "chips" {
        /// Dense 16-bit throughput of the reference chip, TFLOP/s.
        reference_tflops_16bit,
        /// Dense 8-bit throughput of the reference chip, TOP/s: one H100e.
        reference_tops_8bit,
        /// Memory bandwidth of the reference chip, GB/s.
        reference_bandwidth_gbps,
        /// Exponent on throughput in serving performance, the rest on memory bandwidth.
        serving_flop_exponent,
        /// Weight w of training in the work that chips are valued for (0 serving only, 1 training only).
        train_weight,
        /// Specialisation m of fleets: 1, every chip does every kind of work; the larger, the more each does what it is best at.
        work_specialisation,
    }
}

/// A die.
#[derive(Clone, Debug)]
pub struct Die {
    /// What the table says.
    pub row: DieRow,
}

impl ChipRow {
    /// Throughput that trains, in 16-bit TFLOP/s: that in 16 bits, or half of that in 8 bits where a chip has given up the
    /// former, as generations after 2025 have. Models were trained in 8 bits from 2024 on (DeepSeek-V3).
    #[must_use]
    pub fn training_tflops(&self) -> f64 {
        training_tflops(self.tflops_16bit, self.tops_8bit)
    }
}

fn training_tflops(tflops_16bit: f64, tops_8bit: f64) -> f64 {
    tflops_16bit.max(0.5 * tops_8bit)
}

/// A SKU in the catalogue.
#[derive(Clone, Debug)]
pub struct Sku {
    /// Stable id; for designed variants made from (vendor, parent, cut, rule).
    pub id: String,
    /// The vendor.
    pub vendor: VendorId,
    /// The die.
    pub die: DieId,
    /// The SKU it is a cut of.
    pub parent: Option<SkuId>,
    /// The rule without which it would not exist.
    pub caused_by: Option<RuleId>,
    /// What the table says, or what a design project made of the parent's row.
    pub row: ChipRow,
    /// Throughput that trains relative to the reference chip, before software.
    pub train_paper: f64,
    /// Serving performance relative to the reference chip, before software.
    pub serve_paper: f64,
    /// What it is worth for the mix of work, relative to the reference chip, before software.
    pub work_paper: f64,
    /// Current list price, USD. Written by `allocation`.
    pub price_usd: f64,
    /// Whether the chip can be ordered this month. Written by `design`.
    pub on_sale: bool,
    /// Sales on which a compliance variant was approved, chips a month; 0 for others.
    pub approved_units_month: f64,
}

impl Sku {
    /// The value of `attribute`; none where it is not published.
    #[must_use]
    pub const fn attribute(&self, attribute: Attribute) -> Option<f64> {
        match attribute {
            Attribute::Tpp => self.row.tpp,
            Attribute::PerformanceDensity => self.row.performance_density,
            Attribute::Interconnect => self.row.interconnect_gbps,
            Attribute::MemoryBandwidth => self.row.memory_bandwidth_gbps,
        }
    }
}

/// Performance of a chip before software, reference chip = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Performance {
    /// Training: throughput.
    pub train: f64,
    /// Serving: `FLOP/s^a × bandwidth^(1 − a)`, 8-bit throughput standing for FLOP/s.
    pub serve: f64,
    /// The mix that buyers pay for: `(w train^m + (1 − w) serve^m)^(1/m)`. A fleet of many kinds puts each where it is
    /// best (comparative advantage), so a chip that only serves well is worth more than the mean of what it does.
    pub work: f64,
}

/// All SKUs and dies. SKUs that `design` adds come at the end.
#[derive(Resource, Clone, Debug, Default)]
pub struct Catalogue {
    /// SKUs by [`SkuId`].
    pub skus: Vec<Sku>,
    /// Dies by [`DieId`].
    pub dies: Vec<Die>,
    /// 8-bit throughput and memory bandwidth of the reference chip (the H100 SXM5).
    pub reference: (f64, f64),
    /// 16-bit throughput of the reference chip, TFLOP/s.
    pub reference_tflops: f64,
    /// Exponent on FLOP/s in serving performance.
    pub serving_exponent: f64,
    /// Weight of training in work, and specialisation.
    pub mix: (f64, f64),
}

impl Catalogue {
    /// What a chip with this row does on paper.
    #[must_use]
    pub fn performance(&self, row: &ChipRow) -> Performance {
        self.performance_of(row.tflops_16bit, row.tops_8bit, row.memory_bandwidth_gbps)
    }

    /// What a chip of this throughput and memory bandwidth, GB/s, does on paper.
    #[must_use]
    pub fn performance_of(
        &self,
        tflops_16bit: f64,
        tops_8bit: f64,
        memory_bandwidth_gbps: Option<f64>,
    ) -> Performance {
        let (tops, bandwidth) = self.reference;
        let a = self.serving_exponent;
        let train = training_tflops(tflops_16bit, tops_8bit) / self.reference_tflops;
        let serve = maths::pow(tops_8bit / tops, a)
            * maths::pow(memory_bandwidth_gbps.unwrap_or(0.0) / bandwidth, 1.0 - a);
        Performance { train, serve, work: self.work(train, serve) }
    }

    /// `(w train^m + (1 − w) serve^m)^(1/m)`.
    fn work(&self, train: f64, serve: f64) -> f64 {
        let (w, m) = self.mix;
        maths::pow(w * maths::pow(train, m) + (1.0 - w) * maths::pow(serve, m), 1.0 / m)
    }

    /// The SKU.
    #[must_use]
    pub fn sku(&self, id: SkuId) -> &Sku {
        &self.skus[id.index()]
    }

    /// Every SKU with its id, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SkuId, &Sku)> {
        self.skus.iter().enumerate().map(|(i, sku)| (SkuId::at(i), sku))
    }
}

#[cfg(test)]
mod tests {
    use super::Catalogue;

    #[test]
    fn chips_are_worth_what_they_do_best() {
        let work = |w, m| Catalogue { mix: (w, m), ..Catalogue::default() }.work(0.15, 0.42);
        // The mean: 0.5 · 0.15 + 0.5 · 0.42. With m = 2: √((0.0225 + 0.1764)/2).
        assert!((work(0.5, 1.0) - 0.285).abs() < 1e-12);
        assert!((work(0.5, 2.0) - 0.099_45_f64.sqrt()).abs() < 1e-12);
        // Towards the better of the two, and never beyond.
        assert!(work(0.5, 40.0) > 0.4 && work(0.5, 40.0) < 0.42);
        assert!((work(0.0, 2.0) - 0.42).abs() < 1e-12 && (work(1.0, 3.0) - 0.15).abs() < 1e-12);
        let whole = Catalogue { mix: (0.3, 2.5), ..Catalogue::default() };
        assert!((whole.work(1.0, 1.0) - 1.0).abs() < 1e-12);
    }
}
