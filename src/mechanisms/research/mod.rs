//! Research: staff and experiments make efficiency and quality; ideas spread.
//!
//! Semi-endogenous growth (Jones 1995, *R&D-based models of economic growth*) with a direction
//! that may answer to scarcity (Hicks 1932; Popp 2002; Acemoglu 2002). A firm's state is its
//! training efficiency A_train and serving efficiency A_serve (logs; the frontier of January 2022
//! is 0), a quality bonus B and distilled capability D (dex of effective compute).
//!
//! - `law`: research input, its direction, and productivity solved from the observed frontier;
//! - `staff`: hiring, as planned and from unspent chip money;
//! - `paradigms`: new ways of making models, and how they spread;
//! - `progress`: what a month of research gives;
//! - `measures`: what is written down each month;
//! - here: what research remembers, and its start.

mod law;
mod measures;
mod paradigms;
mod progress;
mod staff;
#[cfg(test)]
pub(crate) mod tests;

use bevy_ecs::prelude::Resource;

use self::law::{Inputs, Technology};
pub use self::measures::METRICS;
pub(crate) use self::measures::measure;
pub(crate) use self::paradigms::spread_paradigms;
pub(crate) use self::progress::advance;
pub(crate) use self::staff::hire;
use crate::entities::chronicle::EventId;
use crate::entities::firm::{FirmRow, Lab};
use crate::entities::script::{FrontierRow, ShockRow};
use crate::maths;
use crate::random::{self, Luck, Purpose, Stream};

crate::parameters! {
    /// Parameters of research.
    pub struct ResearchParameters in "research" {
        /// Elasticity of substitution between staff and experiment compute, σ_R.
        research_substitution,
        /// Exponent χ with which useful experiments must grow with the largest run.
        experiment_scale,
        /// Weight of staff in research input, a.
        research_labour_weight,
        /// Returns to research input, λ.
        research_returns,
        /// How much harder ideas get, β.
        ideas_harder,
        /// Growth of the frontier's training efficiency, 2022–25, g_train.
        g_train,
        /// Growth of the frontier's serving efficiency, 2022–25, g_serve.
        g_serve,
        /// Gross gain of the frontier's quality bonus, 2022–25, g_B.
        g_quality,
        /// Rate at which the quality bonus fades, d_B.
        quality_fading,
        /// Elasticity of the odds of frugal research to the shadow price, ε.
        direction_elasticity,
        /// Odds of frugal research against quality without scarcity, odds₀.
        direction_odds,
        /// Share of frugal research that goes to training.
        direction_train_share,
        /// Speed of absorption, δ.
        spillover_speed,
        /// How much of a closed developer's technique leaks, o; open developers have 1.
        spillover_closed,
        /// Months until an open developer's technique can be copied.
        spillover_lag_open,
        /// Months until a closed developer's way of training has leaked.
        spillover_lag_closed,
        /// Months until a closed developer's way of serving has leaked: systems need no new model.
        spillover_lag_systems,
        /// Research input at which half of what is public is absorbed, R_half.
        absorption_half_input,
        /// Strength of distillation, φ.
        distillation_rate,
        /// Months until a frontier capability can be distilled.
        distillation_lag,
        /// Rate at which distilled capability fades, d_D.
        distillation_fading,
        /// Most that distillation can give, D_max.
        distillation_ceiling,
        /// Gain of serving efficiency from serving under rationing, θ_L.
        learning_by_serving_rate,
        /// Share of unspent chip money that may go to staff, a year.
        reallocation_rate,
        /// Speed at which reallocated staff adjusts.
        reallocation_speed,
        /// Most that reallocation can add to staff, a year.
        reallocation_limit,
        /// Annual cost of a researcher, January 2022, w₀; `finance` pays planned staff at the same.
        wage_usd_year,
        /// Growth of that cost, g_w.
        wage_growth,
        /// Rise of the wage with the share of reallocated staff, η.
        wage_slope,
        /// Years for which staff grows at the firm's own rate.
        staff_growth_years,
        /// Growth of staff in the long run.
        staff_growth_late,
        /// Years in which the difference between the two rates falls to 1/e.
        staff_growth_fade_years,
        /// Standard deviation of monthly noise of ln A.
        research_noise,
        /// Months in which a paradigm reaches a firm with little research.
        paradigm_months_slow,
        /// Months in which a paradigm reaches a firm with much research.
        paradigm_months_fast,
        /// Years after the start from which paradigms come by chance.
        paradigm_chance_after,
        /// Chance of a new paradigm, a year.
        paradigm_rate,
        /// Size of a paradigm that comes by chance.
        paradigm_size,
    }
}

/// Axes of efficiency: training, serving.
const AXES: usize = 2;
/// Months in a year: the horizon over which serving volume is compared.
const YEAR: i32 = 12;

/// A way of making models on its way through the firms.
#[derive(Clone, Debug)]
struct Paradigm {
    name: String,
    size: f64,
    event: Option<EventId>,
    /// How far each firm has got, 0 to 1.
    reached: Vec<f64>,
}

