//! Cuts: the smallest that falls below the rules, what it takes, and the chip that it leaves.
//!
//! For a set of attributes (interconnect, bandwidth, compute), the smallest cut is taken that falls below one minimum of
//! every clause met (a cut can meet a clause that it did not meet before: all are checked again; compute scales total
//! performance and density together). A variant with the share k of its parent's compute draws 1 − w_v (1 − k) of its
//! power, costs price · (performance kept)^ξ and carries its parent's dies. Performance is work
//! ([`crate::entities::chip::Performance`]) `· interconnect^e` relative to the reference chip.

use super::DesignParameters;
use crate::entities::chip::{Attribute, Catalogue, ChipRow, Origin, Performance};
use crate::entities::rule::{Clause, Rule};
use crate::maths;

/// The four attributes of a chip, by [`Attribute`].
pub(super) type Attributes = [Option<f64>; 4];

pub(super) fn attributes(row: &ChipRow) -> Attributes {
    [row.tpp, row.performance_density, row.interconnect_gbps, row.memory_bandwidth_gbps]
}

/// Sets of attributes that a cut may touch: interconnect, bandwidth, compute, as bits.
pub(super) const INTERCONNECT: usize = 1;
pub(super) const BANDWIDTH: usize = 2;
pub(super) const COMPUTE: usize = INTERCONNECT + BANDWIDTH + 1;
pub(super) const EVERYTHING: usize = INTERCONNECT + BANDWIDTH + COMPUTE;

const fn bit(attribute: Attribute) -> usize {
    match attribute {
        Attribute::Tpp | Attribute::PerformanceDensity => COMPUTE,
        Attribute::Interconnect => INTERCONNECT,
        Attribute::MemoryBandwidth => BANDWIDTH,
    }
}

/// Whether a chip with these attributes may meet `clause` (what is unpublished may).
pub(super) fn may_meet(clause: &Clause, marketed: bool, chip: &Attributes) -> bool {
    clause.marketed_for_datacentre.is_none_or(|m| m == marketed)
        && clause.bounds.iter().all(|bound| {
            chip[bound.attribute as usize].is_none_or(|x| (x >= bound.threshold) == bound.at_least)
        })
}

/// The smallest cut of the attributes in `allowed` that meets no clause, with the attributes cut;
/// none if there is none.
pub(super) fn cut<'a>(
    p: &DesignParameters,
    clauses: impl Iterator<Item = &'a Clause> + Clone,
    marketed: bool,
    mut chip: Attributes,
    allowed: usize,
) -> Option<(Attributes, usize)> {
    let mut touched = 0;
    for _ in 0..=2 * clauses.clone().count() {
        let Some(clause) = clauses.clone().find(|c| may_meet(c, marketed, &chip)) else {
            return Some((chip, touched));
        };
        let mut best: Option<(f64, Attribute)> = None;
        for bound in &clause.bounds {
            let which = bit(bound.attribute);
            if !bound.at_least || allowed & which == 0 {
                continue;
            }
            let Some(x) = chip[bound.attribute as usize].filter(|x| *x > 0.0) else { continue };
            let margin =
                if which == INTERCONNECT { p.cut_margin_interconnect } else { p.cut_margin };
            let factor = bound.threshold * (1.0 - margin) / x;
            if factor < 1.0 && best.is_none_or(|(f, _)| factor > f) {
                best = Some((factor, bound.attribute));
            }
        }
        let (factor, attribute) = best?;
        touched |= bit(attribute);
        for other in [
            Attribute::Tpp,
            Attribute::PerformanceDensity,
            Attribute::Interconnect,
            Attribute::MemoryBandwidth,
        ] {
            if bit(other) == bit(attribute) {
                chip[other as usize] = chip[other as usize].map(|x| x * factor);
            }
        }
    }
    None
}

/// Months and money that a cut takes: the slowest, and the sum, of its attributes.
pub(super) fn effort(p: &DesignParameters, touched: usize) -> (i32, f64) {
    let mut months = 0.0_f64;
    let mut cost = 0.0;
    for (which, m, c) in [
        (INTERCONNECT, p.cut_months_interconnect, p.cut_cost_interconnect_usd),
        (BANDWIDTH, p.cut_months_bandwidth, p.cut_cost_bandwidth_usd),
        (COMPUTE, p.cut_months_compute, p.cut_cost_compute_usd),
    ] {
        if touched & which != 0 {
            months = months.max(m);
            cost += c;
        }
    }
    (maths::whole(months).max(1) as i32, cost)
}

