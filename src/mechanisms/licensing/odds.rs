//! The odds of approval, and what buyers can know of them.
//!
//! An application is approved with
//!
//! `P = a₀ + (1 − a₀) Λ(o − b_T ln(TPP / threshold) − b_h h − b_r risk)`
//!
//! with a₀ a floor under approvals (0 but in studies of the dose), o the log-odds of the rule or of its treatment, TPP the chip's total processing performance,
//! threshold the highest minimum of TPP among the clauses that it meets, h the regulator's stance, risk
//! 1 for state-owned buyers.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::LicensingParameters;
use crate::entities::chip::{Attribute, Catalogue, Sku};
use crate::entities::licence::Quotas;
use crate::entities::regulator::Stance;
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::{Clock, Roster, Switches};
use crate::maths;

/// Probability of approval from its log-odds.
pub(super) fn chance(p: &LicensingParameters, odds: f64) -> f64 {
    p.approval_floor + (1.0 - p.approval_floor) * maths::logistic(odds)
}

/// Log-odds of approval, or none where no officer decides.
pub(super) fn log_odds(
    p: &LicensingParameters,
    rule: &Rule,
    sku: &Sku,
    h: f64,
    risk: f64,
) -> Option<f64> {
    odds_beyond(p, rule, || excess(rule, sku), h, risk)
}

/// The same for a chip whose [`excess`] is known.
fn odds_beyond(
    p: &LicensingParameters,
    rule: &Rule,
    excess: impl FnOnce() -> f64,
    h: f64,
    risk: f64,
) -> Option<f64> {
    let base = match rule.row.treatment {
        Treatment::CaseByCase => p.odds_case_by_case,
        Treatment::PresumptionOfDenial => p.odds_presumption_of_denial,
        _ => return None,
    };
    Some(
        rule.row.odds.unwrap_or(base)
            - p.approval_tpp_slope * excess()
            - p.approval_stance_slope * h
            - p.approval_risk_slope * risk,
    )
}

/// `ln(TPP / threshold)`: by how much the chip exceeds the highest minimum of TPP among the clauses that
/// it meets; 0 where none has one or the chip's is not published.
fn excess(rule: &Rule, sku: &Sku) -> f64 {
    let Some(tpp) = sku.attribute(Attribute::Tpp) else { return 0.0 };
    let threshold = rule
        .clauses
        .iter()
        .filter(|clause| clause.verdict(sku) != Verdict::Free)
        .filter_map(|clause| clause.minimum(Attribute::Tpp))
        .fold(0.0, f64::max);
    if threshold > 0.0 && tpp > 0.0 { maths::ln(tpp / threshold) } else { 0.0 }
}

/// Publishes what buyers can know: odds of approval under each rule, and what caps still leave.
pub(crate) fn publish_odds(
    p: Res<LicensingParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    regulators: Query<&Stance>,
    quotas: Res<Quotas>,
    mut book: ResMut<Rulebook>,
    mut seen: Local<(u64, Vec<f64>)>,
    mut excesses: Local<Vec<Vec<f64>>>,
) {
    let book = &mut *book;
    let (revision, known) = &mut *seen;
    known.resize(roster.regulators.len(), f64::NAN);
    let renewed = *revision != book.revision;
    *revision = book.revision;
    for (stance, known) in regulators.iter_many(&roster.regulators).flatten().zip(known.iter_mut())
    {
        let moved = *known != stance.h;
        *known = if moved { stance.h } else { -1.0 };
    }
    for rule in &book.rules {
        if !rule.in_force
            || !matches!(rule.row.kind, RuleKind::ChipExport | RuleKind::EntityListing)
        {
            continue;
        }
        let at = rule.id.index();
        let year = clock.now.year();
        let (units, tpp) = quotas.by_rule.get(&(rule.id, year)).copied().unwrap_or_default();
        let left =
            rule.row.cap_units.map_or(i64::MAX, |cap| (maths::whole_below(cap) - units).max(0));
        let mut buyers =
            quotas.by_buyer.iter().filter(|((r, _, y), _)| (*r, *y) == (rule.id, year));
        let used_up = rule.row.cap_tpp.is_some_and(|cap| tpp >= cap)
            || rule.row.cap_units_buyer.is_some_and(|cap| buyers.any(|(_, n)| *n as f64 >= cap));
        book.cap_left[at] = if used_up { 0 } else { left };
        let h = known.get(rule.issuer.index()).copied().unwrap_or(0.0);
        if h < 0.0 && !renewed {
            continue;
        }
        let h = if h < 0.0 {
            roster
                .regulators
                .get(rule.issuer.index())
                .and_then(|entity| regulators.get(*entity).ok())
                .map_or(0.0, |stance| stance.h)
        } else {
            h
        };
        // Neither a rule's clauses nor a chip's figures ever change.
        if excesses.len() <= at {
            excesses.resize_with(at + 1, Vec::new);
        }
        let known = &mut excesses[at];
        for sku in &catalogue.skus[known.len().min(catalogue.skus.len())..] {
            known.push(excess(rule, sku));
        }
        for (beyond, approval) in known.iter().zip(&mut book.approval[at]) {
            *approval = if !switches.licence_queue {
                1.0
            } else if rule.row.treatment == Treatment::Deny {
                0.0
            } else {
                odds_beyond(&p, rule, || *beyond, h, 0.0).map_or(1.0, |odds| chance(&p, odds))
            };
        }
    }
    for (stance, known) in regulators.iter_many(&roster.regulators).flatten().zip(known.iter_mut())
    {
        *known = stance.h;
    }
}
