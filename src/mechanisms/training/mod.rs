//! Training: what firms could train, what they do train, and the frontiers.
//!
//! **Compute of a run**, FLOP:
//! `C = peak · MFU · (N/N₀)^(−e_N) · min(1, I/I₀)^(e_I) · run time`, peak the 16-bit FLOP/s of the
//! firm's training part, N its H100e (penalised above N₀), I its mean interconnect (GB/s; weak links
//! cost). What a firm *could* have spent on a run that ends now is the same flow gathered over the
//! run time n: `C_possible' = C_possible (1 − 1/n) + flow of the month`. MFU: model FLOP utilisation
//! of published runs.
//!
//! **Scale**: part of the gains in training efficiency pays only near the scale they were made for
//! (Gundlach et al. 2025):
//! `ln A_eff(C) = ln A − f · max(0, ln A − ln A_base) · clip(½ − ¼ log₁₀(C/C_ref), 0, 1)`.
//!
//! **Capability**: `q̂ = log₁₀(C_possible · A_eff) + B + D`, dex. Lags and gaps are measured on q̂,
//! since releases come in steps. A lag is read off the leader's own history: months since the leader
//! first had what the follower has now, straight between months, negative when the follower leads.
//! Years before the run come from the `frontier` table, moved so that they meet the first month.
//!
//! **Runs**: a developer without a run under way starts one when its quality would exceed the
//! deployed model's by `release_gain`, or the deployed model is old and would be beaten, not before a
//! drawn pause has passed. Weights carry the efficiency of the start and B and D of the release,
//! `q = log₁₀(C · A_eff) + B + D + noise`. A run is no larger than a step s (`run_step_dex`) above the
//! developer's largest, or a step below the largest that anybody has finished, whichever is more: laws
//! of scaling and machines are proven a size at a time, and what others did is known. Who has no
//! laboratory yet (event `lab`) trains nothing. Scripted runs are data, without noise: what was under
//! way in January 2022. Weights published before the service opens (event `service`) are for research.
//!
//! **Tiers**: the run is the big one; a small one is distilled from it: less compute, less quality.
//! Tokens of an H100e in a month at A_serve = 1: `τ = τ₀ (C/C₀)^(−ς) · tier factor`. Cost follows the
//! *size* of the run, not its quality, or a better algorithm would be dearer to serve.
//!
//! **Tokens at equal quality**: `ln τ₀ + ln A_serve − ς ln(C_q/C₀)`, C_q the compute that a run of
//! the reference quality would take the firm without distillation: shifting effort between quality
//! and efficiency moves it little, progress moves it.

mod measures;
#[cfg(test)]
pub(crate) mod tests;

use bevy_ecs::prelude::{Query, Res, ResMut, Resource};

pub use self::measures::METRICS;
pub(crate) use self::measures::measure;
use crate::calendar::Month;
use crate::entities::boards::{Frontier, SpendOutlook};
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Firm, FirmRow, Group, Lab};
use crate::entities::model::{Model, ModelBook, Tier, TrainingRun};
use crate::entities::script::{FrontierRow, Script, ShockKind, ShockRow, opened};
use crate::entities::{Clock, FirmId, Roster, Switches};
use crate::maths;
use crate::random::{self, Luck, Purpose, Stream};

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

/// Seconds of a month of 8760/12 hours.
const SECONDS_A_MONTH: f64 = 8760.0 / 12.0 * 3600.0;

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

