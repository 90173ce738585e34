//! Licensing: applications, their queue, and what comes of them.
//!
//! - `standing`: under which rule orders stand, and what becomes of licences;
//! - `filing`: applications, and how long their review takes;
//! - `decisions`: what officers and caps let through;
//! - `odds`: the odds of approval, and what caps leave;
//! - here: what these share.
//!
//! Whatever is refused, cut or runs out is taken off the order, and its money goes back to the
//! buyer's unspent budget.
//!
//! Anchors: 69.9 % of China applications approved in FY2022, 77 days on average (40 for all):
//! testimony of the US Under Secretary of Commerce to Congress, 28 February 2023.

mod decisions;
mod filing;
mod odds;
mod standing;
#[cfg(test)]
mod tests;

use bevy_ecs::prelude::Query;

pub(crate) use self::decisions::decide;
pub(crate) use self::filing::file_applications;
pub(crate) use self::odds::publish_caps;
pub(crate) use self::standing::{reclassify_orders, settle_licences};
use crate::entities::Roster;
use crate::entities::firm::{Firm, Purse};
use crate::entities::order::Order;
use crate::entities::rule::{Rule, RuleKind, Rulebook};
use crate::entities::site::Site;
use crate::units::Count;

crate::parameters! {
    /// Parameters of licensing.
    pub struct LicensingParameters in "licensing" {
        /// Mean days of review for buyers of the constrained group.
        review_days_constrained,
        /// Mean days of review for other buyers.
        review_days_other,
        /// Standard deviation of the log of review time, s.
        review_sigma,
        /// Days of notice under `notify` and `quota`.
        notice_days,
        /// Share of reviewed applications that are approved whatever their merits, a₀: 1 − the dose of the
        /// rules, 0 as they are written.
        approval_floor,
        /// Log-odds o of approval case by case, at stance 0 and at the threshold.
        odds_case_by_case,
        /// Log-odds o of approval under a presumption of denial.
        odds_presumption_of_denial,
        /// Fall of log-odds for a unit of ln(TPP / threshold), b_T of approvals.
        approval_tpp_slope,
        /// Fall of log-odds for a unit of stance, b_h.
        approval_stance_slope,
        /// Fall of log-odds for a state-owned buyer, b_r.
        approval_risk_slope,
        /// Chance that an approval is for part of the units.
        partial_chance,
        /// Lowest share granted by a partial approval.
        partial_share_low,
        /// Months that a licence holds.
        licence_months,
    }
}

/// What a system needs to know of the parties of an order.
struct Parties<'a> {
    buyer: &'a Firm,
    site: &'a Site,
}

fn parties<'a>(
    order: &Order,
    roster: &Roster,
    firms: &'a Query<&Firm>,
    sites: &'a Query<&Site>,
) -> Option<Parties<'a>> {
    let buyer = firms.get(*roster.firms.get(order.buyer.index())?).ok()?;
    let site = sites.get(*roster.sites.get(order.site.index())?).ok()?;
    Some(Parties { buyer, site })
}

fn governing<'a>(book: &'a Rulebook, order: &Order, who: &Parties) -> Option<&'a Rule> {
    book.strictest(RuleKind::ChipExport, order.sku, order.buyer, who.buyer.home, who.site.country)
}

/// Takes `units` off an order and returns their money to the buyer's unspent budget.
fn take_off(order: &mut Order, units: Count, purse: &mut Purse) {
    let units = units.clamp(0, order.open);
    let money = order.set_aside.times(units);
    order.open -= units;
    purse.escrow -= money;
    purse.unspent += money;
}

crate::metrics! {
    World {
        APPLICATIONS_FILED = "applications_filed", "applications", "Licence applications filed this month.";
        APPLICATIONS_PENDING = "applications_pending", "applications", "Applications filed and not decided at the end of the month.";
        APPLICATIONS_APPROVED = "applications_approved", "applications", "Applications approved this month, in full or in part.";
        APPLICATIONS_DENIED = "applications_denied", "applications", "Applications denied this month, for want of room under a cap included.";
        LICENCES_LIVE = "licences_live", "licences", "Licences that may still ship at the end of the month.";
        UNITS_LICENSED = "units_licensed", "chips", "Chips granted by licences this month.";
        UNITS_REFUSED = "units_refused", "chips", "Chips applied for and refused or cut this month.";
        LICENCE_WAIT = "licence_wait_months", "month", "Mean months from filing to decision, over this month's decisions.";
        APPROVAL_RATE = "approval_rate", "share", "Approved (in full or part) over decided applications of this month.";
    }
    Vendor {
        REFUSED_USD = "refused_usd", "USD", "Revenue lost to refusals and cuts of licences this month: chips × order price × attach.";
    }
}
