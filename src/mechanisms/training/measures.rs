//! What training leaves behind each month: capability, frontiers, tokens at equal quality.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{TrainingMemory, TrainingParameters, index_of, run_of_quality};
use crate::entities::boards::Frontier;
use crate::entities::firm::{Firm, Lab};
use crate::entities::model::ModelBook;
use crate::entities::{Roster, Switches};
use crate::maths;
use crate::metric::Readings;

/// Writes down capability, frontiers and tokens at equal quality.
pub(crate) fn measure(
    switches: Res<Switches>,
    p: Res<TrainingParameters>,
    roster: Res<Roster>,
    memory: Res<TrainingMemory>,
    book: Res<ModelBook>,
    frontier: Res<Frontier>,
    mut readings: ResMut<Readings>,
    firms: Query<(&Firm, &Lab)>,
) {
    // Of a group: developers, their weight, plain and weighted sum, best.
    let mut groups = [(0.0, 0.0, 0.0, 0.0, f64::NEG_INFINITY); 2];
    let ln_reference = maths::ln(p.tokens_m_per_h100e_month.max(f64::MIN_POSITIVE));
    for (firm, lab) in firms.iter_many(&roster.firms).flatten() {
        if !firm.row.developer {
            continue;
        }
        let row = firm.id.index();
        readings.set_for(&CAPABILITY, row, lab.possible_capability);
        readings.set_for(&POSSIBLE_RUN, row, lab.possible_log10_flop);
        readings.set_for(&LN_A_EFFECTIVE, row, lab.ln_a_effective);
        if let Some([Some(big), _]) = book.deployed.get(row) {
            readings.set_for(&DEPLOYED_QUALITY, row, book.models[*big as usize].quality);
        }
        let run = run_of_quality(
            &p,
            switches.scale_dependence,
            p.equal_quality_dex,
            lab.ln_a_train,
            lab.quality_bonus,
        );
        let size = (run - p.serving_reference_log10_flop) * std::f64::consts::LN_10;
        let tokens = ln_reference + lab.ln_a_serve - p.serving_size_exponent * size;
        readings.set_for(&TOKENS_EQUAL_QUALITY, row, tokens);
        if let Some(group) = index_of(firm.row.group) {
            let (count, weight, plain, weighted, best) = &mut groups[group];
            *count += 1.0;
            *weight += lab.weight;
            *plain += tokens;
            *weighted += lab.weight * tokens;
            *best = best.max(tokens);
        }
    }
    let mean = |(count, weight, plain, weighted, _): (f64, f64, f64, f64, f64)| {
        if weight > 0.0 { weighted / weight } else { plain / count }
    };
    if groups.iter().all(|group| group.0 > 0.0) {
        readings.set(&TOKENS_GAP, mean(groups[0]) - mean(groups[1]));
        readings.set(&TOKENS_GAP_BEST, groups[0].4 - groups[1].4);
        readings.set(&CAPABILITY_LAG, frontier.lag_months);
        readings.set(&RELEASED_LAG, frontier.released_lag_months);
    }
    readings.set(&OPEN_LAG, frontier.open_lag_months);
    readings.set(&OPEN_RELEASED_LAG, frontier.open_released_lag_months);
    for (metric, history) in [
        (&FRONTIER_CONSTRAINED, &frontier.constrained),
        (&FRONTIER_UNCONSTRAINED, &frontier.unconstrained),
        (&FRONTIER_OPEN, &frontier.open),
        (&FRONTIER_CLOSED, &frontier.closed),
    ] {
        if let Some(value) = history.last().filter(|value| value.is_finite()) {
            readings.set(metric, *value);
        }
    }
    let [constrained, unconstrained] = frontier.log10_largest_run_group;
    readings.set(&LARGEST_RUN, frontier.log10_largest_run);
    if constrained > 0.0 && unconstrained > 0.0 {
        readings.set(&LARGEST_RUN_CONSTRAINED, constrained);
        readings.set(&LARGEST_RUN_UNCONSTRAINED, unconstrained);
        readings.set(&LARGEST_FLOP_CONSTRAINED, maths::exp10(constrained));
        readings.set(&LARGEST_FLOP_UNCONSTRAINED, maths::exp10(unconstrained));
        readings.set(&LARGEST_RUN_RATIO, maths::exp10(unconstrained - constrained));
    }
    readings.set(&BEST_OPEN_QUALITY, frontier.best_open);
    readings.set(&RUNS_STARTED, memory.started as f64);
    readings.set(&MODELS_RELEASED, memory.released as f64);
}