/// The memory and the models on offer at the start; `firms` sorted by id.
#[must_use]
pub(crate) fn start(
    p: &TrainingParameters,
    switches: &Switches,
    firms: &[FirmRow],
    shocks: &[ShockRow],
    luck: &Luck,
    start: Month,
) -> (TrainingMemory, ModelBook) {
    let mut book = ModelBook { deployed: vec![[None; 2]; firms.len()], ..ModelBook::default() };
    let mut calendars = Vec::with_capacity(firms.len());
    for (i, row) in firms.iter().enumerate() {
        let mut stream = luck.stream(Purpose::Training, random::key_of(&[&row.id]));
        let (age, pause) = {
            // The month before the first, which no release uses.
            let mut draws = stream.month(start - 1);
            (
                maths::whole_below(draws.uniform() * p.model_age_months),
                maths::whole_below(draws.uniform() * p.run_pause_months),
            )
        };
        if let Some(log10_flop) = row.deployed_log10_flop
            && row.developer
        {
            let ln_a = effective_ln_a(p, switches.scale_dependence, row.ln_a_train, log10_flop);
            let quality = log10_flop + dex(ln_a);
            let run = Released {
                firm: FirmId::at(i),
                month: start - age as i32,
                quality,
                log10_flop,
                open: row.open_weights && opened(shocks, ShockKind::Service, &row.id, start),
                distilled: 0.0,
            };
            publish(p, &mut book, &run);
        }
        calendars.push(Calendar {
            ready: start + pause as i32,
            pool: 0.0,
            flow: 0.0,
            luck: stream,
        });
    }
    let largest = firms.iter().map(|row| row.deployed_log10_flop.unwrap_or(0.0)).collect();
    (TrainingMemory { calendars, largest, released: 0, started: 0 }, book)
}

/// The frontier board at the start: histories of the table's shape, to be anchored in the first
/// month. `rows` sorted by month.
#[must_use]
pub(crate) fn frontier(
    rows: &[FrontierRow],
    firms: &[FirmRow],
    book: &ModelBook,
    start: Month,
) -> Frontier {
    let first =
        rows.iter().find(|row| row.capability.is_some()).map_or(start, |row| row.month).min(start);
    let shape: Vec<f64> =
        (0..start - first).map(|i| capability_at(rows, first + i).unwrap_or(0.0)).collect();
    let mut groups = [0.0_f64; 2];
    let mut largest = rows
        .iter()
        .filter(|row| row.month <= start)
        .filter_map(|row| row.log10_largest_run)
        .fold(0.0, f64::max);
    for row in firms.iter().filter(|row| row.developer) {
        let run = row.deployed_log10_flop.unwrap_or(0.0);
        largest = largest.max(run);
        if let Some(group) = index_of(row.group) {
            groups[group] = groups[group].max(run);
        }
    }
    Frontier {
        first,
        before: shape.len(),
        anchor: capability_at(rows, start).unwrap_or(0.0),
        best: shape.clone(),
        unconstrained: shape.clone(),
        constrained: shape.clone(),
        closed: shape.clone(),
        released: [shape.clone(), shape.clone(), shape.clone(), shape.clone()],
        open: shape,
        released_lag_months: 0.0,
        open_released_lag_months: 0.0,
        lag_months: 0.0,
        open_lag_months: 0.0,
        log10_largest_run: largest,
        log10_largest_run_group: groups,
        best_open: best_open_quality(book),
    }
}

/// Capability in the table, straight between its rows, level after the last.
fn capability_at(rows: &[FrontierRow], month: Month) -> Option<f64> {
    let mut before: Option<(Month, f64)> = None;
    for row in rows {
        let Some(value) = row.capability else { continue };
        if row.month >= month {
            let Some((from, low)) = before else { return Some(value) };
            let way = f64::from(month - from) / f64::from(row.month - from);
            return Some(low + (value - low) * way);
        }
        before = Some((row.month, value));
    }
    before.map(|(_, value)| value)
}

const fn index_of(group: Group) -> Option<usize> {
    match group {
        Group::Constrained => Some(0),
        Group::Unconstrained => Some(1),
        Group::Neither => None,
    }
}

/// A natural logarithm in dex.
fn dex(ln: f64) -> f64 {
    ln / std::f64::consts::LN_10
}

/// The scale-dependent part `f · max(0, ln A − ln A_base)` of training efficiency.
fn at_stake(p: &TrainingParameters, on: bool, ln_a: f64) -> f64 {
    if on { p.scale_dependent_share * (ln_a - p.ln_a_base).max(0.0) } else { 0.0 }
}

