//! AI models: training runs, releases, and what is on offer.

use bevy_ecs::prelude::Resource;

use super::FirmId;
use super::chronicle::EventId;
use crate::calendar::Month;

crate::choice! {
    /// Size class in which a firm offers a model.
    pub enum Tier {
        /// The flagship.
        Big = "big",
        /// The cheap one.
        Small = "small",
    }
}

/// A training run under way.
#[derive(Clone, Debug)]
pub struct TrainingRun {
    /// The developer.
    pub firm: FirmId,
    /// First month.
    pub start: Month,
    /// Month of release.
    pub end: Month,
    /// log10 of the training compute, FLOP.
    pub log10_flop: f64,
    /// ln of training efficiency at that scale when the run started.
    pub ln_a_effective: f64,
    /// Whether the run is a fact of the script, and its quality without noise.
    pub scripted: bool,
    /// The start in the event log.
    pub event: Option<EventId>,
}

/// A released model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Id, in order of release.
    pub id: u32,
    /// The developer.
    pub firm: FirmId,
    /// The tier it is offered in.
    pub tier: Tier,
    /// Month of release.
    pub released: Month,
    /// Quality in dex of effective compute.
    pub quality: f64,
    /// log10 of the training compute, FLOP: sets the cost of serving.
    pub log10_flop: f64,
    /// Tokens served by an H100e in a month at A_serve = 1, millions. Written at release.
    pub tokens_m_per_h100e: f64,
    /// Whether the weights are open.
    pub open: bool,
    /// The part of the quality that was distilled, dex.
    pub distilled: f64,
    /// The release in the event log.
    pub event: Option<EventId>,
}

/// Runs under way and models released.
#[derive(Resource, Clone, Debug, Default)]
pub struct ModelBook {
    /// Training runs under way.
    pub runs: Vec<TrainingRun>,
    /// Models in order of release; ids are positions.
    pub models: Vec<Model>,
    /// The model each firm offers in each tier, `[firm][tier]`.
    pub deployed: Vec<[Option<u32>; 2]>,
    /// Best open model by quality, if any.
    pub best_open: Option<u32>,
}
