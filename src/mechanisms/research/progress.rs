//! Progress: own research, spillover, distillation, learning by serving.
//!
//! **Progress**, Δt one month in years:
//! - `Δln A_x = θ_x (s_x R)^λ A_x^(−β) Δt + spillover + noise`, x train or serve;
//! - `ΔB = θ_B (s_B R)^λ A_B^(−β) Δt / ln 10 − d_B (B − paradigms so far) Δt + paradigms`,
//!   `ln A_B = ln 10 ·` (what own research has given to B so far): quality gets harder too, and what it gave
//!   fades. Without the first B would outgrow everything else by 2035 (6 dex), without the second it would
//!   never age. A paradigm, once mastered, is how models are made: it does not fade;
//! - `θ_x = (e^(β g_x T) − 1)/(β T) / mean over the observed months of (s_x⁰ R)^λ` along the *observed*
//!   frontier (table `frontier`, T its length in years), s⁰ the direction at κ̄ = 1: a lab with these
//!   inputs grows by g_x a year. Growth rates are the parameters, since θ, λ and β are not identified
//!   apart. θ_B likewise, from g_B ln 10.
//!
//! **Spillover**: `δ · max over j ≠ i of o_j (ln A_j(t − lag_j) − ln A_i)⁺ · R_i/(R_i + R_half) Δt`.
//! Open developers publish soon and whole (o = 1), closed ones leak less, ways of training late (who copies an
//! architecture needs a new base model), ways of serving sooner. Histories before
//! the run are each firm's first value, extended backwards at g_x.
//!
//! **Distillation**: `ΔD = φ (q̂*(t − lag) − q̂_i)⁺ Δt − d_D D Δt`, 0 ≤ D ≤ D_max; q̂* the best
//! possible capability of any firm, q̂_i the firm's own last month. It is imitation and never counts
//! as efficiency.
//!
//! **Learning by serving**: `Δln A_serve += θ_L (1 − 1/κ̄) ln(tokens_t/tokens_{t−12})⁺ Δt`, tokens as
//! served until last month.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::law::{self, Inputs, absorption};
use super::{AXES, ResearchMemory, ResearchParameters, YEAR, lag_months};
use crate::calendar::Month;
use crate::entities::boards::{Frontier, Offers};
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::firm::{Compute, Firm, Lab, Purse};
use crate::entities::{Clock, Roster, Switches};
use crate::maths;

/// Hundredths in a whole.
const PERCENT: f64 = 100.0;