crate::metrics! {
    World {
        CAPABILITY_LAG = "capability_lag_months", "month", "Months since the unconstrained frontier first had the capability that the constrained frontier has now: capability_dex of the best developer of each group, the leader's history never falling, straight between months; negative when the constrained lead.";
        RELEASED_LAG = "released_lag_months", "month", "Months since the unconstrained group's best released flagship first had the quality of the constrained group's best released flagship, straight between months; negative when the constrained lead. Before the run the frontier table stands in. What an index of tested models sees: a release counts from its month, and nothing moves between releases.";
        OPEN_RELEASED_LAG = "open_released_lag_months", "month", "The same for released models with weights that may be used behind released models without, whatever their developer's group.";
        OPEN_LAG = "open_lag_months", "month", "The same for developers with open weights behind those without, whatever their group.";
        FRONTIER_CONSTRAINED = "frontier_constrained_dex", "dex", "Highest capability_dex of a constrained developer so far.";
        FRONTIER_UNCONSTRAINED = "frontier_unconstrained_dex", "dex", "Highest capability_dex of an unconstrained developer so far.";
        FRONTIER_OPEN = "frontier_open_dex", "dex", "Highest capability_dex of a developer with open weights so far.";
        FRONTIER_CLOSED = "frontier_closed_dex", "dex", "Highest capability_dex of a developer without open weights so far.";
        BEST_OPEN_QUALITY = "best_open_quality_dex", "dex", "Quality of the best released model with open weights.";
        LARGEST_RUN = "largest_run_log10_flop", "log10 FLOP", "Largest finished training run of the world so far.";
        LARGEST_RUN_CONSTRAINED = "largest_run_constrained_log10_flop", "log10 FLOP", "Largest finished training run of a constrained developer so far.";
        LARGEST_RUN_UNCONSTRAINED = "largest_run_unconstrained_log10_flop", "log10 FLOP", "Largest finished training run of an unconstrained developer so far.";
        LARGEST_FLOP_CONSTRAINED = "largest_run_constrained_flop", "FLOP", "10 to the power largest_run_constrained_log10_flop.";
        LARGEST_FLOP_UNCONSTRAINED = "largest_run_unconstrained_flop", "FLOP", "10 to the power largest_run_unconstrained_log10_flop.";
        LARGEST_RUN_RATIO = "largest_run_ratio", "ratio", "Compute of the largest finished run of the unconstrained over that of the constrained.";
        TOKENS_GAP = "tokens_equal_quality_gap", "ln", "Mean ln_tokens_equal_quality of constrained developers less that of unconstrained ones, weighted by training compute in the first month.";
        TOKENS_GAP_BEST = "tokens_equal_quality_gap_best", "ln", "Highest ln_tokens_equal_quality of a constrained developer less the highest of an unconstrained one.";
        RUNS_STARTED = "runs_started", "runs", "Training runs started this month.";
        MODELS_RELEASED = "models_released", "runs", "Training runs that ended in a release this month.";
    }
    Firm {
        CAPABILITY = "capability_dex", "dex", "Capability that the firm could train now: log10(C_possible A_eff) + B + D; 0 without compute.";
        POSSIBLE_RUN = "possible_run_log10_flop", "log10 FLOP", "Training compute that a run ending now could have used.";
        LN_A_EFFECTIVE = "ln_a_train_effective", "ln", "Training efficiency at the scale of that run.";
        DEPLOYED_QUALITY = "deployed_quality_dex", "dex", "Quality of the flagship on offer.";
        TOKENS_EQUAL_QUALITY = "ln_tokens_equal_quality", "ln", "Log of millions of tokens that an H100e serves in a month from a model of the reference quality (parameter equal_quality_dex) trained by the firm without distillation: ln τ₀ + ln A_serve − ς ln(C_q/C₀).";
    }
}
