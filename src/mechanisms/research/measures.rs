//! What research leaves behind each month: labs, groups and the gap between them.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::AXES;
use crate::entities::firm::{Firm, Group, Lab, Purse};
use crate::entities::{Roster, Settings};
use crate::metric::Readings;

/// Writes down what the month did to every lab and to the gap between the groups.
pub(crate) fn measure(
    roster: Res<Roster>,
    settings: Res<Settings>,
    mut readings: ResMut<Readings>,
    firms: Query<(&Firm, &Purse, &Lab)>,
) {
    let mut groups = [Means::default(); 2];
    let mut frontier = [f64::NEG_INFINITY; AXES];
    for (firm, purse, lab) in firms.iter_many(&roster.firms).flatten() {
        let row = firm.id.index();
        let mut set = |metric, value| readings.set_for(metric, row, value);
        set(&RESEARCH_STAFF, lab.staff);
        set(&REALLOCATED_STAFF, lab.reallocated_staff);
        set(&REALLOCATED_USD, purse.reallocated.amount(settings.quantum));
        set(&RESEARCH_INPUT, lab.input);
        set(&EXPERIMENT_ELASTICITY, lab.experiment_elasticity);
        set(&DIRECTION_TRAIN, lab.direction[0]);
        set(&DIRECTION_SERVE, lab.direction[1]);
        set(&DIRECTION_QUALITY, lab.direction[2]);
        set(&LN_A_TRAIN, lab.ln_a_train);
        set(&LN_A_SERVE, lab.ln_a_serve);
        set(&QUALITY_BONUS, lab.quality_bonus);
        set(&DISTILLED, lab.distilled);
        set(&GAIN_TRAIN_OWN, lab.gain_train[0]);
        set(&GAIN_TRAIN_SPILLOVER, lab.gain_train[1]);
        set(&GAIN_TRAIN_NOISE, lab.gain_train[2]);
        set(&GAIN_SERVE_OWN, lab.gain_serve[0]);
        set(&GAIN_SERVE_SPILLOVER, lab.gain_serve[1]);
        set(&GAIN_SERVE_LEARNING, lab.gain_serve[2]);
        set(&GAIN_SERVE_NOISE, lab.gain_serve[3]);
        set(&GAIN_QUALITY_OWN, lab.gain_quality[0]);
        set(&GAIN_QUALITY_PARADIGMS, lab.gain_quality[1]);
        set(&GAIN_QUALITY_FADING, lab.gain_quality[2]);
        if !firm.row.developer {
            continue;
        }
        frontier[0] = frontier[0].max(lab.ln_a_train);
        frontier[1] = frontier[1].max(lab.ln_a_serve);
        match firm.row.group {
            Group::Constrained => groups[0].add(lab),
            Group::Unconstrained => groups[1].add(lab),
            Group::Neither => {}
        }
    }
    if frontier[0].is_finite() {
        readings.set(&FRONTIER_LN_A_TRAIN, frontier[0]);
        readings.set(&FRONTIER_LN_A_SERVE, frontier[1]);
    }
    for (group, train, serve) in [
        (&groups[0], &LN_A_TRAIN_CONSTRAINED, &LN_A_SERVE_CONSTRAINED),
        (&groups[1], &LN_A_TRAIN_UNCONSTRAINED, &LN_A_SERVE_UNCONSTRAINED),
    ] {
        if let Some([mean_train, mean_serve]) = group.mean() {
            readings.set(train, mean_train);
            readings.set(serve, mean_serve);
        }
    }
    let (Some(constrained), Some(unconstrained)) = (groups[0].mean(), groups[1].mean()) else {
        return;
    };
    let train = constrained[0] - unconstrained[0];
    let serve = constrained[1] - unconstrained[1];
    readings.set(&EFFICIENCY_GAP_TRAIN, train);
    readings.set(&EFFICIENCY_GAP_SERVE, serve);
    readings.set(&EFFICIENCY_GAP, train + serve);
    let best = |k: usize| groups[0].best[k] - groups[1].best[k];
    readings.set(&EFFICIENCY_GAP_TRAIN_BEST, best(0));
    readings.set(&EFFICIENCY_GAP_SERVE_BEST, best(1));
    readings.set(&EFFICIENCY_GAP_BEST, best(2));
}

/// Weighted mean and best of a group's efficiency.
#[derive(Clone, Copy, Debug)]
struct Means {
    count: f64,
    weight: f64,
    plain: [f64; AXES],
    weighted: [f64; AXES],
    /// Best training, best serving, best sum of both.
    best: [f64; 3],
}

impl Default for Means {
    fn default() -> Self {
        Self {
            count: 0.0,
            weight: 0.0,
            plain: [0.0; AXES],
            weighted: [0.0; AXES],
            best: [f64::NEG_INFINITY; 3],
        }
    }
}

impl Means {
    fn add(&mut self, lab: &Lab) {
        let (train, serve) = (lab.ln_a_train, lab.ln_a_serve);
        self.count += 1.0;
        self.weight += lab.weight;
        for (axis, value) in [train, serve].into_iter().enumerate() {
            self.plain[axis] += value;
            self.weighted[axis] += lab.weight * value;
        }
        for (best, value) in self.best.iter_mut().zip([train, serve, train + serve]) {
            *best = best.max(value);
        }
    }

