//! The stance of regulators, and the rules that they issue when it has moved.
//!
//! **Stance** h ∈ \[0, 1\] (1 strictest) of a regulator whose regime is active, from its `stance_from` on:
//! `h' = h + ρ (h* − h) + β_gap (lag* − lag) − β_lobby · S + σ z`, with ρ speed (1/month), h* the stance
//! aimed at (redrawn uniformly between two bounds at elections), lag* the lag that the regulator wants
//! the constrained group to have and lag the one of last month (months), S the share of home vendors'
//! revenue that rules cost, `S = 12 lost / (revenue of 12 months + 12 lost)`, z standard normal. A
//! pinned path replaces the equation. At reviews and elections, if |h − h_last| > δ_h, every chip rule
//! of the regulator that has begun and has no end gets a successor with thresholds × `exp(−b_T (h − h_last))`, in force after a
//! lead; the old rule ends that month. Softer stance raises thresholds in the same way.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::PolicyParameters;
use crate::calendar::Month;
use crate::entities::boards::Frontier;
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::regulator::{Regulator, RegulatorRow, Stance};
use crate::entities::rule::{Rule, RuleKind, Rulebook};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, RegulatorId, Roster, RuleId, Switches};
use crate::maths;
use crate::random::{Luck, Purpose, key_of};

/// The stance of a regulator at the start; its draws are addressed by its id.
#[must_use]
pub(crate) fn opening_stance(row: &RegulatorRow, luck: &Luck) -> Stance {
    Stance {
        h: row.stance,
        h_star: row.stance,
        h_last: row.stance,
        overdue: 0.0,
        luck: luck.stream(Purpose::Stance, key_of(&[&row.id])),
    }
}

/// How far the constrained group's lag falls short of what a regulator wants, in months.
pub(super) fn gap(regulator: &Regulator, frontier: &Frontier) -> f64 {
    let lag = if frontier.lag_months.is_finite() { frontier.lag_months } else { 0.0 };
    regulator.row.target_lag_months - lag
}

/// Moves stance, and issues rules at reviews and elections.
pub(crate) fn move_stance(
    p: Res<PolicyParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    frontier: Res<Frontier>,
    catalogue: Res<Catalogue>,
    vendors: Query<(&Vendor, &Sales)>,
    mut regulators: Query<(&Regulator, &mut Stance)>,
    mut book: ResMut<Rulebook>,
    mut chronicle: ResMut<Chronicle>,
) {
    if !switches.stance {
        return;
    }
    let now = clock.now;
    let mut each = regulators.iter_many_mut(&roster.regulators);
    while let Some(Ok((regulator, mut stance))) = each.fetch_next() {
        let row = &regulator.row;
        let active = book.regime_active.get(regulator.regime.index()).copied().unwrap_or(false);
        let Some(from) = row.stance_from.filter(|from| active && *from <= now) else { continue };
        let stance = &mut *stance;
        let election = row.elections.iter().any(|m| m.parse() == Ok(now));
        let mut draws = stance.luck.month(now);
        let (noise, vote) = (draws.normal(), draws.uniform());
        if election {
            stance.h_star =
                p.election_stance_low + (p.election_stance_high - p.election_stance_low) * vote;
        }
        let lost =
            if switches.lobbying { lost_share(&vendors, &roster, regulator.country) } else { 0.0 };
        let free = stance.h
            + p.stance_speed * (stance.h_star - stance.h)
            + p.stance_gap_response * gap(regulator, &frontier)
            - p.stance_lobby_response * lost
            + p.stance_noise * noise;
        stance.h = pinned(&row.stance_path, now).unwrap_or(free).clamp(0.0, 1.0);
        let every = maths::whole(p.review_interval_months).max(1) as i32;
        let review = (now - from) % every == 0;
        if (election || review) && (stance.h - stance.h_last).abs() > p.stance_trigger {
            let moved = stance.h - stance.h_last;
            let factor = maths::exp(-p.threshold_stance_slope * moved);
            let lead = maths::whole(p.rule_lead_months).max(0) as i32;
            let issued = issue_successors(
                &mut book,
                &catalogue,
                &mut chronicle,
                (regulator.id, &row.id),
                now,
                lead,
                factor,
            );
            if issued > 0 {
                stance.h_last = stance.h;
            }
        }
    }
}

