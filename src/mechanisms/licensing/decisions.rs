//! Decisions: what officers and caps let through.
//!
//! A regulator decides at most `decisions a month × (1 − share of other trade)`
//! due applications, in order of filing; the rest wait. An approval is in full, or with some chance for a
//! uniform share of the units; it may carry conditions. Caps bind in order of filing: units and total
//! performance a calendar year, units a buyer and year, and units of a SKU as a share of what of it shipped
//! without a licence.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::odds::{chance, log_odds, reviewed};
use super::{
    APPLICATIONS_APPROVED, APPLICATIONS_DENIED, APPLICATIONS_PENDING, APPROVAL_RATE, LICENCE_WAIT,
    LICENCES_LIVE, LicensingParameters, REFUSED_USD, UNITS_LICENSED, UNITS_REFUSED, governing,
    parties, take_off,
};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Firm, Ownership, Purse};
use crate::entities::licence::{LicenceBook, Outcome, Quotas};
use crate::entities::order::{Clearance, OrderBook};
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::{Rulebook, Treatment};
use crate::entities::site::Site;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose};
use crate::units::Count;

/// Decides applications that are due, as far as officers and caps allow.
pub(crate) fn decide(
    p: Res<LicensingParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    luck: Res<Luck>,
    book: Res<Rulebook>,
    (firms, sites): (Query<&Firm>, Query<&Site>),
    mut regulators: Query<(&Regulator, &mut Stance)>,
    mut purses: Query<&mut Purse>,
    mut sellers: Query<(&Vendor, &mut Sales)>,
    (mut orders, mut licences, mut quotas): (
        ResMut<OrderBook>,
        ResMut<LicenceBook>,
        ResMut<Quotas>,
    ),
    mut chronicle: ResMut<Chronicle>,
    (mut desks, mut seen): (Local<Vec<Desk>>, Local<Option<u64>>),
    mut readings: ResMut<Readings>,
) {
    let (licences, quotas) = (&mut *licences, &mut *quotas);
    let OrderBook { orders: open_orders, shipped: all_shipped, .. } = &mut *orders;
    let now = clock.now;
    desks.resize(roster.regulators.len(), Desk::default());
    for ((regulator, stance), desk) in
        regulators.iter_many(&roster.regulators).flatten().zip(desks.iter_mut())
    {
        let decisions = regulator.row.decisions_per_month * (1.0 - regulator.row.other_caseload);
        desk.officers = maths::whole_carried(decisions, &mut desk.remainder);
        desk.stance = stance.h;
        desk.overdue = 0.0;
    }
    let mut tally = Tally::default();
    // While no rule changes, that which an application was filed under, or was put under last month, governs.
    let same_rules = *seen == Some(book.revision);
    *seen = Some(book.revision);
    for at in 0..licences.pending.len() {
        let application = &mut licences.applications[licences.pending[at] as usize];
        let found = open_orders.binary_search_by_key(&application.order, |order| order.id).ok();
        let order = found
            .map(|i| &mut open_orders[i])
            .filter(|order| order.open > 0 && order.clearance == Clearance::Pending);
        let Some(order) = order else {
            application.outcome = Outcome::Withdrawn;
            application.decided = Some(now);
            continue;
        };
        let Some(who) = parties(order, &roster, &firms, &sites) else { continue };
        let known = same_rules.then(|| &book.rules[application.rule.index()]);
        let Some(rule) = known.or_else(|| governing(&book, order, &who)) else {
            application.outcome = Outcome::Withdrawn;
            application.conditions = "no longer needed";
            application.decided = Some(now);
            order.clearance = Clearance::NotNeeded;
            continue;
        };
        application.rule = rule.id;
        application.regulator = rule.issuer;
        if application.due > now && rule.row.treatment != Treatment::Deny {
            continue;
        }
        let Some(desk) = desks.get_mut(rule.issuer.index()) else { continue };
        let sku = catalogue.sku(order.sku);
        let is_reviewed = switches.licence_queue && reviewed(rule);
        if is_reviewed {
            if desk.officers <= 0 {
                desk.overdue += 1.0;
                continue;
            }
            desk.officers -= 1;
        }
        let risk = f64::from(u8::from(who.buyer.row.ownership == Ownership::State));
        let odds = if is_reviewed { log_odds(&p, rule, sku, desk.stance, risk) } else { None };
        let units = application.units.min(order.open);
        let mut granted = units;
        application.odds = 1.0;
        if let Some(odds) = odds {
            application.odds = chance(&p, odds);
            let mut stream = luck.stream(Purpose::Licence, application.key);
            let mut draws = stream.month(application.placed);
            draws.uniform(); // the review time was drawn from this one
            let (verdict, part, share) = (draws.uniform(), draws.uniform(), draws.uniform());
            if verdict >= application.odds {
                granted = 0;
            } else if part < p.partial_chance {
                let share = p.partial_share_low + (1.0 - p.partial_share_low) * share;
                granted = maths::whole_below(units as f64 * share).clamp(1, units);
            }
        } else if switches.licence_queue && rule.row.treatment == Treatment::Deny {
            application.odds = 0.0;
            granted = 0;
        }
        let chip = (application.sku, sku);
        let room = quotas.room(rule, application.buyer, chip, all_shipped, now.year());
        let capped = granted > room;
        application.granted = granted.min(room);
        application.decided = Some(now);
        tally.wait_months += now - application.filed;
        tally.decided += 1;
        let granted = application.granted;
        quotas.use_up(rule.id, application.buyer, chip, granted, now.year());
        let refused = order.open - granted;
        if refused > 0 {
            if let Some(entity) = roster.firms.get(order.buyer.index())
                && let Ok(mut purse) = purses.get_mut(*entity)
            {
                take_off(order, refused, &mut purse);
            }
            if let Some(entity) = roster.vendors.get(order.vendor.index())
                && let Ok((seller, mut sales)) = sellers.get_mut(*entity)
            {
                let lost =
                    refused as f64 * order.price.amount(settings.quantum) * seller.row.attach;
                sales.lost_to_rules_usd += lost;
                sales.lost_to_rules_total_usd += lost;
                let so_far = readings.get_for(&REFUSED_USD, order.vendor.index());
                let so_far = if so_far.is_finite() { so_far } else { 0.0 };
                readings.set_for(&REFUSED_USD, order.vendor.index(), so_far + lost);
            }
        }
        tally.units_granted += granted;
        tally.units_refused += refused;
        application.outcome = if granted == 0 {
            Outcome::Denied
        } else if granted < units {
            Outcome::Partial
        } else {
            Outcome::Approved
        };
        application.conditions = match (granted > 0, rule.row.conditions.is_some(), capped) {
            (false, _, true) => "cap used up",
            (true, true, true) => "as in the rule; cut to the cap",
            (true, true, false) => "as in the rule",
            (true, false, true) => "cut to the cap",
            _ => "",
        };
        let kind = if granted > 0 { "application_approved" } else { "application_denied" };
        application.event = Some(chronicle.log(
            now,
            kind,
            (&who.buyer.row.id, &sku.id),
            (if granted > 0 { granted as f64 } else { units as f64 }, "chips"),
            application.event,
            || {
                let said = match (granted > 0, capped) {
                    (true, true) => format!("approves {granted} of {units}, to the cap,"),
                    (true, false) => format!("approves {granted} of {units}"),
                    (false, true) => format!("denies, for the cap is used up, {units}"),
                    (false, false) => format!("denies {units}"),
                };
                let (issuer, buyer) = (&rule.row.issuer, &who.buyer.row.name);
                format!("{issuer} {said} {} for {buyer} under {}", sku.row.name, rule.row.name)
            },
        ));
        if granted > 0 {
            tally.approved += 1;
            let term = maths::whole(p.licence_months).max(1) as i32;
            application.expires = Some(now + term);
            order.clearance = Clearance::Licensed { left: granted, expires: now + term };
            order.cause = application.event;
            licences.live.push(application.id);
        } else {
            tally.denied += 1;
        }
    }
    let applications = &licences.applications;
    licences.pending.retain(|id| applications[*id as usize].outcome == Outcome::Pending);
    let mut each = regulators.iter_many_mut(&roster.regulators);
    for desk in &*desks {
        if let Some(Ok((_, mut stance))) = each.fetch_next() {
            stance.overdue = desk.overdue;
        }
    }
    orders.close_finished();
    tally.write(&mut readings);
    readings.set(&APPLICATIONS_PENDING, licences.pending.len() as f64);
    readings.set(&LICENCES_LIVE, licences.live.len() as f64);
}

/// The officers of a regulator this month.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    remainder: f64,
    officers: i64,
    stance: f64,
    overdue: f64,
}

/// What a month of decisions came to.
#[derive(Default)]
struct Tally {
    decided: u32,
    approved: u32,
    denied: u32,
    wait_months: i32,
    units_granted: Count,
    units_refused: Count,
}

impl Tally {
    fn write(&self, readings: &mut Readings) {
        readings.set(&APPLICATIONS_APPROVED, f64::from(self.approved));
        readings.set(&APPLICATIONS_DENIED, f64::from(self.denied));
        readings.set(&UNITS_LICENSED, self.units_granted as f64);
        readings.set(&UNITS_REFUSED, self.units_refused as f64);
        if self.decided > 0 {
            readings.set(&LICENCE_WAIT, f64::from(self.wait_months) / f64::from(self.decided));
            readings.set(&APPROVAL_RATE, f64::from(self.approved) / f64::from(self.decided));
        }
    }
}