    /// The mean, weighted by compute at the start; plain where nobody had any.
    fn mean(&self) -> Option<[f64; AXES]> {
        if self.count == 0.0 {
            None
        } else if self.weight > 0.0 {
            Some(self.weighted.map(|sum| sum / self.weight))
        } else {
            Some(self.plain.map(|sum| sum / self.count))
        }
    }
}

crate::metrics! {
    World {
        EFFICIENCY_GAP_TRAIN = "efficiency_gap_train", "ln", "Mean ln A_train of constrained developers less that of unconstrained ones, each weighted by training compute (H100e, owned and rented) in the first month. Its treated-minus-counterfactual difference is the frugality premium in training.";
        EFFICIENCY_GAP_SERVE = "efficiency_gap_serve", "ln", "The same for ln A_serve.";
        EFFICIENCY_GAP = "efficiency_gap", "ln", "efficiency_gap_train + efficiency_gap_serve.";
        EFFICIENCY_GAP_TRAIN_BEST = "efficiency_gap_train_best", "ln", "Highest ln A_train of a constrained developer less the highest of an unconstrained one.";
        EFFICIENCY_GAP_SERVE_BEST = "efficiency_gap_serve_best", "ln", "The same for ln A_serve.";
        EFFICIENCY_GAP_BEST = "efficiency_gap_best", "ln", "The same for ln A_train + ln A_serve of one developer.";
        LN_A_TRAIN_CONSTRAINED = "ln_a_train_constrained", "ln", "Mean ln A_train of constrained developers, weighted by training compute in the first month.";
        LN_A_TRAIN_UNCONSTRAINED = "ln_a_train_unconstrained", "ln", "The same of unconstrained developers.";
        LN_A_SERVE_CONSTRAINED = "ln_a_serve_constrained", "ln", "Mean ln A_serve of constrained developers, weighted by training compute in the first month.";
        LN_A_SERVE_UNCONSTRAINED = "ln_a_serve_unconstrained", "ln", "The same of unconstrained developers.";
        FRONTIER_LN_A_TRAIN = "frontier_ln_a_train", "ln", "Highest ln A_train of any developer.";
        FRONTIER_LN_A_SERVE = "frontier_ln_a_serve", "ln", "Highest ln A_serve of any developer.";
    }
    Firm {
        RESEARCH_STAFF = "research_staff", "person", "Researchers and engineers, planned and reallocated.";
        REALLOCATED_STAFF = "reallocated_staff", "person", "The part that unspent chip money pays.";
        REALLOCATED_USD = "reallocated_usd", "USD/month", "Unspent chip money that became wages this month.";
        RESEARCH_INPUT = "research_input", "1", "Research input R; the frontier lab in the first complete month of its record is 1.";
        EXPERIMENT_ELASTICITY = "experiment_elasticity", "1", "Elasticity of R with respect to experiment compute.";
        DIRECTION_TRAIN = "direction_train", "share", "Share of research effort in training efficiency.";
        DIRECTION_SERVE = "direction_serve", "share", "Share of research effort in serving efficiency.";
        DIRECTION_QUALITY = "direction_quality", "share", "Share of research effort in quality.";
        LN_A_TRAIN = "ln_a_train", "ln", "Training efficiency: log of compute saved at equal capability, frontier of January 2022 = 0.";
        LN_A_SERVE = "ln_a_serve", "ln", "Serving efficiency: log of tokens per unit of compute from a model of equal size, frontier of January 2022 = 0.";
        QUALITY_BONUS = "quality_bonus_dex", "dex", "Quality bonus B: post-training, data, paradigms.";
        DISTILLED = "distilled_dex", "dex", "Capability copied by distillation, D.";
        GAIN_TRAIN_OWN = "gain_train_own", "ln", "Part of ln A_train gained by own research since the start.";
        GAIN_TRAIN_SPILLOVER = "gain_train_spillover", "ln", "Part gained by spillover since the start.";
        GAIN_TRAIN_NOISE = "gain_train_noise", "ln", "Part gained by noise since the start.";
        GAIN_SERVE_OWN = "gain_serve_own", "ln", "Part of ln A_serve gained by own research since the start.";
        GAIN_SERVE_SPILLOVER = "gain_serve_spillover", "ln", "Part gained by spillover since the start.";
        GAIN_SERVE_LEARNING = "gain_serve_learning", "ln", "Part gained by serving under rationing since the start.";
        GAIN_SERVE_NOISE = "gain_serve_noise", "ln", "Part gained by noise since the start.";
        GAIN_QUALITY_OWN = "gain_quality_own", "dex", "What own research gave to B since the start.";
        GAIN_QUALITY_PARADIGMS = "gain_quality_paradigms", "dex", "What paradigms gave to B since the start.";
        GAIN_QUALITY_FADING = "gain_quality_fading", "dex", "What fading took from B since the start (negative).";
    }
}