/// Research moves efficiency and quality by a month.
pub(crate) fn advance(
    clock: Res<Clock>,
    switches: Res<Switches>,
    p: Res<ResearchParameters>,
    frontier: Res<Frontier>,
    offers: Res<Offers>,
    roster: Res<Roster>,
    mut chronicle: ResMut<Chronicle>,
    mut memory: ResMut<ResearchMemory>,
    mut firms: Query<(&Firm, &Compute, &Purse, &mut Lab)>,
    mut felt: Local<Vec<(Option<EventId>, f64)>>,
    mut public: Local<Vec<Public>>,
) {
    let memory = &mut *memory;
    let elapsed = clock.elapsed();
    let month = 1.0 / f64::from(YEAR);
    memory.served.fill(0.0);
    for (firm, tokens) in offers.firm.iter().zip(&offers.tokens_m) {
        if let Some(served) = memory.served.get_mut(firm.index()) {
            *served += tokens;
        }
    }
    let lag_open = lag_months(p.spillover_lag_open);
    let lag_closed = [p.spillover_lag_closed, p.spillover_lag_systems].map(lag_months);
    memory.publish(elapsed, lag_open, lag_closed, &mut public);
    let source: Option<f64> = distillable(&clock, &p, &frontier, switches.distillation);

    // Firms see one another's past only, so that their order cannot be felt.
    let mut labs = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, compute, purse, mut lab))) = labs.fetch_next() {
        let lab = &mut *lab;
        let i = firm.id.index();
        let inputs = Inputs::of(lab.staff, compute.experiments_h100e, frontier.log10_largest_run);
        let (ln_input, elasticity) = law::research_input(&memory.technology, &inputs);
        lab.input = if ln_input == f64::NEG_INFINITY { 0.0 } else { maths::exp(ln_input) };
        lab.experiment_elasticity = elasticity;
        let kappa = purse.kappa_lagged.max(1.0);
        let epsilon = if switches.direction { p.direction_elasticity } else { 0.0 };
        lab.direction = law::direction(p.direction_odds, p.direction_train_share, epsilon, kappa);
        let frugal = lab.direction[0] + lab.direction[1];
        if felt.len() <= i {
            felt.resize(i + 1, (None, frugal));
        }
        // Told once for each change of the price of compute, to developers' account only.
        let (known, share) = felt[i];
        if firm.row.developer && epsilon != 0.0 && purse.event != known {
            chronicle.log(
                clock.now,
                "direction_shifted",
                (&firm.row.id, ""),
                (frugal - share, "share of research"),
                purse.event,
                || {
                    format!(
                        "{} moves research on efficiency from {:.0} % to {:.0} % of its effort",
                        firm.row.name,
                        share * PERCENT,
                        frugal * PERCENT
                    )
                },
            );
            felt[i] = (purse.event, frugal);
        }

        let own = |x: usize, ln_a: f64, beta: f64| {
            memory.theta[x]
                * law::effort(lab.direction[x], ln_input, p.research_returns, ln_a, beta)
                * month
        };
        let gains = [
            own(0, lab.ln_a_train, p.ideas_harder),
            own(1, lab.ln_a_serve, p.ideas_harder),
            own(2, lab.gain_quality[0] * std::f64::consts::LN_10, p.ideas_harder)
                / std::f64::consts::LN_10,
        ];
        let mut spilt = [0.0; AXES];
        if switches.spillover && lab.input > 0.0 {
            let rate = p.spillover_speed * absorption(lab.input, p.absorption_half_input) * month;
            for (axis, ln_a) in [lab.ln_a_train, lab.ln_a_serve].into_iter().enumerate() {
                spilt[axis] = rate * public_gap(&public, i, axis, ln_a);
            }
        }
        let mut noise = [0.0; AXES];
        if p.research_noise > 0.0 && lab.input > 0.0 {
            let mut draws = lab.luck.month(clock.now);
            noise = [p.research_noise * draws.normal(), p.research_noise * draws.normal()];
        }
        let slot = elapsed.rem_euclid(YEAR) as usize * memory.firms + i;
        let (tokens, year_ago) = (memory.served[i], memory.tokens[slot]);
        memory.tokens[slot] = tokens;
        let mut learnt = 0.0;
        if switches.learning_by_serving && kappa > 1.0 && year_ago > 0.0 && tokens > year_ago {
            learnt = p.learning_by_serving_rate
                * (1.0 - 1.0 / kappa)
                * maths::ln(tokens / year_ago)
                * month;
        }

        lab.ln_a_train += gains[0] + spilt[0] + noise[0];
        for (total, gain) in lab.gain_train.iter_mut().zip([gains[0], spilt[0], noise[0]]) {
            *total += gain;
        }
        lab.ln_a_serve += gains[1] + spilt[1] + learnt + noise[1];
        for (total, gain) in lab.gain_serve.iter_mut().zip([gains[1], spilt[1], learnt, noise[1]]) {
            *total += gain;
        }
        let faded = p.quality_fading * (lab.quality_bonus - lab.gain_quality[1]) * month;
        lab.quality_bonus += gains[2] - faded;
        lab.gain_quality[0] += gains[2];
        lab.gain_quality[2] -= faded;

        let gap = match source {
            Some(best) if firm.row.developer && lab.possible_capability > 0.0 => {
                (best - lab.possible_capability).max(0.0)
            }
            _ => 0.0,
        };
        let change = (p.distillation_rate * gap - p.distillation_fading * lab.distilled) * month;
        lab.distilled = (lab.distilled + change).clamp(0.0, p.distillation_ceiling.max(0.0));
    }
    for (firm, _, _, lab) in firms.iter_many(&roster.firms).flatten() {
        memory.remember(elapsed, firm.id.index(), [lab.ln_a_train, lab.ln_a_serve]);
    }
}

/// What others can copy of a developer this month.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Public {
    firm: usize,
    /// How much of its technique they can, o.
    openness: f64,
    /// ln A when that was news, by axis.
    ln_a: [f64; AXES],
}

impl ResearchMemory {
    /// Lists what can be copied of whom: the same for all who copy.
    fn publish(
        &self,
        elapsed: i32,
        lag_open: i32,
        lag_closed: [i32; AXES],
        public: &mut Vec<Public>,
    ) {
        public.clear();
        let copied = (0..self.firms).filter(|firm| self.openness[*firm] > 0.0);
        public.extend(copied.map(|firm| {
            let lags = if self.open[firm] { [lag_open; AXES] } else { lag_closed };
            let ln_a = std::array::from_fn(|axis| self.ln_a(elapsed, lags[axis], firm, axis));
            Public { firm, openness: self.openness[firm], ln_a }
        }));
    }
}

/// The widest gap `o_j (ln A_j(t − lag_j) − ln A_i)⁺` over rivals j of firm `i`.
fn public_gap(public: &[Public], i: usize, axis: usize, ln_a: f64) -> f64 {
    let rivals = public.iter().filter(|of| of.firm != i);
    rivals.map(|of| of.openness * (of.ln_a[axis] - ln_a)).fold(0.0, f64::max)
}

/// The frontier's capability that can be distilled this month; none in the first month or when off.
fn distillable(
    clock: &Clock,
    p: &ResearchParameters,
    frontier: &Frontier,
    on: bool,
) -> Option<f64> {
    if !on || frontier.months_simulated() == 0 {
        return None;
    }
    let from: Month = clock.now - lag_months(p.distillation_lag);
    frontier.best_at(from)
}
