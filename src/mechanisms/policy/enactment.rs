//! What happens by date: rules are announced, come into force and end; scripted events are logged.
//!
//! **Rules.** A rule exists if it is enabled, its regime is active and the rule that caused it
//! exists. It is announced in its month of announcement, in force from `from` up to but not including
//! `until`, and a regime begins with its first announced rule. With the switch `enforcement` off, rules
//! that were not in force when the run began are announced and never come into force.

use bevy_ecs::prelude::{Res, ResMut};

use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::rule::Rulebook;
use crate::entities::script::Script;
use crate::entities::{Clock, Roster, Switches};

/// Announces rules, brings them into force and ends them, by date.
pub(crate) fn enact_rules(
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    mut book: ResMut<Rulebook>,
    mut chronicle: ResMut<Chronicle>,
) {
    let book = &mut *book;
    let now = clock.now;
    // Whether any fact of a rule changed, and whether any came into force or ended.
    let (mut changed, mut moved) = (false, clock.elapsed() == 0);
    for at in 0..book.rules.len() {
        let cause = book.rules[at].caused_by.and_then(|c| book.rules[c.index()].event);
        let rule = &mut book.rules[at];
        if !rule.exists {
            continue;
        }
        changed |= rule.row.from == now || rule.row.until == Some(now);
        let bites = switches.enforcement || rule.row.from <= clock.start;
        let announces = !rule.announced && rule.row.announced <= now;
        let due = (rule.announced || announces) && rule.row.from <= now && bites;
        let in_force = due && rule.row.until.is_none_or(|until| now < until);
        if !announces && in_force == rule.in_force {
            continue;
        }
        let names = (rule.row.issuer.clone(), rule.row.id.clone());
        let names = (names.0.as_str(), names.1.as_str());
        if announces {
            rule.announced = true;
            changed = true;
            let kind =
                if rule.row.announced < clock.start { "rule_standing" } else { "rule_announced" };
            let months = f64::from(rule.row.from - rule.row.announced);
            rule.event =
                Some(chronicle.log(now, kind, names, (months, "months of notice"), cause, || {
                    format!("{} announced {} ({})", names.0, rule.row.name, rule.row.from)
                }));
            if let Some(begun) = book.regime_begun.get_mut(rule.regime.index()) {
                *begun = true;
            }
        }
        if in_force != rule.in_force {
            rule.in_force = in_force;
            (changed, moved) = (true, true);
            let kind = if in_force { "rule_in_force" } else { "rule_ended" };
            chronicle.log(now, kind, names, (1.0, "rule"), rule.event, || {
                let verb = if in_force { "is in force" } else { "has ended" };
                format!("{} {verb}", rule.row.name)
            });
        }
    }
    for (rule, verdicts) in book.rules.iter().zip(&mut book.verdicts) {
        for sku in catalogue.skus.iter().skip(verdicts.len()) {
            verdicts.push(rule.verdict(sku));
        }
    }
    for at in 0..book.rules.len() {
        // A rule that caught a chip last month still does.
        if book.catches[at] && clock.elapsed() > 0 {
            continue;
        }
        let catches = book.catches_by(at, &catalogue, now);
        changed |= catches != book.catches[at];
        book.catches[at] = catches;
    }
    if moved {
        book.sort_lanes(roster.countries.len());
    }
    if changed {
        book.revision += 1;
    }
}

/// Logs scripted events that begin this month.
pub(crate) fn log_shocks(
    clock: Res<Clock>,
    book: Res<Rulebook>,
    mut script: ResMut<Script>,
    mut chronicle: ResMut<Chronicle>,
) {
    let script = &mut *script;
    script.happened.resize(script.shocks.len(), None);
    for (shock, happened) in script.shocks.iter().zip(&mut script.happened) {
        if shock.month != clock.now || happened.is_some() {
            continue;
        }
        let cause = shock.caused_by.as_deref().and_then(|id| book.find(id)).and_then(|r| r.event);
        let subject = shock.subjects.first().map_or("", String::as_str);
        *happened = Some(chronicle.log(
            clock.now,
            "shock",
            (shock.id.as_str(), subject),
            (shock.quantity, shock.kind.word()),
            cause,
            || shock.name.clone(),
        ));
    }
}
