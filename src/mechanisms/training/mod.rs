//! Training: what firms could train, what they do train, and the frontiers.
//!
//! - `law`: compute of a run, what it is worth at its scale, tokens of its models;
//! - `frontiers`: what firms could train, and who trails whom by how much;
//! - `runs`: runs that start and become models;
//! - `measures`: what is written down each month.

mod frontiers;
mod law;
mod measures;
mod runs;
#[cfg(test)]
pub(crate) mod tests;

use bevy_ecs::prelude::Resource;

pub(crate) use self::frontiers::{assess_capability, frontier};
pub use self::measures::METRICS;
pub(crate) use self::measures::measure;
pub(crate) use self::runs::{release_models, start, start_runs};
use crate::calendar::Month;
use crate::random::Stream;

crate::parameters! {
    /// Parameters of training.
    pub struct TrainingParameters in "training" {
        /// Model FLOP utilisation of a training run.
        mfu,
        /// Months of a training run.
        run_months,
        /// Months from the end of a run to the release.
        post_training_months,
        /// Size from which clusters lose efficiency, N₀.
        cluster_reference_h100e,
        /// Exponent of that loss, e_N.
        cluster_size_penalty,
        /// Interconnect without penalty, I₀.
        interconnect_reference_gbps,
        /// Exponent of the penalty of weak links, e_I.
        interconnect_penalty,
        /// Share of training gains that pays only at scale, f.
        scale_dependent_share,
        /// ln of training efficiency before the gains that are meant, below every firm's start, ln A_base.
        ln_a_base,
        /// log10 of the scale around which gains pay, C_ref.
        scale_reference_log10_flop,
        /// Improvement over the deployed model that starts a run.
        release_gain_dex,
        /// Age at which a deployed model is replaced for any improvement.
        model_age_months,
        /// Longest pause between a release and the next run.
        run_pause_months,
        /// Step by which a developer's runs may grow, s.
        run_step_dex,
        /// log10 of the smallest run worth starting.
        smallest_run_log10_flop,
        /// Standard deviation of the quality of a release.
        release_noise_dex,
        /// Training compute of the small tier relative to the big one.
        small_tier_compute,
        /// Quality that the small tier lacks.
        small_tier_loss_dex,
        /// Tokens of the small tier relative to a big one of its compute.
        small_tier_tokens,
        /// Tokens of an H100e in a month at A_serve = 1 from a model of the reference run, τ₀, millions.
        tokens_m_per_h100e_month,
        /// log10 of the reference run, C₀.
        serving_reference_log10_flop,
        /// Exponent of serving cost in the compute of the run, ς.
        serving_size_exponent,
        /// Quality at which tokens are compared.
        equal_quality_dex,
    }
}

/// A developer's calendar.
#[derive(Clone, Debug)]
struct Calendar {
    /// First month in which the next run may start.
    ready: Month,
    /// FLOP gathered: what a run that ends now could have used.
    pool: f64,
    /// FLOP of this month.
    flow: f64,
    luck: Stream,
}

/// What training remembers of each firm.
#[derive(Resource, Clone, Debug)]
pub struct TrainingMemory {
    calendars: Vec<Calendar>,
    /// log10 of the largest run of each firm so far, FLOP; 0: none.
    largest: Vec<f64>,
    released: i64,
    started: i64,
}
