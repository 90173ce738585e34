//! Clauses: bounds on chips, and whether a chip meets them.
//!
//! A chip meets a **clause** when it meets *all* of the clause's bounds; it is
//! controlled by a rule when it meets *any* of its clauses. Minima mean "at
//! least", ceilings "below". Where a bound's attribute is unpublished the answer
//! is [`Verdict::Undetermined`], never "free"; a bound that already fails settles the
//! clause whatever else is missing.

use super::ClauseRow;
use crate::entities::chip::{Attribute, Sku};

/// One bound of a clause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The attribute.
    pub attribute: Attribute,
    /// The threshold.
    pub threshold: f64,
    /// True: at least the threshold. False: below it.
    pub at_least: bool,
}

/// Bounds that a controlled chip meets, all of them.
#[derive(Clone, Debug, Default)]
pub struct Clause {
    /// Id of the row.
    pub id: String,
    /// Bounds.
    pub bounds: Vec<Bound>,
    /// Whether the chip must (not) be marketed for data centres.
    pub marketed_for_datacentre: Option<bool>,
}

/// Whether a chip is controlled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Some bound of every clause is not met.
    Free,
    /// A clause could be met, but an attribute that it needs is not published.
    Undetermined(Attribute),
    /// All bounds of a clause are met.
    Controlled,
}

impl Clause {
    /// The clause of a table row.
    #[must_use]
    pub fn from_row(row: &ClauseRow) -> Self {
        let bounds = [
            (Attribute::Tpp, row.tpp_min, true),
            (Attribute::Tpp, row.tpp_below, false),
            (Attribute::PerformanceDensity, row.performance_density_min, true),
            (Attribute::PerformanceDensity, row.performance_density_below, false),
            (Attribute::Interconnect, row.interconnect_min_gbps, true),
            (Attribute::Interconnect, row.interconnect_below_gbps, false),
            (Attribute::MemoryBandwidth, row.memory_bandwidth_min_gbps, true),
            (Attribute::MemoryBandwidth, row.memory_bandwidth_below_gbps, false),
        ];
        Self {
            id: row.id.clone(),
            bounds: bounds
                .into_iter()
                .filter_map(|(attribute, threshold, at_least)| {
                    threshold.map(|threshold| Bound { attribute, threshold, at_least })
                })
                .collect(),
            marketed_for_datacentre: row.marketed_for_datacentre,
        }
    }

    /// The same clause with every threshold multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut clause = self.clone();
        for bound in &mut clause.bounds {
            bound.threshold *= factor;
        }
        clause
    }

    /// The minimum on `attribute`, if the clause has one.
    #[must_use]
    pub fn minimum(&self, attribute: Attribute) -> Option<f64> {
        self.bounds.iter().find(|b| b.at_least && b.attribute == attribute).map(|b| b.threshold)
    }

    /// Whether `sku` meets this clause.
    #[must_use]
    pub fn verdict(&self, sku: &Sku) -> Verdict {
        if self.marketed_for_datacentre.is_some_and(|m| m != sku.row.marketed_for_datacentre) {
            return Verdict::Free;
        }
        let mut missing = None;
        for bound in &self.bounds {
            match sku.attribute(bound.attribute) {
                None => missing = missing.or(Some(bound.attribute)),
                Some(x) if (x >= bound.threshold) == bound.at_least => {}
                Some(_) => return Verdict::Free,
            }
        }
        missing.map_or(Verdict::Controlled, Verdict::Undetermined)
    }
}

/// Whether `sku` meets any of `clauses`.
#[must_use]
pub fn any_clause(clauses: &[Clause], sku: &Sku) -> Verdict {
    let mut verdict = Verdict::Free;
    for clause in clauses {
        match clause.verdict(sku) {
            Verdict::Controlled => return Verdict::Controlled,
            Verdict::Undetermined(a) if verdict == Verdict::Free => {
                verdict = Verdict::Undetermined(a);
            }
            _ => {}
        }
    }
    verdict
}
