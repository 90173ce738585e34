//! Research: staff and experiments make efficiency and quality; ideas spread.
//!
//! Semi-endogenous growth (Jones 1995, *R&D-based models of economic growth*) with a direction
//! that may answer to scarcity (Hicks 1932; Popp 2002; Acemoglu 2002). A firm's state is its
//! training efficiency A_train and serving efficiency A_serve (logs; the frontier of January 2022
//! is 0), a quality bonus B and distilled capability D (dex of effective compute).
//!
//! **Input.** `R = [a (L/L₀)^ρ + (1 − a)(K_eff/K₀)^ρ]^(1/ρ)`, `ρ = (σ_R − 1)/σ_R`, Cobb–Douglas at
//! σ_R = 1, with `K_eff = K · (C*/C*₀)^(−χ)`. L staff (persons), K experiment compute (H100e), C* the
//! largest finished training run of this world (FLOP); L₀, K₀, C*₀ the same of the frontier lab in
//! the first complete month of the `frontier` table. (σ_R, χ) = (2.58, 0): people replace
//! experiments; (0.1, 0): they do not; (0.1, 1): nor do experiments that do not grow with the
//! frontier (Whitfill and Wu 2025 find the first and the last, by specification).
//!
//! **Direction.** Effort, staff and experiments alike, goes to training efficiency, serving
//! efficiency and quality with shares s. The odds of the two frugal directions together against
//! quality are `odds₀ · κ̄^ε`, κ̄ ≥ 1 the shadow price of compute as research feels it.
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
//!
//! **Paradigms**: events whose firms gain `quantity` dex of B at once; everybody else with a lab gets
//! there in `slow − (slow − fast) R/(R + R_half)` months. After the script's years they come by chance,
//! at the same dates in every arm of a seed, to whom research input makes likely (Gumbel choice).
//!
//! **Staff** grows as planned: at the firm's own rate for some years, then at a rate that fades to a
//! common one. **Reallocation** adds people E: a share of unspent chip money a year, divided by the
//! wage `w = w₀ e^(g_w t)(1 + E/L_planned)^η`, is where E wants to be; it goes there at a limited
//! speed. `w E` of a month leaves [`Purse::unspent`] for [`Purse::reallocated`], which `finance` pays.

mod law;
mod measures;
#[cfg(test)]
pub(crate) mod tests;

use bevy_ecs::prelude::{Local, Query, Res, ResMut, Resource};

use self::law::{Inputs, Technology};
pub use self::measures::METRICS;
pub(crate) use self::measures::measure;
use crate::calendar::Month;
use crate::entities::boards::{Frontier, Offers};
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::firm::{Compute, Firm, FirmRow, Lab, Purse};
use crate::entities::script::{FrontierRow, Script, ShockKind, ShockRow};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::maths;
use crate::random::{self, Luck, Purpose, Stream};
use crate::units::Money;

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
/// Hundredths in a whole.
const PERCENT: f64 = 100.0;

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

/// Staff grows as planned, and unspent chip money hires more of it.
pub(crate) fn hire(
    clock: Res<Clock>,
    switches: Res<Switches>,
    settings: Res<Settings>,
    p: Res<ResearchParameters>,
    script: Res<Script>,
    roster: Res<Roster>,
    mut firms: Query<(&Firm, &Compute, &mut Purse, &mut Lab)>,
) {
    let years = clock.years();
    let late = (years - p.staff_growth_years).max(0.0);
    let fade = if p.staff_growth_fade_years > 0.0 {
        maths::exp(-late / p.staff_growth_fade_years)
    } else if late > 0.0 {
        0.0
    } else {
        1.0
    };
    let wage = p.wage_usd_year * maths::exp(p.wage_growth * years);
    let mut labs = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, compute, mut purse, mut lab))) = labs.fetch_next() {
        let lab = &mut *lab;
        let purse = &mut *purse;
        if clock.elapsed() == 0 {
            lab.weight = (compute.owned_train_h100e + compute.rented_train_h100e).max(0.0);
        } else {
            let growth = p.staff_growth_late + (firm.row.staff_growth - p.staff_growth_late) * fade;
            lab.planned_staff *= maths::exp(growth / f64::from(YEAR));
        }
        for (at, shock) in script.beginning(clock.now) {
            if shock.kind == ShockKind::Staff && concerns(shock, &firm.row.id) {
                lab.planned_staff *= shock.quantity.max(0.0);
                lab.event = script.happened.get(at).copied().flatten().or(lab.event);
            }
        }
        reallocate(&p, wage, &settings, switches.reallocation, purse, lab);
        lab.staff = lab.planned_staff + lab.reallocated_staff;
    }
}