/// The pinned stance of `now`: the last word `YYYY-MM=value` not after it.
pub(super) fn pinned(path: &[String], now: Month) -> Option<f64> {
    let mut best: Option<(Month, f64)> = None;
    for word in path {
        let Some((month, value)) = word.split_once('=') else { continue };
        if let (Ok(month), Ok(value)) = (month.parse::<Month>(), value.parse::<f64>())
            && month <= now
            && best.is_none_or(|(b, _)| b <= month)
        {
            best = Some((month, value));
        }
    }
    best.map(|(_, value)| value)
}

/// Share of the revenue of the vendors of `country` that rules cost: `12 lost / (trailing + 12 lost)`.
fn lost_share(vendors: &Query<(&Vendor, &Sales)>, roster: &Roster, country: CountryId) -> f64 {
    let (mut lost, mut earned) = (0.0, 0.0);
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.home == country && vendor.captive.is_none() {
            lost += 12.0 * sales.lost_to_rules_usd;
            earned += sales.trailing_usd.iter().sum::<f64>();
        }
    }
    if lost + earned > 0.0 { lost / (lost + earned) } else { 0.0 }
}

/// Gives every live chip rule of a regulator a successor with scaled thresholds; returns how many.
fn issue_successors(
    book: &mut Rulebook,
    catalogue: &Catalogue,
    chronicle: &mut Chronicle,
    (issuer, issuer_id): (RegulatorId, &str),
    now: Month,
    lead: i32,
    factor: f64,
) -> usize {
    let from = now + lead;
    let live = |rule: &Rule| {
        rule.issuer == issuer
            && rule.row.kind == RuleKind::ChipExport
            && rule.is_live(now)
            && rule.row.from <= now
            && rule.row.until.is_none()
            && rule.clauses.iter().any(|clause| !clause.bounds.is_empty())
    };
    let old: Vec<RuleId> = book.rules.iter().filter(|r| live(r)).map(|r| r.id).collect();
    let first = book.rules.len();
    for (n, id) in old.iter().enumerate() {
        let before = &mut book.rules[id.index()];
        before.row.until = Some(from);
        let mut rule = before.clone();
        rule.id = RuleId::at(first + n);
        rule.row.id = if n == 0 {
            format!("{issuer_id}-{now}")
        } else {
            format!("{issuer_id}-{now}-{}", n + 1)
        };
        rule.row.name = format!("{} (thresholds moved {now})", before.row.name);
        rule.row.announced = now;
        rule.row.from = from;
        rule.row.until = None;
        "issued in the run".clone_into(&mut rule.row.source);
        rule.caused_by = Some(*id);
        rule.clauses = before.clauses.iter().map(|clause| clause.scaled(factor)).collect();
        rule.announced = true;
        rule.in_force = false;
        let verb = if factor < 1.0 { "tightens" } else { "loosens" };
        rule.event = Some(chronicle.log(
            now,
            "rule_announced",
            (issuer_id, &rule.row.id),
            (factor, "factor on thresholds"),
            before.event,
            || format!("{issuer_id} {verb} {}: thresholds × {factor:.2}", rule.row.name),
        ));
        book.add_rule(rule, catalogue);
    }
    // Who replaces a rule replaces its successor too, or what was superseded would come back.
    for rule in &mut book.rules {
        for (n, other) in old.iter().enumerate() {
            if rule.replaces.contains(other) {
                rule.replaces.push(RuleId::at(first + n));
            }
        }
    }
    old.len()
}