/// `ln A_eff(C)`: training efficiency at the scale of a run of `log10_flop`.
fn effective_ln_a(p: &TrainingParameters, on: bool, ln_a: f64, log10_flop: f64) -> f64 {
    let decades = log10_flop - p.scale_reference_log10_flop;
    let lost = ((1.0 - decades / 2.0) / 2.0).clamp(0.0, 1.0);
    ln_a - at_stake(p, on, ln_a) * lost
}

/// log10 of the compute of a run of `quality` dex, given ln A and B: the inverse of
/// `q = C + log10 A_eff(C) + B`, which is straight in three pieces.
fn run_of_quality(p: &TrainingParameters, on: bool, quality: f64, ln_a: f64, bonus: f64) -> f64 {
    let whole = quality - bonus - dex(ln_a);
    let stake = dex(at_stake(p, on, ln_a));
    let quarter = stake / 2.0 / 2.0;
    let middle = (whole + stake / 2.0 + quarter * p.scale_reference_log10_flop) / (1.0 + quarter);
    let decades = middle - p.scale_reference_log10_flop;
    if decades >= 2.0 {
        whole
    } else if decades <= -2.0 {
        whole + stake
    } else {
        middle
    }
}

/// FLOP that the training part yields in a month.
fn monthly_flop(p: &TrainingParameters, compute: &Compute) -> f64 {
    let size = if p.cluster_reference_h100e > 0.0 {
        (compute.training_h100e / p.cluster_reference_h100e).max(1.0)
    } else {
        1.0
    };
    let links = if p.interconnect_reference_gbps > 0.0 && compute.training_interconnect_gbps > 0.0 {
        (compute.training_interconnect_gbps / p.interconnect_reference_gbps).min(1.0)
    } else {
        1.0
    };
    let flow = compute.training_flop_s.max(0.0)
        * p.mfu
        * maths::pow(size, -p.cluster_size_penalty)
        * maths::pow(links, p.interconnect_penalty)
        * SECONDS_A_MONTH;
    if flow.is_finite() { flow } else { 0.0 }
}

/// Tokens of an H100e in a month at A_serve = 1, millions.
fn tokens(p: &TrainingParameters, log10_flop: f64, tier: Tier) -> f64 {
    let size = log10_flop - p.serving_reference_log10_flop;
    let factor = match tier {
        Tier::Big => 1.0,
        Tier::Small => p.small_tier_tokens,
    };
    p.tokens_m_per_h100e_month * maths::exp10(-p.serving_size_exponent * size) * factor
}

/// A run that becomes two models.
struct Released {
    firm: FirmId,
    month: Month,
    quality: f64,
    log10_flop: f64,
    open: bool,
    distilled: f64,
}

/// Adds a run's two models to the book and offers each where it beats what the firm offers; says
/// whether the big one does.
fn publish(p: &TrainingParameters, book: &mut ModelBook, run: &Released) -> bool {
    let mut better = [false; 2];
    for (t, tier) in [Tier::Big, Tier::Small].into_iter().enumerate() {
        let (quality, log10_flop) = match tier {
            Tier::Big => (run.quality, run.log10_flop),
            Tier::Small => (
                run.quality - p.small_tier_loss_dex,
                run.log10_flop + maths::log10(p.small_tier_compute.max(f64::MIN_POSITIVE)),
            ),
        };
        let id = book.models.len() as u32;
        book.models.push(Model {
            id,
            firm: run.firm,
            tier,
            released: run.month,
            quality,
            log10_flop,
            tokens_m_per_h100e: tokens(p, log10_flop, tier),
            open: run.open,
            distilled: run.distilled,
            event: None,
        });
        let Some(deployed) = book.deployed.get_mut(run.firm.index()) else { continue };
        better[t] = deployed[t].is_none_or(|old| book.models[old as usize].quality < quality);
        if better[t] {
            deployed[t] = Some(id);
        }
        if run.open && book.best_open.is_none_or(|o| book.models[o as usize].quality < quality) {
            book.best_open = Some(id);
        }
    }
    better[0]
}

fn best_open_quality(book: &ModelBook) -> f64 {
    book.best_open.map_or(0.0, |id| book.models[id as usize].quality)
}