/// Moves unspent money to people, within this month's means and the speed of hiring.
fn reallocate(
    p: &ResearchParameters,
    wage: f64,
    settings: &Settings,
    on: bool,
    purse: &mut Purse,
    lab: &mut Lab,
) {
    purse.reallocated = Money::ZERO;
    let unspent = purse.unspent.max(Money::ZERO);
    if !on || lab.planned_staff <= 0.0 || wage <= 0.0 {
        lab.reallocated_staff = 0.0;
        return;
    }
    let means = unspent.amount(settings.quantum);
    let extra = lab.reallocated_staff / lab.planned_staff;
    let dear = wage * maths::pow(1.0 + extra, p.wage_slope);
    let wanted = p.reallocation_rate * means / dear;
    let step = (p.reallocation_speed * (wanted - lab.reallocated_staff))
        .min(p.reallocation_limit * (lab.planned_staff + lab.reallocated_staff) / f64::from(YEAR));
    let payable = means * f64::from(YEAR) / dear;
    let staff = (lab.reallocated_staff + step).clamp(0.0, payable);
    let pay = Money::from_amount(staff * dear / f64::from(YEAR), settings.quantum).min(unspent);
    purse.unspent -= pay;
    purse.reallocated = pay;
    lab.reallocated_staff = staff;
}

/// Paradigms appear, by script or by chance, and spread.
pub(crate) fn spread_paradigms(
    clock: Res<Clock>,
    switches: Res<Switches>,
    p: Res<ResearchParameters>,
    script: Res<Script>,
    luck: Res<Luck>,
    roster: Res<Roster>,
    mut chronicle: ResMut<Chronicle>,
    mut memory: ResMut<ResearchMemory>,
    mut firms: Query<(&Firm, &mut Lab)>,
) {
    if !switches.paradigms {
        return;
    }
    let memory = &mut *memory;
    // Who is there already is not reached again this month.
    let known = memory.paradigms.len();
    for (at, shock) in script.beginning(clock.now) {
        if shock.kind != ShockKind::Paradigm {
            continue;
        }
        let event = script.happened.get(at).copied().flatten();
        let index =
            memory.paradigms.iter().position(|one| one.name == shock.name).unwrap_or_else(|| {
                memory.paradigms.push(Paradigm {
                    name: shock.name.clone(),
                    size: shock.quantity,
                    event,
                    reached: vec![0.0; memory.firms],
                });
                memory.paradigms.len() - 1
            });
        let paradigm = &mut memory.paradigms[index];
        let mut labs = firms.iter_many_mut(&roster.firms);
        while let Some(Ok((firm, mut lab))) = labs.fetch_next() {
            if concerns(shock, &firm.row.id) {
                let rest = 1.0 - paradigm.reached[firm.id.index()];
                paradigm.reached[firm.id.index()] = 1.0;
                gain_paradigm(&mut lab, rest * paradigm.size, event.or(paradigm.event));
            }
        }
    }
    if clock.years() >= p.paradigm_chance_after {
        let mut draws = memory.luck.month(clock.now);
        if draws.chance(p.paradigm_rate / f64::from(YEAR)) {
            discover(&clock, &p, &luck, &roster, &mut chronicle, memory, &mut firms);
        }
    }
    for paradigm in &mut memory.paradigms[..known] {
        let mut labs = firms.iter_many_mut(&roster.firms);
        while let Some(Ok((firm, mut lab))) = labs.fetch_next() {
            let reached = paradigm.reached[firm.id.index()];
            if reached >= 1.0 || lab.staff <= 0.0 {
                continue;
            }
            let absorption = absorption(lab.input, p.absorption_half_input);
            let months = p.paradigm_months_slow
                - (p.paradigm_months_slow - p.paradigm_months_fast) * absorption;
            let step = (1.0 / months.max(1.0)).min(1.0 - reached);
            let now = reached + step;
            // The last step closes what rounding leaves.
            let done = now > 1.0 - step / 2.0;
            paradigm.reached[firm.id.index()] = if done { 1.0 } else { now };
            let gain = if done { 1.0 - reached } else { step };
            let mut event = lab.event;
            if done && firm.row.developer {
                event = Some(chronicle.log(
                    clock.now,
                    "paradigm_reached",
                    (&firm.row.id, &paradigm.name),
                    (paradigm.size, "dex"),
                    paradigm.event,
                    || format!("{} masters {}", firm.row.name, paradigm.name),
                ));
            }
            gain_paradigm(&mut lab, gain * paradigm.size, event);
        }
    }
}

