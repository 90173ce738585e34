//! The odds of approval, and what caps leave.
//!
//! An application is approved with
//!
//! `P = a₀ + (1 − a₀) Λ(o − b_T ln(TPP / threshold) − b_h h − b_r risk)`
//!
//! with a₀ a floor under approvals (0 but in studies of the dose), o the log-odds of the rule or of its treatment, TPP the chip's total processing performance,
//! threshold the highest minimum of TPP among the clauses that it meets, h the regulator's stance, risk
//! 1 for state-owned buyers.

use bevy_ecs::prelude::{Res, ResMut};

use super::LicensingParameters;
use crate::entities::Clock;
use crate::entities::chip::{Attribute, Sku};
use crate::entities::licence::Quotas;
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment, Verdict};
use crate::maths;

/// Probability of approval from its log-odds.
pub(super) fn chance(p: &LicensingParameters, odds: f64) -> f64 {
    p.approval_floor + (1.0 - p.approval_floor) * maths::logistic(odds)
}

/// Whether officers decide under `rule`.
pub(super) const fn reviewed(rule: &Rule) -> bool {
    matches!(rule.row.treatment, Treatment::CaseByCase | Treatment::PresumptionOfDenial)
}

/// Log-odds of approval, or none where no officer decides.
pub(super) fn log_odds(
    p: &LicensingParameters,
    rule: &Rule,
    sku: &Sku,
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
            - p.approval_tpp_slope * excess(rule, sku)
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

/// Publishes what annual caps still leave.
pub(crate) fn publish_caps(clock: Res<Clock>, quotas: Res<Quotas>, mut book: ResMut<Rulebook>) {
    let Rulebook { rules, cap_left, .. } = &mut *book;
    let year = clock.now.year();
    for (rule, cap_left) in rules.iter().zip(cap_left) {
        if !rule.in_force
            || !matches!(rule.row.kind, RuleKind::ChipExport | RuleKind::EntityListing)
        {
            continue;
        }
        let (units, tpp) = quotas.by_rule.get(&(rule.id, year)).copied().unwrap_or_default();
        let left =
            rule.row.cap_units.map_or(i64::MAX, |cap| (maths::whole_below(cap) - units).max(0));
        let mut buyers =
            quotas.by_buyer.iter().filter(|((r, _, y), _)| (*r, *y) == (rule.id, year));
        let used_up = rule.row.cap_tpp.is_some_and(|cap| tpp >= cap)
            || rule.row.cap_units_buyer.is_some_and(|cap| buyers.any(|(_, n)| *n as f64 >= cap));
        *cap_left = if used_up { 0 } else { left };
    }
}
