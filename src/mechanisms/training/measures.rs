//! What training leaves behind each month: capability, its growth by source, frontiers, tokens at equal quality.
//!
//! **Growth by source.** Since the first month in which a developer has compute,
//! `Δq̂ = Δlog₁₀ C_possible + Δ(own + noise of ln A)/ln 10 + Δ(spillover of ln A)/ln 10 + Δ(ln A_eff − ln A)/ln 10 + ΔB + ΔD`,
//! dex: chips, own efficiency, spillover, scale (gains that do not pay at the firm's size), quality, distillation. The law is
//! additive in logarithms, so the parts are the whole. A group's growth is the mean of its developers' that have one, weighted
//! like the efficiency gap.
//!
//! **Tokens at equal quality**: `ln τ₀ + ln A_serve − ς ln(C_q/C₀)`, C_q the compute that a run of
//! the reference quality would take the firm without distillation: shifting effort between quality
//! and efficiency moves it little, progress moves it.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::frontiers::index_of;
use super::law::{dex, run_of_quality};
use super::{TrainingMemory, TrainingParameters};
use crate::entities::boards::Frontier;
use crate::entities::firm::{Firm, Lab};
use crate::entities::model::ModelBook;
use crate::entities::{Roster, Switches};
use crate::maths;
use crate::metric::{Metric, Readings};

/// Sources of capability: chips, own efficiency, spillover, scale, quality, distillation.
const SOURCES: usize = 6;

/// What each source has given so far; their sum moves with the lab's possible capability.
fn sources(lab: &Lab) -> [f64; SOURCES] {
    [
        lab.possible_log10_flop,
        dex(lab.gain_train[0] + lab.gain_train[2]),
        dex(lab.gain_train[1]),
        dex(lab.ln_a_effective - lab.ln_a_train),
        lab.quality_bonus,
        lab.distilled,
    ]
}

/// A mean of growth over developers: the whole, then its sources.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    count: f64,
    weight: f64,
    plain: [f64; SOURCES + 1],
    weighted: [f64; SOURCES + 1],
}

impl Growth {
    fn add(&mut self, weight: f64, terms: &[f64; SOURCES + 1]) {
        self.count += 1.0;
        self.weight += weight;
        for ((plain, weighted), x) in self.plain.iter_mut().zip(&mut self.weighted).zip(terms) {
            *plain += x;
            *weighted += weight * x;
        }
    }