/// What research remembers: productivity, firms' histories, paradigms under way.
#[derive(Resource, Clone, Debug)]
pub struct ResearchMemory {
    technology: Technology,
    /// θ of training, serving and quality.
    theta: [f64; 3],
    firms: usize,
    /// Whether a firm publishes weights, `[firm]`.
    open: Vec<bool>,
    /// How much of a firm's technique others can copy, `[firm]`: nothing of who develops none.
    openness: Vec<f64>,
    /// Months kept of ln A.
    months: i32,
    /// Ring of ln A at the end of each month, `[month][firm][axis]`.
    past: Vec<f64>,
    /// Ring of tokens served in a month, millions, `[month][firm]`.
    tokens: Vec<f64>,
    /// Tokens served last month, `[firm]`.
    served: Vec<f64>,
    paradigms: Vec<Paradigm>,
    luck: Stream,
}

fn lag_months(lag: f64) -> i32 {
    maths::whole(lag).clamp(1, 1 << 10) as i32
}

/// The memory at the start: θ from the observed frontier, and histories before the run from each
/// firm's first value at the frontier's growth rate. `frontier` is sorted by month, `firms` by id.
#[must_use]
pub(crate) fn start(
    p: &ResearchParameters,
    frontier: &[FrontierRow],
    firms: &[FirmRow],
    luck: &Luck,
) -> ResearchMemory {
    let observed = law::observed(frontier);
    let deployed = firms.iter().filter_map(|row| row.deployed_log10_flop).fold(0.0, f64::max);
    let reference = observed.first().map_or(Inputs::of(1.0, 1.0, deployed), |(_, inputs)| *inputs);
    let technology = Technology {
        labour: p.research_labour_weight,
        rho: law::rho_of(p.research_substitution),
        chi: p.experiment_scale,
        reference,
    };
    let free = law::direction(p.direction_odds, p.direction_train_share, 0.0, 1.0);
    let solve = |growth, share, beta| {
        law::productivity(&technology, &observed, growth, share, p.research_returns, beta)
    };
    let months = lag_months(p.spillover_lag_open)
        .max(lag_months(p.spillover_lag_closed))
        .max(lag_months(p.spillover_lag_systems));
    let mut past = vec![0.0; months as usize * firms.len() * AXES];
    for (i, row) in firms.iter().enumerate() {
        // The slot of the last month before the run is the last of the ring.
        for back in 0..months {
            let years = f64::from(back) / f64::from(YEAR);
            let at = ((months - 1 - back) as usize * firms.len() + i) * AXES;
            past[at] = row.ln_a_train - p.g_train * years;
            past[at + 1] = row.ln_a_serve - p.g_serve * years;
        }
    }
    ResearchMemory {
        technology,
        theta: [
            solve(p.g_train, free[0], p.ideas_harder),
            solve(p.g_serve, free[1], p.ideas_harder),
            solve(p.g_quality * std::f64::consts::LN_10, free[2], p.ideas_harder),
        ],
        firms: firms.len(),
        open: firms.iter().map(|row| row.open_weights).collect(),
        openness: firms
            .iter()
            .map(|row| match (row.developer, row.open_weights) {
                (false, _) => 0.0,
                (true, true) => 1.0,
                (true, false) => p.spillover_closed,
            })
            .collect(),
        months,
        past,
        tokens: vec![0.0; YEAR as usize * firms.len()],
        served: vec![0.0; firms.len()],
        paradigms: Vec::new(),
        luck: luck.stream(Purpose::Paradigm, random::key_of(&["world"])),
    }
}

/// A firm's research state at the start.
#[must_use]
pub(crate) fn lab(row: &FirmRow, p: &ResearchParameters, luck: &Luck) -> Lab {
    Lab {
        staff: row.research_staff,
        planned_staff: row.research_staff,
        ln_a_train: row.ln_a_train,
        ln_a_serve: row.ln_a_serve,
        direction: law::direction(p.direction_odds, p.direction_train_share, 0.0, 1.0),
        ..Lab::at_rest(luck.stream(Purpose::Research, random::key_of(&[&row.id])))
    }
}

impl ResearchMemory {
    /// ln A of firm `i` at the end of the month `lag` months before month `elapsed` of the run.
    fn ln_a(&self, elapsed: i32, lag: i32, i: usize, axis: usize) -> f64 {
        let slot = (elapsed - lag).rem_euclid(self.months) as usize;
        self.past[(slot * self.firms + i) * AXES + axis]
    }

    fn remember(&mut self, elapsed: i32, i: usize, ln_a: [f64; AXES]) {
        let slot = elapsed.rem_euclid(self.months) as usize;
        let at = (slot * self.firms + i) * AXES;
        self.past[at..at + AXES].copy_from_slice(&ln_a);
    }
}

fn concerns(shock: &ShockRow, firm: &str) -> bool {
    shock.subjects.is_empty() || shock.subjects.iter().any(|subject| subject == firm)
}
