//! Chips: the catalogue of SKUs and the dies they carry.

use bevy_ecs::prelude::Resource;

use super::{DieId, RuleId, SkuId, VendorId};
use crate::calendar::Month;
use crate::maths;
use crate::schema::{choice, flag, id_of, month, number, optional, text};

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
        self.tflops_16bit.max(0.5 * self.tops_8bit)
    }
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
    /// Current list price, USD. Written by `allocation`.
    pub price_usd: f64,
    /// Whether the chip can be ordered this month. Written by `design`.
    pub on_sale: bool,
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

    /// Performance for a mix of work before software, reference chip = 1:
    /// `train^w · serve^(1 − w)`, w the weight of training.
    #[must_use]
    pub fn workload(&self, train_weight: f64) -> f64 {
        maths::pow(self.train_paper, train_weight)
            * maths::pow(self.serve_paper, 1.0 - train_weight)
    }

    /// Serving performance before software: `FLOP/s^a × bandwidth^(1 − a)` relative
    /// to the reference chip, 8-bit throughput standing for FLOP/s.
    #[must_use]
    pub fn serving(tops: f64, bandwidth: f64, reference: (f64, f64), a: f64) -> f64 {
        maths::pow(tops / reference.0, a) * maths::pow(bandwidth / reference.1, 1.0 - a)
    }
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
}

impl Catalogue {
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
