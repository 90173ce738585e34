//! Cuts: the smallest that falls below the rules, what it takes, and the chip that it leaves.
//!
//! For a set of attributes (interconnect, bandwidth, compute), the smallest cut is taken that falls below one minimum of
//! every clause met (a cut can meet a clause that it did not meet before: all are checked again; compute scales total
//! performance and density together). A variant with the share k of its parent's compute draws 1 − w_v (1 − k) of its
//! power, costs price · (performance kept)^ξ and carries its parent's dies. Performance is work
//! ([`crate::entities::chip::Performance`]) `· interconnect^e` relative to the reference chip.

use super::DesignParameters;
use crate::entities::chip::{Attribute, Catalogue, ChipRow, Origin};
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
pub(super) fn cut(
    p: &DesignParameters,
    clauses: &[&Clause],
    marketed: bool,
    mut chip: Attributes,
    allowed: usize,
) -> Option<(Attributes, usize)> {
    let mut touched = 0;
    for _ in 0..=2 * clauses.len() {
        let Some(clause) = clauses.iter().find(|c| may_meet(c, marketed, &chip)) else {
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
    let link = row.interconnect_gbps.unwrap_or(0.0).max(1.0);
    catalogue.performance(row).work * maths::pow(link, p.interconnect_value_exponent)
}

/// The row of `parent` with its attributes cut to `chip`.
pub(super) fn variant_row(
    p: &DesignParameters,
    parent: &ChipRow,
    chip: &Attributes,
    touched: usize,
    rule: &Rule,
    catalogue: &Catalogue,
) -> ChipRow {
    let kept = |new: Option<f64>, old: Option<f64>| match (new, old) {
        (Some(new), Some(old)) if old > 0.0 => new / old,
        _ => 1.0,
    };
    let compute = kept(chip[0], parent.tpp).min(kept(chip[1], parent.performance_density));
    let bandwidth = kept(chip[3], parent.memory_bandwidth_gbps);
    let mut word = String::new();
    for (which, name) in
        [(INTERCONNECT, "interconnect"), (BANDWIDTH, "bandwidth"), (COMPUTE, "compute")]
    {
        if touched & which != 0 {
            word.push('-');
            word.push_str(name);
        }
    }
    let mut row = ChipRow {
        id: format!("{}-cut{word}-{}", parent.id, rule.row.id),
        name: format!("{} cut in{} for {}", parent.name, word.replace('-', " "), rule.row.id),
        end: None,
        tflops_16bit: parent.tflops_16bit * compute,
        tops_8bit: parent.tops_8bit * compute,
        tpp: chip[0],
        performance_density: chip[1],
        interconnect_gbps: chip[2],
        memory_bandwidth_gbps: chip[3],
        hbm_gb: parent.hbm_gb * bandwidth,
        tdp_w: parent.tdp_w * (1.0 - p.variant_power_response * (1.0 - compute)),
        origin: Origin::Designed,
        parent: Some(parent.id.clone()),
        caused_by: Some(rule.row.id.clone()),
        source: "designed in the run".to_owned(),
        ..parent.clone()
    };
    let share = worth(p, &row, catalogue) / worth(p, parent, catalogue);
    row.price_usd = parent.price_usd * maths::pow(share, p.variant_price_exponent);
    row
}
