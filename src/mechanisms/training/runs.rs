//! Runs: what is trained, from the models on offer at the start to releases.
//!
//! **Runs**: a developer without a run under way starts one when its quality would exceed the
//! deployed model's by `release_gain`, or the deployed model is old and would be beaten, not before a
//! drawn pause has passed. Weights carry the efficiency of the start and B and D of the release,
//! `q = log₁₀(C · A_eff) + B + D + noise`. A run is no larger than a step s (`run_step_dex`) above the
//! developer's largest, or a step below the largest that anybody has finished, whichever is more: laws
//! of scaling and machines are proven a size at a time, and what others did is known. Who has no
//! laboratory yet (event `lab`) trains nothing. Scripted runs are data, without noise: what was under
//! way in January 2022. Weights published before the service opens (event `service`) are for research.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::frontiers::{best_open_quality, compare_releases, index_of};
use super::law::{dex, effective_ln_a, tokens};
use super::{Calendar, TrainingMemory, TrainingParameters};
use crate::calendar::Month;
use crate::entities::boards::{Frontier, SpendOutlook};
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Firm, FirmRow, Lab};
use crate::entities::model::{Model, ModelBook, Tier, TrainingRun};
use crate::entities::script::{Script, ShockKind, ShockRow, opened};
use crate::entities::{Clock, FirmId, Roster, Switches};
use crate::maths;
use crate::random::{self, Luck, Purpose};

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
                (
                    if run.scripted { 0.0 } else { noise },
                    maths::whole_below(draws.uniform() * p.run_pause_months),
                )
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

/// log10 of the largest run that a developer dares: a step above its own largest, or a step below the
/// largest of anybody, whichever is more; anything where nobody has trained a model yet (both 0).
pub(super) fn dared(p: &TrainingParameters, own: f64, largest: f64) -> f64 {
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