    fn mean(&self) -> Option<[f64; SOURCES + 1]> {
        let (sums, over) =
            if self.weight > 0.0 { (self.weighted, self.weight) } else { (self.plain, self.count) };
        (self.count > 0.0).then(|| sums.map(|sum| sum / over))
    }
}

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
    mut first: Local<Vec<Option<(f64, [f64; SOURCES])>>>,
) {
    first.resize(roster.firms.len(), None);
    let mut growths = [Growth::default(); 2];
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
        if lab.possible_capability > 0.0 {
            let now = sources(lab);
            let (level, before) = *first[row].get_or_insert((lab.possible_capability, now));
            let mut terms = [lab.possible_capability - level; SOURCES + 1];
            for (term, (now, before)) in terms[1..].iter_mut().zip(now.iter().zip(before)) {
                *term = now - before;
            }
            for (metric, term) in GROWTH.iter().zip(terms) {
                readings.set_for(metric, row, term);
            }
            if let Some(group) = index_of(firm.row.group) {
                growths[group].add(lab.weight, &terms);
            }
        }
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
    let growths = growths.map(|growth| growth.mean());
    for (terms, metrics) in growths.iter().zip(GROUP_GROWTH) {
        for (metric, term) in metrics.iter().zip(terms.iter().flatten()) {
            readings.set(metric, *term);
        }
    }
    if let [Some(a), Some(b)] = growths
        && a[0] > 0.0
        && b[0] > 0.0
    {
        readings.set(&CHIPS_SHARE_GAP, a[1] / a[0] - b[1] / b[0]);
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

/// A firm's growth and its sources.
static GROWTH: [&Metric; SOURCES + 1] = [
    &GROWTH_WHOLE,
    &GROWTH_CHIPS,
    &GROWTH_OWN,
    &GROWTH_SPILLOVER,
    &GROWTH_SCALE,
    &GROWTH_QUALITY,
    &GROWTH_DISTILLED,
];

/// The same of the groups: constrained, unconstrained.
static GROUP_GROWTH: [[&Metric; SOURCES + 1]; 2] = [
    [
        &CONSTRAINED_WHOLE,
        &CONSTRAINED_CHIPS,
        &CONSTRAINED_OWN,
        &CONSTRAINED_SPILLOVER,
        &CONSTRAINED_SCALE,
        &CONSTRAINED_QUALITY,
        &CONSTRAINED_DISTILLED,
    ],
    [
        &UNCONSTRAINED_WHOLE,
        &UNCONSTRAINED_CHIPS,
        &UNCONSTRAINED_OWN,
        &UNCONSTRAINED_SPILLOVER,
        &UNCONSTRAINED_SCALE,
        &UNCONSTRAINED_QUALITY,
        &UNCONSTRAINED_DISTILLED,
    ],
];

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
        CONSTRAINED_WHOLE = "growth_constrained_dex", "dex", "Mean growth_dex of constrained developers, weighted by training compute in the first month: the sum of its six sources. Empty without any.";
        CONSTRAINED_CHIPS = "growth_constrained_chips_dex", "dex", "The part of growth_constrained_dex from chips. Empty without any.";
        CONSTRAINED_OWN = "growth_constrained_own_dex", "dex", "The part from own efficiency. Empty without any.";
        CONSTRAINED_SPILLOVER = "growth_constrained_spillover_dex", "dex", "The part from spillover. Empty without any.";
        CONSTRAINED_SCALE = "growth_constrained_scale_dex", "dex", "The part from scale. Empty without any.";
        CONSTRAINED_QUALITY = "growth_constrained_quality_dex", "dex", "The part from quality. Empty without any.";
        CONSTRAINED_DISTILLED = "growth_constrained_distilled_dex", "dex", "The part from distillation. Empty without any.";
        UNCONSTRAINED_WHOLE = "growth_unconstrained_dex", "dex", "Mean growth_dex of unconstrained developers, weighted by training compute in the first month: the sum of its six sources. Empty without any.";
        UNCONSTRAINED_CHIPS = "growth_unconstrained_chips_dex", "dex", "The part of growth_unconstrained_dex from chips. Empty without any.";
        UNCONSTRAINED_OWN = "growth_unconstrained_own_dex", "dex", "The part from own efficiency. Empty without any.";
        UNCONSTRAINED_SPILLOVER = "growth_unconstrained_spillover_dex", "dex", "The part from spillover. Empty without any.";
        UNCONSTRAINED_SCALE = "growth_unconstrained_scale_dex", "dex", "The part from scale. Empty without any.";
        UNCONSTRAINED_QUALITY = "growth_unconstrained_quality_dex", "dex", "The part from quality. Empty without any.";
        UNCONSTRAINED_DISTILLED = "growth_unconstrained_distilled_dex", "dex", "The part from distillation. Empty without any.";
        CHIPS_SHARE_GAP = "growth_chips_share_gap", "share", "growth_constrained_chips_dex / growth_constrained_dex less the same of the unconstrained: negative where the constrained grow more by other means than chips. Empty while a group has not grown.";
    }
    Firm {
        CAPABILITY = "capability_dex", "dex", "Capability that the firm could train now: log10(C_possible A_eff) + B + D; 0 without compute.";
        POSSIBLE_RUN = "possible_run_log10_flop", "log10 FLOP", "Training compute that a run ending now could have used.";
        LN_A_EFFECTIVE = "ln_a_train_effective", "ln", "Training efficiency at the scale of that run.";
        GROWTH_WHOLE = "growth_dex", "dex", "capability_dex less that of the first month with compute: the sum of growth_chips_dex, growth_own_dex, growth_spillover_dex, growth_scale_dex, growth_quality_dex and growth_distilled_dex. Empty without compute.";
        GROWTH_CHIPS = "growth_chips_dex", "dex", "Part of growth_dex from compute: that of possible_run_log10_flop. Empty without compute.";
        GROWTH_OWN = "growth_own_dex", "dex", "Part from training efficiency by own research, noise included. Empty without compute.";
        GROWTH_SPILLOVER = "growth_spillover_dex", "dex", "Part from training efficiency copied from others. Empty without compute.";
        GROWTH_SCALE = "growth_scale_dex", "dex", "Part from ln_a_train_effective − ln_a_train: gains that do not pay at the firm's size. Empty without compute.";
        GROWTH_QUALITY = "growth_quality_dex", "dex", "Part from the quality bonus B: own research, paradigms, fading. Empty without compute.";
        GROWTH_DISTILLED = "growth_distilled_dex", "dex", "Part from distilled capability D. Empty without compute.";
        DEPLOYED_QUALITY = "deployed_quality_dex", "dex", "Quality of the flagship on offer.";
        TOKENS_EQUAL_QUALITY = "ln_tokens_equal_quality", "ln", "Log of millions of tokens that an H100e serves in a month from a model of the reference quality (parameter equal_quality_dex) trained by the firm without distillation: ln τ₀ + ln A_serve − ς ln(C_q/C₀).";
    }
}
