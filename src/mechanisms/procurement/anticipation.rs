//! Orders ahead of rules to come.
//!
//! Orders of a SKU that an announced clause will catch (hazard 1), or a feared one would (hazard of `policy`), rise by
//! `ψ · hazard`; the money is spent ahead of the plan, within a part of cash and credit. What no clause catches adds
//! exactly nothing.

use super::ProcurementParameters;
use super::survey::Candidate;
use crate::calendar::Month;
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::EventId;
use crate::entities::firm::{Finance, Firm, Purse};
use crate::entities::rule::{Rule, RuleKind, Rulebook, Verdict};
use crate::units::Money;

/// The part of a firm's choice that a coming clause is feared to catch.
pub(super) fn fear(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|c| c.share * c.hazard).sum()
}

/// Money that a firm spends ahead of its plan, `advanced` being what it has not paid back yet.
pub(super) fn spend_ahead(
    p: &ProcurementParameters,
    quantum: f64,
    (finance, balance): (&Finance, Money),
    (budget, fear): (Money, f64),
    purse: &mut Purse,
    advanced: &mut Money,
) -> Money {
    let cash = balance - purse.unspent - purse.escrow;
    let headroom = cash.max(Money::ZERO).scaled(p.anticipation_cash_share)
        + Money::from_amount(
            finance.operating_cash_flow_usd_year.max(0.0) / 12.0 * p.anticipation_credit_months,
            quantum,
        )
        - *advanced;
    let wanted = budget.scaled(p.anticipation_strength * fear);
    let ahead = wanted.min(headroom.max(Money::ZERO));
    purse.unspent += ahead;
    *advanced += ahead;
    ahead
}

/// The announcement of a rule that is to catch one of these candidates.
pub(super) fn coming_rule(
    now: Month,
    rulebook: &Rulebook,
    catalogue: &Catalogue,
    firm: &Firm,
    candidates: &[Candidate],
) -> Option<EventId> {
    let catches = |rule: &&Rule| {
        rule.announced
            && rule.row.kind == RuleKind::ChipExport
            && rule.row.from > now
            && rule.covers(firm.id, firm.home, firm.home)
            && candidates.iter().any(|c| {
                c.hazard > 0.0
                    && c.sku.index() < catalogue.skus.len()
                    && rulebook.verdicts[rule.id.index()][c.sku.index()] != Verdict::Free
            })
    };
    rulebook.rules.iter().filter(catches).filter_map(|rule| rule.event).max()
}