/// Months since `history`, which never falls, first reached `level`; all of it where it always had.
fn months_since(history: &[f64], level: f64) -> f64 {
    let at = history.partition_point(|value| *value < level);
    let last = history.len() as f64 - 1.0;
    if at == history.len() {
        return 0.0;
    }
    if at == 0 {
        return last;
    }
    let (low, high) = (history[at - 1], history[at]);
    let way = if low.is_finite() && high > low { (level - low) / (high - low) } else { 1.0 };
    (last - (at as f64 - 1.0 + way)).max(0.0)
}

/// Months by which a follower trails a leader, by their histories and what each has now.
fn lag(leader: (&[f64], f64), follower: (&[f64], f64)) -> f64 {
    if follower.1 < leader.1 {
        months_since(leader.0, follower.1)
    } else {
        -months_since(follower.0, leader.1)
    }
}

/// What every firm could train now, and the frontiers that follow.
pub(crate) fn assess_capability(
    clock: Res<Clock>,
    switches: Res<Switches>,
    p: Res<TrainingParameters>,
    roster: Res<Roster>,
    mut memory: ResMut<TrainingMemory>,
    mut frontier: ResMut<Frontier>,
    mut firms: Query<(&Firm, &Compute, &mut Lab)>,
) {
    let months = p.run_months.max(1.0);
    // Any firm, constrained, unconstrained, closed, open.
    let mut now: [Option<f64>; 5] = [None; 5];
    let mut labs = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, compute, mut lab))) = labs.fetch_next() {
        let lab = &mut *lab;
        let calendar = &mut memory.calendars[firm.id.index()];
        calendar.flow = monthly_flop(&p, compute);
        calendar.pool = if clock.elapsed() == 0 {
            calendar.flow * months
        } else {
            calendar.pool * (1.0 - 1.0 / months) + calendar.flow
        };
        if calendar.pool < 1.0 || !firm.row.developer {
            lab.possible_log10_flop = 0.0;
            lab.possible_capability = 0.0;
            lab.ln_a_effective = lab.ln_a_train;
            continue;
        }
        lab.possible_log10_flop = maths::log10(calendar.pool);
        lab.ln_a_effective =
            effective_ln_a(&p, switches.scale_dependence, lab.ln_a_train, lab.possible_log10_flop);
        lab.possible_capability =
            lab.possible_log10_flop + dex(lab.ln_a_effective) + lab.quality_bonus + lab.distilled;
        let q = lab.possible_capability;
        let group = index_of(firm.row.group).map(|group| group + 1);
        let weights = 3 + usize::from(firm.row.open_weights);
        for slot in [Some(0), group, Some(weights)].into_iter().flatten() {
            now[slot] = Some(now[slot].map_or(q, |best| best.max(q)));
        }
    }
    let board = &mut *frontier;
    let (before, anchor) = (board.before, board.anchor);
    let first = clock.elapsed() == 0;
    for (history, value) in [
        &mut board.best,
        &mut board.constrained,
        &mut board.unconstrained,
        &mut board.closed,
        &mut board.open,
    ]
    .into_iter()
    .zip(now)
    {
        record(history, first.then_some((before, anchor)), value);
    }
    if let (Some(constrained), Some(unconstrained)) = (now[1], now[2]) {
        board.lag_months =
            lag((&board.unconstrained, unconstrained), (&board.constrained, constrained));
    }
    if let (Some(closed), Some(open)) = (now[3], now[4]) {
        board.open_lag_months = lag((&board.closed, closed), (&board.open, open));
    }
}

/// Adds a month to a history; the first month moves what came before to meet it.
fn record(history: &mut Vec<f64>, first: Option<(usize, f64)>, value: Option<f64>) {
    let value = value.unwrap_or(f64::NEG_INFINITY);
    if let Some((before, anchor)) = first {
        for past in history.iter_mut().take(before) {
            *past = (*past + value - anchor).min(value);
        }
        history.push(value);
    } else {
        let last = history.last().copied().unwrap_or(f64::NEG_INFINITY);
        history.push(last.max(value));
    }
}

