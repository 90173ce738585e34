//! The accelerator money of a month.
//!
//! `budget = ai_capex/12 · chip share − repayment of what was spent ahead plus u · unspent`, u the re-offered part;
//! nothing new is set aside beyond some months of the plan unspent; a leak of unspent goes back to the firm's treasury. A
//! firm that could not pay last month orders nothing.

use super::ProcurementParameters;
use crate::entities::firm::{Finance, Purse};
use crate::units::Money;

/// What a firm has to spend on accelerators this month.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Money set aside this month.
    pub fresh: Money,
    /// With what is offered again of earlier months.
    pub all: Money,
    /// Share of it that is offered for the first time.
    pub first_offered: f64,
}

/// Sets money aside, pays back of what was `advanced` before, and lets some of the unspent go.
pub(super) fn set_aside(
    p: &ProcurementParameters,
    quantum: f64,
    finance: &Finance,
    purse: &mut Purse,
    advanced: &mut Money,
) -> Budget {
    let plan = if finance.months_short_of_cash > 0 {
        Money::ZERO
    } else {
        let usd = finance.ai_capex_usd_year.max(0.0) / 12.0 * p.chip_share_of_ai_capex;
        Money::from_amount(usd, quantum)
    };
    let repaid = advanced.scaled(p.anticipation_repayment).min(plan);
    *advanced -= repaid;
    // A plan that finds nothing to buy does not go on setting money aside.
    let room = plan.scaled(p.unspent_limit_months) - purse.unspent;
    let fresh = (plan - repaid).min(room.max(Money::ZERO));
    purse.unspent -= purse.unspent.scaled(p.unspent_leak);
    let again = purse.unspent.scaled(p.unspent_use).max(Money::ZERO);
    purse.unspent += fresh;
    let all = if plan > Money::ZERO { fresh + again } else { Money::ZERO };
    let first_offered =
        if all > Money::ZERO { fresh.amount(quantum) / all.amount(quantum) } else { 0.0 };
    Budget { fresh, all, first_offered }
}
