//! What a run writes is what observations and the outcome measures ask for.

use std::path::Path;

use frugality::analysis::hindcast::{self, Verdict};
use frugality::mechanisms;
use frugality::record::Panels;
use frugality::record::outputs::{Gap, Outputs};
use frugality::run::{Options, simulate};
use frugality::world;

/// The outcome measures of the model's question; a unit and a group may follow.
const OUTCOMES: [&str; 19] = [
    "third_market_share",
    "third_market_share_spend",
    "third_market_gross_profit_usd",
    "third_market_share_poor",
    "third_market_slope",
    "serving_cost_ratio",
    "serving_energy_ratio",
    "cost_per_token",
    "cost_per_request",
    "inference_density",
    "ai_capex_to_revenue",
    "payback_years",
    "efficiency_gap",
    "capability_lag_months",
    "compute_share",
    "vendor_revenue_lost_usd",
    "firm_value_usd",
    "domestic_chip_share",
    "grey_share",
];

#[test]
fn every_outcome_measure_is_a_series() {
    let names: Vec<&str> = mechanisms::all_metrics()
        .iter()
        .filter(|m| m.scope == frugality::metric::Scope::World)
        .map(|m| m.name)
        .collect();
    for stem in OUTCOMES {
        let begins = |name: &&str| {
            name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        assert!(names.iter().any(begins), "no series of the outcome measure {stem}");
    }
    for metric in mechanisms::all_metrics() {
        assert!(metric.definition.ends_with('.'), "{} has no definition", metric.name);
    }
}

#[test]
fn no_observation_is_missing_for_want_of_a_metric() {
    let loaded =
        world::load(Path::new("worlds/reference"), &[], &mechanisms::declared_parameters())
            .unwrap_or_else(|refusal| panic!("{refusal}"));
    // To December 2025, the last month of any observation.
    let options = Options { months: Some(48), keep_events: false };
    let mut panels = Panels::new(mechanisms::all_metrics());
    let outcome = simulate(&loaded.definition, 1, options, &mut panels).unwrap();
    let mut outputs = Outputs::empty("reference");
    for (scope, bytes, _) in panels.into_tables() {
        outputs.add(scope.table(), &bytes).unwrap();
    }
    outputs.describe("chips", &outcome.ending.skus_csv().into_bytes()).unwrap();
    let scores = hindcast::score(&[outputs], &loaded.definition.observations);
    assert!(!scores.is_empty());
    let mut wrong = Vec::new();
    for score in &scores {
        if let Verdict::Missing(gap, _) = &score.verdict {
            match gap {
                // Said, not refused: the world may have no such member.
                Gap::Member(_) | Gap::Empty | Gap::Divisor => {
                    println!("{}: {gap}", score.row.id);
                }
                _ => wrong.push(format!("{}: {gap}", score.row.id)),
            }
        }
    }
    assert!(wrong.is_empty(), "observations without a number of the model:\n{}", wrong.join("\n"));
}