/// Runs that have ended become models.
pub(crate) fn release_models(
    clock: Res<Clock>,
    p: Res<TrainingParameters>,
    script: Res<Script>,
    roster: Res<Roster>,
    mut chronicle: ResMut<Chronicle>,
    mut memory: ResMut<TrainingMemory>,
    mut book: ResMut<ModelBook>,
    mut frontier: ResMut<Frontier>,
    firms: Query<(&Firm, &Lab)>,
) {
    let memory = &mut *memory;
    let book = &mut *book;
    memory.released = 0;
    for (firm, lab) in firms.iter_many(&roster.firms).flatten() {
        let calendar = &mut memory.calendars[firm.id.index()];
        while let Some(at) =
            book.runs.iter().position(|run| run.firm == firm.id && run.end <= clock.now)
        {
            let run = book.runs.remove(at);
            let (noise, pause) = {
                let mut draws = calendar.luck.month(clock.now);
                let noise = p.release_noise_dex * draws.normal();
                (if run.scripted { 0.0 } else { noise }, maths::whole_below(draws.uniform() * p.run_pause_months))
            };
            calendar.ready = clock.now + pause as i32;
            let quality = run.log10_flop
                + dex(run.ln_a_effective)
                + lab.quality_bonus
                + lab.distilled
                + noise;
            let better = publish(
                &p,
                book,
                &Released {
                    firm: firm.id,
                    month: clock.now,
                    quality,
                    log10_flop: run.log10_flop,
                    open: firm.row.open_weights
                        && script.opened(ShockKind::Service, &firm.row.id, clock.now),
                    distilled: lab.distilled,
                },
            );
            memory.released += 1;
            let own = &mut memory.largest[firm.id.index()];
            *own = own.max(run.log10_flop);
            frontier.log10_largest_run = frontier.log10_largest_run.max(run.log10_flop);
            if let Some(group) = index_of(firm.row.group) {
                let largest = &mut frontier.log10_largest_run_group[group];
                *largest = largest.max(run.log10_flop);
            }
            let kind = if better { "model_released" } else { "model_shelved" };
            let event = chronicle.log(
                clock.now,
                kind,
                (&firm.row.id, if firm.row.open_weights { "open" } else { "closed" }),
                (quality, "dex"),
                // What moved research since the run began, else the run.
                run.event.max(lab.event),
                || {
                    format!(
                        "{} finishes a model of {quality:.2} dex from 10^{:.2} FLOP",
                        firm.row.name, run.log10_flop
                    )
                },
            );
            let models = book.models.len();
            for model in &mut book.models[models - 2..] {
                model.event = Some(event);
            }
        }
    }
    frontier.best_open = best_open_quality(book);
    compare_releases(&clock, book, &mut frontier, &firms, &roster);
}

/// Adds a month to the histories of what has been released, and reads the lags off them.
fn compare_releases(
    clock: &Clock,
    book: &ModelBook,
    frontier: &mut Frontier,
    firms: &Query<(&Firm, &Lab)>,
    roster: &Roster,
) {
    let first = clock.elapsed() == 0;
    // Constrained, unconstrained, closed, open: this month's releases, in the first month all so far.
    let mut best = [f64::NEG_INFINITY; 4];
    for model in book.models.iter().rev() {
        if !first && model.released < clock.now {
            break;
        }
        let Ok((firm, _)) = firms.get(roster.firms[model.firm.index()]) else { continue };
        let group = index_of(firm.row.group);
        let weights = 2 + usize::from(model.open);
        for slot in group.into_iter().chain([weights]) {
            best[slot] = best[slot].max(model.quality);
        }
    }
    let (before, anchor) = (frontier.before, frontier.anchor);
    let mut now = [f64::NEG_INFINITY; 4];
    for ((history, value), now) in frontier.released.iter_mut().zip(best).zip(&mut now) {
        record(history, first.then_some((before, anchor)), value.is_finite().then_some(value));
        *now = history.last().copied().unwrap_or(f64::NEG_INFINITY);
    }
    let [constrained, unconstrained, closed, open] = &frontier.released;
    if now[0].is_finite() && now[1].is_finite() {
        frontier.released_lag_months = lag((unconstrained, now[1]), (constrained, now[0]));
    }
    if now[2].is_finite() && now[3].is_finite() {
        frontier.open_released_lag_months = lag((closed, now[2]), (open, now[3]));
    }
}