fn gain_paradigm(lab: &mut Lab, dex: f64, event: Option<EventId>) {
    lab.quality_bonus += dex;
    lab.gain_quality[1] += dex;
    lab.event = event.or(lab.event);
}

/// A paradigm by chance: the finder maximises `ln R + Gumbel`, each firm with its own draw.
fn discover(
    clock: &Clock,
    p: &ResearchParameters,
    luck: &Luck,
    roster: &Roster,
    chronicle: &mut Chronicle,
    memory: &mut ResearchMemory,
    firms: &mut Query<(&Firm, &mut Lab)>,
) {
    let mut best: Option<(f64, usize)> = None;
    for (i, (firm, lab)) in firms.iter_many(&roster.firms).flatten().enumerate() {
        if !firm.row.developer || lab.input <= 0.0 {
            continue;
        }
        let key = random::key_of(&["finder", &firm.row.id]);
        let u = luck.stream(Purpose::Paradigm, key).month(clock.now).uniform();
        let score = maths::ln(lab.input) - maths::ln(-maths::ln(u));
        if best.is_none_or(|(top, _)| score > top) {
            best = Some((score, i));
        }
    }
    let Some((_, finder)) = best else { return };
    let mut reached = vec![0.0; memory.firms];
    let mut labs = firms.iter_many_mut(&roster.firms);
    let mut i = 0;
    while let Some(Ok((firm, mut lab))) = labs.fetch_next() {
        if i == finder {
            let name = format!("paradigm of {}", clock.now);
            let event = chronicle.log(
                clock.now,
                "paradigm_found",
                (&firm.row.id, &name),
                (p.paradigm_size, "dex"),
                None,
                || format!("{} finds a new way of making models", firm.row.name),
            );
            gain_paradigm(&mut lab, p.paradigm_size, Some(event));
            reached[firm.id.index()] = 1.0;
            memory.paradigms.push(Paradigm {
                name,
                size: p.paradigm_size,
                event: Some(event),
                reached,
            });
            return;
        }
        i += 1;
    }
}

fn absorption(input: f64, half: f64) -> f64 {
    if input <= 0.0 { 0.0 } else { input / (input + half.max(0.0)) }
}

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
                spilt[axis] =
                    rate * memory.public_gap(elapsed, i, axis, ln_a, lag_open, lag_closed[axis]);
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

impl ResearchMemory {
    /// The widest gap `o_j (ln A_j(t − lag_j) − ln A_i)⁺` over rivals j of firm `i`.
    fn public_gap(
        &self,
        elapsed: i32,
        i: usize,
        axis: usize,
        ln_a: f64,
        lag_open: i32,
        lag_closed: i32,
    ) -> f64 {
        let mut widest: f64 = 0.0;
        for j in (0..self.firms).filter(|j| *j != i) {
            let openness = self.openness[j];
            if openness <= 0.0 {
                continue;
            }
            let lag = if self.open[j] { lag_open } else { lag_closed };
            widest = widest.max(openness * (self.ln_a(elapsed, lag, j, axis) - ln_a));
        }
        widest
    }
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
