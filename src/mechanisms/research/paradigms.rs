//! Paradigms: new ways of making models, found by somebody and mastered by all.
//!
//! **Paradigms**: events whose firms gain `quantity` dex of B at once; everybody else with a lab gets
//! there in `slow − (slow − fast) R/(R + R_half)` months. After the script's years they come by chance,
//! at the same dates in every arm of a seed, to whom research input makes likely (Gumbel choice).

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::law::absorption;
use super::{Paradigm, ResearchMemory, ResearchParameters, YEAR, concerns};
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::firm::{Firm, Lab};
use crate::entities::script::{Script, ShockKind};
use crate::entities::{Clock, Roster, Switches};
use crate::maths;
use crate::random::{self, Luck, Purpose};

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
