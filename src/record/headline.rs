//! The outcome measures of the model's question: what a summary shows and what a study keeps
//! unless it is told otherwise.

use super::columns;
use crate::metric::{Metric, Scope};

/// The outcome measures, by the stem of their metrics' names.
pub const OUTCOMES: [&str; 18] = [
    "third_market_share",
    "third_market_share_poor",
    "serving_cost_ratio",
    "serving_energy_ratio",
    "efficiency_gap",
    "capability_lag_months",
    "compute_share",
    "cost_per_token",
    "cost_per_request",
    "inference_density",
    "ai_capex_to_revenue",
    "payback_years",
    "domestic_chip_share",
    "grey_share",
    "vendor_revenue_lost_usd",
    "firm_value_usd",
    "ai_capex_usd",
    "h100e",
];

/// The longest outcome that a metric's name begins with.
#[must_use]
pub fn stem_of(name: &str) -> Option<&'static str> {
    let begins = |stem: &&str| {
        name.strip_prefix(*stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    OUTCOMES.into_iter().filter(begins).max_by_key(|stem| stem.len())
}

/// The world metrics that belong to an outcome measure, in the order of declaration.
pub fn headline(metrics: &'static [&'static Metric]) -> impl Iterator<Item = &'static Metric> {
    columns(metrics, Scope::World).filter(|metric| stem_of(metric.name).is_some())
}