/// Performance that buyers pay for, relative to the reference chip.
pub(super) fn worth(p: &DesignParameters, row: &ChipRow, catalogue: &Catalogue) -> f64 {
    worth_of(p, catalogue.performance(row), row.interconnect_gbps)
}

fn worth_of(p: &DesignParameters, does: Performance, interconnect_gbps: Option<f64>) -> f64 {
    let link = interconnect_gbps.unwrap_or(0.0).max(1.0);
    does.work * maths::pow(link, p.interconnect_value_exponent)
}

/// What is left of a chip whose attributes are cut. Many cuts are weighed and few made, so that this is numbers only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    chip: Attributes,
    touched: usize,
    /// Share of the parent's compute and bandwidth that is kept.
    compute: f64,
    bandwidth: f64,
    tflops_16bit: f64,
    tops_8bit: f64,
    /// Performance that buyers pay for.
    pub worth: f64,
    /// Price at launch, USD.
    pub price_usd: f64,
}

impl Cut {
    /// `parent`, which is worth `parent_worth`, with its attributes cut to `chip`.
    pub fn of(
        p: &DesignParameters,
        (parent, parent_worth): (&ChipRow, f64),
        chip: Attributes,
        touched: usize,
        catalogue: &Catalogue,
    ) -> Self {
        let kept = |new: Option<f64>, old: Option<f64>| match (new, old) {
            (Some(new), Some(old)) if old > 0.0 => new / old,
            _ => 1.0,
        };
        let compute = kept(chip[0], parent.tpp).min(kept(chip[1], parent.performance_density));
        let bandwidth = kept(chip[3], parent.memory_bandwidth_gbps);
        let tflops_16bit = parent.tflops_16bit * compute;
        let tops_8bit = parent.tops_8bit * compute;
        let does = catalogue.performance_of(tflops_16bit, tops_8bit, chip[3]);
        let worth = worth_of(p, does, chip[2]);
        let share = worth / parent_worth;
        let price_usd = parent.price_usd * maths::pow(share, p.variant_price_exponent);
        Self { chip, touched, compute, bandwidth, tflops_16bit, tops_8bit, worth, price_usd }
    }

    /// Writes the id of the variant of `parent` that answers to `rule`.
    pub fn write_id(&self, parent: &ChipRow, rule: &Rule, id: &mut String) {
        id.clear();
        id.push_str(&parent.id);
        id.push_str("-cut");
        for name in self.cut_attributes() {
            id.push('-');
            id.push_str(name);
        }
        id.push('-');
        id.push_str(&rule.row.id);
    }

    fn cut_attributes(&self) -> impl Iterator<Item = &'static str> + use<> {
        let touched = self.touched;
        [(INTERCONNECT, "interconnect"), (BANDWIDTH, "bandwidth"), (COMPUTE, "compute")]
            .into_iter()
            .filter(move |(which, _)| touched & which != 0)
            .map(|(_, name)| name)
    }

    /// The row of the variant of `parent` that answers to `rule`, launched with it.
    pub fn row(&self, p: &DesignParameters, parent: &ChipRow, rule: &Rule) -> ChipRow {
        let mut id = String::new();
        self.write_id(parent, rule, &mut id);
        let cut: String = self.cut_attributes().flat_map(|name| [" ", name]).collect();
        ChipRow {
            id,
            name: format!("{} cut in{cut} for {}", parent.name, rule.row.id),
            end: None,
            tflops_16bit: self.tflops_16bit,
            tops_8bit: self.tops_8bit,
            tpp: self.chip[0],
            performance_density: self.chip[1],
            interconnect_gbps: self.chip[2],
            memory_bandwidth_gbps: self.chip[3],
            hbm_gb: parent.hbm_gb * self.bandwidth,
            tdp_w: parent.tdp_w * (1.0 - p.variant_power_response * (1.0 - self.compute)),
            price_usd: self.price_usd,
            origin: Origin::Designed,
            parent: Some(parent.id.clone()),
            caused_by: Some(rule.row.id.clone()),
            source: "designed in the run".to_owned(),
            ..parent.clone()
        }
    }
}