/// log10 of the largest run that a developer dares: a step above its own largest, or a step below the
/// largest of anybody, whichever is more; anything where nobody has trained a model yet (both 0).
fn dared(p: &TrainingParameters, own: f64, largest: f64) -> f64 {
    if own.max(largest) <= 0.0 {
        return f64::INFINITY;
    }
    (own + p.run_step_dex).max(largest - p.run_step_dex)
}

/// Developers start runs that would improve on what they offer.
pub(crate) fn start_runs(
    clock: Res<Clock>,
    switches: Res<Switches>,
    p: Res<TrainingParameters>,
    script: Res<Script>,
    roster: Res<Roster>,
    mut chronicle: ResMut<Chronicle>,
    mut memory: ResMut<TrainingMemory>,
    mut book: ResMut<ModelBook>,
    frontier: Res<Frontier>,
    outlook: Option<Res<SpendOutlook>>,
    firms: Query<(&Firm, &Lab)>,
) {
    let memory = &mut *memory;
    let book = &mut *book;
    let on = switches.scale_dependence;
    memory.started = 0;
    for (at, shock) in script.beginning(clock.now) {
        if shock.kind != ShockKind::TrainingRun {
            continue;
        }
        for (firm, lab) in firms.iter_many(&roster.firms).flatten() {
            if !shock.subjects.contains(&firm.row.id) {
                continue;
            }
            book.runs.push(TrainingRun {
                firm: firm.id,
                start: clock.now,
                end: clock.now + shock.months.unwrap_or(1).max(1) as i32,
                log10_flop: shock.quantity,
                ln_a_effective: effective_ln_a(&p, on, lab.ln_a_train, shock.quantity),
                scripted: true,
                event: script.happened.get(at).copied().flatten(),
            });
            memory.started += 1;
        }
    }
    let months = maths::whole(p.run_months).max(1);
    let end = clock.now + (months + maths::whole(p.post_training_months).max(0)) as i32;
    for (firm, lab) in firms.iter_many(&roster.firms).flatten() {
        let calendar = &memory.calendars[firm.id.index()];
        let flop = calendar.flow * months as f64;
        if !firm.row.developer || flop < 1.0 || clock.now < calendar.ready {
            continue;
        }
        if !script.opened(ShockKind::Lab, &firm.row.id, clock.now) {
            continue;
        }
        let own = memory.largest[firm.id.index()];
        let log10_flop = maths::log10(flop).min(dared(&p, own, frontier.log10_largest_run));
        if log10_flop < p.smallest_run_log10_flop || book.runs.iter().any(|run| run.firm == firm.id)
        {
            continue;
        }
        let ln_a = effective_ln_a(&p, on, lab.ln_a_train, log10_flop);
        let quality = log10_flop + dex(ln_a) + lab.quality_bonus + lab.distilled;
        let old = book.deployed[firm.id.index()][0].map(|id| &book.models[id as usize]);
        let worth = old.is_none_or(|old| {
            let gain = quality - old.quality;
            let age = f64::from(clock.now - old.released);
            gain >= p.release_gain_dex || (gain > 0.0 && age >= p.model_age_months)
        });
        if !worth {
            continue;
        }
        // What lets runs grow is demand, by way of capital and chips.
        let cause = outlook.as_ref().and_then(|outlook| outlook.event);
        let event = chronicle.log(
            clock.now,
            "run_started",
            (&firm.row.id, ""),
            (log10_flop, "log10 FLOP"),
            cause,
            || format!("{} starts a training run of 10^{log10_flop:.2} FLOP", firm.row.name),
        );
        book.runs.push(TrainingRun {
            firm: firm.id,
            start: clock.now,
            end,
            log10_flop,
            ln_a_effective: ln_a,
            scripted: false,
            event: Some(event),
        });
        memory.started += 1;
    }
}
